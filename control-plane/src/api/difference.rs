//! What is different between a document before and after, as operations on JSON pointers (RFC 6901):
//! for the audit, and for changes that are only tried. Pure.

use crate::model::fault::segment;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The most operations that are told of one document.
pub(super) const MAX_OPERATIONS: usize = 1_000;

/// One place of a document that is different.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Operation {
    pub(super) op: Op,
    /// The place, as a JSON pointer; empty for the whole document.
    pub(super) path: String,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Value>,
}

/// What happened at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    /// Something is there that was not.
    Add,
    /// Nothing is there any more.
    Remove,
    /// Something else is there.
    Replace,
}

/// What is different, in the order of the document; at most [`MAX_OPERATIONS`].
pub(super) fn between(before: Option<&Value>, after: Option<&Value>) -> Vec<Operation> {
    let mut operations = Vec::new();
    walk(String::new(), before, after, &mut operations);
    operations
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Operation>) {
    if before == after || found.len() >= MAX_OPERATIONS {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            fields(&path, before, after, found);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}/{index}");
                walk(path, before.get(index), after.get(index), found);
            }
        }
        _ => found.push(Operation {
            op: match (before, after) {
                (None, _) => Op::Add,
                (_, None) => Op::Remove,
                _ => Op::Replace,
            },
            path,
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn fields(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Operation>,
) {
    let new = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(new) {
        let path = format!("{path}/{}", segment(name));
        walk(path, before.get(name), after.get(name), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn told(before: &Value, after: &Value) -> Vec<Value> {
        let operations = between(Some(before), Some(after));
        operations
            .iter()
            .map(|it| serde_json::to_value(it).unwrap())
            .collect()
    }

    #[test]
    fn each_place_that_is_different_is_told_with_what_was_and_is_there() {
        let before = json!({"a": 1, "b": {"c": [1, 2, 3], "d/e": true}, "f": null});
        let after = json!({"a": 2, "b": {"c": [1, 9], "d/e": false}, "g": []});
        assert_eq!(
            told(&before, &after),
            [
                json!({"op": "replace", "path": "/a", "before": 1, "after": 2}),
                json!({"op": "replace", "path": "/b/c/1", "before": 2, "after": 9}),
                json!({"op": "remove", "path": "/b/c/2", "before": 3}),
                json!({"op": "replace", "path": "/b/d~1e", "before": true, "after": false}),
                json!({"op": "remove", "path": "/f", "before": null}),
                json!({"op": "add", "path": "/g", "after": []}),
            ]
        );
    }

    #[test]
    fn what_is_made_or_taken_away_is_told_as_a_whole() {
        let document = json!({"a": 1});
        let made = between(None, Some(&document));
        assert_eq!((made[0].op, &*made[0].path), (Op::Add, ""));
        let gone = between(Some(&document), None);
        assert_eq!(
            (gone[0].op, gone[0].before.as_ref()),
            (Op::Remove, Some(&document))
        );
        assert_eq!(between(None, None), []);
    }

    #[test]
    fn no_more_is_told_than_the_bound() {
        let list = |of: u64| json!((of..of + 5_000).collect::<Vec<_>>());
        assert_eq!(told(&list(0), &list(1)).len(), MAX_OPERATIONS);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i8>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c~/]", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_place_holds_what_is_told_of_it(before in value(), after in value()) {
            let found = between(Some(&before), Some(&after));
            prop_assert_eq!(found.is_empty(), before == after);
            for it in found {
                prop_assert_eq!(before.pointer(&it.path), it.before.as_ref());
                prop_assert_eq!(after.pointer(&it.path), it.after.as_ref());
                prop_assert_ne!(it.before, it.after);
            }
        }
    }
}
