//! Units: the sums of their variants, and where units were seen.

use super::*;

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
    let arm = |it: Sufficient| it.variants["b"].clone();
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
