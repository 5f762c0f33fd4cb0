//! flagd: a flag definition file. A flag whose targeting ends in one `fractional` becomes an experiment
//! hashed by `flagd_v2`, with as many buckets as its weights come to; the conditions around it become
//! its audience. A flag without a split becomes an experiment whose default variant has everybody.

mod logic;

use super::{
    ImportError, Imported, Left, Mapping, all, distinct, experiment, fields, key_of, not, text,
    variant,
};
use crate::model::experiment_spec::{ExperimentSpec, WHOLE};
use crate::model::hash::Hash;
use crate::model::layer::LayerSpec;
use crate::model::rule_spec::RuleSpec;
use crate::model::segment::SegmentSpec;
use crate::model::source::SourceSpec;
use crate::model::variant::VariantSpec;
use logic::Logic;
use serde_json::{Map, Value};

/// What a context calls the unit.
const TARGETING_KEY: &str = "targetingKey";

pub(super) fn import(
    file: &Value,
    mapping: &Mapping,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let flags = file.get("flags").and_then(Value::as_object);
    flags.ok_or(ImportError::Shape {
        place: "/flags",
        expected: "an object of flags, as in a flag definition of flagd",
    })?;
    for (name, rule) in fields(file, "$evaluators") {
        match (Logic { mapping }).rule(rule) {
            Ok(rule) => {
                let description = Some(format!("The evaluator {name} of flagd."));
                let spec = SegmentSpec { rule, description };
                imported.segments.insert(logic::segment(name), spec);
            }
            Err(why) => imported.leave_out(&format!("$evaluators/{name}"), why),
        }
    }
    for (name, flag) in fields(file, "flags") {
        let flag = Flag {
            name,
            flag,
            logic: Logic { mapping },
        };
        if let Err(why) = flag.take(imported) {
            imported.leave_out(name, why);
        }
    }
    Ok(())
}

struct Flag<'a> {
    name: &'a str,
    flag: &'a Value,
    logic: Logic<'a>,
}

/// Who gets which share.
struct Split {
    /// Shares by the variants' names, in their order.
    shares: Vec<(String, u64)>,
    source: SourceSpec,
    salt: String,
}

/// What a targeting comes to.
enum Targeting {
    /// The default variant.
    Default,
    /// One variant.
    One(String),
    Split(Box<Split>),
}

impl Flag<'_> {
    fn take(&self, imported: &mut Imported) -> Left<()> {
        let key = imported.key(self.name)?;
        let mut rules = Vec::new();
        let targeting = match self.flag.get("targeting") {
            None | Some(Value::Null) => Targeting::Default,
            Some(Value::Object(empty)) if empty.is_empty() => Targeting::Default,
            Some(targeting) => self.targeting(targeting, &mut rules, imported)?,
        };
        if let Some(missing) = rules
            .iter()
            .find_map(|rule| self.unknown_segment(rule, imported))
        {
            return Err(format!(
                "its evaluator `{missing}` was left out or is not there"
            ));
        }
        let layer = key_of(&format!("flagd-{key}"));
        let spec = self.experiment(&layer, targeting, all(rules), imported)?;
        imported.take(&key, (layer, LayerSpec::default()), spec)
    }

    fn unknown_segment(&self, rule: &RuleSpec, imported: &Imported) -> Option<String> {
        let below = rule
            .all
            .iter()
            .chain(&rule.any)
            .flatten()
            .chain(rule.not.as_deref());
        let own = rule
            .segment
            .clone()
            .filter(|key| !imported.segments.contains_key(key));
        own.or_else(|| {
            below
                .into_iter()
                .find_map(|rule| self.unknown_segment(rule, imported))
        })
    }

    /// What is at the end of the conditions; the conditions go into `rules`.
    fn targeting(
        &self,
        logic: &Value,
        rules: &mut Vec<RuleSpec>,
        imported: &mut Imported,
    ) -> Left<Targeting> {
        match logic {
            Value::Null => return Ok(Targeting::Default),
            Value::String(variant) => return Ok(Targeting::One(variant.clone())),
            _ => {}
        }
        let (operator, operand) = logic::operation(logic)?;
        match operator {
            "fractional" => self.fractional(operand).map(Box::new).map(Targeting::Split),
            "if" => self.branches(operand, rules, imported),
            other => Err(format!(
                "its targeting ends in `{other}`, which gives no variant here"
            )),
        }
    }

    /// `[condition, then, else]`, where one side is the default variant, or none.
    fn branches(
        &self,
        operand: &Value,
        rules: &mut Vec<RuleSpec>,
        imported: &mut Imported,
    ) -> Left<Targeting> {
        let parts = operand.as_array().map(Vec::as_slice).unwrap_or_default();
        let (condition, then, other) = match parts {
            [condition, then] => (condition, then, &Value::Null),
            [condition, then, other] => (condition, then, other),
            _ => {
                return Err(
                    "its `if` has more branches than one: an experiment has one audience"
                        .to_owned(),
                );
            }
        };
        let condition = self.logic.rule(condition)?;
        let is_fixed = |it: &Value| it.is_null() || it.is_string();
        let (taken, left) = match (is_fixed(then), is_fixed(other)) {
            (_, true) => {
                rules.push(condition);
                (then, other)
            }
            (true, false) => {
                rules.push(not(condition));
                (other, then)
            }
            (false, false) => {
                return Err("both sides of its `if` split: an experiment has one split".to_owned());
            }
        };
        let variant = left.as_str().or(text(self.flag, "defaultVariant"));
        imported.note(
            self.name,
            format!(
                "whom its conditions leave out got {}: they are in no experiment now",
                variant.map_or_else(|| "the code's default".to_owned(), |it| format!("`{it}`"))
            ),
        );
        self.targeting(taken, rules, imported)
    }

    fn fractional(&self, operand: &Value) -> Left<Split> {
        let parts = operand.as_array().map(Vec::as_slice).unwrap_or_default();
        let mapping = self.logic.mapping;
        let (by, shares) = match parts.split_first() {
            Some((Value::Array(_), _)) => {
                let source = mapping.source(TARGETING_KEY);
                ((source, self.name.to_owned()), parts)
            }
            Some((by, shares)) => (self.bucketed_by(by)?, shares),
            None => return Err("its `fractional` is empty".to_owned()),
        };
        let mut found: Vec<(String, u64)> = Vec::new();
        for share in shares {
            let share = share.as_array().map(Vec::as_slice).unwrap_or_default();
            let (name, weight) = match share {
                [Value::String(name)] => (name, 1),
                [Value::String(name), weight] => {
                    let weight = weight.as_u64();
                    (
                        name,
                        weight.ok_or("a weight of its `fractional` is no whole number")?,
                    )
                }
                _ => {
                    return Err(
                        "a share of its `fractional` is no variant with a weight".to_owned()
                    );
                }
            };
            if found.iter().any(|(other, _)| other == name) {
                return Err(format!("its `fractional` names `{name}` twice"));
            }
            found.push((name.clone(), weight));
        }
        let (source, salt) = by;
        Ok(Split {
            shares: found,
            source,
            salt,
        })
    }

    /// `{"cat": [SALT…, {"var": FIELD}]}`: where the unit is read, and what is before it.
    fn bucketed_by(&self, by: &Value) -> Left<(SourceSpec, String)> {
        let bad = || {
            "it is bucketed by something else than a salt and one field: our hash needs both"
                .to_owned()
        };
        let (operator, operand) = logic::operation(by).map_err(|_| bad())?;
        let parts = operand
            .as_array()
            .filter(|_| operator == "cat")
            .ok_or_else(bad)?;
        let (last, before) = parts.split_last().ok_or_else(bad)?;
        let mut salt = String::new();
        for part in before {
            match part {
                Value::String(text) => salt.push_str(text),
                part if logic::field(part) == Some("$flagd.flagKey") => salt.push_str(self.name),
                _ => return Err(bad()),
            }
        }
        let field = logic::field(last).filter(|it| !it.starts_with("$flagd"));
        let field = field.filter(|_| !salt.is_empty()).ok_or_else(bad)?;
        Ok((self.logic.mapping.source(field), salt))
    }

    fn experiment(
        &self,
        layer: &str,
        targeting: Targeting,
        audience: Option<RuleSpec>,
        imported: &mut Imported,
    ) -> Left<ExperimentSpec> {
        let values = self.flag.get("variants").and_then(Value::as_object);
        let values = values.ok_or("it has no variants")?;
        let default = text(self.flag, "defaultVariant");
        let (fixed, split) = match targeting {
            Targeting::Default => {
                let name = default.ok_or("it has no default variant, and nothing that splits")?;
                (name.to_owned(), None)
            }
            Targeting::One(name) => (name, None),
            Targeting::Split(split) => (String::new(), Some(split)),
        };
        let of_key = || self.logic.mapping.source(TARGETING_KEY);
        let source = split
            .as_ref()
            .map_or_else(of_key, |split| split.source.clone());
        let mut spec = experiment(self.logic.mapping, layer, vec![source]);
        spec.audience = audience;
        let shares = match &split {
            Some(split) => {
                spec.hash = Some(Hash::FlagdV2);
                spec.salt = Some(split.salt.clone());
                lowest(&split.shares)?
            }
            None => vec![(fixed, WHOLE.into())],
        };
        if split.is_some() {
            spec.buckets = Some(shares.iter().map(|(_, weight)| *weight).sum());
        }
        spec.variants = self.variants(values, &shares, imported)?;
        if let Some(default) = default.map(key_of)
            && spec.variants.iter().any(|it| it.key == default)
        {
            spec.control = Some(default);
        }
        if text(self.flag, "state") == Some("DISABLED") {
            spec.disabled = Some(true);
            imported.note(self.name, "it is disabled: it is switched off");
        }
        Ok(spec)
    }

    /// Those with a share first, in their order, and then the others.
    fn variants(
        &self,
        values: &Map<String, Value>,
        shares: &[(String, u64)],
        imported: &mut Imported,
    ) -> Left<Vec<VariantSpec>> {
        let mut variants = Vec::new();
        let rest = values
            .keys()
            .filter(|name| !shares.iter().any(|(it, _)| it == *name));
        let rest = rest.map(|name| (name.clone(), 0));
        for (name, weight) in shares.iter().cloned().chain(rest) {
            let value = values
                .get(&name)
                .ok_or_else(|| format!("it splits to `{name}`, which is none of its variants"))?;
            let key = key_of(&name);
            if key != name {
                imported.note(
                    self.name,
                    format!("the key of its variant `{name}` is `{key}`"),
                );
            }
            variants.push(variant(key, weight, Some(value.clone())));
        }
        distinct(&variants)?;
        Ok(variants)
    }
}

/// The same shares with the smallest numbers: `(hash × 2w) >> 32` is below `2n` where `(hash × w) >> 32`
/// is below `n`.
fn lowest(shares: &[(String, u64)]) -> Left<Vec<(String, u64)>> {
    let divisor = shares
        .iter()
        .fold(0, |divisor, (_, weight)| gcd(divisor, *weight));
    if divisor == 0 {
        return Err("the weights of its `fractional` are all 0".to_owned());
    }
    let lowest: Vec<(String, u64)> = shares
        .iter()
        .map(|(name, weight)| (name.clone(), weight / divisor))
        .collect();
    let total = lowest
        .iter()
        .fold(0_u64, |sum, (_, weight)| sum.saturating_add(*weight));
    if total > u64::from(WHOLE) {
        return Err(format!(
            "its weights come to {total}: we have at most {WHOLE} buckets"
        ));
    }
    Ok(lowest)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
