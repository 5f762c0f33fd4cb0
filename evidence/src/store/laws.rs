//! What every store of evidence keeps to, told once and asked of each.

mod log;
mod measures;
mod outcomes;
mod removal;
mod units;
mod winsorised;

pub(crate) use log::{
    a_batch_that_comes_again_counts_once, a_reader_goes_on_where_it_was_and_never_goes_back,
    exposures_are_read_page_by_page, the_secret_is_drawn_once, the_timeline_has_minutes_by_variant,
    what_envoy_answered_or_somebody_forced_is_kept_and_does_not_count,
};
pub(crate) use measures::{
    values_are_summed_up_by_the_day_since_the_first_exposure,
    what_is_measured_may_change_and_is_made_anew,
};
pub(crate) use outcomes::{
    an_outcome_with_a_key_counts_once,
    outcomes_count_within_their_window_and_the_rest_is_kept_apart,
    the_past_of_a_unit_is_the_covariate_of_an_experiment_to_come,
};
pub(crate) use removal::{a_forgotten_unit_leaves_nothing, what_is_too_old_goes};
pub(crate) use units::{
    a_unit_in_two_variants_counts_for_its_first_and_is_shown, sums_are_those_of_units,
    what_strayed_units_add_is_also_kept_apart,
};
pub(crate) use winsorised::{
    units_are_clipped_at_the_quantiles_of_all_variants_together,
    what_strayed_and_single_days_are_clipped_at_the_same_values,
};

use super::{
    Counts, Cursor, EvidenceStore, Forgotten, Retention, Scan, Span, StoreError, Sufficient,
};
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
            a_reader_goes_on_where_it_was_and_never_goes_back,
            a_forgotten_unit_leaves_nothing,
            what_is_measured_may_change_and_is_made_anew,
            units_are_clipped_at_the_quantiles_of_all_variants_together,
            what_strayed_and_single_days_are_clipped_at_the_same_values,
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
