//! What applications report: outcomes as they are written, each read by itself, so that one that is wrong
//! costs the others nothing. Pure: bytes in, outcomes and faults out. Keeping them is the store's.

use super::measures::is_outcome_name;
use crate::model::{Faults, Key, Model};
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use watershed_evidence::{Outcome, UnitHasher, Value as Number};

/// The most outcomes of one report.
pub const MOST: usize = 10_000;
/// The most faults that are told of one report; the others are counted.
pub const MOST_FAULTS: usize = 100;
/// The longest unit, in bytes.
pub const MAX_UNIT: usize = 256;
/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 128;
/// The most entries of a context.
const MAX_CONTEXT: usize = 32;
/// How far ahead of ours a reporter's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// An outcome as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeSpec {
    /// The experiment that it counts to; each that the unit is in where not given.
    #[serde(default)]
    pub experiment: Option<String>,
    /// What the unit is, as `user`. The experiment's where not given; one of the two has to be.
    #[serde(default)]
    pub unit_type: Option<String>,
    /// The unit, as requests have it.
    pub unit: String,
    /// What was measured, as `cost_usd`.
    pub metric: String,
    /// How much: a number, or `true` for 1 and `false` for 0.
    #[schemars(schema_with = "number_or_flag")]
    pub value: Value,
    /// When, in RFC 3339; now where not given.
    #[serde(default)]
    pub time: Option<String>,
    /// What is sent again with the same outcome, so that it counts once.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Anything that the reporter keeps beside it. It is not kept here.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
}

fn number_or_flag(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["number", "boolean"]})
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// An outcome, or a list of them.
    Json,
    /// One outcome a line.
    Lines,
}

/// What a report is read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The experiments that there are.
    pub model: &'a Model,
    /// How units are known.
    pub units: &'a UnitHasher,
    /// The time.
    pub now: Timestamp,
    /// Makes each outcome one that may be sent again, with its place in the report, where it has no key
    /// of its own.
    pub report_key: Option<&'a str>,
}

/// A report that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What can be kept.
    pub outcomes: Vec<Outcome>,
    /// How many can't.
    pub refused: usize,
    /// Why, for the first of them, with the place in the report first.
    pub faults: Faults,
}

/// Why nothing of a report can be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// Neither an object nor a list.
    #[error("the body is neither an outcome nor a list of outcomes")]
    Shape,
    /// Too much at once.
    #[error("a report has at most {MOST} outcomes")]
    TooMany,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`Unreadable`] where the bytes are no report at all.
    pub fn read(bytes: &[u8], format: Format, context: Context<'_>) -> Result<Self, Unreadable> {
        let items = match format {
            Format::Json => list(bytes)?,
            Format::Lines => lines(bytes)?,
        };
        let mut report = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            let mut faults = Faults::default();
            let spec = spec(item, &mut faults);
            report.take(index, spec, context, faults);
        }
        Ok(report)
    }

    /// A report of what was written in another way.
    ///
    /// # Errors
    /// [`Unreadable`] where it is too much.
    pub fn of(specs: Vec<OutcomeSpec>, context: Context<'_>) -> Result<Self, Unreadable> {
        if specs.len() > MOST {
            return Err(Unreadable::TooMany);
        }
        let mut report = Self::default();
        for (index, spec) in specs.into_iter().enumerate() {
            report.take(index, Some(spec), context, Faults::default());
        }
        Ok(report)
    }

    fn take(
        &mut self,
        index: usize,
        spec: Option<OutcomeSpec>,
        context: Context<'_>,
        mut faults: Faults,
    ) {
        let outcome = spec.and_then(|spec| outcome(spec, index, context, &mut faults));
        match outcome {
            Some(outcome) if faults.is_empty() => self.outcomes.push(outcome),
            _ => self.refuse(index, faults),
        }
    }

    fn refuse(&mut self, index: usize, faults: Faults) {
        self.refused += 1;
        for fault in faults.below(&format!("/{index}")).iter() {
            if self.faults.iter().count() < MOST_FAULTS {
                let (at, message) = (fault.pointer.clone(), fault.message.clone());
                self.faults.add(at, message, fault.expected.clone());
            }
        }
    }
}

/// One item: JSON, or why it is none.
type Item = Result<Value, String>;

fn list(bytes: &[u8]) -> Result<Vec<Item>, Unreadable> {
    let body: Value =
        serde_json::from_slice(bytes).map_err(|fault| Unreadable::Json(fault.to_string()))?;
    match body {
        Value::Array(items) if items.len() > MOST => Err(Unreadable::TooMany),
        Value::Array(items) => Ok(items.into_iter().map(Ok).collect()),
        one @ Value::Object(_) => Ok(vec![Ok(one)]),
        _ => Err(Unreadable::Shape),
    }
}

fn lines(bytes: &[u8]) -> Result<Vec<Item>, Unreadable> {
    let mut items = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if items.len() == MOST {
            return Err(Unreadable::TooMany);
        }
        items.push(serde_json::from_slice(line).map_err(|fault| fault.to_string()));
    }
    Ok(items)
}

fn outcome(
    spec: OutcomeSpec,
    index: usize,
    context: Context<'_>,
    faults: &mut Faults,
) -> Option<Outcome> {
    let (experiment, unit_type) = subject(&spec, context.model, faults);
    let has_zero = spec.unit.contains('\0');
    if spec.unit.is_empty() || spec.unit.len() > MAX_UNIT || has_zero {
        let expected = format!("1 to {MAX_UNIT} bytes of text without a zero");
        faults.add("/unit", "is empty, too long or has a zero in it", expected);
    }
    if !is_outcome_name(&spec.metric) {
        let expected = "a letter or digit, then letters, digits, `_`, `-` and `.`, at most 64";
        faults.add("/metric", "is not a name", expected);
    }
    let value = value(&spec.value, faults);
    let time = time(spec.time.as_deref(), context.now, faults);
    let key = match (&spec.idempotency_key, context.report_key) {
        (Some(key), _) if key.is_empty() || key.len() > MAX_KEY || key.contains('\0') => {
            let expected = format!("1 to {MAX_KEY} bytes of text without a zero");
            faults.add("/idempotency_key", "is empty or too long", expected);
            None
        }
        (Some(key), _) => Some(key.clone()),
        (None, Some(report)) => Some(format!("{report}:{index}")),
        (None, None) => None,
    };
    if spec.context.is_some_and(|it| it.len() > MAX_CONTEXT) {
        let expected = format!("at most {MAX_CONTEXT} entries");
        faults.add("/context", "has too many entries", expected);
    }
    let unit_type = unit_type?;
    Some(Outcome {
        experiment,
        unit: context.units.unit(&unit_type, &spec.unit),
        unit_type,
        metric: spec.metric,
        value: value?,
        time: time?,
        idempotency_key: key,
    })
}

fn spec(item: Item, faults: &mut Faults) -> Option<OutcomeSpec> {
    let item = match item {
        Ok(item) if item.is_object() => item,
        Ok(_) => {
            faults.add("", "is not an object", "an outcome");
            return None;
        }
        Err(fault) => {
            faults.add("", format!("is not JSON: {fault}"), "an outcome");
            return None;
        }
    };
    serde_path_to_error::deserialize(item)
        .map_err(|fault: serde_path_to_error::Error<serde_json::Error>| {
            let place = match fault.path().to_string().as_str() {
                "." | "?" => String::new(),
                place => format!("/{}", place.replace('.', "/")),
            };
            let text = fault.inner().to_string();
            let (message, expected) = text
                .split_once(", expected ")
                .unwrap_or((&text, "an outcome"));
            faults.add(place, message, expected);
        })
        .ok()
}

/// The experiment, where one is named, and the type of the unit: said, or the experiment's.
fn subject(
    spec: &OutcomeSpec,
    model: &Model,
    faults: &mut Faults,
) -> (Option<String>, Option<String>) {
    let said = spec.unit_type.as_deref();
    if said.is_some_and(|said| Key::try_new(said).is_err()) {
        faults.add("/unit_type", "is not a key", crate::model::key::KEY_RULE);
    }
    let Some(name) = &spec.experiment else {
        if said.is_none() {
            let expected = "what the unit is, or the experiment that says so";
            faults.add("/unit_type", "is missing", expected);
        }
        return (None, said.map(str::to_owned));
    };
    let Some(experiment) = model.experiments.get(name.as_str()) else {
        let shown: String = name.escape_debug().take(64).collect();
        let message = format!("there is no experiment `{shown}`");
        faults.add(
            "/experiment",
            message,
            "an experiment that exists, or no field",
        );
        return (None, None);
    };
    let kind = experiment.design.unit.kind.as_str();
    if said.is_some_and(|said| said != kind) {
        let message = format!("is not the unit of experiment `{name}`");
        faults.add("/unit_type", message, format!("`{kind}`, or no field"));
    }
    (Some(name.clone()), Some(kind.to_owned()))
}

fn value(value: &Value, faults: &mut Faults) -> Option<Number> {
    let number = match value {
        Value::Bool(true) => Some(1.0),
        Value::Bool(false) => Some(0.0),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let number = number.and_then(Number::new);
    if number.is_none() {
        faults.add(
            "/value",
            "is no finite number",
            "a number, `true` or `false`",
        );
    }
    number
}

/// Microseconds since 1970.
fn time(text: Option<&str>, now: Timestamp, faults: &mut Faults) -> Option<i64> {
    let Some(text) = text else {
        return Some(now.as_microsecond());
    };
    let Ok(time) = text.parse::<Timestamp>() else {
        let expected = "a time in RFC 3339, as `2027-03-31T12:00:00Z`";
        faults.add("/time", "is not a time", expected);
        return None;
    };
    let latest = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    if time < Timestamp::UNIX_EPOCH || time > latest {
        let expected = format!("a time from 1970 to {latest}");
        faults.add("/time", "is out of bounds", expected);
        return None;
    }
    Some(time.as_microsecond())
}

#[cfg(test)]
mod tests;
