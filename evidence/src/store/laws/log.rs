//! The log: what is kept, once, and read again.

use super::*;

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

pub(crate) async fn a_reader_goes_on_where_it_was_and_never_goes_back(store: &dyn EvidenceStore) {
    let place = async |reader| store.bookmark(reader).await.unwrap();
    assert_eq!(place("one").await, Cursor::default());
    store.keep_bookmark("one", Cursor(7)).await.unwrap();
    store
        .keep_bookmark("it's another", Cursor(9))
        .await
        .unwrap();
    store.keep_bookmark("one", Cursor(8)).await.unwrap();
    store.keep_bookmark("one", Cursor(3)).await.unwrap();
    assert_eq!(place("one").await, Cursor(8));
    assert_eq!(place("it's another").await, Cursor(9));
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

pub(crate) async fn the_secret_is_drawn_once(store: &dyn EvidenceStore) {
    assert_eq!(store.secret([1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret([2; 32]).await.unwrap(), [1; 32]);
}
