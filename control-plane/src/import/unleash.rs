//! Unleash: what a client gets of its server (`/api/client/features`), as in its client specification.
//!
//! A strategy becomes an experiment of a layer of its own, hashed by `unleash` into 100 buckets with the
//! group's ID as salt, of which it owns as many as its percentage; constraints and segments become its
//! audience; variants are split by `unleash_variant` into as many buckets as their weights come to.

mod constraint;

use super::mapping::each_request;
use super::{
    ImportError, Imported, Left, Mapping, all, any, distinct, entries, experiment, key_of, text,
    variant,
};
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::hash::Hash;
use crate::model::layer::LayerSpec;
use crate::model::requirement::RequirementSpec;
use crate::model::rule_spec::RuleSpec;
use crate::model::segment::SegmentSpec;
use crate::model::source::SourceSpec;
use crate::model::variant::VariantSpec;
use constraint::Constraint;
use serde_json::Value;

/// What a percentage is of.
const PERCENT: u64 = 100;

pub(super) fn import(
    file: &Value,
    mapping: &Mapping,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    // The server's answer, or the state of the client specification.
    let state = file.get("state").unwrap_or(file);
    let features = state.get("features").and_then(Value::as_array);
    let features = features.ok_or(ImportError::Shape {
        place: "/features",
        expected: "a list of features, as a client of Unleash gets them",
    })?;
    for feature in features {
        let name = text(feature, "name").unwrap_or_default();
        let taken = Feature {
            state,
            feature,
            name,
            mapping,
        }
        .take(imported);
        if let Err(why) = taken {
            imported.leave_out(name, why);
        }
    }
    without_parents(imported);
    Ok(())
}

/// Leaves out what requires something that was left out.
fn without_parents(imported: &mut Imported) {
    loop {
        let known: Vec<String> = imported
            .experiments
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        let lost = imported.experiments.iter().position(|(_, spec)| {
            spec.requires
                .iter()
                .any(|it| !known.contains(&it.experiment))
        });
        let Some(place) = lost else { return };
        let (key, spec) = imported.experiments.remove(place);
        imported.layers.remove(&spec.layer);
        imported.leave_out(
            &key,
            "it depends on a feature that is not there or was left out",
        );
    }
}

struct Feature<'a> {
    state: &'a Value,
    feature: &'a Value,
    name: &'a str,
    mapping: &'a Mapping,
}

/// One strategy, as far as it is one of ours.
struct Strategy<'a> {
    /// What it is salted with.
    group: String,
    percentage: u64,
    stickiness: String,
    /// Who it is for; everybody where there is none.
    audience: Option<RuleSpec>,
    start: Option<String>,
    end: Option<String>,
    variants: Vec<&'a Value>,
}

impl<'a> Feature<'a> {
    fn take(&self, imported: &mut Imported) -> Left<()> {
        let key = imported.key(self.name)?;
        let strategies = self.strategies(imported)?;
        let strategy = merged(strategies)?;
        let spec = self.experiment(&key, &strategy, imported)?;
        let layer = LayerSpec {
            salt: Some(strategy.group),
            hash: Some(Hash::Unleash),
            buckets: Some(PERCENT),
            disabled: None,
        };
        imported.take(&key, (spec.layer.clone(), layer), spec)
    }

    fn strategies(&self, imported: &mut Imported) -> Left<Vec<Strategy<'a>>> {
        let mut found = Vec::new();
        let given: Vec<&Value> = entries(self.feature, "strategies").collect();
        if given.is_empty() {
            found.push(Strategy::of_everybody(self.name));
        }
        for spec in given {
            if spec.get("disabled").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            found.extend(self.strategy(spec, imported)?);
        }
        Ok(found)
    }

    /// Nothing where the strategy never takes anybody.
    fn strategy(&self, spec: &'a Value, imported: &mut Imported) -> Left<Option<Strategy<'a>>> {
        let name = text(spec, "name").unwrap_or_default();
        let parameter = |name: &str| match spec.get("parameters").and_then(|it| it.get(name)) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let percent = |name: &str| {
            let given = parameter(name).unwrap_or_else(|| "0".to_owned());
            let read = given.parse::<u64>().ok().filter(|it| *it <= PERCENT);
            read.ok_or_else(|| format!("its percentage is `{given}`"))
        };
        let list = |name: &str| -> Vec<String> {
            let given = parameter(name).unwrap_or_default();
            let parts = given.split(',').map(str::trim).filter(|it| !it.is_empty());
            parts.map(str::to_owned).collect()
        };
        let mut strategy = Strategy::of_everybody(self.name);
        let mut rules = Vec::new();
        match name {
            "default" => {}
            "userWithId" => rules.extend(self.one_of("userId", list("userIds"))?),
            "remoteAddress" => {
                let networks = list("IPs");
                let mut rule = self.mapping.rule("remoteAddress");
                rule.in_networks = Some(networks.clone());
                if networks.is_empty() {
                    return Ok(None);
                }
                rules.push(rule);
            }
            "gradualRolloutUserId" => strategy.rolls_out(percent("percentage")?, "userId"),
            "gradualRolloutSessionId" => strategy.rolls_out(percent("percentage")?, "sessionId"),
            "gradualRolloutRandom" => strategy.rolls_out(percent("percentage")?, "random"),
            "flexibleRollout" => {
                let stickiness = parameter("stickiness").unwrap_or_else(|| "default".to_owned());
                strategy.rolls_out(percent("rollout")?, &stickiness);
            }
            other => {
                return Err(format!(
                    "its strategy `{other}` is none that a proxy could take"
                ));
            }
        }
        if name == "userWithId" && rules.is_empty() {
            return Ok(None);
        }
        if let Some(group) = parameter("groupId") {
            strategy.group = group;
        }
        strategy.variants = entries(spec, "variants").collect();
        self.narrow(strategy, rules, spec, imported)
    }

    /// The strategy with its constraints and segments.
    fn narrow(
        &self,
        mut strategy: Strategy<'a>,
        mut rules: Vec<RuleSpec>,
        spec: &Value,
        imported: &mut Imported,
    ) -> Left<Option<Strategy<'a>>> {
        for given in entries(spec, "constraints") {
            match constraint::rule(given, self.mapping)? {
                Constraint::Always => {}
                Constraint::Never => return Ok(None),
                Constraint::Rule(rule) => rules.push(*rule),
                Constraint::From(time) => strategy.start = Some(time),
                Constraint::Until(time) => strategy.end = Some(time),
            }
        }
        for id in entries(spec, "segments") {
            rules.push(self.segment(id, imported)?);
        }
        strategy.audience = all(rules);
        Ok(Some(strategy))
    }

    fn one_of(&self, field: &str, values: Vec<String>) -> Left<Option<RuleSpec>> {
        if values.is_empty() {
            return Ok(None);
        }
        let mut rule = self.mapping.rule(field);
        rule.one_of = Some(unique(values));
        Ok(Some(rule))
    }

    /// The segment of that ID, made once.
    fn segment(&self, id: &Value, imported: &mut Imported) -> Left<RuleSpec> {
        let known = entries(self.state, "segments").find(|it| it.get("id") == Some(id));
        let known = known.ok_or_else(|| format!("its segment {id} is not in the file"))?;
        let key = format!("unleash-{}", key_of(&id.to_string()));
        let mut rules = Vec::new();
        for given in entries(known, "constraints") {
            match constraint::rule(given, self.mapping)? {
                Constraint::Always => {}
                Constraint::Rule(rule) => rules.push(*rule),
                _ => {
                    return Err(format!(
                        "its segment {id} holds a constraint that no rule of ours says"
                    ));
                }
            }
        }
        let rule = all(rules).ok_or_else(|| format!("its segment {id} holds no constraint"))?;
        let description = text(known, "name").map(str::to_owned);
        imported
            .segments
            .insert(key.clone(), SegmentSpec { rule, description });
        Ok(RuleSpec {
            segment: Some(key),
            ..RuleSpec::default()
        })
    }

    fn experiment(
        &self,
        key: &str,
        strategy: &Strategy<'_>,
        imported: &mut Imported,
    ) -> Left<ExperimentSpec> {
        // A strategy's variants are salted with its group, a feature's with its name.
        let (given, salt): (Vec<&Value>, &str) = if strategy.variants.is_empty() {
            (entries(self.feature, "variants").collect(), self.name)
        } else {
            (strategy.variants.clone(), &strategy.group)
        };
        let stickiness = self.stickiness(strategy, &given)?;
        let layer = format!("unleash-{key}");
        let layer = key_of(&layer);
        let mut sources = self.sources(&stickiness);
        if stickiness != strategy.stickiness && !sources.contains(&each_request()) {
            // Variants without what they stick to are chosen by chance, a rollout takes nobody.
            sources.push(each_request());
        }
        let mut spec = experiment(self.mapping, &layer, sources);
        spec.audience.clone_from(&strategy.audience);
        (spec.start, spec.end) = (strategy.start.clone(), strategy.end.clone());
        spec.traffic = strategy.percentage.max(1);
        if strategy.percentage == 0 {
            spec.disabled = Some(true);
            imported.note(self.name, "its rollout is 0%: it is switched off");
        }
        if self.feature.get("enabled").and_then(Value::as_bool) != Some(true) {
            spec.disabled = Some(true);
            imported.note(self.name, "it is not enabled: it is switched off");
        }
        spec.requires = self.requires()?;
        spec.variants = self.variants(&given, imported)?;
        let total: u64 = spec.variants.iter().map(|it| it.weight).sum();
        spec.hash = Some(Hash::UnleashVariant);
        spec.salt = Some(salt.to_owned());
        spec.buckets = Some(total);
        spec.description = text(self.feature, "description")
            .filter(|it| !it.is_empty())
            .map(str::to_owned);
        Ok(spec)
    }

    /// What the unit is: that of the rollout where it decides, that of the variants where they do.
    fn stickiness(&self, strategy: &Strategy<'_>, variants: &[&Value]) -> Left<String> {
        let of_variants = variants
            .first()
            .map(|first| text(first, "stickiness").unwrap_or("default"));
        match of_variants {
            Some(stickiness) if variants.len() > 1 => {
                let same = stickiness == strategy.stickiness;
                if !same && strategy.percentage < PERCENT {
                    return Err(format!(
                        "its rollout sticks to {} and its variants to {stickiness}: we have one unit an experiment",
                        strategy.stickiness
                    ));
                }
                Ok(stickiness.to_owned())
            }
            _ => Ok(strategy.stickiness.clone()),
        }
    }

    fn sources(&self, stickiness: &str) -> Vec<SourceSpec> {
        match stickiness {
            "default" => vec![
                self.mapping.source("userId"),
                self.mapping.source("sessionId"),
                each_request(),
            ],
            "random" => vec![each_request()],
            field => vec![self.mapping.source(field)],
        }
    }

    fn variants(&self, given: &[&Value], imported: &mut Imported) -> Left<Vec<VariantSpec>> {
        if given.is_empty() {
            return Ok(vec![variant("on".to_owned(), 1, Some(true.into()))]);
        }
        let mut variants = Vec::new();
        for one in given {
            let name = text(one, "name").ok_or("one of its variants has no name")?;
            let weight = one.get("weight").and_then(Value::as_u64);
            let weight =
                weight.ok_or_else(|| format!("the weight of its variant `{name}` is no number"))?;
            let key = key_of(name);
            if key != name {
                imported.note(
                    self.name,
                    format!("the key of its variant `{name}` is `{key}`"),
                );
            }
            let overrides = entries(one, "overrides").count();
            if overrides > 0 {
                imported.note(self.name, format!("{overrides} overrides of its variant `{name}` were left out: those units get what the hash gives them"));
            }
            variants.push(variant(key, weight, payload(one)));
        }
        distinct(&variants)?;
        Ok(variants)
    }

    fn requires(&self) -> Left<Vec<RequirementSpec>> {
        let mut found = Vec::new();
        for parent in entries(self.feature, "dependencies") {
            let name = text(parent, "feature").ok_or("one of its dependencies names no feature")?;
            found.push(RequirementSpec {
                experiment: key_of(name),
                variants: entries(parent, "variants")
                    .filter_map(Value::as_str)
                    .map(key_of)
                    .collect(),
                not: parent.get("enabled").and_then(Value::as_bool) == Some(false),
            });
        }
        Ok(found)
    }
}

impl Strategy<'_> {
    fn of_everybody(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            percentage: PERCENT,
            stickiness: "default".to_owned(),
            audience: None,
            start: None,
            end: None,
            variants: Vec::new(),
        }
    }

    fn rolls_out(&mut self, percentage: u64, stickiness: &str) {
        self.percentage = percentage;
        stickiness.clone_into(&mut self.stickiness);
    }

    /// Whether the same units of those that it is for are in both.
    fn draws_as(&self, other: &Self) -> bool {
        let whole = self.percentage == PERCENT && other.percentage == PERCENT;
        let same = self.percentage == other.percentage
            && self.group == other.group
            && self.stickiness == other.stickiness;
        let timed = |it: &Self| it.start.is_some() || it.end.is_some();
        (whole || same) && self.variants == other.variants && !timed(self) && !timed(other)
    }
}

/// Strategies that draw alike are one that is for any of theirs.
fn merged(strategies: Vec<Strategy<'_>>) -> Left<Strategy<'_>> {
    let mut rest = strategies.into_iter();
    let mut first = rest.next().ok_or("none of its strategies takes anybody")?;
    let mut audiences = Some(vec![first.audience.clone()]);
    for other in rest {
        if !first.draws_as(&other) {
            return Err(
                "its strategies roll out in different ways: an experiment has one".to_owned(),
            );
        }
        if let Some(audiences) = &mut audiences {
            audiences.push(other.audience);
        }
    }
    let audiences: Option<Vec<RuleSpec>> = audiences.and_then(|all| all.into_iter().collect());
    first.audience = audiences.and_then(any);
    Ok(first)
}

/// Each value once, in their order.
fn unique(values: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    values
        .into_iter()
        .filter(|it| seen.insert(it.clone()))
        .collect()
}

fn payload(variant: &Value) -> Option<Value> {
    let payload = variant.get("payload")?;
    let value = text(payload, "value")?;
    let parsed = || serde_json::from_str(value).ok();
    match text(payload, "type") {
        Some("json") => parsed(),
        Some("number") => parsed().filter(Value::is_number),
        _ => None,
    }
    .or_else(|| Some(value.into()))
}
