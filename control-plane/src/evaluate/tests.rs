//! What a description is filled in with, where its unit goes, and that the answer is the
//! configuration's.

use super::*;
use crate::model::change::{self, Change, Precondition, Spec};
use crate::model::lifecycle::Action;
use serde::de::DeserializeOwned;

fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn now() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

fn model(changes: impl IntoIterator<Item = Change>) -> Model {
    changes.into_iter().fold(Model::default(), |model, change| {
        change::apply(&model, &change, Precondition::None, now())
            .unwrap()
            .model
    })
}

fn cluster(name: &str) -> Change {
    let spec = yaml("endpoints: [{address: 10.0.0.1, port: 80}]");
    Change::Put(key(name), Spec::Cluster(spec))
}

fn service(name: &str, spec: &str) -> Change {
    Change::Put(key(name), Spec::Service(yaml(spec)))
}

fn experiment(name: &str, spec: &str) -> [Change; 2] {
    [
        Change::Put(key(name), Spec::Experiment(yaml(spec))),
        Change::Act(key(name), Action::Start),
    ]
}

/// One experiment on one service, whose unit is read from `source`.
fn with_unit(source: &str) -> Model {
    let spec = format!(
        "{{layer: models, owner: me, decision_date: 2026-03-31, services: [chat], unit: {{type: user, sources: [{source}]}}, variants: [{{key: a, weight: 10000}}]}}"
    );
    let chat = "{default_cluster: small, hosts: ['*.example.com'], path_prefixes: [/v1/chat]}";
    let layer = Change::Put(key("models"), Spec::Layer(yaml("{}")));
    let before = [cluster("small"), layer, service("chat", chat)];
    model(before.into_iter().chain(experiment("x", &spec)))
}

fn spec(text: &str) -> RequestSpec {
    yaml(text)
}

fn asked(model: &Model, request: &str) -> Evaluation {
    evaluate(model, &spec(request), now()).unwrap()
}

#[test]
fn a_unit_goes_where_the_experiment_looks_first() {
    for source in [
        "{header: x-user}, {query: u}",
        "{cookie: uid}",
        "{query: u}",
        "{jwt_claim: {provider: idp, path: [user, id]}}",
        "{body: /user/id}",
        "{body: /a~1b/~0}",
        "{generated: {cookie: uid}}",
        "{request: true}",
    ] {
        let model = with_unit(source);
        let request = r#"{experiment: x, unit: u-1, headers: {X-User: other, cookie: uid=other},
            query: {u: other}, jwt_claims: {idp: {user: {id: other}}}, body: {user: other}}"#;
        let found = asked(&model, request).explanation.experiments;
        assert_eq!(found[0].unit.as_deref(), Some("u-1"), "{source}");
        assert_eq!(found[0].variant.as_deref(), Some("a"), "{source}");
    }
    let model = with_unit("{source_address: true}");
    let found = asked(&model, "{experiment: x, unit: '2001:DB8::1'}")
        .explanation
        .experiments;
    assert_eq!(found[0].unit.as_deref(), Some("2001:db8::1"));
    let refused = evaluate(&model, &spec("{experiment: x, unit: me}"), now()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("/unit: cannot be put into source address"),
        "{refused}"
    );
}

#[test]
fn host_and_path_are_filled_in_from_the_experiments_service() {
    let model = with_unit("{header: x-user}");
    let filled = asked(&model, "{experiment: x, unit: u}");
    assert_eq!(filled.host.as_deref(), Some("any.example.com"));
    assert_eq!(
        (filled.path.as_str(), filled.explanation.service.as_str()),
        ("/v1/chat", "chat")
    );
    let said = asked(&model, "{experiment: x, unit: u, host: elsewhere.org}");
    assert_eq!(said.explanation.service, "");
    let queried = asked(
        &model,
        "{experiment: x, path: '/v1/chat?a=b', query: {c d: é}}",
    );
    assert_eq!(queried.path, "/v1/chat?a=b&c%20d=%C3%A9");
}

#[test]
fn what_is_made_up_is_noted() {
    let made = |source: &str| asked(&with_unit(source), "{experiment: x}").notes;
    assert!(made("{generated: {cookie: uid}}")[0].starts_with("a unit is generated"));
    assert!(made("{request: true}")[0].starts_with("a unit is generated"));
    assert_eq!(made("{header: x-user}"), Vec::<String>::new());
    let large = format!("{{experiment: x, unit: u, body: '{}'}}", "a".repeat(70_000));
    let notes = asked(&with_unit("{header: x-user}, {body: /user}"), &large).notes;
    assert_eq!(notes, Vec::<String>::new(), "nobody looked at the body");
    let body = format!("{{experiment: x, body: '{}'}}", "a".repeat(70_000));
    let notes = asked(&with_unit("{body: /user}"), &body).notes;
    assert_eq!(
        notes,
        ["the body has more than 65536 bytes and is not read"]
    );
}

#[test]
fn a_listener_is_asked_for_what_it_serves() {
    let on = |port: u16, host: &str| {
        format!(
            "{{default_cluster: small, hosts: [{host}], listeners: [{{address: 0.0.0.0, port: {port}}}]}}"
        )
    };
    let model = model([
        cluster("small"),
        service("wide", &on(1, "'*'")),
        service("narrow", &on(2, "a.example.com")),
    ]);
    let service = |request: &str| asked(&model, request).explanation.service;
    assert_eq!(service("{host: a.example.com}"), "narrow");
    assert_eq!(
        service("{host: a.example.com, listener: '0.0.0.0:1'}"),
        "wide"
    );
    assert_eq!(service("{host: a.example.com, listener: '0.0.0.0:3'}"), "");
}

#[test]
fn the_fleet_is_said_or_the_experiments_or_the_only_one() {
    let one = model([
        cluster("c"),
        service("s", "{default_cluster: c, fleets: [edge]}"),
    ]);
    assert_eq!(asked(&one, "{}").fleet, key("edge"));
    let more = service("t", "{default_cluster: c, fleets: [mesh]}");
    let two = change::apply(&one, &more, Precondition::None, now())
        .unwrap()
        .model;
    let missing = evaluate(&two, &spec("{}"), now()).unwrap_err().to_string();
    assert!(missing.starts_with("/fleet: is missing"), "{missing}");
    assert_eq!(asked(&two, "{fleet: mesh}").explanation.service, "t");
}

#[test]
fn an_experiment_of_a_slice_is_explained_as_its_proxies_see_it_unless_others_are_asked_for() {
    let mut changes = vec![
        cluster("c"),
        service("s", "{default_cluster: c}"),
        Change::Put(key("models"), Spec::Layer(yaml("{}"))),
    ];
    changes.extend(experiment(
        "x",
        "{layer: models, owner: me, decision_date: 2026-03-31, slices: [canary], \
         unit: {type: user, sources: [{header: x-user}]}, variants: [{key: a, weight: 10000}]}",
    ));
    let model = model(changes);
    let seen = asked(&model, "{experiment: x, unit: u}");
    assert_eq!(seen.slice, Some(key("canary")));
    assert_eq!(seen.explanation.experiments.len(), 1);
    for (others, slice) in [("{}", None), ("{slice: edge}", Some(key("edge")))] {
        let seen = asked(&model, others);
        assert_eq!(seen.slice, slice);
        assert_eq!(
            seen.notes,
            ["experiment `x` is on proxies of other slices: canary"]
        );
    }
    let fault = evaluate(&model, &spec("{slice: ''}"), now()).unwrap_err();
    assert!(fault.to_string().starts_with("/slice: "), "{fault}");
}

#[test]
fn the_version_is_that_of_the_configuration_of_proxies() {
    let model = with_unit("{header: x-user}");
    let config = resources::filter_config_of(&model, (&key("default"), None), None);
    assert_eq!(asked(&model, "{}").config_version, config.version);
}

#[test]
fn an_experiment_of_another_service_is_required_by_its_unit_alone() {
    let of = |service: &str, extra: &str| {
        format!(
            "{{layer: models, owner: me, decision_date: 2026-03-31, traffic: 5000, services: [{service}], unit: {{type: user, sources: [{{header: x-user}}]}}, variants: [{{key: a, weight: 10000}}]{extra}}}"
        )
    };
    let on = |path: &str, port: u16| {
        format!(
            "{{default_cluster: small, path_prefixes: [{path}], listeners: [{{address: 0.0.0.0, port: {port}}}]}}"
        )
    };
    let layer = |name: &str| Change::Put(key(name), Spec::Layer(yaml("{}")));
    let other = of("search", "").replace("models", "other");
    let changes = [
        cluster("small"),
        layer("models"),
        layer("other"),
        service("chat", &on("/chat", 1)),
        service("search", &on("/search", 2)),
    ];
    let model = model(
        changes
            .into_iter()
            .chain(experiment("x", &other))
            .chain(experiment(
                "y",
                &of("chat", ", requires: [{experiment: x, not: true}]"),
            )),
    );
    let mut verdicts = std::collections::BTreeSet::new();
    for unit in 0..50 {
        let request = format!("{{experiment: y, unit: u{unit}, listener: '0.0.0.0:1'}}");
        let found = asked(&model, &request).explanation.experiments;
        assert_eq!(found.len(), 1, "x is in no service of this listener");
        let requirement = found[0].requirements.first();
        verdicts.extend(requirement.map(|it| it.holds));
    }
    assert_eq!(verdicts.len(), 2, "some are in x and some are not");
}

fn simulated(model: &Model, spec: &str) -> Simulation {
    simulate(model, &yaml(spec), now()).unwrap()
}

#[test]
fn made_up_units_are_split_as_the_weights_say_by_the_hash_and_by_chance() {
    for strategy in ["deterministic", "random"] {
        let spec = format!(
            "{{layer: models, owner: me, decision_date: 2026-03-31, services: [chat], traffic: 4000, strategy: {strategy}, unit: {{type: user, sources: [{{header: x-user}}]}}, variants: [{{key: a, weight: 2500}}, {{key: b, weight: 7500}}]}}"
        );
        let layer = Change::Put(key("models"), Spec::Layer(yaml("{}")));
        let before = [
            cluster("small"),
            layer,
            service("chat", "{default_cluster: small}"),
        ];
        let [put, start] = experiment("x", &spec);
        let draft = model(before.clone().into_iter().chain([put.clone()]));
        let running = model(before.into_iter().chain([put, start]));
        let found = simulated(&running, "{units: 20000, request: {experiment: x}}");
        assert!((7_700..8_300).contains(&found.assigned), "{found:?}");
        assert!(found.p_value.is_some_and(|p| p > 1e-6), "{found:?}");
        assert_eq!(
            found.variants.iter().map(|it| it.units).sum::<u64>(),
            found.assigned
        );
        assert_eq!(
            found.outside.iter().map(|it| it.units).sum::<u64>(),
            20_000 - found.assigned
        );
        assert!(found.notes.is_empty(), "{found:?}");
        let planned = simulated(&draft, "{units: 20000, request: {experiment: x}}");
        assert_eq!(
            planned.assigned, found.assigned,
            "a draft is taken as if it ran"
        );
        assert_eq!(planned.notes, ["as if it were running: it is draft"]);
        let other = simulated(
            &running,
            "{units: 20000, prefix: other-, request: {experiment: x}}",
        );
        assert_ne!(other.variants[0].units, found.variants[0].units);
    }
}
