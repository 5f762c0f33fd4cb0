//! Each method against what it is made of.

use super::*;
use crate::distribution::normal;
use crate::sequential::msprt::{Estimate, Msprt};

#[test]
fn a_fixed_test_is_welchs_and_waits_for_its_units() {
    let mut fixed = two_arms(10.5);
    fixed.plan.method = Method::Fixed;
    let numbers = of(&fixed).unwrap().metrics[0].comparisons[0]
        .numbers
        .clone()
        .unwrap();
    let variance = 25.0 * 10_000.0 / 9_999.0;
    let welch = crate::fixed::means::welch(
        &crate::Summary::new(10_000.0, 10.0, variance),
        &crate::Summary::new(10_000.0, 10.5, variance),
        crate::fixed::means::Test {
            alpha: 0.05,
            null: 0.0,
        },
    )
    .unwrap();
    assert!((numbers.log_p - welch.log_p_two).abs() < 1e-9 * welch.log_p_two.abs());
    assert!((numbers.absolute.lower - welch.ci_lo).abs() < 1e-11);
    assert_eq!(verdict(&fixed), Verdict::Winner);
    fixed.plan.planned_units = Some(30_000.0);
    assert_eq!(verdict(&fixed), Verdict::KeepRunning);
}

#[test]
fn a_mixture_test_is_tuned_to_the_smallest_effect_that_matters_and_needs_one() {
    let mut mixture = two_arms(10.5);
    mixture.plan.method = Method::Msprt;
    let results = of(&mixture).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    // 5% of the control's 10.
    assert_eq!(numbers.tuned_effect, Some(0.5));
    let estimate = Estimate {
        value: 0.5,
        variance: 2.0 * 25.0 / 9_999.0,
    };
    let look = Msprt::new(0.0, 0.25).unwrap().look(estimate, 0.05).unwrap();
    assert!((numbers.log_p - look.log_p).abs() < 1e-9 * look.log_p.abs());
    assert!((numbers.absolute.lower - look.interval.0).abs() < 1e-12);
    assert!((numbers.absolute.upper - look.interval.1).abs() < 1e-12);
    assert_eq!(first(&results).verdict, Verdict::Winner);
    mixture.metrics[0].minimum_effect = None;
    let results = of(&mixture).unwrap();
    assert_eq!(first(&results).verdict, Verdict::KeepRunning);
    let reason = &first(&results).reasons[0];
    assert!(reason.contains("smallest effect that matters"), "{reason}");
}

#[test]
fn a_repeated_p_is_the_level_whose_boundary_the_look_just_crosses() {
    let mut grouped = two_arms(10.2);
    let (spending, looks) = (Spending::ObrienFleming, vec![0.25, 0.5, 1.0]);
    grouped.plan.method = Method::GroupSequential {
        spending,
        looks: looks.clone(),
    };
    let results = of(&grouped).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    let z = numbers.absolute.estimate / numbers.absolute.standard_error;
    let bounds = crate::sequential::boundary::boundaries(
        &looks,
        spending,
        0.5 * numbers.p,
        crate::sequential::boundary::Sides::Both,
    )
    .unwrap();
    assert!((bounds[2].z - z).abs() < 1e-6, "{} {z}", bounds[2].z);
    // A single look is the fixed test.
    let Method::GroupSequential { looks, .. } = &mut grouped.plan.method else {
        panic!("just set");
    };
    *looks = vec![1.0];
    let results = of(&grouped).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    assert!((numbers.log_p - normal::log_two_sided(z)).abs() < 1e-6);
    assert!((numbers.multiplier - 1.959_963_985).abs() < 1e-6);
}

#[test]
fn no_effect_at_an_interim_look_has_a_p_of_one_and_a_huge_one_a_tiny_p() {
    for (mean, expected) in [(10.0, 0.0..=0.0), (15.0, -800.0..=-100.0)] {
        let mut grouped = two_arms(mean);
        grouped.plan.method = Method::GroupSequential {
            spending: Spending::KimDeMets { rho: 2.0 },
            looks: vec![0.3, 0.5],
        };
        let results = of(&grouped).unwrap();
        let log_p = first(&results).numbers.as_ref().unwrap().log_p;
        assert!(expected.contains(&log_p), "{log_p}");
    }
}

#[test]
fn a_covariate_takes_its_part_of_the_variance_out() {
    // Outcome = covariate + noise of the same variance: half is explained.
    let arm = |shift: f64| Sums {
        n: 1_000.0,
        x: 1_000.0 * shift,
        xx: 1_000.0 * (shift * shift + 8.0),
        c: 0.0,
        cc: 4_000.0,
        xc: 4_000.0,
        ..Sums::default()
    };
    let data = |covariate| Data::Mean {
        slices: vec![Slice {
            phase: 0,
            day: None,
            arms: vec![arm(5.0), arm(5.5)],
        }],
        covariate,
    };
    let numbers = |covariate| {
        let results = of(&evidence(vec![metric("m", Role::Primary, data(covariate))])).unwrap();
        first(&results).numbers.clone().unwrap()
    };
    let (plain, adjusted) = (numbers(false), numbers(true));
    assert!((adjusted.variance_reduction.unwrap() - 0.5).abs() < 1e-9);
    assert!((adjusted.absolute.estimate - plain.absolute.estimate).abs() < 1e-9);
    let ratio = adjusted.absolute.standard_error / plain.absolute.standard_error;
    assert!((ratio * ratio - 0.5).abs() < 1e-9);
}

#[test]
fn quantiles_are_compared_by_their_intervals() {
    let arm = |estimate: f64| QuantileArm {
        n: 10_000.0,
        estimate,
        lower: Some(estimate - 1.959_963_984_540_054),
        upper: Some(estimate + 1.959_963_984_540_054),
    };
    let data = Data::Quantile {
        q: 0.99,
        alpha: 0.05,
        phases: vec![vec![arm(100.0), arm(120.0)]],
    };
    let results = of(&evidence(vec![metric("p99", Role::Primary, data)])).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    assert!((numbers.absolute.standard_error - 2.0_f64.sqrt()).abs() < 1e-12);
    assert_eq!(numbers.absolute.estimate, 20.0);
    assert_eq!(first(&results).verdict, Verdict::Winner);
}

#[test]
fn variances_whose_squares_underflow_have_degrees_of_freedom() {
    // As the property below once found them.
    let seen = |n: f64, x: f64, xx: f64| Sums {
        n,
        x,
        xx,
        ..Sums::default()
    };
    for method in [Method::Sequential, Method::Fixed] {
        let slices = vec![Slice {
            phase: 0,
            day: None,
            arms: vec![
                seen(1.9e92, 4.8e-178, 7.0e-118),
                seen(3.2e20, 0.0, 1.4e-126),
            ],
        }];
        let mut evidence = evidence(vec![metric(
            "m",
            Role::Primary,
            Data::Proportion { slices },
        )]);
        evidence.plan.method = method;
        let results = of(&evidence).unwrap();
        let numbers = first(&results).numbers.as_ref().unwrap();
        let df = numbers.degrees_of_freedom;
        assert!((df / 3.2e20 - 1.0).abs() < 1e-6, "{df}");
    }
}

#[test]
fn limits_that_units_were_clipped_at_are_told_on_and_one_that_is_no_number_costs_its_metric_alone()
{
    let upper = |at| {
        Some(Winsorized {
            value: Clip {
                lower: None,
                upper: Some(Limit { quantile: 0.99, at }),
            },
            ..Winsorized::default()
        })
    };
    let mut clipped = two_arms(10.5);
    clipped.metrics.push(clipped.metrics[0].clone());
    clipped.metrics[0].winsorized = upper(19.0);
    let results = of(&clipped).unwrap();
    assert_eq!(results.metrics[0].winsorized, upper(19.0));
    assert_eq!(results.metrics[1].winsorized, None);
    let notes = results.method.notes.join("\n");
    assert!(notes.contains("Winsorised metrics: "), "{notes}");
    clipped.metrics[0].winsorized = upper(f64::NAN);
    let results = of(&clipped).unwrap();
    let verdicts: Vec<_> = results
        .metrics
        .iter()
        .map(|it| it.comparisons[0].verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Invalid, Verdict::Winner]);
    assert_eq!(results.metrics[0].winsorized, None);
}
