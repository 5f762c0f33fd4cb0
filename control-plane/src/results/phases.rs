//! Phases: the stretches of an experiment between changes of its weights, from the record of its changes,
//! and which day of first exposure belongs to which. Pure.

use crate::model::lifecycle::State;
use crate::store::audit::Record;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Seconds of a day, UTC.
pub(super) const DAY: i64 = 86_400;

/// Weights, and from when to when units were assigned by them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// From this day, in days since 1970.
    pub first: i32,
    /// To this day; nothing where it goes on.
    pub last: Option<i32>,
    /// By variant.
    pub weights: BTreeMap<String, u64>,
    /// The salt of the variant hash: another one is another split.
    salt: String,
}

/// The stretches in which units were assigned, in the order of time, from the records of an experiment's
/// changes, newest first.
#[must_use]
pub fn stretches(records: &[Record]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut is_open = false;
    for record in records.iter().rev() {
        let day = day(record.event.at);
        let said = record.after.as_ref().and_then(serves);
        let goes_on = match (&said, stretches.last()) {
            (Some((weights, salt)), Some(last)) => last.weights == *weights && last.salt == *salt,
            _ => false,
        };
        if is_open
            && !goes_on
            && let Some(last) = stretches.last_mut()
        {
            last.last = Some(day);
        }
        is_open = said.is_some();
        match (said, stretches.last_mut()) {
            // After a pause, the same split goes on.
            (Some(_), Some(last)) if goes_on => last.last = None,
            (Some((weights, salt)), _) => stretches.push(Stretch {
                first: day,
                last: None,
                weights,
                salt,
            }),
            (None, _) => {}
        }
    }
    stretches
}

/// The stretch that all first exposures of a day belong to; nothing where weights changed on that day, or
/// nobody was assigned.
#[must_use]
pub fn of_day(stretches: &[Stretch], day: i32) -> Option<usize> {
    let covers =
        |(_, it): &(usize, &Stretch)| it.first <= day && it.last.is_none_or(|last| day <= last);
    let mut covering = stretches.iter().enumerate().filter(covers);
    let (place, _) = covering.next()?;
    covering.next().is_none().then_some(place)
}

/// The day of a time, in days since 1970, UTC.
fn day(at: Timestamp) -> i32 {
    i32::try_from(at.as_second().div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// The weights and salt of an experiment's body, where units are assigned by them.
fn serves(body: &Value) -> Option<(BTreeMap<String, u64>, String)> {
    let state: State = serde_json::from_value(body.get("state")?.clone()).ok()?;
    if !state.is_stage() {
        return None;
    }
    let spec = body.get("spec")?;
    let weight = |variant: &Value| {
        let key = variant.get("key")?.as_str()?.to_owned();
        Some((key, variant.get("weight")?.as_u64()?))
    };
    let variants = spec.get("variants")?.as_array()?;
    let weights = variants.iter().map(weight).collect::<Option<_>>()?;
    let salt = spec.get("salt").and_then(Value::as_str).unwrap_or_default();
    Some((weights, salt.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Author;
    use crate::store::audit::Event;
    use serde_json::json;

    fn record(at: &str, state: &str, weights: [u64; 2], salt: &str) -> Record {
        let variants =
            json!([{"key": "a", "weight": weights[0]}, {"key": "b", "weight": weights[1]}]);
        Record {
            id: String::new(),
            event: Event {
                at: at.parse().unwrap(),
                author: Author::default(),
                action: "update".to_owned(),
                kind: "experiment".to_owned(),
                key: "x".to_owned(),
                revision: None,
                at_revision: 0,
                detail: None,
                tail: 0,
            },
            revision_before: None,
            before: None,
            after: Some(json!({"state": state, "spec": {"variants": variants, "salt": salt}})),
        }
    }

    fn shown(mut records: Vec<Record>) -> Vec<(i32, Option<i32>, u64)> {
        records.reverse();
        let stretches = stretches(&records);
        let shown = |it: &Stretch| (it.first, it.last, it.weights["a"]);
        stretches.iter().map(shown).collect()
    }

    #[test]
    fn a_stretch_begins_with_the_start_and_ends_with_another_split() {
        let records = vec![
            record("1970-01-02T00:00:00Z", "draft", [50, 50], "1"),
            record("1970-01-03T00:00:00Z", "draft", [60, 40], "1"),
            record("1970-01-04T10:00:00Z", "running", [60, 40], "1"),
            record("1970-01-05T10:00:00Z", "running", [60, 40], "1"),
            record("1970-01-07T10:00:00Z", "running", [50, 50], "1"),
            record("1970-01-09T10:00:00Z", "running", [50, 50], "2"),
            record("1970-01-11T10:00:00Z", "decided", [50, 50], "2"),
        ];
        assert_eq!(
            shown(records),
            [(3, Some(6), 60), (6, Some(8), 50), (8, Some(10), 50)]
        );
    }

    #[test]
    fn a_pause_ends_no_stretch() {
        let records = vec![
            record("1970-01-02T00:00:00Z", "running", [60, 40], "1"),
            record("1970-01-03T00:00:00Z", "paused", [60, 40], "1"),
            record("1970-01-05T00:00:00Z", "running", [60, 40], "1"),
        ];
        assert_eq!(shown(records), [(1, None, 60)]);
    }

    #[test]
    fn a_day_on_which_weights_changed_belongs_to_no_stretch() {
        let mut records = vec![
            record("1970-01-02T00:00:00Z", "running", [60, 40], "1"),
            record("1970-01-04T10:00:00Z", "running", [50, 50], "1"),
        ];
        records.reverse();
        let stretches = stretches(&records);
        let found: Vec<_> = (0..6).map(|day| of_day(&stretches, day)).collect();
        assert_eq!(found, [None, Some(0), Some(0), None, Some(1), Some(1)]);
    }
}
