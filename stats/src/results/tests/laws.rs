//! Laws that hold for every experiment.

use super::*;
use proptest::prelude::*;

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

/// A mixture is tuned to a share of the control's value: where arms swap, it is another one.
fn any_method() -> impl Strategy<Value = Method> {
    prop_oneof![method(), Just(Method::Msprt)]
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
    fn another_unit_of_measure_changes_no_verdict(a in arm(), b in arm(), power in -20_i32..20, method in any_method()) {
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
        method in any_method(),
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
        let mut odd = evidence(vec![metric("m", Role::Primary, data)]);
        odd.plan.method = method;
        let results = of(&odd).unwrap();
        let text = serde_json::to_string(&results).unwrap();
        // Of a number that is not finite JSON makes null; the series has them where a day has no effect.
        prop_assert!(!text.replace("[null]", "").contains("null"), "{}", text);
    }
}
