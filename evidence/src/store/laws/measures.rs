//! Measures: what is made of units' values.

use super::*;

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
