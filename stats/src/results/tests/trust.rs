//! Whether to believe an experiment, and what follows where one may not.

use super::*;

#[test]
fn a_split_that_is_not_the_configured_one_withholds_every_verdict() {
    let mut skewed = two_arms(10.5);
    skewed.phases[0].units = vec![10_000, 9_400];
    let results = of(&skewed).unwrap();
    assert!(!results.trust.valid);
    assert_eq!(results.trust.checks[0].name, CheckName::SampleRatio);
    assert_eq!(results.trust.checks[0].status, Status::Fail);
    assert_eq!(first(&results).verdict, Verdict::Invalid);
    assert_eq!(first(&results).reasons[0], results.trust.checks[0].detail);
    assert!(first(&results).numbers.is_some());
}

#[test]
fn units_of_a_variant_without_weight_fail_the_split() {
    let mut odd = two_arms(10.5);
    odd.variants.push("off".into());
    odd.phases[0].weights.push(0.0);
    odd.phases[0].units.push(7);
    odd.metrics.clear();
    assert_eq!(of(&odd).unwrap().trust.checks[0].status, Status::Fail);
}

#[test]
fn missing_telemetry_withholds_the_verdict_and_unmeasured_does_not() {
    let mut missing = two_arms(10.5);
    missing.telemetry = Some(Telemetry {
        counted: 20_000,
        arrived: 19_000,
    });
    assert_eq!(verdict(&missing), Verdict::Invalid);
    missing.telemetry = None;
    assert_eq!(verdict(&missing), Verdict::Winner);
}

#[test]
fn contamination_and_a_bad_history_of_a_a_tests_warn() {
    let mut odd = two_arms(10.5);
    odd.contaminated = 500;
    odd.aa_history = vec![0.01; 5];
    let results = of(&odd).unwrap();
    assert_eq!(results.trust.checks[2].status, Status::Warn);
    assert_eq!(results.trust.checks[2].share, Some(0.025));
    assert_eq!(results.trust.checks[3].status, Status::Warn);
    assert_eq!(first(&results).verdict, Verdict::Winner);
}

#[test]
fn a_lift_too_good_to_be_likely_is_flagged_and_keeps_its_verdict() {
    assert!(of(&two_arms(10.5)).unwrap().metrics[0].flags.is_empty());
    let results = of(&two_arms(18.0)).unwrap();
    let flag = &results.metrics[0].flags[0];
    assert_eq!((flag.name, flag.status), (CheckName::Twyman, Status::Warn));
    assert_eq!(first(&results).verdict, Verdict::Winner);
}

/// Two arms on the first days since first exposure, with these effects.
fn aged(effects: &[f64]) -> Evidence {
    let mut aged = two_arms(10.1);
    aged.metrics[0].ages = effects
        .iter()
        .map(|effect| {
            vec![Slice {
                phase: 0,
                day: None,
                arms: vec![sums(10_000.0, 1.0, 4.0), sums(10_000.0, 1.0 + effect, 4.0)],
            }]
        })
        .collect();
    aged
}

#[test]
fn an_effect_that_fades_with_the_days_since_first_exposure_warns_and_keeps_its_verdict() {
    let results = of(&aged(&[0.8, 0.5, 0.3, 0.2, 0.1])).unwrap();
    let check = results.trust.checks.last().unwrap();
    assert_eq!(
        (check.name, check.status),
        (CheckName::Novelty, Status::Warn)
    );
    assert!(results.trust.valid);
    let metric = &results.metrics[0];
    assert!(metric.flags[0].detail.contains("new: the effect fades"));
    let days: Vec<_> = metric.by_age.iter().map(|it| it.day).collect();
    assert_eq!(days, [0, 1, 2, 3, 4]);
    let second = metric.by_age[1].effects[0].unwrap();
    assert!((second.estimate - 0.5).abs() < 1e-12 && second.lower < 0.5);
}

#[test]
fn a_steady_effect_passes_and_too_few_days_are_not_asked() {
    let results = of(&aged(&[0.5; 4])).unwrap();
    assert_eq!(results.trust.checks.last().unwrap().status, Status::Pass);
    assert!(results.metrics[0].flags.is_empty());
    let results = of(&aged(&[0.8, 0.1])).unwrap();
    assert_eq!(results.trust.checks.last().unwrap().status, Status::Unknown);
}

#[test]
fn a_day_without_enough_units_is_left_out_of_the_trend() {
    let mut young = aged(&[0.5; 5]);
    young.metrics[0].ages[4][0].arms = vec![Sums::default(), sums(1.0, 1.0, 0.0)];
    let results = of(&young).unwrap();
    assert_eq!(results.metrics[0].by_age.len(), 4);
    young.metrics[0].ages[0][0].phase = 9;
    assert_eq!(of(&young).unwrap_err().code(), "out_of_range");
}
