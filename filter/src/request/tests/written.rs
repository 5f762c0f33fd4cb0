//! What upstream and client get beside the stamp.

use super::*;

/// Users called `b…` get `b`, which sets headers, in two experiments; routing rules for the rest.
fn config() -> Value {
    let everybody = json!([{ "start": 0, "end": 9999 }]);
    let header = |name: &str, value: &str| json!({ "name": name, "value": value });
    let experiment = |key: &str| {
        json!({
            "key": key, "layer": key, "services": ["s"],
            "unitSources": [{ "header": "x-user" }],
            "audience": { "condition": { "attribute": { "header": "x-user" }, "prefix": "b" } },
            "allocation": everybody,
            "fallback": "a",
            "variants": [{ "key": "a", "ranges": [] }, {
                "key": "b", "ranges": everybody,
                "requestHeaders": [header("x-prompt", key), header(&format!("x-{key}"), "1")],
                "responseHeaders": [header("x-served", key)],
                "baggage": [header("prompt", key)],
            }],
        })
    };
    let tier = json!({ "condition": { "attribute": { "header": "x-tier" }, "equals": "gold" } });
    let service = |key: &str, path: &str| {
        json!({
            "key": key, "pathPrefixes": [path],
            "routingRules": [{ "key": "premium", "when": tier, "cluster": "large" }],
        })
    };
    json!({
        "services": [service("s", "/s"), service("other", "/")],
        "layers": [{ "key": "one" }, { "key": "two" }],
        "experiments": [experiment("one"), experiment("two")],
    })
}

fn handle(config: &Value, more: &[(&str, &str)]) -> FakeHost {
    let host = FakeHost::default();
    let active = started(&host, config);
    host.request(&request(more), 0);
    pass(&active, &host).on_response_headers(&host);
    host
}

fn request(more: &[(&str, &str)]) -> Vec<Pair> {
    let path = more.iter().any(|(name, _)| *name == ":path");
    let path = (!path).then_some((":path", "/s"));
    let own: Vec<_> = [(":authority", "h")].into_iter().chain(path).collect();
    pairs(&[&own[..], more].concat())
}

#[test]
fn variants_set_headers_and_baggage_and_the_first_decision_wins() {
    let host = handle(
        &config(),
        &[("x-user", "b"), ("baggage", "user=u, prompt=x")],
    );
    assert_eq!(host.values("x-prompt"), ["one"]);
    assert_eq!(host.values("x-one"), ["1"]);
    assert_eq!(host.values("x-two"), ["1"]);
    assert_eq!(host.values("baggage"), ["user=u,prompt=one"]);
    assert_eq!(host.response_values("x-served").len(), 1);
}

#[test]
fn what_a_variant_might_set_is_stripped_from_requests_of_its_service() {
    let spoofed = [
        ("x-user", "nobody"),
        ("X-Prompt", "one"),
        ("x-prompt", "two"),
        ("baggage", "prompt=one,user=u"),
        ("x-other", "kept"),
    ];
    let host = handle(&config(), &spoofed);
    assert!(host.values("x-prompt").is_empty());
    assert_eq!(host.values("baggage"), ["user=u"]);
    assert_eq!(host.values("x-other"), ["kept"]);
    let only = handle(&config(), &[("baggage", "prompt=one")]);
    assert!(only.values("baggage").is_empty());

    let elsewhere = [&spoofed[..], &[(":path", "/elsewhere")]].concat();
    let host = handle(&config(), &elsewhere);
    assert_eq!(host.values("x-prompt"), ["one", "two"], "another service");
    assert_eq!(
        host.values("baggage"),
        ["user=u"],
        "keys are reserved everywhere"
    );

    let mut mesh = config();
    mesh["trust"] = json!("MESH");
    let host = handle(&mesh, &spoofed);
    assert_eq!(
        host.values("x-prompt"),
        ["one", "two"],
        "the hop in front has set it"
    );
}

#[test]
fn a_rule_routes_where_no_experiment_does() {
    let host = handle(&config(), &[("x-tier", "gold")]);
    assert_eq!(host.values(CLUSTER_HEADER), ["large"]);
    assert!(host.values(EXPERIMENT_HEADER).is_empty());
    let record = host.record().unwrap();
    assert_eq!(
        (record.cluster.as_str(), record.routing_rule.as_str()),
        ("large", "premium")
    );
    assert!(record.assignments.is_empty());

    let both = handle(&config(), &[("x-tier", "gold"), ("x-user", "b")]);
    assert_eq!(
        both.values(CLUSTER_HEADER),
        ["large"],
        "experiments that only stamp don't route"
    );
    assert_eq!(both.record().unwrap().assignments.len(), 2);
    assert_eq!(both.record().unwrap().routing_rule, "premium");

    let mut routing = config();
    for variant in routing["experiments"][0]["variants"]
        .as_array_mut()
        .unwrap()
    {
        variant["cluster"] = json!("small");
    }
    let host = handle(&routing, &[("x-tier", "gold"), ("x-user", "b")]);
    assert_eq!(
        host.values(CLUSTER_HEADER),
        ["small"],
        "an experiment comes before a rule"
    );
    assert_eq!(host.record().unwrap().routing_rule, "");
}

#[test]
fn a_rule_costs_two_host_calls_more() {
    let host = handle(&config(), &[("x-tier", "gold")]);
    let expected = ["request_headers", "set_request_header", "set_filter_state"];
    // The last one looks whether the upstream told an outcome.
    assert_eq!(host.calls(), [&expected[..], &["response_header"]].concat());
}

#[test]
fn a_host_that_fails_half_way_leaves_nothing_of_a_variant() {
    let host = FakeHost::default();
    let active = started(&host, &config());
    host.request(&request(&[("x-user", "b")]), 0);
    host.fail("set_filter_state");
    pass(&active, &host).on_response_headers(&host);
    for name in [
        "x-prompt",
        "x-one",
        "x-two",
        EXPERIMENT_HEADER,
        VARIANT_HEADER,
    ] {
        assert!(host.values(name).is_empty(), "{name}");
    }
    assert!(host.response_values("x-served").is_empty());
    assert_eq!(host.count(counters::HOST_ERROR), 1);
}

/// Everybody is assigned by a unit from `source`.
fn by(source: &Value) -> Value {
    let everybody = json!([{ "start": 0, "end": 9999 }]);
    json!({
        "services": [{ "key": "s" }], "layers": [{ "key": "l" }],
        "experiments": [{
            "key": "e", "layer": "l", "unitSources": [source], "allocation": everybody,
            "variants": [{ "key": "a", "ranges": everybody }], "fallback": "a",
        }],
    })
}

fn unit(host: &FakeHost) -> String {
    host.record().unwrap().assignments[0].unit.clone()
}

#[test]
fn a_generated_unit_goes_to_the_upstream_and_to_the_client() {
    let config = by(&json!({ "generated": { "cookie": "uid", "sameSite": "STRICT" } }));
    let host = handle(&config, &[("cookie", "a=1"), ("cookie", "b=2")]);
    let unit = unit(&host);
    assert_eq!(unit.len(), 32);
    assert_eq!(host.values("cookie"), [format!("a=1; b=2; uid={unit}")]);
    let expected =
        format!("uid={unit}; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(host.response_values("set-cookie"), [expected]);
    let again = handle(&config, &[("cookie", &format!("uid={unit}"))]);
    assert_eq!(self::unit(&again), unit);
    assert!(again.response_values("set-cookie").is_empty());
    assert!(!again.calls().contains(&"random"));
}

#[test]
fn a_generated_unit_is_kept_also_where_nobody_is_assigned() {
    let mut config = by(&json!({ "generated": { "cookie": "uid" } }));
    config["experiments"][0]["allocation"] = json!([{ "start": 0, "end": 0 }]);
    let host = handle(&config, &[]);
    assert_eq!(host.record(), None);
    assert_eq!(host.response_values("set-cookie").len(), 1);
    assert_eq!(host.values("cookie").len(), 1);
}

#[test]
fn where_the_request_is_the_unit_none_is_kept() {
    let host = handle(&by(&json!({ "request": {} })), &[]);
    assert_eq!(unit(&host).len(), 32);
    assert!(host.response_values("set-cookie").is_empty());
    assert!(host.values("cookie").is_empty());
}

#[test]
fn the_host_answers_for_address_and_claim() {
    let host = FakeHost::default();
    host.know(
        &crate::claims::tests::metadata(&json!({ "p": { "sub": "alice" } })),
        b"[2001:db8::7]:4711",
    );
    for (source, expected) in [
        (json!({ "sourceAddress": {} }), "2001:db8::7"),
        (
            json!({ "jwtClaim": { "provider": "p", "path": ["sub"] } }),
            "alice",
        ),
    ] {
        let active = started(&host, &by(&source));
        host.request(&request(&[]), 0);
        pass(&active, &host);
        assert_eq!(unit(&host), expected);
    }
}

#[test]
fn the_time_of_the_request_is_an_attribute() {
    let mut config = by(&json!({ "header": "x-user" }));
    let day = json!({ "attribute": { "dayOfWeek": { "minutes": 0 } }, "equals": "thu" });
    config["experiments"][0]["audience"] = json!({ "condition": day });
    for (now_ms, assigned) in [(0, true), (86_400_000, false)] {
        let host = FakeHost::default();
        let active = started(&host, &config);
        host.request(&request(&[("x-user", "u")]), now_ms);
        pass(&active, &host);
        assert_eq!(host.record().is_some(), assigned);
    }
}
