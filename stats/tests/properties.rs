//! Laws that hold for every input: arms that swap, units of measure, more units, larger effects, sums in any order.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use watershed_stats::Summary;
use watershed_stats::fixed::means::{self, Test};
use watershed_stats::many::{Adjustment, adjust};
use watershed_stats::moments::Moments;
use watershed_stats::plan::{Design, means as plan_means};
use watershed_stats::trust::srm;

const TEST: Test = Test {
    null: 0.0,
    alpha: 0.05,
};

fn near(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs())
}

fn arm() -> impl Strategy<Value = Summary> {
    (2_u32..1_000_000, -1e3_f64..1e3, 0.01_f64..1e4)
        .prop_map(|(n, mean, variance)| Summary::new(f64::from(n), mean, variance))
}

fn design(ratio: f64) -> Design {
    Design {
        alpha: 0.05,
        power: 0.8,
        ratio,
        two_sided: true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arms_that_swap_turn_the_effect_round_and_keep_p(a in arm(), b in arm()) {
        let one = means::welch(&a, &b, TEST).unwrap();
        let other = means::welch(&b, &a, TEST).unwrap();
        prop_assert_eq!(one.estimate, -other.estimate);
        prop_assert_eq!(one.ci_lo, -other.ci_hi);
        prop_assert!(near(one.p_two, other.p_two, 1e-12));
        prop_assert!(near(one.p_greater, other.p_less, 1e-12));
    }

    #[test]
    fn another_unit_of_measure_changes_no_p(a in arm(), b in arm(), power in -20_i32..20) {
        let unit = 2_f64.powi(power);
        let scaled = |arm: &Summary| Summary::new(arm.n, arm.mean * unit, arm.variance * unit * unit);
        let one = means::welch(&a, &b, TEST).unwrap();
        let other = means::welch(&scaled(&a), &scaled(&b), TEST).unwrap();
        prop_assert!(near(one.log_p_two, other.log_p_two, 1e-12));
        prop_assert!(near(one.ci_lo * unit, other.ci_lo, 1e-12));
    }

    #[test]
    fn a_larger_effect_has_a_smaller_p(a in arm(), effect in 0.01_f64..10.0, more in 1.1_f64..3.0) {
        let shifted = |by: f64| Summary::new(a.n, a.mean + by, a.variance);
        let small = means::welch(&a, &shifted(effect), TEST).unwrap();
        let large = means::welch(&a, &shifted(effect * more), TEST).unwrap();
        prop_assert!(large.log_p_two < small.log_p_two);
    }

    #[test]
    fn more_units_and_larger_effects_have_more_power(
        delta in 0.05_f64..1.0, n in 10.0_f64..200.0, more in 1.1_f64..3.0, ratio in 0.2_f64..5.0,
    ) {
        let design = design(ratio);
        let power = |delta, n| plan_means::power_z(delta, 1.0, n, &design).unwrap();
        prop_assert!(power(delta, n * more) >= power(delta, n) - 1e-15);
        prop_assert!(power(delta * more, n) >= power(delta, n) - 1e-15);
    }

    #[test]
    fn size_power_and_detectable_effect_are_each_others_inverse(
        delta in 0.01_f64..2.0, sd in 0.1_f64..10.0, ratio in 0.2_f64..5.0,
    ) {
        let design = design(ratio);
        let n = plan_means::size_z(delta, sd, sd, &design).unwrap();
        prop_assert!(near(plan_means::effect_z(sd, n, &design).unwrap(), delta, 1e-12));
        // The size counts the near tail; the far one adds less than this.
        let power = plan_means::power_z(delta, sd, n, &design).unwrap();
        prop_assert!((power - design.power).abs() < 1e-5);
    }

    #[test]
    fn parts_merged_in_any_order_are_the_whole(
        data in prop::collection::vec(-1e6_f64..1e6, 2..200), cut in 0_usize..200, offset in -1e9_f64..1e9,
    ) {
        let data: Vec<f64> = data.iter().map(|value| value + offset).collect();
        let (left, right) = data.split_at(cut.min(data.len()));
        let whole = Moments::of(&data).unwrap();
        let (left, right) = (Moments::of(left).unwrap(), Moments::of(right).unwrap());
        let largest = data.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (mut first, second) in [(left, right), (right, left)] {
            first.merge(&second);
            prop_assert_eq!(first.n(), whole.n());
            prop_assert!((first.mean().unwrap() - whole.mean().unwrap()).abs() <= 1e-15 * largest);
            prop_assert!(near(first.variance().unwrap(), whole.variance().unwrap(), 1e-9));
        }
    }

    #[test]
    fn adjusted_p_values_are_ordered_by_how_strict_the_method_is(
        p in prop::collection::vec(0.0_f64..=1.0, 1..40),
    ) {
        let of = |how| adjust(&p, how).unwrap();
        let bonferroni = of(Adjustment::Bonferroni);
        let holm = of(Adjustment::Holm);
        let hochberg = of(Adjustment::Hochberg);
        let bh = of(Adjustment::BenjaminiHochberg);
        let slack = 1.0 + 1e-12;
        let strictness = bonferroni.iter().zip(&holm).zip(&hochberg).zip(&bh).zip(&p);
        for ((((bonferroni, holm), hochberg), bh), raw) in strictness {
            prop_assert!(holm <= &(bonferroni * slack));
            prop_assert!(hochberg <= &(holm * slack));
            prop_assert!(bh <= &(hochberg * slack));
            prop_assert!(raw <= &(bh * slack));
        }
    }

    #[test]
    fn a_split_is_judged_alike_in_any_unit_of_weight(
        counts in prop::collection::vec(1_u32..100_000, 2..6), unit in 0.001_f64..1e4,
    ) {
        let counts: Vec<f64> = counts.iter().copied().map(f64::from).collect();
        let shares = vec![1.0; counts.len()];
        let scaled = vec![unit; counts.len()];
        let one = srm::chi_squared(&counts, &shares).unwrap();
        let other = srm::chi_squared(&counts, &scaled).unwrap();
        prop_assert!((one.chi2 - other.chi2).abs() <= 1e-9 * (1.0 + one.chi2));
    }
}
