//! What every store of evidence keeps to, told once and asked of each.

use super::{Counts, Cursor, EvidenceStore, Retention, Scan, Span, StoreError};
use crate::batch::{Batch, BatchBuilder};
use crate::exposure::{Execution, Exposure, Reason};
use crate::fold::MINUTE;
use crate::measure::{Aggregation, Measure, Measures, Source};
use crate::outcome::{Outcome, Value};
use crate::recent::Recent;
use crate::sums::Sums;
use crate::unit::{Privacy, UnitHasher, UnitKey};
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// The tests' present: 2023-11-14 22:13:20.
const NOW: i64 = 1_700_000_000_000_000;

pub(crate) fn units() -> UnitHasher {
    UnitHasher::new(&[7; 32], Privacy::Hashed)
}

pub(crate) fn key(unit: &str) -> UnitKey {
    units().key("user", unit)
}

pub(crate) fn exposure(unit: &str, variant: &str, time: i64) -> Exposure {
    Exposure {
        experiment: "chat".to_owned(),
        variant: variant.to_owned(),
        served: Some(variant.to_owned()),
        fallback_used: false,
        reason: Reason::Hashed,
        unit_type: "user".to_owned(),
        unit: units().unit("user", unit),
        probability: 0.0,
        mirror: None,
        execution: Arc::new(Execution {
            time,
            proxy: "edge-1".to_owned(),
            reached_upstream: true,
            status: 200,
            duration_us: 10_000,
            ttfb_us: 5_000,
            ..Execution::default()
        }),
    }
}

fn changed(exposure: &Exposure, change: impl FnOnce(&mut Execution)) -> Exposure {
    let mut exposure = exposure.clone();
    change(Arc::make_mut(&mut exposure.execution));
    exposure
}

fn outcome(unit: &str, metric: &str, value: f64, time: i64) -> Outcome {
    Outcome {
        experiment: Some("chat".to_owned()),
        unit_type: "user".to_owned(),
        unit: units().unit("user", unit),
        metric: metric.to_owned(),
        value: Value::new(value).unwrap(),
        time,
        idempotency_key: None,
    }
}

pub(crate) fn batch(number: i64, exposures: &[Exposure], outcomes: &[Outcome]) -> Batch {
    let (mut builder, mut recent) = (BatchBuilder::default(), Recent::new(1_000_000));
    for it in exposures {
        builder.push(it, &mut recent);
    }
    Batch {
        writer: 1,
        number,
        blocks: builder.seal(),
        outcomes: outcomes.to_vec(),
        account: None,
    }
}

pub(crate) async fn fold_all(store: &dyn EvidenceStore) {
    while store.fold().await.unwrap().more {}
}

async fn sums(store: &dyn EvidenceStore, measure: &str) -> BTreeMap<String, Sums> {
    let sufficient = store.sufficient("chat", measure).await.unwrap();
    assert_eq!(sufficient.behind, 0);
    let arms = sufficient.variants.into_iter();
    arms.map(|(variant, arm)| {
        let mut days = Sums::default();
        arm.days.values().for_each(|it| days.add(it));
        assert_eq!(days, arm.sums, "days are parts of the whole");
        (variant, arm.sums)
    })
    .collect()
}

/// A variant whose units all went: its sums are nothing, or it is not named any more.
fn of_nobody(sums: &BTreeMap<String, Sums>, variant: &str) -> Sums {
    sums.get(variant).copied().unwrap_or_default()
}

/// A store in which a few units saw a few things.
async fn with_three_units(store: &dyn EvidenceStore) {
    let failed = changed(&exposure("u-2", "b", NOW + 1), |it| it.status = 503);
    let told = changed(&exposure("u-1", "a", NOW), |it| {
        it.outcomes = vec![("tokens".to_owned(), 7.0)];
    });
    let exposures = [
        told,
        exposure("u-1", "a", NOW + 2),
        failed,
        exposure("u-3", "b", NOW + DAY),
    ];
    let outcomes = [
        outcome("u-1", "revenue", 3.0, NOW + 5),
        outcome("u-2", "revenue", 4.0, NOW + 5),
    ];
    store
        .append(&batch(1, &exposures, &outcomes))
        .await
        .unwrap();
    fold_all(store).await;
}

pub(crate) async fn sums_are_those_of_units(store: &dyn EvidenceStore) {
    with_three_units(store).await;
    let of = |units: &[(f64, f64)]| {
        let mut all = Sums::default();
        units
            .iter()
            .for_each(|(x, y)| all.add(&Sums::of(*x, *y, 0.0)));
        all
    };
    let expect = |a: &[(f64, f64)], b: &[(f64, f64)]| {
        BTreeMap::from([("a".to_owned(), of(a)), ("b".to_owned(), of(b))])
    };
    assert_eq!(
        sums(store, "requests").await,
        expect(&[(2.0, 1.0)], &[(1.0, 1.0), (1.0, 1.0)])
    );
    assert_eq!(
        sums(store, "error_rate").await,
        expect(&[(0.0, 2.0)], &[(1.0, 1.0), (0.0, 1.0)])
    );
    assert_eq!(
        sums(store, "latency_ms").await,
        expect(&[(20.0, 2.0)], &[(10.0, 1.0), (10.0, 1.0)])
    );
    assert_eq!(
        sums(store, "revenue").await,
        expect(&[(3.0, 1.0)], &[(4.0, 1.0), (0.0, 1.0)])
    );
    assert_eq!(
        sums(store, "tokens").await,
        expect(&[(7.0, 1.0)], &[(0.0, 1.0), (0.0, 1.0)])
    );
    let latency = store.sufficient("chat", "latency_ms").await.unwrap();
    assert_eq!(latency.variants["a"].values.count(), 2);
    let unknown = store.sufficient("chat", "nonsense").await;
    assert!(matches!(unknown, Err(StoreError::UnknownMeasure(name)) if name == "nonsense"));
    assert!(
        store
            .sufficient("other", "requests")
            .await
            .unwrap()
            .variants
            .is_empty()
    );
}

pub(crate) async fn a_batch_that_comes_again_counts_once(store: &dyn EvidenceStore) {
    let first = batch(1, &[exposure("u-1", "a", NOW)], &[]);
    assert!(!store.append(&first).await.unwrap().repeated);
    assert!(store.append(&first).await.unwrap().repeated);
    let second = batch(2, &[exposure("u-1", "a", NOW + 1)], &[]);
    assert!(!store.append(&second).await.unwrap().repeated);
    assert!(store.append(&first).await.unwrap().repeated, "also later");
    fold_all(store).await;
    fold_all(store).await;
    assert_eq!(store.summary("chat").await.unwrap().counts.exposures, 2);
}

pub(crate) async fn an_outcome_with_a_key_counts_once(store: &dyn EvidenceStore) {
    let keyed = |unit: &str| Outcome {
        idempotency_key: Some("order-1".to_owned()),
        ..outcome(unit, "revenue", 5.0, NOW + 1)
    };
    let exposures = [exposure("u-1", "a", NOW), exposure("u-2", "a", NOW)];
    let first = batch(1, &exposures, &[keyed("u-1"), keyed("u-1"), keyed("u-2")]);
    assert_eq!(store.append(&first).await.unwrap().duplicate_outcomes, [1]);
    let again = batch(2, &[], &[keyed("u-2")]);
    assert_eq!(store.append(&again).await.unwrap().duplicate_outcomes, [0]);
    fold_all(store).await;
    assert_eq!(sums(store, "revenue").await["a"].x, 10.0);
}

pub(crate) async fn outcomes_count_within_their_window_and_the_rest_is_kept_apart(
    store: &dyn EvidenceStore,
) {
    let day = Measure {
        window: Some(DAY),
        aggregation: Aggregation::Any,
        ..Measure::of(Source::Outcome("bought".to_owned()))
    };
    store
        .define(&Measures([("bought".to_owned(), day)].into()))
        .await
        .unwrap();
    let of = |unit, time| outcome(unit, "bought", 1.0, time);
    let outcomes = [
        of("u-1", NOW - 1),
        of("u-1", NOW),
        of("u-2", NOW + 2 * DAY),
        of("u-9", NOW),
    ];
    let exposures = [exposure("u-1", "a", NOW), exposure("u-2", "a", NOW)];
    store
        .append(&batch(1, &exposures, &outcomes))
        .await
        .unwrap();
    fold_all(store).await;
    let counts = store.summary("chat").await.unwrap().counts;
    let expected = Counts {
        exposures: 2,
        attributed: 1,
        early: 1,
        late: 1,
        orphans: 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    let mut all = Sums::of(1.0, 1.0, 1.0);
    all.add(&Sums::of(0.0, 1.0, 0.0));
    assert_eq!(
        sums(store, "bought").await["a"],
        all,
        "and what was early is the covariate"
    );
    // The orphan's unit is exposed after all.
    store
        .append(&batch(2, &[exposure("u-9", "a", NOW - 5)], &[]))
        .await
        .unwrap();
    fold_all(store).await;
    let counts = store.summary("chat").await.unwrap().counts;
    assert_eq!((counts.attributed, counts.orphans), (2, 0));
}

pub(crate) async fn the_past_of_a_unit_is_the_covariate_of_an_experiment_to_come(
    store: &dyn EvidenceStore,
) {
    let any = |time, value| Outcome {
        experiment: None,
        ..outcome("u-1", "revenue", value, time)
    };
    store
        .append(&batch(1, &[], &[any(NOW - DAY, 3.0), any(NOW + 1, 4.0)]))
        .await
        .unwrap();
    fold_all(store).await;
    store
        .append(&batch(
            2,
            &[exposure("u-1", "a", NOW)],
            &[any(NOW + 2, 5.0)],
        ))
        .await
        .unwrap();
    fold_all(store).await;
    assert_eq!(sums(store, "revenue").await["a"], Sums::of(9.0, 1.0, 3.0));
}

pub(crate) async fn a_unit_in_two_variants_counts_for_its_first_and_is_shown(
    store: &dyn EvidenceStore,
) {
    store
        .append(&batch(1, &[exposure("u-1", "b", NOW + 5)], &[]))
        .await
        .unwrap();
    fold_all(store).await;
    store
        .append(&batch(
            2,
            &[exposure("u-1", "a", NOW + 9), exposure("u-2", "a", NOW)],
            &[],
        ))
        .await
        .unwrap();
    fold_all(store).await;
    let summary = store.summary("chat").await.unwrap();
    assert_eq!(
        summary.units,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)])
    );
    assert_eq!(summary.contaminated, BTreeMap::from([("b".to_owned(), 1)]));
    // An earlier request arrives late: the first variant is another one, and all sums go along.
    store
        .append(&batch(3, &[exposure("u-1", "a", NOW)], &[]))
        .await
        .unwrap();
    fold_all(store).await;
    let summary = store.summary("chat").await.unwrap();
    assert_eq!(summary.units, BTreeMap::from([("a".to_owned(), 2)]));
    assert_eq!(summary.contaminated, BTreeMap::from([("a".to_owned(), 1)]));
    assert_eq!(sums(store, "requests").await["a"].x, 4.0);
    assert_eq!(
        of_nobody(&sums(store, "requests").await, "b"),
        Sums::default()
    );
    let known = store.unit(key("u-1")).await.unwrap();
    assert_eq!(
        (known[0].variant.as_str(), known[0].first_exposure),
        ("a", NOW)
    );
    assert!(known[0].contaminated);
}

pub(crate) async fn what_strayed_units_add_is_also_kept_apart(store: &dyn EvidenceStore) {
    let fell_back = Exposure {
        fallback_used: true,
        served: Some("a".to_owned()),
        ..exposure("u-1", "b", NOW + 1)
    };
    let first = [
        exposure("u-1", "b", NOW),
        exposure("u-2", "b", NOW),
        exposure("u-3", "b", NOW + DAY),
    ];
    let paid = [("u-1", 3.0), ("u-2", 4.0), ("u-3", 5.0)]
        .map(|(unit, value)| outcome(unit, "revenue", value, NOW + DAY + 5));
    store.append(&batch(1, &first, &paid)).await.unwrap();
    fold_all(store).await;
    let arm = |it: super::Sufficient| it.variants["b"].clone();
    let before = arm(store.sufficient("chat", "revenue").await.unwrap());
    assert!(before.strayed.is_empty());
    // One was answered by another variant's cluster, one is seen in another variant.
    let later = [fell_back, exposure("u-3", "a", NOW + 2 * DAY)];
    store.append(&batch(2, &later, &[])).await.unwrap();
    fold_all(store).await;
    let now = arm(store.sufficient("chat", "revenue").await.unwrap());
    assert_eq!(
        now.days, before.days,
        "those who were assigned stay the same"
    );
    let day = i32::try_from(NOW / DAY).unwrap();
    let expected = [
        (day, Sums::of(3.0, 1.0, 0.0)),
        (day + 1, Sums::of(5.0, 1.0, 0.0)),
    ];
    assert_eq!(now.strayed, BTreeMap::from(expected));
    let summary = store.summary("chat").await.unwrap();
    assert_eq!(summary.strayed, BTreeMap::from([("b".to_owned(), 2)]));
    store.forget(key("u-1")).await.unwrap();
    let left = arm(store.sufficient("chat", "revenue").await.unwrap());
    assert_eq!(left.strayed.keys().collect::<Vec<_>>(), [&(day + 1)]);
}

pub(crate) async fn values_are_summed_up_by_the_day_since_the_first_exposure(
    store: &dyn EvidenceStore,
) {
    let two_days = Measure {
        window: Some(2 * DAY),
        ..Measure::of(Source::Outcome("revenue".to_owned()))
    };
    let any = Measure {
        aggregation: Aggregation::Any,
        ..Measure::of(Source::Outcome("revenue".to_owned()))
    };
    let measures = [("early".to_owned(), two_days), ("payers".to_owned(), any)];
    store.define(&Measures(measures.into())).await.unwrap();
    let exposures = [exposure("u-1", "a", NOW), exposure("u-2", "a", NOW)];
    let paid = [
        (0, 3.0),
        (1, 4.0),
        (DAY, 5.0),
        (6 * DAY, 6.0),
        (7 * DAY, 7.0),
    ]
    .map(|(after, value)| outcome("u-1", "revenue", value, NOW + after));
    store.append(&batch(1, &exposures, &paid)).await.unwrap();
    fold_all(store).await;
    let day = i32::try_from(NOW / DAY).unwrap();
    for (measure, expected) in [
        ("early", vec![(0, 7.0), (1, 5.0)]),
        ("payers", vec![(0, 1.0), (1, 1.0), (6, 1.0)]),
    ] {
        let arm = store.sufficient("chat", measure).await.unwrap().variants["a"].clone();
        let ages = arm.ages.iter().enumerate();
        let found: Vec<_> = ages
            .filter_map(|(age, days)| Some((age, *days.get(&day)?)))
            .collect();
        let of = |(age, x): (usize, f64)| {
            let mut sums = Sums::of(x, 1.0, 0.0);
            sums.add(&Sums::of(0.0, 1.0, 0.0));
            (age, sums)
        };
        assert_eq!(found, expected.into_iter().map(of).collect::<Vec<_>>());
    }
    // What nobody defined has sums, but none by day.
    let requests = store.sufficient("chat", "requests").await.unwrap();
    assert!(requests.variants["a"].ages.is_empty());
}

pub(crate) async fn what_envoy_answered_or_somebody_forced_is_kept_and_does_not_count(
    store: &dyn EvidenceStore,
) {
    let plain = exposure("u-1", "a", NOW);
    let unreached = changed(&plain, |it| {
        (it.reached_upstream, it.time) = (false, NOW + 1);
    });
    let forced = Exposure {
        reason: Reason::Forced,
        ..changed(&plain, |it| it.time = NOW + 2)
    };
    store
        .append(&batch(1, &[plain, unreached, forced], &[]))
        .await
        .unwrap();
    fold_all(store).await;
    let counts = store.summary("chat").await.unwrap().counts;
    assert_eq!(
        (counts.exposures, counts.execution_failures, counts.forced),
        (1, 1, 1)
    );
    assert_eq!(sums(store, "requests").await["a"].x, 1.0);
    let page = store
        .exposures(&Scan {
            limit: 10,
            ..Scan::default()
        })
        .await
        .unwrap();
    assert_eq!(page.exposures.len(), 3);
}

pub(crate) async fn the_timeline_has_minutes_by_variant(store: &dyn EvidenceStore) {
    with_three_units(store).await;
    let start = NOW.div_euclid(MINUTE) * MINUTE;
    let span = Span {
        from: start,
        to: start + MINUTE,
    };
    let minutes = store.timeline("chat", span).await.unwrap();
    let told: Vec<_> = minutes
        .iter()
        .map(|it| (it.at, it.variant.as_str(), it.requests, it.errors))
        .collect();
    assert_eq!(told, [(start, "a", 2, 0), (start, "b", 1, 1)]);
    let median = minutes[0].latency.quantile(0.5).unwrap();
    assert!((median - 10.0).abs() <= 0.1, "{median}");
    assert_eq!(minutes[0].ttfb.count(), 2);
}

pub(crate) async fn exposures_are_read_page_by_page(store: &dyn EvidenceStore) {
    for number in 1..=3 {
        let unit = format!("u-{number}");
        store
            .append(&batch(number, &[exposure(&unit, "a", NOW + number)], &[]))
            .await
            .unwrap();
    }
    let mut scan = Scan {
        experiment: Some("chat".to_owned()),
        after: Cursor::default(),
        limit: 2,
    };
    let page = store.exposures(&scan).await.unwrap();
    assert_eq!((page.exposures.len(), page.more), (2, true));
    assert_eq!(page.exposures[0], exposure("u-1", "a", NOW + 1));
    scan.after = page.next;
    let rest = store.exposures(&scan).await.unwrap();
    assert_eq!((rest.exposures.len(), rest.more), (1, false));
    scan.after = rest.next;
    let nothing = store.exposures(&scan).await.unwrap();
    assert_eq!((nothing.exposures.len(), nothing.next), (0, rest.next));
    scan = Scan {
        experiment: Some("other".to_owned()),
        limit: 9,
        ..Scan::default()
    };
    assert!(store.exposures(&scan).await.unwrap().exposures.is_empty());
}

pub(crate) async fn a_forgotten_unit_leaves_nothing(store: &dyn EvidenceStore) {
    with_three_units(store).await;
    let any = Outcome {
        experiment: None,
        idempotency_key: Some("k".to_owned()),
        ..outcome("u-1", "revenue", 1.0, NOW)
    };
    store.append(&batch(2, &[], &[any])).await.unwrap();
    fold_all(store).await;
    let forgotten = store.forget(key("u-1")).await.unwrap();
    assert_eq!(
        (
            forgotten.exposures,
            forgotten.outcomes,
            forgotten.experiments
        ),
        (2, 2, 1)
    );
    assert!(store.unit(key("u-1")).await.unwrap().is_empty());
    let page = store
        .exposures(&Scan {
            limit: 99,
            ..Scan::default()
        })
        .await
        .unwrap();
    assert!(page.exposures.iter().all(|it| it.unit.key != key("u-1")) && page.exposures.len() == 2);
    assert_eq!(
        of_nobody(&sums(store, "revenue").await, "a"),
        Sums::default()
    );
    assert_eq!(sums(store, "revenue").await["b"].x, 4.0);
    assert_eq!(
        store.forget(key("u-1")).await.unwrap(),
        super::Forgotten::default()
    );
}

pub(crate) async fn what_is_measured_may_change_and_is_made_anew(store: &dyn EvidenceStore) {
    with_three_units(store).await;
    let capped = Measure {
        cap: Some(3.5),
        ..Measure::of(Source::Outcome("revenue".to_owned()))
    };
    let measures = Measures([("revenue".to_owned(), capped)].into());
    store.define(&measures).await.unwrap();
    let behind = store.summary("chat").await.unwrap().behind;
    let revenue = store.sufficient("chat", "revenue").await.unwrap();
    assert!(
        behind == 6 || revenue.variants["b"].sums.x == 3.5,
        "it says that it is behind, or is not"
    );
    fold_all(store).await;
    assert_eq!(sums(store, "revenue").await["b"].x, 3.5);
    assert_eq!(sums(store, "requests").await["a"].x, 2.0);
    store.define(&measures).await.unwrap();
    assert_eq!(
        store.summary("chat").await.unwrap().behind,
        0,
        "the same is nothing new"
    );
}

pub(crate) async fn what_is_too_old_goes(store: &dyn EvidenceStore) {
    with_three_units(store).await;
    let retention = Retention::default();
    let raw = i64::try_from(retention.raw.as_micros()).unwrap();
    let units = i64::try_from(retention.units.as_micros()).unwrap();
    let removed = store.retain(&retention, NOW).await.unwrap();
    assert_eq!((removed.blocks, removed.units), (0, 0));
    let removed = store.retain(&retention, NOW + raw + 2 * DAY).await.unwrap();
    assert_eq!((removed.blocks, removed.units), (2, 0));
    assert_eq!(sums(store, "requests").await["b"].n, 2);
    let removed = store.retain(&retention, NOW + units + 10).await.unwrap();
    assert_eq!(removed.units, 2);
    assert_eq!(
        sums(store, "requests").await["b"].n,
        1,
        "the one of the next day"
    );
}

pub(crate) async fn the_secret_is_drawn_once(store: &dyn EvidenceStore) {
    assert_eq!(store.secret([1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret([2; 32]).await.unwrap(), [1; 32]);
}

/// The tests of a kind of store: `$open` is a future of one, and of what keeps it.
macro_rules! laws {
    ($open:expr) => {
        $crate::store::laws::laws!(@each $open,
            sums_are_those_of_units,
            a_batch_that_comes_again_counts_once,
            an_outcome_with_a_key_counts_once,
            outcomes_count_within_their_window_and_the_rest_is_kept_apart,
            the_past_of_a_unit_is_the_covariate_of_an_experiment_to_come,
            a_unit_in_two_variants_counts_for_its_first_and_is_shown,
            what_strayed_units_add_is_also_kept_apart,
            values_are_summed_up_by_the_day_since_the_first_exposure,
            what_envoy_answered_or_somebody_forced_is_kept_and_does_not_count,
            the_timeline_has_minutes_by_variant,
            exposures_are_read_page_by_page,
            a_forgotten_unit_leaves_nothing,
            what_is_measured_may_change_and_is_made_anew,
            what_is_too_old_goes,
            the_secret_is_drawn_once
        );
    };
    (@each $open:expr, $($law:ident),*) => {
        $(
            #[tokio::test]
            async fn $law() {
                if let Some((store, _keeper)) = $open.await {
                    $crate::store::laws::$law(&store).await;
                }
            }
        )*
    };
}
pub(crate) use laws;
