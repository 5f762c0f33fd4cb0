//! Hashes of other systems: buckets and salts of their own, so that units keep what they had.

use super::rich::{found, with};
use super::*;

#[test]
fn a_foreign_hash_has_its_own_buckets_and_salt() {
    let moved = "hash: flagd_v2\nbuckets: 3\nsalt: my-flag\nvariants: [{key: a, weight: 1}, {key: b, weight: 2}]";
    assert_eq!(found(&with(moved)), Vec::<String>::new());
    for (changes, fault) in [
        ("buckets: 100", "/buckets: is 100, and this hash has 10000"),
        (
            "hash: growthbook_v1\nbuckets: 10000\nsalt: s",
            "/buckets: is 10000, and this hash has 1000",
        ),
        (
            "hash: unleash\nbuckets: 0\nsalt: s",
            "/buckets: 0 is out of bounds",
        ),
        (
            "hash: unleash",
            "/salt: is missing, though the hash is another system's",
        ),
        (
            "hash: unleash\nbuckets: 100\nsalt: s",
            "/variants: weights add up to 10000",
        ),
    ] {
        assert_eq!(found(&with(changes)), [fault], "{changes}");
    }
}

#[test]
fn foreign_buckets_are_shared_and_split_among_themselves() {
    let model = world();
    let moved = Change::Put(
        key("old"),
        Spec::Layer(yaml("{hash: unleash, buckets: 100}")),
    );
    let model = apply(&model, &moved);
    let spec = |traffic: u64, weights: &str| -> ExperimentSpec {
        let text = format!(
            "layer: old\nowner: me\ndecision_date: 2026-03-31\ntraffic: {traffic}\nhash: unleash_variant\nbuckets: 1000\nsalt: s\nunit: {{type: user, sources: [{{header: x-user}}]}}\nvariants: {weights}"
        );
        yaml(&text)
    };
    let half = "[{key: control, weight: 500}, {key: candidate, weight: 500}]";
    let model = apply(&model, &experiment("x", spec(60, half)));
    let refused = refusal(&model, &experiment("y", spec(41, half)));
    assert_eq!(
        refused.to_string(),
        "layer `old` has 40 free buckets of 100, 41 are asked for; held: `x` 60"
    );
    let before = get(&model, "x").clone();
    let model = apply(&model, &weights("x", 900, 100));
    let after = get(&model, "x");
    let buckets = |it: &Experiment| it.variants().map(|v| v.ranges.clone()).collect::<Vec<_>>();
    assert_eq!(buckets(&before)[0].difference(&buckets(after)[0]).size(), 0);
    assert_eq!(buckets(after)[1].size(), 100);
    assert!(buckets(after).iter().all(|ranges| !ranges.contains(1_000)));
    let wrong = faults(&model, &weights("x", 9_000, 1_000));
    assert_eq!(
        wrong,
        [
            ": weights add up to 10000 (expected weights that add up to 1000, the buckets of the hash)"
        ]
    );
    let fewer = Change::Put(
        key("old"),
        Spec::Layer(yaml("{hash: unleash, buckets: 50}")),
    );
    assert_eq!(
        faults(&model, &fewer),
        ["/buckets: cannot change while experiment `x` owns some (expected the number as it is)"]
    );
}
