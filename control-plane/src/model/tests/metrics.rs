//! Metrics: what one may say, and what experiments may name.

use super::*;
use crate::model::builtin_metric;
use crate::model::duration::Seconds;
use crate::model::metric::{Measure, MetricSpec, Seen, Source};
use crate::model::strategy::Real;
use std::sync::Arc;

fn metric(name: &str, spec: &str) -> Change {
    Change::Put(key(name), Spec::Metric(yaml(spec)))
}

fn naming(metric: &str, guardrails: &[&str]) -> ExperimentSpec {
    let mut spec = stamping(1_000);
    spec.primary_metric = Some(metric.to_owned());
    spec.guardrails = guardrails.iter().map(|name| (*name).to_owned()).collect();
    spec
}

#[test]
fn a_metric_measures_the_outcomes_of_its_own_name_for_seven_days() {
    let model = apply(
        &world(),
        &metric("cost", "{type: mean, direction: decrease}"),
    );
    let design = &model.metrics["cost"].design;
    assert_eq!(design.measure, Measure::Mean(Source::Outcome(key("cost"))));
    assert_eq!(design.window, Seconds::days(7));
    assert_eq!(design.cap, None);
}

#[test]
fn a_metric_says_all_that_it_can() {
    let model = apply(
        &world(),
        &metric(
            "spend",
            "{type: mean, value: {outcome: cost_usd}, direction: decrease, window: 12h, cap: 10.5, minimum_effect: 0.02, unit: USD}",
        ),
    );
    let design = &model.metrics["spend"].design;
    assert_eq!(
        design.measure,
        Measure::Mean(Source::Outcome(key("cost_usd")))
    );
    assert_eq!(design.window, Seconds::new(43_200));
    assert_eq!(design.cap.map(Real::get), Some(10.5));
    let slow = "{type: ratio, numerator: {exposure: latency_ms}, denominator: {exposure: requests}, direction: decrease}";
    let model = apply(&model, &metric("slow", slow));
    assert_eq!(
        model.metrics["slow"].design.measure,
        Measure::Ratio {
            numerator: Source::Exposure(Seen::LatencyMs),
            denominator: Source::Exposure(Seen::Requests),
        }
    );
}

#[test]
fn what_a_metric_says_can_be_put_again() {
    for spec in [
        "{type: mean, direction: increase, cap: 3, description: d}",
        "{type: mean, direction: increase, winsorize: {lower: 0.01, upper: 0.99, ignore_zeros: true}}",
        "{type: ratio, numerator: {outcome: a}, denominator: {outcome: b}, direction: increase, winsorize: {upper: 0.999}}",
        "{type: proportion, direction: increase, window: 90d}",
        "{type: ratio, numerator: {outcome: a}, denominator: {outcome: b}, direction: increase}",
        "{type: quantile, quantile: 0.95, value: {exposure: ttfb_ms}, direction: decrease}",
    ] {
        let model = apply(&world(), &metric("m", spec));
        let shown = MetricSpec::from(&model.metrics["m"].design);
        let again = Change::Put(key("m"), Spec::Metric(Box::new(shown)));
        assert_eq!(try_apply(&model, &again).unwrap().edit, None, "{spec}");
    }
}

#[test]
fn what_does_not_belong_to_a_metric_is_placed_by_pointer() {
    for (spec, places) in [
        ("{type: mean, direction: increase, cap: 0}", vec!["/cap"]),
        (
            "{type: proportion, direction: increase, cap: 1}",
            vec!["/cap"],
        ),
        (
            "{type: proportion, direction: increase, winsorize: {upper: 0.99}}",
            vec!["/winsorize"],
        ),
        (
            "{type: mean, direction: increase, cap: 3, winsorize: {upper: 0.99}}",
            vec!["/winsorize"],
        ),
        (
            "{type: mean, direction: increase, winsorize: {lower: -0.1, upper: 1.5}}",
            vec!["/winsorize/lower", "/winsorize/upper"],
        ),
        (
            "{type: mean, direction: increase, winsorize: {lower: 0.9, upper: 0.9}}",
            vec!["/winsorize"],
        ),
        (
            "{type: mean, direction: increase, winsorize: {}}",
            vec!["/winsorize"],
        ),
        (
            "{type: mean, direction: increase, winsorize: {lower: 0, upper: 1}}",
            vec!["/winsorize"],
        ),
        (
            "{type: mean, direction: increase, quantile: 0.5}",
            vec!["/quantile"],
        ),
        ("{type: quantile, direction: increase}", vec!["/quantile"]),
        (
            "{type: quantile, direction: increase, quantile: 1}",
            vec!["/quantile"],
        ),
        (
            "{type: ratio, direction: increase}",
            vec!["/numerator", "/denominator"],
        ),
        (
            "{type: ratio, direction: increase, value: {outcome: a}, numerator: {outcome: A}, denominator: {outcome: b}}",
            vec!["/value", "/numerator/outcome"],
        ),
        (
            "{type: mean, direction: increase, window: 91d, minimum_effect: 0, unit: 'a-unit-with-a-name-that-is-far-too-long'}",
            vec!["/window", "/minimum_effect", "/unit"],
        ),
    ] {
        let found = faults(&world(), &metric("m", spec));
        let found: Vec<&str> = found
            .iter()
            .map(|it| it.split(':').next().unwrap())
            .collect();
        assert_eq!(found, places, "{spec}");
    }
}

#[test]
fn an_experiment_names_metrics_that_there_are() {
    let model = apply(
        &world(),
        &metric("thumbs_up", "{type: proportion, direction: increase}"),
    );
    apply(
        &model,
        &experiment("x", naming("thumbs_up", &["latency_p99", "error_rate"])),
    );
    let found = faults(
        &model,
        &experiment("x", naming("thumbs", &["error_rate", "cost"])),
    );
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("/primary_metric: there is no metric `thumbs` (expected a metric that was put, or one that every experiment has: thumbs_up, error_rate,"), "{}", found[0]);
    assert!(
        found[1].starts_with("/guardrails/1: there is no metric `cost`"),
        "{}",
        found[1]
    );
}

#[test]
fn what_was_named_before_there_were_metrics_may_stay() {
    let mut model = apply(&world(), &experiment("x", stamping(1_000)));
    let old = Arc::make_mut(model.experiments.get_mut("x").unwrap());
    old.design.primary_metric = Some(key("thumbs"));
    old.design.guardrails = vec![key("cost")];
    apply(&model, &cluster("another"));
    let mut kept = naming("cost", &["thumbs"]);
    kept.hypothesis = Some("h".to_owned());
    apply(&model, &experiment("x", kept));
    let found = faults(&model, &experiment("x", naming("thumbs", &["costs"])));
    assert!(found[0].starts_with("/guardrails/0: "), "{found:?}");
}

#[test]
fn a_metric_that_an_experiment_names_stays() {
    let model = apply(
        &world(),
        &metric("cost", "{type: mean, direction: decrease}"),
    );
    let model = apply(&model, &experiment("x", naming("cost", &[])));
    let away = Change::Delete(Kind::Metric, key("cost"));
    assert!(matches!(
        refusal(&model, &away),
        ModelError::InUse { by, .. } if by == ["experiment `x`"]
    ));
    let model = apply(&model, &experiment("x", stamping(1_000)));
    assert!(apply(&model, &away).metrics.is_empty());
}

#[test]
fn every_experiment_has_the_metrics_of_what_envoy_sees() {
    let model = world();
    for name in builtin_metric::KEYS {
        let design = model.metric(&key(name)).unwrap();
        let spec = MetricSpec::from(&design);
        let mut found = Faults::default();
        assert_eq!(
            spec.validate(&key(name), &mut found).as_ref(),
            Some(&design),
            "{name}"
        );
        assert!(found.is_empty(), "{name}: {found}");
    }
    assert_eq!(model.metric(&key("cost")), None);
    let own = "{type: proportion, value: {exposure: errors}, direction: decrease}";
    let model = apply(&model, &metric("error_rate", own));
    let design = model.metric(&key("error_rate")).unwrap();
    assert_eq!(
        design.measure,
        Measure::Proportion(Source::Exposure(Seen::Errors))
    );
}
