//! An experiment's results: what each rule does to a small experiment, and laws that hold for every one.

use super::*;
use crate::sequential::spending::Spending;
use proptest::prelude::*;

/// `n` units with this mean and this sum of squares about it, `spread` a unit.
fn sums(n: f64, mean: f64, spread: f64) -> Sums {
    Sums {
        n,
        x: n * mean,
        xx: n * mean * mean + n * spread,
        ..Sums::default()
    }
}

fn mean(arms: Vec<Sums>) -> Data {
    Data::Mean {
        slices: vec![Slice {
            phase: 0,
            day: None,
            arms,
        }],
        covariate: false,
    }
}

fn metric(key: &str, role: Role, data: Data) -> Metric {
    Metric {
        key: key.into(),
        role,
        direction: Direction::Increase,
        minimum_effect: Some(MinimumEffect::Relative(0.05)),
        data,
    }
}

/// 10,000 units an arm at half each.
fn evidence(metrics: Vec<Metric>) -> Evidence {
    Evidence {
        variants: vec!["old".into(), "new".into()],
        control: 0,
        view: View::IntentToTreat,
        plan: Plan {
            planned_units: Some(20_000.0),
            ..Plan::default()
        },
        phases: vec![Phase {
            weights: vec![1.0, 1.0],
            units: vec![10_000, 10_000],
        }],
        telemetry: Some(Telemetry {
            counted: 20_000,
            arrived: 19_990,
        }),
        contaminated: 0,
        aa_history: vec![0.3, 0.8],
        metrics,
    }
}

fn two_arms(treatment_mean: f64) -> Evidence {
    let arms = vec![
        sums(10_000.0, 10.0, 25.0),
        sums(10_000.0, treatment_mean, 25.0),
    ];
    evidence(vec![metric("revenue", Role::Primary, mean(arms))])
}

fn first(results: &Results) -> &Comparison {
    &results.metrics[0].comparisons[0]
}

fn verdict(evidence: &Evidence) -> Verdict {
    first(&of(evidence).unwrap()).verdict
}

#[test]
fn a_clear_gain_wins_a_clear_loss_loses_and_the_rest_goes_on() {
    assert_eq!(verdict(&two_arms(10.5)), Verdict::Winner);
    assert_eq!(verdict(&two_arms(9.5)), Verdict::Loser);
    let mut small = two_arms(10.1);
    small.metrics[0].minimum_effect = Some(MinimumEffect::Relative(0.02));
    assert_eq!(verdict(&small), Verdict::KeepRunning);
}

#[test]
fn where_less_is_better_a_loss_wins() {
    let mut less = two_arms(9.5);
    less.metrics[0].direction = Direction::Decrease;
    let results = of(&less).unwrap();
    assert_eq!(first(&results).verdict, Verdict::Winner);
    assert!(first(&results).numbers.as_ref().unwrap().chance_to_beat > 0.999);
}

#[test]
fn an_interval_within_the_smallest_effect_that_matters_ends_it() {
    assert_eq!(verdict(&two_arms(10.01)), Verdict::NoDifferenceBeyondMde);
    let mut without = two_arms(10.01);
    without.metrics[0].minimum_effect = None;
    assert_eq!(verdict(&without), Verdict::KeepRunning);
}

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
fn a_change_of_weights_does_not_turn_a_trend_into_an_effect() {
    let mut ramp = two_arms(10.0);
    ramp.phases = vec![
        Phase {
            weights: vec![9.0, 1.0],
            units: vec![9_000, 1_000],
        },
        Phase {
            weights: vec![1.0, 9.0],
            units: vec![1_000, 9_000],
        },
    ];
    let slice = |phase, control, treatment, level| Slice {
        phase,
        day: None,
        arms: vec![sums(control, level, 4.0), sums(treatment, level, 4.0)],
    };
    ramp.metrics[0].data = Data::Mean {
        slices: vec![
            slice(0, 9_000.0, 1_000.0, 10.0),
            slice(1, 1_000.0, 9_000.0, 20.0),
        ],
        covariate: false,
    };
    let results = of(&ramp).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    assert!(numbers.absolute.estimate.abs() < 1e-12);
    assert!(results.trust.valid);
    // The arms agree with the effect: both are averaged by the same phases.
    let arms = &results.metrics[0].arms;
    assert_eq!(arms[0].mean, Some(15.0));
    assert_eq!(arms[1].mean, Some(15.0));
}

#[test]
fn a_phase_that_a_treatment_had_no_part_in_is_left_out_of_its_effect() {
    let mut late = two_arms(10.0);
    late.phases.insert(
        0,
        Phase {
            weights: vec![1.0, 0.0],
            units: vec![5_000, 0],
        },
    );
    late.metrics[0].data = Data::Mean {
        slices: vec![
            Slice {
                phase: 0,
                day: None,
                arms: vec![sums(5_000.0, 2.0, 4.0), Sums::default()],
            },
            Slice {
                phase: 1,
                day: None,
                arms: vec![sums(10_000.0, 10.0, 4.0), sums(10_000.0, 10.0, 4.0)],
            },
        ],
        covariate: false,
    };
    let results = of(&late).unwrap();
    let numbers = first(&results).numbers.as_ref().unwrap();
    assert_eq!(numbers.absolute.estimate, 0.0);
    assert_eq!(numbers.phases_left_out, [0]);
    assert_eq!(results.trust.checks[0].status, Status::Pass);
}

#[test]
fn guardrails_are_a_family_of_their_own_and_need_only_no_harm() {
    let arms = |mean| vec![sums(10_000.0, 10.0, 25.0), sums(10_000.0, mean, 25.0)];
    let mut both = two_arms(10.25);
    let alone = of(&both).unwrap();
    both.metrics
        .push(metric("errors", Role::Guardrail, mean(arms(10.15))));
    let results = of(&both).unwrap();
    assert_eq!(
        (results.method.family, results.method.guardrail_family),
        (1, 1)
    );
    assert_eq!(first(&results), first(&alone));
    // Its interval reaches a gain of 5%, but no harm of 5%.
    let guardrail = &results.guardrails[0].comparisons[0];
    assert_eq!(guardrail.verdict, Verdict::NoDifferenceBeyondMde);
}

#[test]
fn every_metric_more_makes_the_family_stricter() {
    let mut many = two_arms(10.25);
    let one = first(&of(&many).unwrap()).numbers.clone().unwrap();
    let noise = many.metrics[0].clone();
    many.metrics.extend((0..9).map(|_| Metric {
        data: mean(vec![sums(10_000.0, 10.0, 25.0), sums(10_000.0, 10.0, 25.0)]),
        ..noise.clone()
    }));
    let ten = first(&of(&many).unwrap()).numbers.clone().unwrap();
    assert_eq!(one.p, ten.p);
    assert!((ten.p_adjusted - (10.0 * one.p).min(1.0)).abs() < 1e-15);
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
fn one_metric_that_contradicts_itself_costs_the_others_nothing() {
    let broken = Sums {
        n: 100.0,
        x: 1_000.0,
        xx: 1.0,
        ..Sums::default()
    };
    let mut both = two_arms(10.5);
    both.metrics.push(metric(
        "broken",
        Role::Secondary,
        mean(vec![broken, broken]),
    ));
    both.metrics.push(metric(
        "nan",
        Role::Secondary,
        mean(vec![sums(f64::NAN, 1.0, 1.0), sums(10.0, 1.0, 1.0)]),
    ));
    let results = of(&both).unwrap();
    assert_eq!(first(&results).verdict, Verdict::Winner);
    for metric in &results.metrics[1..] {
        assert_eq!(
            metric.comparisons[0].verdict,
            Verdict::Invalid,
            "{metric:?}"
        );
    }
    let text = serde_json::to_string(&results).unwrap();
    assert!(!text.contains("null"), "{text}");
}

#[test]
fn nothing_counted_yet_keeps_running() {
    let mut empty = two_arms(10.0);
    empty.phases[0].units = vec![0, 0];
    empty.telemetry = None;
    for arms in [
        vec![Sums::default(), Sums::default()],
        vec![sums(1.0, 3.0, 0.0), Sums::default()],
        vec![sums(100.0, 3.0, 0.0), sums(100.0, 3.0, 0.0)],
        vec![sums(10.0, 3.0, 1.0), sums(10.0, 30.0, 1.0)],
    ] {
        empty.metrics[0].data = mean(arms);
        assert_eq!(verdict(&empty), Verdict::KeepRunning);
    }
    assert_eq!(of(&empty).unwrap().trust.checks[0].status, Status::Unknown);
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let code = |change: fn(&mut Evidence)| {
        let mut evidence = two_arms(10.0);
        change(&mut evidence);
        of(&evidence).unwrap_err().code()
    };
    assert_eq!(code(|it| it.control = 2), "out_of_range");
    assert_eq!(code(|it| it.phases.clear()), "empty_input");
    assert_eq!(code(|it| it.phases[0].units.push(1)), "length_mismatch");
    assert_eq!(
        code(|it| it.phases[0].weights[0] = f64::NAN),
        "non_finite_input"
    );
    assert_eq!(
        code(|it| it.phases[0].weights = vec![0.0; 2]),
        "out_of_range"
    );
    assert_eq!(code(|it| it.plan.alpha = 1.0), "out_of_range");
    assert_eq!(code(|it| it.plan.planned_units = Some(0.0)), "out_of_range");
    assert_eq!(code(|it| it.aa_history = vec![2.0]), "out_of_range");
    assert_eq!(
        code(|it| it.metrics[0].minimum_effect = Some(MinimumEffect::Absolute(0.0))),
        "out_of_range"
    );
    assert_eq!(
        code(|it| it.plan.method = Method::GroupSequential {
            spending: Spending::Pocock,
            looks: vec![]
        }),
        "empty_input"
    );
}

#[test]
fn a_lift_too_good_to_be_likely_is_flagged_and_keeps_its_verdict() {
    assert!(of(&two_arms(10.5)).unwrap().metrics[0].flags.is_empty());
    let results = of(&two_arms(18.0)).unwrap();
    let flag = &results.metrics[0].flags[0];
    assert_eq!((flag.name, flag.status), (CheckName::Twyman, Status::Warn));
    assert_eq!(first(&results).verdict, Verdict::Winner);
}

#[test]
fn days_become_a_series_that_ends_in_the_whole() {
    let day = |name: &str, control, treatment| Slice {
        phase: 0,
        day: Some(name.into()),
        arms: vec![sums(1_000.0, control, 4.0), sums(1_000.0, treatment, 4.0)],
    };
    let mut daily = two_arms(10.0);
    daily.metrics[0].data = Data::Mean {
        slices: vec![
            day("2026-03-02", 10.0, 10.2),
            day("2026-03-01", 10.0, 10.8),
            day("2026-03-03", 10.0, 10.2),
        ],
        covariate: false,
    };
    let results = of(&daily).unwrap();
    let series = &results.metrics[0].series;
    let days: Vec<&str> = series.iter().map(|point| point.day.as_str()).collect();
    assert_eq!(days, ["2026-03-01", "2026-03-02", "2026-03-03"]);
    assert_eq!(series[1].units, 4_000.0);
    let last = series[2].effects[0].unwrap();
    let whole = first(&results).numbers.as_ref().unwrap().absolute;
    assert!((last.estimate - whole.estimate).abs() < 1e-12);
    assert!((last.upper - whole.upper).abs() < 1e-12);
}

fn arm() -> impl Strategy<Value = Sums> {
    (60_u32..100_000, -1e3_f64..1e3, 0.01_f64..1e4)
        .prop_map(|(n, mean, spread)| sums(f64::from(n), mean, spread))
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Sequential),
        Just(Method::Fixed),
        Just(Method::GroupSequential {
            spending: Spending::Pocock,
            looks: vec![0.4, 1.0]
        }),
    ]
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arms_that_swap_turn_the_effect_round_and_keep_p(a in arm(), b in arm(), method in method()) {
        let mut one = evidence(vec![metric("m", Role::Primary, mean(vec![a, b]))]);
        one.plan.method = method;
        let mut other = one.clone();
        other.control = 1;
        let (one, other) = (of(&one).unwrap(), of(&other).unwrap());
        let (one, other) = (first(&one), first(&other));
        let turned = match one.verdict {
            Verdict::Winner => Verdict::Loser,
            Verdict::Loser => Verdict::Winner,
            // A smallest effect that is relative to another control is another one.
            _ => other.verdict,
        };
        prop_assert_eq!(other.verdict, turned);
        let (one, other) = (one.numbers.as_ref().unwrap(), other.numbers.as_ref().unwrap());
        prop_assert!((one.log_p - other.log_p).abs() <= 1e-9 * one.log_p.abs().max(1e-3));
        prop_assert!((one.absolute.lower + other.absolute.upper).abs() <= 1e-9 * one.absolute.lower.abs().max(1.0));
        prop_assert!((one.chance_to_beat - (1.0 - other.chance_to_beat)).abs() < 1e-12);
    }

    #[test]
    fn another_unit_of_measure_changes_no_verdict(a in arm(), b in arm(), power in -20_i32..20, method in method()) {
        let unit = 2_f64.powi(power);
        let scaled = |arm: Sums| Sums { x: arm.x * unit, xx: arm.xx * unit * unit, ..arm };
        let mut one = evidence(vec![metric("m", Role::Primary, mean(vec![a, b]))]);
        one.plan.method = method;
        let mut other = one.clone();
        other.metrics[0].data = mean(vec![scaled(a), scaled(b)]);
        let (one, other) = (of(&one).unwrap(), of(&other).unwrap());
        prop_assert_eq!(first(&one).verdict, first(&other).verdict);
        let p = |results: &Results| first(results).numbers.as_ref().unwrap().log_p;
        prop_assert!((p(&one) - p(&other)).abs() <= 1e-9 * p(&one).abs().max(1e-3));
    }

    #[test]
    fn the_order_and_the_number_of_slices_change_nothing(
        parts in prop::collection::vec((arm(), arm()), 1..6),
    ) {
        let slices: Vec<Slice> = parts
            .iter()
            .map(|(a, b)| Slice { phase: 0, day: None, arms: vec![*a, *b] })
            .collect();
        let mut backwards = slices.clone();
        backwards.reverse();
        let of_slices = |slices| {
            let data = Data::Mean { slices, covariate: false };
            of(&evidence(vec![metric("m", Role::Primary, data)])).unwrap()
        };
        let (one, other) = (of_slices(slices), of_slices(backwards));
        let numbers = |results: &Results| first(results).numbers.clone().unwrap();
        let (one, other) = (numbers(&one), numbers(&other));
        prop_assert!((one.log_p - other.log_p).abs() <= 1e-9 * one.log_p.abs().max(1e-3));
    }

    #[test]
    fn whatever_the_sums_hold_the_answer_holds_numbers_only(
        parts in prop::collection::vec(
            prop::num::f64::ANY.prop_union(prop::num::f64::NORMAL), 20
        ),
        kind in 0..4_u8,
    ) {
        let arm = |at: usize| Sums {
            n: parts[at].abs(), x: parts[at + 1], xx: parts[at + 2], y: parts[at + 3], yy: parts[at + 4],
            xy: parts[at + 5], c: parts[at + 6], cc: parts[at + 7], xc: parts[at + 8],
        };
        let slices = vec![Slice { phase: 0, day: Some("1".into()), arms: vec![arm(0), arm(10)] }];
        let data = match kind {
            0 => Data::Mean { slices, covariate: false },
            1 => Data::Mean { slices, covariate: true },
            2 => Data::Ratio { slices },
            _ => Data::Proportion { slices },
        };
        let results = of(&evidence(vec![metric("m", Role::Primary, data)])).unwrap();
        let text = serde_json::to_string(&results).unwrap();
        // Of a number that is not finite JSON makes null; the series has them where a day has no effect.
        prop_assert!(!text.replace("[null]", "").contains("null"), "{}", text);
    }
}
