//! What goes: units that are forgotten, and what is too old.

use super::*;

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
        Forgotten::default()
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
