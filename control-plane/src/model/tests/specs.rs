//! What each spec is validated into, and every fault that is found in one.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::audience::{Condition, Rule, Test};
use crate::model::cluster::{ClusterSpec, Discovery};
use crate::model::layer::LayerSpec;
use crate::model::service::ServiceSpec;
use crate::model::source::Source;

fn cluster_faults(text: &str) -> Vec<String> {
    let mut faults = Faults::default();
    yaml::<ClusterSpec>(text).validate(&mut faults);
    lines(&faults)
}

fn service_faults(text: &str) -> Vec<String> {
    let mut faults = Faults::default();
    yaml::<ServiceSpec>(text).validate(&mut faults);
    lines(&faults)
}

fn experiment_faults(text: &str) -> Vec<String> {
    let mut faults = Faults::default();
    yaml::<ExperimentSpec>(text).validate(&mut faults);
    lines(&faults)
}

fn pointers(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect()
}

#[test]
fn a_cluster_of_addresses_is_discovered_by_us_and_one_with_a_name_by_dns() {
    for (text, discovery) in [
        ("endpoints: [{address: 10.0.0.1, port: 80}]", Discovery::Eds),
        (
            "endpoints: [{address: '2001:db8::7', port: 80}]",
            Discovery::Eds,
        ),
        (
            "endpoints: [{address: Models.internal, port: 80}]",
            Discovery::Dns,
        ),
        (
            "endpoints: [{address: 10.0.0.1, port: 80}, {address: m, port: 80}]",
            Discovery::Dns,
        ),
    ] {
        let mut faults = Faults::default();
        let design = yaml::<ClusterSpec>(text).validate(&mut faults);
        assert_eq!(faults.or(design).unwrap().discovery, discovery, "{text}");
    }
}

#[test]
fn every_fault_of_a_cluster_is_found() {
    let found = cluster_faults(
        "
endpoints:
  - {address: 10.0.0.999, port: 80}
  - {address: 'http://x', port: 0}
  - {address: a.b, port: 65536, weight: 0}
  - {address: '', port: 80}
connect_timeout_ms: 0
",
    );
    assert_eq!(
        pointers(&found),
        [
            "/endpoints/0/address",
            "/endpoints/1/address",
            "/endpoints/1/port",
            "/endpoints/2/port",
            "/endpoints/2/weight",
            "/endpoints/3/address",
            "/connect_timeout_ms",
        ]
    );
    assert_eq!(
        found[2],
        "/endpoints/1/port: 0 is out of bounds (expected an integer in 1..=65535)"
    );
}

#[test]
fn a_cluster_needs_endpoints_and_each_once() {
    assert_eq!(pointers(&cluster_faults("endpoints: []")), ["/endpoints"]);
    let twice = "endpoints: [{address: A.b, port: 80}, {address: a.b, port: 80, weight: 2}]";
    assert_eq!(pointers(&cluster_faults(twice)), ["/endpoints/1"]);
}

#[test]
fn a_service_has_defaults_for_all_but_its_cluster() {
    let mut faults = Faults::default();
    let design = yaml::<ServiceSpec>("default_cluster: a").validate(&mut faults);
    let design = faults.or(design).unwrap();
    assert_eq!(design.fleets, [key("default")]);
    assert_eq!(design.listeners[0].to_string(), "0.0.0.0:10000");
    assert_eq!(design.hosts, ["*"]);
    assert!(design.path_prefixes.is_empty());
    assert_eq!(design.timeout_ms, 0);
}

#[test]
fn hosts_and_paths_have_one_spelling() {
    let text = "{default_cluster: a, hosts: ['API.Example.com', '*.X.org', '2001:DB8::7', '[::1]', 10.0.0.1], path_prefixes: [/v1/, //]}";
    let mut faults = Faults::default();
    let design = yaml::<ServiceSpec>(text).validate(&mut faults);
    let design = faults.or(design).unwrap();
    assert_eq!(
        design.hosts,
        [
            "api.example.com",
            "*.x.org",
            "[2001:db8::7]",
            "[::1]",
            "10.0.0.1"
        ]
    );
    assert_eq!(design.path_prefixes, ["/v1", "/"]);
}

#[test]
fn every_fault_of_a_service_is_found() {
    let found = service_faults(
        "
fleets: [Default, a, a]
listeners: [{address: localhost, port: 1}, {address: '::', port: 0}]
hosts: ['a:80', '*.', '*x', '', '[10.0.0.1]', 'é', ok, OK]
path_prefixes: [v1, '/a?b', '/a b', '/ü']
default_cluster: ''
timeout_ms: 86400001
",
    );
    assert_eq!(
        pointers(&found),
        [
            "/fleets/0",
            "/fleets/2",
            "/listeners/0/address",
            "/listeners/1/port",
            "/hosts/0",
            "/hosts/1",
            "/hosts/2",
            "/hosts/3",
            "/hosts/4",
            "/hosts/5",
            "/path_prefixes/0",
            "/path_prefixes/1",
            "/path_prefixes/2",
            "/path_prefixes/3",
            "/default_cluster",
            "/timeout_ms",
        ]
    );
}

#[test]
fn empty_lists_that_would_serve_nothing_are_refused() {
    let found = service_faults("{default_cluster: a, fleets: [], listeners: [], hosts: []}");
    assert_eq!(pointers(&found), ["/fleets", "/listeners", "/hosts"]);
}

#[test]
fn a_layers_salt_is_its_key_unless_it_is_said() {
    let salt = |text: &str| {
        let mut faults = Faults::default();
        let design = yaml::<LayerSpec>(text).validate(&key("models"), &mut faults);
        faults.or(design).map(|design| design.salt)
    };
    assert_eq!(salt("{}").unwrap(), "models");
    assert_eq!(salt("salt: x").unwrap(), "x");
    for bad in ["salt: ''", "salt: 'a b'", "salt: é"] {
        assert!(salt(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_experiment_as_people_write_it_is_understood() {
    let spec: ExperimentSpec = yaml(
        "
layer: models
services: [chat]
unit: {type: conversation, sources: [{header: X-Conversation-Id}, {cookie: cid}, {query: cid}]}
audience: {all: [{header: x-plan, equals: premium}, {not: {cookie: internal, present: true}}, {path: true, prefix: /v1}]}
variants: [{key: control, weight: 7000, cluster: stable-a}, {key: new, weight: 3000, cluster: b}]
start: 2026-02-01T00:00:00+01:00
",
    );
    let mut faults = Faults::default();
    let design = spec.validate(&mut faults);
    let design = faults.or(design).unwrap();
    assert_eq!(
        design.unit.sources,
        [
            Attribute::Header("x-conversation-id".to_owned()),
            Attribute::Cookie("cid".to_owned()),
            Attribute::Query("cid".to_owned()),
        ]
        .map(Source::Attribute)
    );
    let Some(Rule::All(rules)) = &design.audience else {
        panic!("{:?}", design.audience)
    };
    assert_eq!(
        rules[2],
        Rule::Condition(Condition {
            attribute: Attribute::Path,
            test: Test::Prefix("/v1".to_owned()),
            ignore_case: false,
        })
    );
    assert_eq!(
        (&design.control, &design.fallback),
        (&key("control"), &key("control"))
    );
    assert_eq!((design.traffic, design.salt.as_str()), (10_000, "1"));
    assert_eq!(
        design.window.start.unwrap().to_string(),
        "2026-01-31T23:00:00Z"
    );
    assert!(design.routes());
}

#[test]
fn every_fault_of_an_experiment_is_found_at_once() {
    let found = experiment_faults(
        "
layer: Models
services: ['', a, a]
unit: {type: ' ', sources: [{}, {header: a, cookie: b}, {header: 'a b'}, {header: X-Variant}]}
audience: {any: []}
traffic: 0
variants:
  - {key: a, weight: 7000, cluster: x}
  - {key: a, weight: 20000}
  - {key: B, weight: 0}
control: c
fallback: d
salt: ''
start: yesterday
end: 1969-01-01T00:00:00Z
owner: \"a\\0\"
",
    );
    assert_eq!(
        pointers(&found),
        [
            "/layer",
            "/services/0",
            "/services/2",
            "/unit/type",
            "/unit/sources/0",
            "/unit/sources/1",
            "/unit/sources/2/header",
            "/unit/sources/3/header",
            "/audience/any",
            "/traffic",
            "/variants/1",
            "/variants/1/weight",
            "/variants/2/key",
            "/variants",
            "/variants/1/cluster",
            "/variants/2/cluster",
            "/control",
            "/fallback",
            "/salt",
            "/start",
            "/end",
            "/owner",
        ]
    );
    let sum = "/variants: weights add up to 27000 (expected weights in basis points that add up to 10000)";
    assert!(found.iter().any(|line| line == sum));
}

#[test]
fn an_experiment_that_routes_must_name_its_services() {
    let mut spec = routing("models", 10_000);
    spec.services.clear();
    let mut faults = Faults::default();
    spec.validate(&mut faults);
    assert_eq!(pointers(&lines(&faults)), ["/services"]);
}

#[test]
fn an_end_that_is_not_after_the_start_is_refused() {
    let mut spec = stamping(1);
    spec.start = Some("2026-02-01T00:00:00Z".to_owned());
    spec.end = Some("2026-02-01T01:00:00+01:00".to_owned());
    let mut faults = Faults::default();
    assert_eq!(spec.validate(&mut faults), None);
    assert_eq!(pointers(&lines(&faults)), ["/end"]);
}

#[test]
fn a_rule_is_one_thing() {
    let fault = |text: &str| {
        let mut spec = stamping(1);
        spec.audience = Some(yaml(text));
        let mut faults = Faults::default();
        spec.validate(&mut faults);
        pointers(&lines(&faults)).join(" ")
    };
    for (rule, place) in [
        ("{}", "/audience"),
        ("{all: [{}], any: []}", "/audience"),
        ("{header: a, all: []}", "/audience"),
        ("{header: a}", "/audience"),
        ("{equals: a}", "/audience"),
        ("{header: a, cookie: b, equals: c}", "/audience"),
        ("{header: a, equals: b, present: true}", "/audience"),
        ("{path: false, present: true}", "/audience/path"),
        ("{header: a, present: false}", "/audience/present"),
        ("{header: '', present: true}", "/audience/header"),
        ("{header: a, equals: ''}", "/audience/equals"),
        ("{header: a, one_of: []}", "/audience/one_of"),
        ("{header: a, one_of: [x, x]}", "/audience/one_of/1"),
        (
            "{not: {any: [{header: a, equals: b}, {}]}}",
            "/audience/not/any/1",
        ),
    ] {
        assert_eq!(fault(rule), place, "{rule}");
    }
}

#[test]
fn rules_nest_to_a_bound() {
    let nested = |levels: usize| {
        let leaf = r#"{"header": "a", "present": true}"#.to_owned();
        let rule = (1..levels).fold(leaf, |rule, _| format!(r#"{{"not": {rule}}}"#));
        let mut spec = stamping(1);
        spec.audience = Some(serde_json::from_str(&rule).unwrap());
        let mut faults = Faults::default();
        spec.validate(&mut faults);
        faults
    };
    assert!(nested(16).is_empty());
    assert!(nested(17).to_string().contains("nests too deep"));
}
