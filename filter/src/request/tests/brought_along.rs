//! Variants that a request brings along: forced, inherited, stuck.

use super::*;
use watershed_engine::token::{Force, Keys, Sticky};
use watershed_proto::filter::v1::Reason;

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
/// [`SECRET`] as JSON has bytes.
const SECRET_BASE64: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NOW_MS: i64 = 1_000_000;

fn keys() -> Keys {
    Keys::try_new([("k", &SECRET[..])]).unwrap()
}

/// Everybody with an `x-user` gets `a` of `sticky` and of `free`, which don't route.
fn config() -> Value {
    let everybody = json!([{ "start": 0, "end": 9999 }]);
    let experiment = |key: &str| {
        json!({
            "key": key, "layer": key,
            "unitSources": [{ "header": "x-user" }],
            "allocation": everybody,
            "variants": [{ "key": "a", "ranges": everybody }, { "key": "b", "ranges": [] }],
            "fallback": "a",
        })
    };
    let mut sticky = experiment("sticky");
    sticky["sticky"] = json!({ "cookie": "ws", "maxAgeSeconds": 100 });
    json!({
        "signingKeys": [{ "id": "k", "secret": SECRET_BASE64 }],
        "force": { "header": "x-force", "query": "force", "cookie": "force" },
        "services": [{ "key": "s" }],
        "layers": [{ "key": "sticky" }, { "key": "free" }],
        "experiments": [sticky, experiment("free")],
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut config = config();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    config
}

/// Handles one request and its response.
fn handle(config: &Value, more: &[(&str, &str)]) -> FakeHost {
    let host = FakeHost::default();
    let active = started(&host, config);
    let own = [
        (":authority", "h"),
        (":path", "/"),
        (":scheme", "https"),
        ("x-user", "u"),
    ];
    // Later ones replace, so that a path may have a query.
    let kept = own
        .iter()
        .filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let headers: Vec<_> = kept.chain(more).copied().collect();
    host.request(&pairs(&headers), NOW_MS);
    pass(&active, &host).on_response_headers(&host);
    host
}

fn answers(host: &FakeHost) -> Vec<(String, String, Reason)> {
    let record = host.record().unwrap_or_default();
    let assignments = record.assignments.into_iter();
    assignments
        .map(|one| (one.experiment.clone(), one.variant.clone(), one.reason()))
        .collect()
}

fn answer(host: &FakeHost, experiment: &str) -> (String, Reason) {
    let mut all = answers(host).into_iter();
    let (_, variant, reason) = all.find(|(key, ..)| key == experiment).unwrap();
    (variant, reason)
}

fn force(experiment: &str, variant: &str, expires_s: i64) -> String {
    let force = Force {
        experiment: experiment.to_owned(),
        variant: variant.to_owned(),
        expires_s,
    };
    force.seal(&keys()).unwrap()
}

#[test]
fn a_force_token_counts_in_header_query_and_cookie_and_stays_there() {
    let token = force("free", "b", 2_000);
    let (path, cookie) = (format!("/?force={token}"), format!("a=1; force={token}"));
    for place in [
        ("x-force", token.as_str()),
        (":path", &path),
        ("cookie", &cookie),
    ] {
        let host = handle(&config(), &[place]);
        assert_eq!(
            answer(&host, "free"),
            ("b".into(), Reason::Forced),
            "{place:?}"
        );
        assert_eq!(answer(&host, "sticky"), ("a".into(), Reason::Hashed));
        assert_eq!(
            host.values(place.0),
            [place.1],
            "what is behind may believe it, too"
        );
        assert_eq!(host.count(counters::TOKEN_REFUSED), 0);
    }
}

#[test]
fn several_tokens_count_together() {
    let tokens = format!(
        "{}, {}",
        force("free", "b", 2_000),
        force("sticky", "b", 2_000)
    );
    let host = handle(&config(), &[("x-force", &tokens)]);
    assert_eq!(answer(&host, "free"), ("b".into(), Reason::Forced));
    assert_eq!(answer(&host, "sticky"), ("b".into(), Reason::Forced));
    let cookies = host.response_values("set-cookie");
    assert!(cookies.is_empty(), "testing is not remembered: {cookies:?}");
}

#[test]
fn a_force_token_that_is_not_believed_is_counted_and_changes_nothing() {
    let token = force("free", "b", 2_000);
    let expired = force("free", "b", 1_000);
    let tampered = format!("{}x", &token[..token.len() - 1]);
    let huge = "v1.k.".repeat(2_000);
    for unfit in [
        tampered.as_str(),
        &expired,
        &huge,
        "v1.k.!!.!!",
        "v2.k.x.x",
        "\u{fffd}",
        "x",
    ] {
        let host = handle(&config(), &[("x-force", unfit)]);
        assert_eq!(
            answer(&host, "free"),
            ("a".into(), Reason::Hashed),
            "{unfit}"
        );
        assert_eq!(host.count(counters::TOKEN_REFUSED), 1);
    }
    let foreign = force("elsewhere", "b", 2_000);
    let host = handle(&config(), &[("x-force", &foreign)]);
    assert_eq!(answers(&host).len(), 2);
    assert_eq!(
        host.count(counters::TOKEN_REFUSED),
        0,
        "an experiment of another fleet"
    );
}

#[test]
fn a_million_tokens_cost_a_few_checks() {
    let host = handle(&config(), &[("x-force", &",".repeat(1_000_000))]);
    assert_eq!(answer(&host, "free"), ("a".into(), Reason::Hashed));
}

#[test]
fn where_tokens_are_read_nowhere_none_counts() {
    let config = with(&[("/force", Value::Null)]);
    let host = handle(&config, &[("x-force", &force("free", "b", 2_000))]);
    assert_eq!(answer(&host, "free"), ("a".into(), Reason::Hashed));
}

/// The value of the sticky cookie that a response sets.
fn set(host: &FakeHost) -> Option<String> {
    let cookies = host.response_values("set-cookie");
    let cookie = cookies
        .iter()
        .find_map(|cookie| cookie.strip_prefix("ws="))?;
    cookie.split(';').next().map(str::to_owned)
}

/// The configuration after the weights have turned over: the hash gives `b`.
fn turned() -> Value {
    let everybody = json!([{ "start": 0, "end": 9999 }]);
    with(&[
        ("/experiments/0/variants/0/ranges", json!([])),
        ("/experiments/0/variants/1/ranges", everybody),
    ])
}

#[test]
fn a_sticky_variant_outlives_a_change_of_weights() {
    let first = handle(&config(), &[]);
    assert_eq!(answer(&first, "sticky"), ("a".into(), Reason::Hashed));
    let cookies = first.response_values("set-cookie");
    assert_eq!(cookies.len(), 1);
    assert!(
        cookies[0].ends_with("; Path=/; Max-Age=100; Secure; HttpOnly; SameSite=Lax"),
        "{cookies:?}"
    );
    let cookie = format!("x=y; ws={}", set(&first).unwrap());
    let again = handle(&turned(), &[("cookie", &cookie)]);
    assert_eq!(answer(&again, "sticky"), ("a".into(), Reason::Stuck));
    assert_eq!(set(&again), None, "nothing has changed");
    let other = handle(&turned(), &[("cookie", &cookie), ("x-user", "other")]);
    assert_eq!(
        answer(&other, "sticky"),
        ("b".into(), Reason::Hashed),
        "it sticks to its unit"
    );
    assert!(set(&other).is_some());
    let without = handle(&turned(), &[]);
    assert_eq!(answer(&without, "sticky"), ("b".into(), Reason::Hashed));
}

#[test]
fn without_tls_the_cookie_is_not_marked_secure() {
    let host = handle(&config(), &[(":scheme", "http")]);
    let cookies = host.response_values("set-cookie");
    assert!(
        cookies[0].ends_with("; Path=/; Max-Age=100; HttpOnly; SameSite=Lax"),
        "{cookies:?}"
    );
}

#[test]
fn a_sticky_cookie_that_is_not_believed_is_counted_and_written_anew() {
    let good = set(&handle(&config(), &[])).unwrap();
    let tampered = format!("{}x", &good[..good.len() - 1]);
    let huge = "x".repeat(60_000);
    let mut old = Sticky::default();
    old.keep("sticky", "b", 0, 1, 0);
    let expired = old.seal(&keys()).unwrap();
    for unfit in [
        tampered.as_str(),
        &huge,
        &expired,
        "v1.k.!!.!!",
        "",
        "\u{fffd}",
    ] {
        let host = handle(&config(), &[("cookie", &format!("ws={unfit}"))]);
        assert_eq!(
            answer(&host, "sticky"),
            ("a".into(), Reason::Hashed),
            "{unfit}"
        );
        assert_eq!(set(&host), Some(good.clone()), "{unfit}");
        assert_eq!(host.count(counters::TOKEN_REFUSED), 1, "{unfit}");
    }
}

#[test]
fn a_cookie_of_an_older_key_counts_and_of_a_removed_one_does_not() {
    let cookie = format!("ws={}", set(&handle(&config(), &[])).unwrap());
    let new = json!({ "id": "new", "secret": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=" });
    let mut both = turned();
    both["signingKeys"]
        .as_array_mut()
        .unwrap()
        .insert(0, new.clone());
    let host = handle(&both, &[("cookie", &cookie)]);
    assert_eq!(answer(&host, "sticky"), ("a".into(), Reason::Stuck));
    let mut only_new = turned();
    only_new["signingKeys"] = json!([new]);
    let host = handle(&only_new, &[("cookie", &cookie)]);
    assert_eq!(answer(&host, "sticky"), ("b".into(), Reason::Hashed));
    assert!(set(&host).unwrap().starts_with("v1.new."));
}

#[test]
fn a_rollback_is_not_remembered() {
    let rollback = with(&[("/experiments/0/mode", json!("FALLBACK"))]);
    let host = handle(&rollback, &[]);
    assert_eq!(answer(&host, "sticky"), ("a".into(), Reason::RolledBack));
    assert_eq!(set(&host), None);
}

/// The configuration of a proxy inside a mesh.
fn mesh() -> Value {
    with(&[("/trust", json!("MESH"))])
}

fn stamped(host: &FakeHost) -> (Vec<String>, Vec<String>) {
    (host.values(EXPERIMENT_HEADER), host.values(VARIANT_HEADER))
}

#[test]
fn a_trusted_stamp_is_kept_and_recorded_as_inherited() {
    let stamp = [("x-experiment-id", "else,free"), ("x-variant", "z,b")];
    let host = handle(&mesh(), &stamp);
    assert_eq!(answer(&host, "free"), ("b".into(), Reason::Inherited));
    assert_eq!(answer(&host, "sticky"), ("a".into(), Reason::Hashed));
    assert_eq!(
        stamped(&host),
        (vec!["else,free,sticky".into()], vec!["z,b,a".into()])
    );
    let edge = handle(&config(), &stamp);
    assert_eq!(
        answer(&edge, "free"),
        ("a".into(), Reason::Hashed),
        "the edge believes nobody"
    );
    assert_eq!(
        stamped(&edge),
        (vec!["sticky,free".into()], vec!["a,a".into()])
    );
}

#[test]
fn a_stamp_that_makes_no_sense_is_counted_and_taken_away() {
    for (experiments, variants) in [("free,x", "b"), ("free", ""), ("free,", "b,"), ("", "b")] {
        let stamp = [("x-experiment-id", experiments), ("x-variant", variants)];
        let host = handle(&mesh(), &stamp);
        assert_eq!(
            stamped(&host),
            (vec!["sticky,free".into()], vec!["a,a".into()])
        );
        assert_eq!(host.count(counters::STAMP_REFUSED), 1);
    }
}

#[test]
fn inside_a_mesh_only_the_cluster_of_the_hop_in_front_is_taken_away() {
    let stamp = [
        ("x-experiment-id", "else"),
        ("x-variant", "z"),
        ("x-watershed-cluster", "c"),
    ];
    let host = handle(&mesh(), &[&stamp[..], &[("x-user", "")]].concat());
    assert_eq!(stamped(&host), (vec!["else".into()], vec!["z".into()]));
    assert!(host.values(CLUSTER_HEADER).is_empty());
    assert_eq!(host.record(), None);
}

#[test]
fn a_sticky_cookie_is_not_written_for_what_was_inherited() {
    let stamp = [("x-experiment-id", "sticky"), ("x-variant", "b")];
    let host = handle(&mesh(), &stamp);
    assert_eq!(answer(&host, "sticky"), ("b".into(), Reason::Inherited));
    assert_eq!(set(&host), None);
}
