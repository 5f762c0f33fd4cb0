//! GrowthBook: the payload of its SDKs (`/api/features/KEY`). The first rule of a feature that splits
//! becomes an experiment hashed by `growthbook_v2` or `growthbook_v1` with the rule's seed; what the rules
//! before it take, and its condition, become its audience; a namespace becomes a layer.
//!
//! A coverage below 1 leaves gaps between the variations. Who falls into one is given a variant of its own
//! with the feature's default value, because our variants have all buckets of an experiment.

mod condition;
mod namespace;

use super::{
    ImportError, Imported, Left, Mapping, all, distinct, entries, experiment, fields, key_of, not,
    text, variant,
};
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::hash::Hash;
use crate::model::rule_spec::RuleSpec;
use crate::model::variant::VariantSpec;
use condition::Conditions;
use namespace::Place;
use serde_json::Value;

pub(super) fn import(
    file: &Value,
    mapping: &Mapping,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let features = file.get("features").and_then(Value::as_object);
    features.ok_or(ImportError::Shape {
        place: "/features",
        expected: "an object of features, as an SDK of GrowthBook gets them",
    })?;
    let mut placed = Vec::new();
    for (name, feature) in fields(file, "features") {
        let feature = Feature {
            name,
            feature,
            mapping,
            conditions: Conditions {
                mapping,
                groups: file.get("savedGroups"),
            },
        };
        match feature.experiment(imported) {
            Ok(found) => placed.push(found),
            Err(why) => imported.leave_out(name, why),
        }
    }
    for one in entries(file, "experiments") {
        let name = text(one, "key").unwrap_or("experiments");
        imported.leave_out(
            name,
            "it changes pages by a visual editor or redirects: no proxy does that",
        );
    }
    namespace::place(placed, imported);
    Ok(())
}

/// An experiment, and where it shares units.
struct Placed {
    name: String,
    key: String,
    place: Option<Place>,
    spec: ExperimentSpec,
}

struct Feature<'a> {
    name: &'a str,
    feature: &'a Value,
    mapping: &'a Mapping,
    conditions: Conditions<'a>,
}

/// One variation, and the numbers from 0 to 1 that are its.
struct Share {
    key: String,
    value: Value,
    from: f64,
    to: f64,
    /// Whether `to` is its, too.
    inclusive: bool,
}

impl Feature<'_> {
    fn experiment(&self, imported: &mut Imported) -> Left<Placed> {
        let key = imported.key(self.name)?;
        let mut before: Vec<RuleSpec> = Vec::new();
        let rules: Vec<&Value> = entries(self.feature, "rules").collect();
        for (index, rule) in rules.iter().enumerate() {
            self.supported(rule)?;
            let condition = self.conditions.of(rule)?;
            let shares = self.shares(rule)?;
            let Some(shares) = shares else {
                // A forced value for whom the condition takes.
                let condition =
                    condition.ok_or("it forces one value for everybody: nothing is split")?;
                imported.note(
                    self.name,
                    format!(
                        "rule {} forces a value: whom it takes is in no experiment",
                        index.saturating_add(1)
                    ),
                );
                before.push(not(condition));
                continue;
            };
            let later = rules.len().saturating_sub(index).saturating_sub(1);
            if later > 0 {
                imported.note(
                    self.name,
                    format!("{later} rules behind the one that splits were left out"),
                );
            }
            let place = Place::of(rule)?;
            let layer = key_of(&format!("growthbook-{key}"));
            let mut spec = self.split(rule, &layer, &shares)?;
            spec.audience = all(before.into_iter().chain(condition).collect());
            if rule.get("active").and_then(Value::as_bool) == Some(false) {
                spec.disabled = Some(true);
                imported.note(
                    self.name,
                    "its experiment is not active: it is switched off",
                );
            }
            if spec.variants.iter().any(|it| it.key.starts_with(OUTSIDE)) {
                imported.note(self.name, format!("its coverage is below 1: whom it leaves out gets a variant `{OUTSIDE}…` with the default value"));
            }
            return Ok(Placed {
                name: self.name.to_owned(),
                key,
                place,
                spec,
            });
        }
        Err("none of its rules splits".to_owned())
    }

    fn supported(&self, rule: &Value) -> Left<()> {
        let given = |field: &str| rule.get(field).is_some_and(|it| !it.is_null());
        if given("parentConditions") {
            return Err(
                "it has prerequisites, which are about values and not about experiments".to_owned(),
            );
        }
        if given("filters") {
            return Err("it has filters, which no layer of ours can say".to_owned());
        }
        if given("url") || given("urlPatterns") {
            return Err("it is about pages, which a proxy does not see".to_owned());
        }
        Ok(())
    }

    /// The shares of a rule that splits; nothing where it forces one value.
    fn shares(&self, rule: &Value) -> Left<Option<Vec<Share>>> {
        let coverage = match rule.get("coverage") {
            None | Some(Value::Null) => None,
            Some(given) => Some(
                given
                    .as_f64()
                    .ok_or("its coverage is no number")?
                    .clamp(0.0, 1.0),
            ),
        };
        let variations: Vec<&Value> = entries(rule, "variations").collect();
        if variations.is_empty() {
            let value = rule
                .get("force")
                .ok_or("one of its rules neither forces nor splits")?;
            let (from, to, inclusive) = match (range(rule.get("range")), coverage) {
                (Some((from, to)), _) => (from, to, false),
                // Theirs is `n <= coverage`, and for variations `n < end`.
                (None, Some(coverage)) => (0.0, coverage, true),
                (None, None) => return Ok(None),
            };
            return Ok(Some(vec![Share {
                key: "on".to_owned(),
                value: value.clone(),
                from,
                to,
                inclusive,
            }]));
        }
        let ranges = ranges(rule, variations.len(), coverage.unwrap_or(1.0))?;
        let meta: Vec<&Value> = entries(rule, "meta").collect();
        let share = |(index, (value, (from, to))): (usize, (&&Value, (f64, f64)))| {
            let named = meta.get(index).and_then(|it| text(it, "key"));
            Share {
                key: named.map_or_else(|| index.to_string(), key_of),
                value: (*value).clone(),
                from,
                to,
                inclusive: false,
            }
        };
        Ok(Some(
            variations
                .iter()
                .zip(ranges)
                .enumerate()
                .map(share)
                .collect(),
        ))
    }

    fn split(&self, rule: &Value, layer: &str, shares: &[Share]) -> Left<ExperimentSpec> {
        let version = rule.get("hashVersion").map_or(Some(1), Value::as_u64);
        let hash = match version {
            Some(1) => Hash::GrowthbookV1,
            Some(2) => Hash::GrowthbookV2,
            _ => return Err("its hash version is neither 1 nor 2".to_owned()),
        };
        // A split is salted with the seed or the experiment's key, a rollout with the seed or the feature's.
        let tracked = text(rule, "key").filter(|_| rule.get("variations").is_some());
        let salt = text(rule, "seed").or(tracked).unwrap_or(self.name);
        let attribute = text(rule, "hashAttribute").filter(|it| !it.is_empty());
        let mut sources = vec![self.mapping.source(attribute.unwrap_or("id"))];
        sources.extend(text(rule, "fallbackAttribute").map(|it| self.mapping.source(it)));
        let mut spec = experiment(self.mapping, layer, sources);
        spec.hash = Some(hash);
        spec.salt = Some(salt.to_owned());
        let default = self
            .feature
            .get("defaultValue")
            .cloned()
            .unwrap_or_default();
        spec.variants = covering(shares, hash.buckets(), &default)?;
        spec.description = text(rule, "name")
            .filter(|it| !it.is_empty())
            .map(str::to_owned);
        Ok(spec)
    }
}

/// What the key of a gap's variant begins with.
const OUTSIDE: &str = "outside-";

/// Variants in the order of their buckets, with one for each gap. A bucket is a variation's where its
/// number by all of them is within: the comparison that GrowthBook makes, made for every bucket.
fn covering(shares: &[Share], buckets: u32, default: &Value) -> Left<Vec<VariantSpec>> {
    let owner = |bucket: u32| {
        let number = f64::from(bucket) / f64::from(buckets);
        shares.iter().position(|share| {
            number >= share.from && (number < share.to || (share.inclusive && number <= share.to))
        })
    };
    let mut variants: Vec<(Option<usize>, u64)> = Vec::new();
    for bucket in 0..buckets {
        let owner = owner(bucket);
        match variants.last_mut() {
            Some((last, weight)) if *last == owner => *weight = weight.saturating_add(1),
            _ => variants.push((owner, 1)),
        }
    }
    let mut gaps = 0_u32;
    let mut specs: Vec<VariantSpec> = variants
        .into_iter()
        .filter_map(|(owner, weight)| {
            let Some(owner) = owner else {
                gaps = gaps.saturating_add(1);
                let key = format!("{OUTSIDE}{gaps}");
                return Some(variant(key, weight, Some(default.clone())));
            };
            let share = shares.get(owner)?;
            Some(variant(
                share.key.clone(),
                weight,
                Some(share.value.clone()),
            ))
        })
        .collect();
    for share in shares {
        if !specs.iter().any(|it| it.key == share.key) {
            specs.push(variant(share.key.clone(), 0, Some(share.value.clone())));
        }
    }
    distinct(&specs)?;
    Ok(specs)
}

fn range(value: Option<&Value>) -> Option<(f64, f64)> {
    let pair = value?.as_array()?;
    match pair.as_slice() {
        [from, to] => Some((from.as_f64()?, to.as_f64()?)),
        _ => None,
    }
}

/// The variations' ranges: given, or `[sum, sum + coverage × weight)` for weights that come to about 1, and
/// for equal ones where they do not (`getBucketRanges` of its SDKs).
fn ranges(rule: &Value, count: usize, coverage: f64) -> Left<Vec<(f64, f64)>> {
    let given: Vec<&Value> = entries(rule, "ranges").collect();
    if !given.is_empty() {
        let ranges: Option<Vec<(f64, f64)>> = given.into_iter().map(|it| range(Some(it))).collect();
        let ranges = ranges.filter(|ranges| ranges.len() == count);
        return ranges.ok_or_else(|| "its ranges are not one a variation".to_owned());
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of variations")]
    let equal = vec![1.0 / count as f64; count];
    let weights: Vec<f64> = entries(rule, "weights").filter_map(Value::as_f64).collect();
    let sum: f64 = weights.iter().sum();
    let fits = weights.len() == count && (0.99..=1.01).contains(&sum);
    let weights = if fits { weights } else { equal };
    let mut from = 0.0;
    let next = |weight: f64| {
        let start = from;
        from += weight;
        (start, start + coverage * weight)
    };
    Ok(weights.into_iter().map(next).collect())
}
