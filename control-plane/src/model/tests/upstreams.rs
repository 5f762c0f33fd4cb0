//! Clusters, services and detours: what they may say, what is filled in, and that garbage is refused
//! with the field named.

use super::*;
use crate::model::cluster::{ClusterSpec, Discovery};
use crate::model::protection::Probe;

fn put_cluster(more: &str) -> Change {
    let spec = format!("{{endpoints: [{{address: 10.0.0.1, port: 80}}], {more}}}");
    Change::Put(key("c"), Spec::Cluster(yaml(&spec)))
}

fn place(line: &str) -> &str {
    line.split(": ").next().unwrap()
}

fn refused(change: &Change) -> Vec<String> {
    let found = faults(&world(), change);
    found.iter().map(|line| place(line).to_owned()).collect()
}

fn detoured(more: &str) -> Change {
    let mut spec = routing("models", 1_000);
    let mut variant = serde_json::to_value(&spec.variants[1]).unwrap();
    let more: serde_json::Value = yaml(more);
    let fields = more.as_object().unwrap().clone();
    variant.as_object_mut().unwrap().extend(fields);
    spec.variants[1] = serde_json::from_value(variant).unwrap();
    experiment("x", spec)
}

#[test]
fn what_a_cluster_does_not_say_is_filled_in() {
    let change =
        put_cluster("health_check: {path: /h}, outlier_detection: {}, circuit_breakers: {}");
    let model = apply(&world(), &change);
    let design = &model.clusters["c"].design;
    assert_eq!(design.discovery, Discovery::Eds);
    let check = design.health_check.as_ref().unwrap();
    assert_eq!(check.probe, Probe::Http("/h".to_owned()));
    assert_eq!((check.interval_ms, check.timeout_ms), (10_000, 2_000));
    assert_eq!((check.unhealthy_after, check.healthy_after), (3, 2));
    assert_eq!(design.outlier_detection.unwrap().max_ejection_percent, 50);
    assert_eq!(
        design.circuit_breakers.unwrap(),
        crate::model::protection::CircuitBreakers::default()
    );
}

#[test]
fn how_endpoints_are_found_fits_what_they_are() {
    let found = |endpoints: &str, discovery: &str| {
        let spec: ClusterSpec = yaml(&format!("{{endpoints: [{endpoints}]{discovery}}}"));
        let mut faults = Faults::default();
        let design = spec.validate(&mut faults);
        let design = faults.or(design).map_err(|faults| lines(&faults))?;
        let written = ClusterSpec::from(&design).discovery;
        Ok::<_, Vec<String>>((design.discovery, written))
    };
    let (ip, name) = (
        "{address: 10.0.0.1, port: 80}",
        "{address: a.internal, port: 80}",
    );
    assert_eq!(found(ip, ""), Ok((Discovery::Eds, None)));
    assert_eq!(found(name, ""), Ok((Discovery::Dns, None)));
    assert_eq!(
        found(ip, ", discovery: dns"),
        Ok((Discovery::Dns, Some(Discovery::Dns)))
    );
    assert_eq!(
        found(ip, ", discovery: static"),
        Ok((Discovery::Static, Some(Discovery::Static)))
    );
    for discovery in [", discovery: eds", ", discovery: static"] {
        let fault = found(&format!("{ip}, {name}"), discovery).unwrap_err();
        assert_eq!(place(&fault[0]), "/endpoints/1/address");
    }
}

#[test]
fn a_server_name_is_asked_for_and_its_certificate_must_have_a_name() {
    let tls = |endpoints: &str, tls: &str| {
        let spec: ClusterSpec = yaml(&format!("{{endpoints: [{endpoints}], tls: {tls}}}"));
        let mut faults = Faults::default();
        let design = spec.validate(&mut faults);
        let design = faults.or(design).map_err(|faults| lines(&faults))?;
        let spec = ClusterSpec::from(&design).tls.unwrap();
        Ok::<_, Vec<String>>((spec.sni.unwrap(), spec.names))
    };
    let named = "{address: A.internal, port: 80}, {address: a.internal, port: 81}";
    let given = |sni: &str, names: &[&str]| {
        Ok((
            sni.to_owned(),
            names.iter().map(|&it| it.to_owned()).collect(),
        ))
    };
    assert_eq!(tls(named, "{}"), given("a.internal", &["a.internal"]));
    assert_eq!(tls(named, "{sni: B}"), given("b", &["b"]));
    assert_eq!(
        tls(named, "{names: [10.0.0.1, C.d]}"),
        given("a.internal", &["10.0.0.1", "c.d"])
    );
    for endpoints in [
        "{address: 10.0.0.1, port: 1}",
        "{address: a, port: 1}, {address: b, port: 1}",
    ] {
        let fault = tls(endpoints, "{}").unwrap_err();
        assert!(fault[0].starts_with("/tls/sni: is missing"), "{fault:?}");
    }
}

#[test]
fn garbage_in_a_cluster_is_refused_with_its_place() {
    for (more, places) in [
        ("tls: {sni: '-', ca: ca.pem}", &["/tls/sni", "/tls/ca"][..]),
        (
            "tls: {sni: a, names: ['*', '']}",
            &["/tls/names/0", "/tls/names/1"],
        ),
        ("tls: {sni: a, certificate: /c}", &["/tls/key"]),
        ("tls: {sni: a, key: /k}", &["/tls/certificate"]),
        (
            "tls: {sni: a, certificate: \"/c\\n\", key: /k}",
            &["/tls/certificate"],
        ),
        ("health_check: {}", &["/health_check"]),
        ("health_check: {path: /, tcp: true}", &["/health_check"]),
        ("health_check: {tcp: false}", &["/health_check"]),
        ("health_check: {path: health}", &["/health_check/path"]),
        (
            "health_check: {path: \"/\\r\\nhost: x\"}",
            &["/health_check/path"],
        ),
        (
            "http2: true, health_check: {grpc: 'a b'}",
            &["/health_check/grpc"],
        ),
        ("health_check: {grpc: ''}", &["/health_check/grpc"]),
        (
            "health_check: {tcp: true, interval_ms: 0, timeout_ms: 86400001, unhealthy_after: 0, healthy_after: 1001}",
            &[
                "/health_check/interval_ms",
                "/health_check/timeout_ms",
                "/health_check/unhealthy_after",
                "/health_check/healthy_after",
            ],
        ),
        (
            "outlier_detection: {consecutive_5xx: 0, interval_ms: 0, base_ejection_ms: 0, max_ejection_percent: 101}",
            &[
                "/outlier_detection/consecutive_5xx",
                "/outlier_detection/interval_ms",
                "/outlier_detection/base_ejection_ms",
                "/outlier_detection/max_ejection_percent",
            ],
        ),
        (
            "circuit_breakers: {max_connections: 0, max_retries: 18446744073709551615}",
            &[
                "/circuit_breakers/max_connections",
                "/circuit_breakers/max_retries",
            ],
        ),
    ] {
        assert_eq!(refused(&put_cluster(more)), places, "{more}");
    }
}

#[test]
fn garbage_in_a_services_retries_is_refused_with_its_place() {
    for (more, places) in [
        ("idle_timeout_ms: 86400001", &["/idle_timeout_ms"][..]),
        ("retries: {attempts: 0}", &["/retries/attempts"]),
        (
            "retries: {attempts: 11, statuses: [200, 503, 503]}",
            &[
                "/retries/statuses/2",
                "/retries/statuses/0",
                "/retries/attempts",
            ],
        ),
        ("retries: {on: [reset, reset]}", &["/retries/on/1"]),
        (
            "retries: {attempt_timeout_ms: 0, attempt_idle_timeout_ms: 0}",
            &[
                "/retries/attempt_timeout_ms",
                "/retries/attempt_idle_timeout_ms",
            ],
        ),
    ] {
        let change = service(
            "s",
            &format!("{{default_cluster: stable-a, fleets: [f], {more}}}"),
        );
        assert_eq!(refused(&change), places, "{more}");
    }
}

#[test]
fn a_streamed_answer_is_bounded_by_silence_alone() {
    let model = world();
    let chat = &model.services["chat"].design;
    assert_eq!((chat.timeout_ms, chat.idle_timeout_ms), (0, 300_000));
    assert_eq!(chat.retries, None);
}

#[test]
fn a_detour_leads_to_a_cluster_that_exists_and_is_another() {
    for (more, places) in [
        (
            "mirrors: [{cluster: nowhere}]",
            &["/variants/1/mirrors/0/cluster"][..],
        ),
        (
            "mirrors: [{cluster: stable-a, share: 0}]",
            &["/variants/1/mirrors/0/share"],
        ),
        (
            "mirrors: [{cluster: stable-a, share: 10001}]",
            &["/variants/1/mirrors/0/share"],
        ),
        (
            "mirrors: [{cluster: 'A'}]",
            &["/variants/1/mirrors/0/cluster"],
        ),
        (
            "fallback: {cluster: nowhere}",
            &["/variants/1/fallback/cluster"],
        ),
        (
            "fallback: {cluster: candidate-b}",
            &["/variants/1/fallback/cluster"],
        ),
        (
            "fallback: {cluster: stable-a, on: [reset, reset]}",
            &["/variants/1/fallback/on/1"],
        ),
    ] {
        assert_eq!(refused(&detoured(more)), places, "{more}");
    }
    apply(
        &world(),
        &detoured("{fallback: {cluster: stable-a}, mirrors: [{cluster: candidate-b}]}"),
    );
    let mut stamped = stamping(1_000);
    stamped.variants[0].mirrors = vec![yaml("cluster: stable-a")];
    let found = faults(&world(), &experiment("x", stamped));
    assert_eq!(place(&found[0]), "/variants/0/cluster");
}

#[test]
fn variants_with_one_cluster_have_the_same_detours() {
    let mut spec = routing("models", 1_000);
    spec.variants[1].cluster = Some("stable-a".to_owned());
    spec.variants[1].mirrors = vec![yaml("cluster: candidate-b")];
    assert_eq!(
        faults(&world(), &experiment("x", spec.clone())),
        [
            "/variants/1: shares its cluster with `control`, but mirrors or falls back otherwise \
             (expected the same `mirrors` and `fallback`, or a cluster of its own)"
        ]
    );
    spec.variants[0].mirrors = spec.variants[1].mirrors.clone();
    apply(&world(), &experiment("x", spec));
}

#[test]
fn a_mirrors_cluster_is_used_and_stays() {
    let model = apply(&world(), &cluster("shadow"));
    let model = apply(&model, &detoured("mirrors: [{cluster: shadow}]"));
    let refused = refusal(&model, &Change::Delete(Kind::Cluster, key("shadow")));
    assert_eq!(
        refused.to_string(),
        "cluster `shadow` is used by experiment `x`"
    );
}

#[test]
fn all_of_it_is_restored_as_it_was() {
    let tls = "tls: {sni: a, ca: /ca, names: [10.0.0.1], certificate: /c, key: /k}";
    let breakers = "circuit_breakers: {max_requests: 7}, outlier_detection: {consecutive_5xx: 2}";
    let model = [
        put_cluster(&format!(
            "{tls}, {breakers}, discovery: dns, http2: true, health_check: {{grpc: ''}}"
        )),
        service(
            "s",
            "{default_cluster: c, fleets: [f], idle_timeout_ms: 0, retries: {statuses: [429]}}",
        ),
        detoured("{fallback: {cluster: c}, mirrors: [{cluster: c, share: 7}]}"),
    ]
    .iter()
    .fold(world(), |model, change| apply(&model, change));
    for kind in Kind::ALL {
        for entry in model.entries(kind) {
            let kept = entry.kept().unwrap();
            let name = entry.key().as_str();
            let back = crate::model::entry::Entry::restore(kind, name, entry.meta(), &kept);
            assert_eq!(back.unwrap(), entry);
        }
    }
}
