use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: PlanArgs,
}

fn planned(words: &str) -> anyhow::Result<Planned> {
    let words = std::iter::once("plan").chain(words.split(' '));
    Cli::try_parse_from(words)?.args.planned()
}

#[test]
fn units_effect_and_power_follow_from_one_another() {
    // Chow, Shao and Wang, Sample Size Calculations in Clinical Research: n = 2 (z + z)^2 / d^2 = 62.79 at d = 0.5.
    let plan = planned("--baseline 2 --sd 1 --effect 0.25").unwrap();
    assert_eq!((plan.control_units, plan.total_units), (63.0, 126.0));
    let plan = planned("--baseline 2 --sd 1 --effect 0.25 --units 62.79").unwrap();
    assert!((plan.power - 0.8).abs() < 1e-3, "{plan:?}");
    let plan = planned("--baseline 2 --sd 1 --units 62.79").unwrap();
    assert!((plan.effect - 0.25).abs() < 1e-4, "{plan:?}");
}

#[test]
fn a_proportion_that_falls_and_the_days_that_it_takes() {
    let plan = planned("--baseline 0.1 --effect -0.1 --daily 1000").unwrap();
    let again = format!(
        "--baseline 0.1 --effect -0.1 --units {}",
        plan.control_units
    );
    let again = planned(&again).unwrap();
    assert!((again.power - 0.8).abs() < 1e-3, "{again:?}");
    assert_eq!(plan.days, Some((plan.total_units / 1000.0).ceil()));
    let two = planned("--baseline 0.1 --effect -0.1 --treatments 2").unwrap();
    assert!(two.control_units > plan.control_units && two.alpha == 0.025);
    let weeks = planned("--baseline 0.1 --effect -0.1 --daily 1000 --share 0.5 --weeks").unwrap();
    let days = (plan.total_units / 500.0 / 7.0).ceil() * 7.0;
    assert_eq!(weeks.days, Some(days));
}

#[test]
fn the_days_there_are_say_which_effect_is_seen() {
    let plan = planned("--baseline 0.1 --daily 1000 --days 14 --treatments 3").unwrap();
    assert_eq!((plan.control_units, plan.days), (3_500.0, Some(14.0)));
    let same = planned("--baseline 0.1 --units 3500 --treatments 3").unwrap();
    assert_eq!(plan.effect, same.effect);
}

#[test]
fn a_margin_is_held_by_as_many_units_as_the_textbook_says() {
    // Chow, Shao and Wang, section 4.2.4: rates 0.65 and 0.85, margin 0.1, one-sided 5%, power 80%: 25 a group.
    let (effect, margin) = (0.2 / 0.65, 0.1 / 0.65);
    let words = format!("--baseline 0.65 --effect {effect} --margin {margin}");
    let plan = planned(&words).unwrap();
    assert_eq!((plan.control_units, plan.sides), (25.0, 1));
    let power = planned(&format!("{words} --units 24.5")).unwrap().power;
    assert!((power - 0.8).abs() < 0.01, "{power}");
    // Where less is better, the same numbers turned round.
    let less = planned("--baseline 2 --sd 1 --effect -0.1 --margin 0.1 --less-is-better").unwrap();
    let more = planned("--baseline 2 --sd 1 --effect 0.1 --margin 0.1").unwrap();
    assert_eq!(less.control_units, more.control_units);
    let words = format!(
        "--baseline 2 --sd 1 --effect 0.1 --smallest-margin --units {}",
        more.control_units
    );
    let smallest = planned(&words).unwrap().margin.unwrap();
    assert!((smallest - 0.1).abs() < 1e-3, "{smallest}");
}

#[test]
fn looks_cost_what_the_tables_say_and_are_paid_back_in_power() {
    let once = planned("--baseline 2 --sd 1 --effect 0.05").unwrap();
    // Jennison and Turnbull 2000, table 2.4: O'Brien and Fleming's five looks need 1.03 times the units.
    let words = "--baseline 2 --sd 1 --effect 0.05 --looks 5";
    let looks = planned(words).unwrap();
    let factor = looks.control_units / once.control_units;
    assert!((factor - looks.inflation).abs() < 1e-3 && (factor - 1.03).abs() < 0.01);
    let power = planned(&format!("{words} --units {}", looks.control_units)).unwrap();
    assert!((power.power - 0.8).abs() < 1e-3, "{power:?}");
    let pocock = planned(&format!("{words} --spending pocock")).unwrap();
    assert!(pocock.control_units > looks.control_units);
    let any_time = planned("--baseline 2 --sd 1 --effect 0.05 --any-time").unwrap();
    assert!(
        any_time.control_units > pocock.control_units,
        "{any_time:?}"
    );
    let units = any_time.control_units;
    let seen = planned(&format!("--baseline 2 --sd 1 --any-time --units {units}")).unwrap();
    assert!((seen.effect - 0.05).abs() < 1e-3, "{seen:?}");
}

#[test]
fn a_ratio_has_the_delta_methods_deviation() {
    // Variance (1 + 0.5^2 * 1) / 4^2 of independent parts.
    let plan =
        planned("--baseline 0.5 --sd 1 --denominator-mean 4 --denominator-sd 1 --effect 0.1")
            .unwrap();
    assert!((plan.sd.unwrap() - (1.25_f64 / 16.0).sqrt()).abs() < 1e-12);
    let together = planned(
        "--baseline 0.5 --sd 1 --denominator-mean 4 --denominator-sd 1 --correlation 0.8 --effect 0.1",
    )
    .unwrap();
    assert!(together.control_units < plan.control_units);
}

#[test]
fn a_plan_is_told_in_a_few_lines() {
    let words = "plan --baseline 0.12 --effect 0.05 --daily 20000 --looks 5";
    let text = shown(&Cli::try_parse_from(words.split(' ')).unwrap().args).unwrap();
    assert!(text.starts_with("effect          +5.0000% of 0.12\npower           0.8000\n"));
    assert!(text.contains("group sequential: at most 1.02"), "{text}");
    let words = "plan --baseline 0.12 --margin 0.05";
    let text = shown(&Cli::try_parse_from(words.split(' ')).unwrap().args).unwrap();
    assert!(text.starts_with("margin          5.0000% of 0.12, if the effect is +0.0000%\n"));
    assert!(text.contains("(one-sided, each comparison)"), "{text}");
}

#[test]
fn numbers_that_make_no_plan_are_faults() {
    for words in [
        "--baseline 0.1",
        "--baseline 2 --effect 0.1",
        "--baseline 0.1 --effect 0",
        "--baseline 0.1 --effect 0.1 --power 1",
        "--baseline 0.1 --effect 0.1 --alpha NaN",
        "--baseline 0 --sd 1 --units 10",
        "--baseline 0 --sd 1 --margin 0.1",
        "--baseline 0.1 --margin 0",
        "--baseline 0.1 --margin 0.1 --effect -0.2",
        "--baseline 0.1 --smallest-margin",
        "--baseline 0.1 --effect 0.1 --daily 0",
        "--baseline 0.1 --daily 1000 --days 7 --share 2",
        "--baseline 0.1 --effect 0.1 --looks 0",
        "--baseline 0.1 --effect 0.1 --looks 5 --spending pocock:1",
        "--baseline 0.1 --effect 0.1 --looks 5 --spending kim-demets",
        "--baseline 0.1 --effect 0.1 --looks 5 --spending kim-demets:0",
        "--baseline 0.1 --effect 0.1 --looks 5 --any-time",
        "--baseline 1 --sd 1 --denominator-mean 4 --denominator-sd 1 --correlation 2 --effect 0.1",
        "--baseline 1 --sd 1 --denominator-mean 0 --denominator-sd 1 --effect 0.1",
    ] {
        assert!(planned(words).is_err(), "{words}");
    }
}
