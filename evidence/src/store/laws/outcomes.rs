//! Outcomes: which count, and to what.

use super::*;

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
