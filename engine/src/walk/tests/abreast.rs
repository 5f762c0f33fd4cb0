use super::*;
use proptest::prelude::*;

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
            one.unit, one.reason
        )
    };
    decisions.map(whole).collect()
}

proptest! {
    /// Layer by layer the walk does not look ahead.
    #[test]
    fn looking_ahead_changes_nothing(
        count in 1..14_u32, changed in prop::collection::vec(0..12_u8, 1..14),
        unit in "[a-z]{0,70}|[é✓]{1,9}", other in prop::option::of("[a-z]{1,20}"), is_gold: bool,
    ) {
        let plan = layered(count, &changed);
        let tier = if is_gold { "gold" } else { "silver" };
        let mut headers = vec![("x-user", &*unit), ("x-tier", tier)];
        headers.extend(other.as_deref().map(|other| ("x-other", other)));
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request::new(Headers::new(&pairs), plan.attributes());
        let service = &plan.services()[0];
        let mut noop = Noop;
        let mut walk = Walk::new(&plan, service, &request, 0, &mut noop);
        let alone = said(service.scopes.iter().filter_map(|scope| walk.scope(scope)));
        prop_assert_eq!(said(plan.assign(service, &request, 0, &mut Noop)), alone);
    }
}
