//! Unleash's own client specification, imported and evaluated: what its users have must come out. The
//! files are read where they lie beside the project, and never copied into it.

use super::*;
use std::path::PathBuf;
use std::{env, fs};

/// The folder with the peers' data: beside the repository, or where `WATERSHED_PEERS` says.
fn specification(name: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/peers");
    let folder = env::var_os("WATERSHED_PEERS").map_or_else(|| beside.into(), PathBuf::from);
    match fs::read(folder.join("unleash").join(name)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            println!("skipped: {name} of Unleash's client specification: {error}");
            None
        }
    }
}

/// A context as a request: fields are headers, as the mapping reads them; nothing where one cannot be.
fn request(context: &Value) -> Option<RequestSpec> {
    let mut request = RequestSpec {
        time: Some("2026-11-21T00:00:00Z".to_owned()),
        ..RequestSpec::default()
    };
    let own = context.as_object().into_iter().flatten();
    let properties = context["properties"].as_object().into_iter().flatten();
    let mut headers = Vec::new();
    for (name, value) in own.chain(properties) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) | Value::Null => continue,
            other => other.to_string(),
        };
        match name.as_str() {
            "remoteAddress" => request.source_address = Some(text),
            "currentTime" => request.time = Some(text),
            _ => {
                http::HeaderValue::from_str(&text).ok()?;
                headers.push((name.clone(), text));
            }
        }
    }
    request.headers = Unique::from_iter(headers);
    Some(request)
}

/// What of the expected result a variant's key tells: the name, or whether there is any. A toggle without
/// variants of its own has none there, and one for everybody here.
fn agrees(given: &str, expected: &Value) -> bool {
    if let Some(is_on) = expected.as_bool() {
        return given.is_empty() != is_on;
    }
    let name = key_of(expected["name"].as_str().unwrap());
    match (expected["enabled"].as_bool().unwrap(), given) {
        (true, given) => given == name,
        (false, given) => given.is_empty() || given == "on",
    }
}

/// How many tests of a file came out, and how many are about what was left out.
fn checked(file: &str) -> Option<(usize, usize)> {
    let specification = specification(file)?;
    let imported = imported(Peer::Unleash, &specification["state"]);
    let model = model(&imported);
    let is_other = |name: &str| {
        let mut notes = imported.notes.iter();
        notes.any(|it| it.item == name && (it.left_out || it.what.contains("overrides")))
    };
    let (mut came_out, mut left) = (0, 0);
    let tests = |list: &str| specification[list].as_array().cloned().unwrap_or_default();
    for test in tests("tests").into_iter().chain(tests("variantTests")) {
        let name = test["toggleName"].as_str().unwrap();
        let key = key_of(name);
        let is_there = model.experiments.contains_key(&*key) && !is_other(name);
        let Some(request) = request(&test["context"]).filter(|_| is_there) else {
            left += 1;
            continue;
        };
        let given = by_request(&model, &key, request);
        let description = &test["description"];
        assert!(
            agrees(&given, &test["expectedResult"]),
            "{file}: {description}: {given}"
        );
        came_out += 1;
    }
    Some((came_out, left))
}

#[test]
fn what_the_specification_says_comes_out_of_an_imported_file() {
    for (file, expected) in [
        ("03-gradual-rollout-user-id-strategy.json", (5, 1)),
        ("04-gradual-rollout-session-id-strategy.json", (5, 1)),
        ("08-variants.json", (13, 4)),
        ("09-strategy-constraints.json", (16, 1)),
        ("10-flexible-rollout-strategy.json", (10, 0)),
        ("11-strategy-constraints-edge-cases.json", (4, 2)),
        ("12-custom-stickiness.json", (9, 0)),
        ("13-constraint-operators.json", (45, 1)),
        ("14-constraint-semver-operators.json", (22, 3)),
        ("15-global-constraints.json", (0, 0)),
    ] {
        let found = checked(file);
        println!("{file}: {found:?}");
        assert!(
            expected == (0, 0) || found.is_none_or(|found| found == expected),
            "{file}"
        );
    }
}
