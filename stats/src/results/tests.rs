//! An experiment's results: what each rule does to a small experiment.

mod laws;
mod methods;
mod trust;

use super::*;
use crate::sequential::spending::Spending;

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
        winsorized: None,
        data,
        ages: Vec::new(),
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
