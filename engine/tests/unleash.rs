//! Unleash's own client specification: what its users have must come out where they move in. The
//! files are read where they lie beside the project, and never copied into it.
//!
//! A strategy becomes an experiment of a layer hashed by `UNLEASH` into 100 buckets, of which it
//! owns as many as its percentage; constraints become its audience. A toggle is on where one of its
//! strategies takes the request.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::{env, fs};
use watershed_engine::{Attribute, AttributeId, Noop, Plan, Subject};

/// The folder with the peers' data: beside the repository, or where `WATERSHED_PEERS` says.
fn folder() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/peers");
    env::var_os("WATERSHED_PEERS").map_or_else(|| beside.into(), PathBuf::from)
}

/// One file of the specification; `None`, said aloud, where it is not there.
fn specification(name: &str) -> Option<Value> {
    let path = folder().join("unleash").join(name);
    match fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            println!("skipped: {name} of Unleash's client specification: {error}");
            None
        }
    }
}

/// A context by its names: properties lie beside the fields.
struct Context<'a> {
    plan: &'a Plan,
    values: Vec<Option<String>>,
}

impl<'a> Context<'a> {
    fn new(plan: &'a Plan, context: &Value) -> Self {
        let value = |attribute: &Attribute| {
            let Attribute::Query(name) = attribute else {
                return None;
            };
            let found = match &**name {
                ALWAYS => return Some(String::new() + "always"),
                name => context.get(name).or(context["properties"].get(name)),
            };
            let missing = (&**name == "currentTime").then(|| "2026-11-21T00:00:00.000Z".to_owned());
            found.and_then(Value::as_str).map(str::to_owned).or(missing)
        };
        let values = plan.attributes().iter().map(value).collect();
        Self { plan, values }
    }

    /// The variant that the plan's one experiment gives.
    fn variant(&self) -> Option<&str> {
        let mut noop = Noop;
        let mut given = self
            .plan
            .assign(&self.plan.services()[0], self, 0, &mut noop);
        given.next().map(|decision| decision.variant.key())
    }
}

impl Subject for Context<'_> {
    fn get(&self, attribute: AttributeId) -> Option<&[u8]> {
        self.values[attribute.index()].as_deref().map(str::as_bytes)
    }

    fn chance(&self) -> u64 {
        0
    }
}

/// A unit that every request has, for strategies that hash nothing and where chance would decide.
const ALWAYS: &str = "always";

/// The rule of one constraint; `None` where it says nothing that could hold, which Unleash reads as
/// false.
fn constraint(spec: &Value) -> Option<Value> {
    let strings = |name: &str| spec[name].as_array().cloned().unwrap_or_default();
    let case = spec["caseInsensitive"].as_bool().unwrap_or(false);
    let condition = |test: &str, value: Value| {
        let mut condition =
            json!({"attribute": {"query": spec["contextName"]}, "ignoreCase": case});
        condition[test] = value;
        json!({"condition": condition})
    };
    let any = |test: &str| {
        let rules: Vec<_> = strings("values")
            .into_iter()
            .map(|value| condition(test, value))
            .collect();
        json!({"any": {"rules": rules}})
    };
    let compare = |ordering: &str, operator: &str| {
        condition(
            "compare",
            json!({"ordering": ordering, "operator": operator, "value": spec["value"]}),
        )
    };
    let one_of = || condition("oneOf", json!({"values": strings("values")}));
    let rule = match spec["operator"].as_str()? {
        "IN" => one_of(),
        "NOT_IN" => json!({"not": one_of()}),
        "STR_STARTS_WITH" => any("prefix"),
        "STR_ENDS_WITH" => any("suffix"),
        "STR_CONTAINS" => any("contains"),
        "DATE_AFTER" => compare("TEXT", "GREATER"),
        "DATE_BEFORE" => compare("TEXT", "LESS"),
        other => {
            let (ordering, operator) = match other.split_once('_')? {
                ("NUM", operator) => ("NUMBER", operator),
                ("SEMVER", operator) => ("SEMVER", operator),
                _ => return None,
            };
            let operator = match operator {
                "EQ" => "EQUAL",
                "LT" => "LESS",
                "LTE" => "LESS_OR_EQUAL",
                "GT" => "GREATER",
                "GTE" => "GREATER_OR_EQUAL",
                _ => return None,
            };
            compare(ordering, operator)
        }
    };
    let inverted = spec["inverted"].as_bool().unwrap_or(false);
    Some(if inverted { json!({"not": rule}) } else { rule })
}

/// The constraints of a strategy, those of its segments included; `None` where one can't hold.
fn audience(strategy: &Value, segments: &Value) -> Option<Value> {
    let mut rules = Vec::new();
    for spec in strategy["constraints"].as_array().into_iter().flatten() {
        rules.push(constraint(spec)?);
    }
    if let Some(users) = strategy["parameters"]["userIds"].as_str() {
        let users: Vec<_> = users.split(',').map(str::trim).collect();
        let one_of = json!({"attribute": {"query": "userId"}, "oneOf": {"values": users}});
        rules.push(json!({"condition": one_of}));
    }
    for id in strategy["segments"].as_array().into_iter().flatten() {
        let list = segments.as_array()?;
        let segment = list.iter().find(|one| one["id"] == *id)?;
        for spec in segment["constraints"].as_array()? {
            rules.push(constraint(spec)?);
        }
    }
    Some(json!({"all": {"rules": rules}}))
}

/// Where the unit of a stickiness is read.
fn units(stickiness: &str) -> Value {
    match stickiness {
        "default" => json!([{"query": "userId"}, {"query": "sessionId"}, {"query": ALWAYS}]),
        "random" | ALWAYS => json!([{"query": ALWAYS}]),
        name => json!([{"query": name}]),
    }
}

/// A plan with one experiment: a share of a hundred units of a group, split by weights.
fn plan(
    group: &str,
    percentage: u64,
    stickiness: &str,
    audience: &Value,
    variants: &Value,
    total: u64,
) -> Option<Plan> {
    let allocation = if percentage == 0 {
        json!([])
    } else {
        json!([{"start": 0, "end": percentage - 1}])
    };
    let config = json!({
        "services": [{"key": "s"}],
        "layers": [{"key": "l", "salt": group, "hash": "UNLEASH", "buckets": 100}],
        "experiments": [{
            "key": "e", "layer": "l", "salt": group, "unitSources": units(stickiness),
            "audience": audience, "allocation": allocation,
            "hash": "UNLEASH_VARIANT", "buckets": total, "variants": variants, "fallback": variants[0]["key"],
        }],
    });
    Plan::compile(&serde_json::from_value(config).ok()?).ok()
}

/// Whether a constraint compares times of several zones: ours are compared as text.
fn has_zones(strategy: &Value) -> bool {
    let constraints = strategy["constraints"].as_array().into_iter().flatten();
    constraints
        .filter(|one| {
            one["operator"]
                .as_str()
                .is_some_and(|name| name.starts_with("DATE"))
        })
        .any(|one| {
            one["value"]
                .as_str()
                .is_some_and(|value| !value.ends_with('Z'))
        })
}

/// The plan of one strategy; an error where it is of a kind that we don't have.
fn strategy(feature: &str, spec: &Value, segments: &Value) -> Result<Option<Plan>, ()> {
    let parameters = &spec["parameters"];
    let text = |name: &str| parameters[name].as_str().filter(|text| !text.is_empty());
    let percent = |name: &str| text(name).unwrap_or("0").parse::<u64>().map_err(|_| ());
    let group = text("groupId").unwrap_or(feature);
    let (share, stickiness) = match spec["name"].as_str().unwrap_or_default() {
        "default" | "userWithId" => (100, ALWAYS),
        "gradualRolloutUserId" => (percent("percentage")?, "userId"),
        "gradualRolloutSessionId" => (percent("percentage")?, "sessionId"),
        "flexibleRollout" => (percent("rollout")?, text("stickiness").unwrap_or("default")),
        _ => return Err(()),
    };
    if has_zones(spec) {
        return Err(());
    }
    let Some(audience) = audience(spec, segments) else {
        return Ok(None);
    };
    let variants = json!([{"key": "on", "ranges": [{"start": 0, "end": 99}]}]);
    Ok(plan(group, share, stickiness, &audience, &variants, 100))
}

/// Whether the toggle is on; an error where it needs something that we don't have.
fn is_on(state: &Value, name: &str, context: &Value) -> Result<bool, ()> {
    let features = state["features"].as_array().ok_or(())?;
    let Some(feature) = features.iter().find(|one| one["name"] == name) else {
        return Ok(false);
    };
    let strategies = feature["strategies"].as_array().ok_or(())?;
    if !feature["enabled"].as_bool().unwrap_or(false) || strategies.is_empty() {
        return feature["enabled"].as_bool().ok_or(());
    }
    let mut is_on = false;
    for spec in strategies {
        let plan = strategy(name, spec, &state["segments"])?;
        // What can't be compiled, as a version that is none, never holds.
        is_on |= plan.is_some_and(|plan| Context::new(&plan, context).variant().is_some());
    }
    Ok(is_on)
}

/// Checks the toggles of one file; how many were checked, and how many need what we don't have.
fn toggles(file: &str) -> Option<(usize, usize)> {
    let specification = specification(file)?;
    let (mut checked, mut left_out) = (0, 0);
    for test in specification["tests"].as_array().unwrap() {
        let name = test["toggleName"].as_str().unwrap();
        match is_on(&specification["state"], name, &test["context"]) {
            Ok(is_on) => {
                let expected = test["expectedResult"].as_bool().unwrap();
                assert_eq!(is_on, expected, "{file}: {}", test["description"]);
                checked += 1;
            }
            Err(()) => left_out += 1,
        }
    }
    Some((checked, left_out))
}

#[test]
fn gradual_rollouts_come_out() {
    for file in [
        "03-gradual-rollout-user-id-strategy.json",
        "04-gradual-rollout-session-id-strategy.json",
    ] {
        assert!(
            toggles(file).is_none_or(|counts| counts == (6, 0)),
            "{file}"
        );
    }
}

#[test]
fn flexible_rollouts_come_out() {
    let counts = toggles("10-flexible-rollout-strategy.json");
    assert!(counts.is_none_or(|counts| counts == (10, 0)), "{counts:?}");
    let counts = toggles("12-custom-stickiness.json");
    assert!(counts.is_none_or(|counts| counts == (5, 0)), "{counts:?}");
}

#[test]
fn constraints_come_out() {
    for (file, expected) in [
        ("09-strategy-constraints.json", (17, 0)),
        ("11-strategy-constraints-edge-cases.json", (6, 0)),
        ("13-constraint-operators.json", (45, 1)),
        ("14-constraint-semver-operators.json", (25, 0)),
        ("15-global-constraints.json", (5, 0)),
    ] {
        let counts = toggles(file);
        assert!(
            counts.is_none_or(|counts| counts == expected),
            "{file}: {counts:?}"
        );
    }
}

/// The variant of a toggle; an error where it needs something that we don't have.
fn variant(state: &Value, name: &str, context: &Value) -> Result<Option<String>, ()> {
    let features = state["features"].as_array().ok_or(())?;
    let feature = features.iter().find(|one| one["name"] == name);
    let variants = feature.and_then(|one| one["variants"].as_array());
    let Some(variants) = variants.filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    if variants
        .iter()
        .any(|one| one.get("overrides").is_some_and(|list| list != &json!([])))
    {
        return Err(());
    }
    if !is_on(state, name, context)? {
        return Ok(None);
    }
    let mut next = 0;
    let mut shares = Vec::new();
    for one in variants {
        let weight = one["weight"].as_u64().ok_or(())?;
        let ranges = if weight == 0 {
            json!([])
        } else {
            json!([{"start": next, "end": next + weight - 1}])
        };
        // Keys of theirs may have capitals.
        shares
            .push(json!({"key": one["name"].as_str().ok_or(())?.to_lowercase(), "ranges": ranges}));
        next += weight;
    }
    let stickiness = variants[0]["stickiness"].as_str().unwrap_or("default");
    let plan = plan(
        name,
        100,
        stickiness,
        &json!({"all": {}}),
        &json!(shares),
        next,
    )
    .ok_or(())?;
    let context = Context::new(&plan, context);
    Ok(context.variant().map(str::to_owned))
}

#[test]
fn variants_come_out() {
    for (file, expected) in [
        ("08-variants.json", (14, 3)),
        ("12-custom-stickiness.json", (4, 0)),
        ("15-global-constraints.json", (1, 0)),
    ] {
        let Some(specification) = specification(file) else {
            continue;
        };
        let (mut checked, mut left_out) = (0, 0);
        for test in specification["variantTests"].as_array().unwrap() {
            let name = test["toggleName"].as_str().unwrap();
            match variant(&specification["state"], name, &test["context"]) {
                Ok(variant) => {
                    let result = &test["expectedResult"];
                    let enabled = result["enabled"].as_bool().unwrap();
                    let name = result["name"].as_str().unwrap().to_lowercase();
                    assert_eq!(
                        variant,
                        enabled.then_some(name),
                        "{file}: {}",
                        test["description"]
                    );
                    checked += 1;
                }
                Err(()) => left_out += 1,
            }
        }
        assert_eq!((checked, left_out), expected, "{file}");
    }
}
