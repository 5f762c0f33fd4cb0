use super::*;
use proptest::prelude::*;

/// An experiment for whom all rules take.
fn audience(rules: &Value) -> Value {
    json!({"audience": {"all": {"rules": rules}}})
}

fn tier(test: &str, expected: &Value) -> Value {
    condition("x-tier", test, expected)
}

fn other(test: &str, expected: &Value) -> Value {
    condition("x-other", test, expected)
}

fn condition(header: &str, test: &str, expected: &Value) -> Value {
    let mut condition = json!({"attribute": {"header": header}});
    condition[test] = expected.clone();
    json!({"condition": condition})
}

/// `count` layers with one experiment each: some have a unit of their own, some another hash, some an
/// audience, and some give half of their buckets to nobody.
fn layered(count: u32, changed: &[u8]) -> Plan {
    let mut layers = Vec::new();
    let mut experiments = Vec::new();
    for (place, change) in (0..count).zip(changed.iter().cycle()) {
        let layer = format!("l{}{place}", "-".repeat(place as usize % 3));
        let changes = match change {
            0 => json!({"unitSources": [{"header": "x-other"}]}),
            1 => json!({"hash": "FLAGD_V2"}),
            2 => json!({"allocation": [{"start": 0, "end": 4999}]}),
            3 => {
                json!({"audience": {"condition": {"attribute": {"header": "x-tier"}, "equals": "gold"}}})
            }
            4 => json!({"mode": "FALLBACK"}),
            6 => audience(&json!([
                tier("oneOf", &json!({"values": ["gold", "iron"]})),
                other("oneOf", &json!({"values": ["a", "bb"]}))
            ])),
            7 => audience(&json!([
                tier("equals", &json!("gold")),
                other("prefix", &json!("a"))
            ])),
            8 => audience(&json!([{"not": other("equals", &json!("a"))}])),
            9 => audience(&json!([other(
                "compare",
                &json!({"ordering": "SEMVER", "operator": "LESS", "value": "1.2.0"})
            )])),
            _ => json!({}),
        };
        let mut one = experiment(&format!("e{place}"), &layer, &changes);
        one["variants"] = json!([
            {"key": "a", "ranges": [{"start": 0, "end": 4999}]},
            {"key": "b", "ranges": [{"start": 5000, "end": 9999}]},
        ]);
        experiments.push(one);
        let hash = if *change == 5 {
            "UNLEASH"
        } else {
            "MURMUR3_V1"
        };
        layers.push(json!({"key": layer, "hash": hash}));
    }
    compile(json!({"services": [{"key": "s"}], "layers": layers, "experiments": experiments}))
}

/// Everything that a decision says.
fn said<'p>(decisions: impl Iterator<Item = Decision<'p, 'p>>) -> Vec<String> {
    let whole = |one: Decision<'_, '_>| {
        let (experiment, variant) = (one.experiment.key(), one.variant.key());
        let buckets = (one.layer_bucket, one.variant_bucket);
        format!(
            "{experiment} {variant} {buckets:?} {} {:?}",
            String::from_utf8_lossy(one.unit),
            one.reason
        )
    };
    decisions.map(whole).collect()
}

proptest! {
    /// Layer by layer the walk does not look ahead.
    #[test]
    fn looking_ahead_changes_nothing(
        count in prop_oneof![Just(1), 1..14_u32], changed in prop::collection::vec(0..14_u8, 1..14),
        unit in "[a-z]{0,70}|[é✓]{1,9}", other in prop::option::of("[a-b]{1,20}|1[.][0-3][.]0(-a)?"), is_gold: bool,
    ) {
        let plan = layered(count, &changed);
        let tier = if is_gold { "gold" } else { "silver" };
        let mut headers = vec![("x-user", &*unit), ("x-tier", tier)];
        headers.extend(other.as_deref().map(|other| ("x-other", other)));
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request::new(Headers::new(&pairs), plan.attributes());
        let service = &plan.services()[0];
        let mut noop = Noop;
        let mut walk = Walk::new(Question { plan: &plan, service, subject: &request, now_ms: 0, visitor: &mut noop });
        let alone = said(service.scopes.iter().filter_map(|scope| walk.scope(scope)));
        let mut noop = Noop;
        let mut one_by_one = plan.assign(service, &request, 0, &mut noop);
        prop_assert_eq!(&said(std::iter::from_fn(|| one_by_one.next())), &alone);
        let mut noop = Noop;
        let at_once = plan.assign(service, &request, 0, &mut noop);
        let at_once = at_once.fold(Vec::new(), |mut given, one| { given.push(one); given });
        prop_assert_eq!(said(at_once.into_iter()), alone);
    }
}
