//! What no experiment says is left out with its reason, and what a condition says is kept.

use super::*;

/// The one note of an item that was left out.
fn left_out(peer: Peer, file: &Value) -> String {
    let imported = imported(peer, file);
    assert!(
        imported.experiments.is_empty(),
        "{:?}",
        imported.experiments
    );
    let left: Vec<&Note> = imported.notes.iter().filter(|it| it.left_out).collect();
    assert_eq!(left.len(), 1, "{:?}", imported.notes);
    left[0].what.clone()
}

#[test]
fn what_no_experiment_says_is_left_out_with_its_reason() {
    let strategy =
        |one: Value| json!({"features": [{"name": "f", "enabled": true, "strategies": [one]}]});
    let rollouts = json!([
        {"name": "flexibleRollout", "parameters": {"rollout": "10"}},
        {"name": "flexibleRollout", "parameters": {"rollout": "20"}},
    ]);
    let constraint = |one: Value| strategy(json!({"name": "default", "constraints": [one]}));
    for (file, said) in [
        (
            strategy(json!({"name": "moonPhase"})),
            "strategy `moonPhase`",
        ),
        (
            strategy(json!({"name": "flexibleRollout", "parameters": {"rollout": "many"}})),
            "percentage is `many`",
        ),
        (
            strategy(json!({"name": "default", "segments": [7]})),
            "segment 7 is not in the file",
        ),
        (
            constraint(
                json!({"contextName": "a", "operator": "DATE_AFTER", "value": "2026-01-01T00:00:00Z"}),
            ),
            "DATE_AFTER",
        ),
        (
            json!({"features": [{"name": "f", "enabled": true, "strategies": rollouts}]}),
            "different ways",
        ),
        (
            json!({"features": [{"name": "f", "enabled": true, "dependencies": [{"feature": "gone"}]}]}),
            "depends on",
        ),
        (
            json!({"features": [{"name": "", "enabled": true}]}),
            "makes no key",
        ),
    ] {
        let why = left_out(Peer::Unleash, &file);
        assert!(why.contains(said), "{why}");
    }
    let flag = |targeting: Value| json!({"flags": {"f": {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a", "targeting": targeting}}});
    for (targeting, said) in [
        (
            json!({"fractional": [{"var": "email"}, ["a", 1]]}),
            "bucketed by",
        ),
        (
            json!({"fractional": [["a", 9999], ["b", 10000]]}),
            "at most 10000 buckets",
        ),
        (
            json!({"fractional": [["a", 1], ["c", 1]]}),
            "none of its variants",
        ),
        (json!({"if": [{"var": "x"}, "a", "b"]}), "none that a rule"),
        (json!({"if": [true, "a", false, "b", "a"]}), "more branches"),
        (json!({"if": [{"$ref": "gone"}, "a", "b"]}), "flagd-gone"),
        (json!({"+": [1]}), "gives no variant"),
    ] {
        let why = left_out(Peer::Flagd, &flag(targeting));
        assert!(why.contains(said), "{why}");
    }
    let rule = |rule: Value| json!({"features": {"f": {"defaultValue": 1, "rules": [rule]}}});
    for (rule, said) in [
        (rule(json!({"force": 1})), "nothing is split"),
        (
            rule(json!({"variations": [1, 2], "hashVersion": 3})),
            "hash version",
        ),
        (
            rule(json!({"variations": [1, 2], "parentConditions": [{}]})),
            "prerequisites",
        ),
        (
            rule(json!({"variations": [1, 2], "condition": {"tags": {"$elemMatch": {}}}})),
            "$elemMatch",
        ),
        (
            rule(json!({"variations": [1, 2], "namespace": ["n", 0.5, 0.5]})),
            "is empty",
        ),
    ] {
        let why = left_out(Peer::Growthbook, &rule);
        assert!(why.contains(said), "{why}");
    }
    let shared = |attribute: &str, from: f64| json!({"rules": [{"variations": [1, 2], "hashAttribute": attribute, "namespace": ["n", from, from + 0.6]}]});
    for (second, said) in [
        (shared("id", 0.3), "overlaps"),
        (shared("org", 0.6), "another attribute"),
    ] {
        let file = json!({"features": {"a": shared("id", 0.0), "b": second}});
        let imported = imported(Peer::Growthbook, &file);
        let left: Vec<&Note> = imported.notes.iter().filter(|it| it.left_out).collect();
        assert!(
            left.len() == 1 && left[0].item == "b" && left[0].what.contains(said),
            "{left:?}"
        );
    }
    for (peer, text) in [
        (Peer::Unleash, "{}"),
        (Peer::Flagd, "[]"),
        (Peer::Growthbook, "{\"features\": []}"),
    ] {
        assert!(matches!(
            import(peer, text, &mapping()),
            Err(ImportError::Shape { .. })
        ));
        assert!(matches!(
            import(peer, "features:", &mapping()),
            Err(ImportError::Json(_))
        ));
    }
}

#[test]
fn conditions_take_whom_they_took() {
    let flags = json!({
        "$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@example.com"]}},
        "flags": {"f": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
            "targeting": {"if": [{"and": [{"!": {"$ref": "staff"}}, {"or": [
                {">=": [{"var": "age"}, 18]}, {"sem_ver": [{"var": "version"}, "^", "2.1.0"]},
                {"in": [{"var": "plan"}, ["pro", "team"]]}, {"==": [{"var": "beta"}, true]}]}]}, "on"]}}},
    });
    let imported_flags = imported(Peer::Flagd, &flags);
    let evaluator = evaluator(&imported_flags);
    for (context, is_on) in [
        (json!({"age": 18}), true),
        (json!({"age": 17}), false),
        (json!({"age": 17, "version": "2.0.0"}), true),
        (json!({"version": "3.0.0"}), false),
        (json!({"plan": "team"}), true),
        (json!({"beta": true}), true),
        (json!({"beta": true, "email": "a@example.com"}), false),
        (json!({}), false),
    ] {
        let mut context = context;
        context["targetingKey"] = json!("u");
        assert_eq!(
            flag(&evaluator, "f", &context).variant == "on",
            is_on,
            "{context}"
        );
    }
    let features = json!({"savedGroups": {"vip": ["u1", "u2"]}, "features": {"f": {"defaultValue": 0, "rules": [
        {"condition": {"internal": true}, "force": 9},
        {"condition": {"$or": [{"age": {"$gte": 18, "$lt": 65}}, {"id": {"$inGroup": "vip"}}], "country": {"$nin": ["x", "y"]},
            "version": {"$vgte": "2.0.0"}}, "variations": [1, 2], "hashVersion": 2, "key": "e"},
        {"force": 3},
    ]}}});
    let imported = imported(Peer::Growthbook, &features);
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    let evaluator = self::evaluator(&imported);
    for (context, is_in) in [
        (json!({"id": "u9", "age": 18, "version": "2.0.0"}), true),
        (json!({"id": "u9", "age": 65, "version": "2.0.0"}), false),
        (json!({"id": "u1", "version": "2.1.0"}), true),
        (json!({"id": "u1", "version": "1.9.9"}), false),
        (
            json!({"id": "u1", "version": "2.1.0", "country": "x"}),
            false,
        ),
        (
            json!({"id": "u1", "version": "2.1.0", "internal": true}),
            false,
        ),
    ] {
        assert_eq!(
            !flag(&evaluator, "f", &context).variant.is_empty(),
            is_in,
            "{context}"
        );
    }
}
