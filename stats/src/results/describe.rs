//! The method of an experiment's results with every parameter, and what it assumes, in words: what someone needs who
//! redoes them.

use super::answer::MethodUsed;
use super::input::{Data, Evidence, Method, View};
use super::judge::{Judge, UNPLANNED_TARGET};

/// The method. The families' sizes are those of the experiment and of its guardrails.
pub(super) fn method(
    evidence: &Evidence,
    judge: &Judge<'_>,
    (family, guardrail_family): (usize, usize),
    plan_reached: Option<bool>,
) -> MethodUsed {
    let plan = &evidence.plan;
    let (name, of_method, spending, looks) = match &plan.method {
        Method::Sequential => (
            "sequential",
            "Asymptotic confidence sequences (Waudby-Smith and others 2021): intervals and p-values hold at all looks together.",
            None,
            Vec::new(),
        ),
        Method::Msprt => (
            "msprt",
            "The mixture sequential probability ratio test (Johari, Pekelis and Walsh 2017), effects mixed as a normal around 0 with the metric's smallest effect that matters as its standard deviation: intervals and p-values hold at all looks together.",
            None,
            Vec::new(),
        ),
        Method::Fixed => (
            "fixed",
            "Welch's t test: valid for one look, when the planned units are in.",
            None,
            Vec::new(),
        ),
        Method::GroupSequential { spending, looks } => (
            "group_sequential",
            "Alpha spending (Lan and DeMets 1983): repeated intervals and repeated p-values at the planned looks.",
            Some(*spending),
            looks.clone(),
        ),
    };
    let mut notes = vec![of_method.to_owned()];
    if plan.method == Method::Sequential && plan.planned_units.is_none() {
        notes.push(format!(
            "No units are planned, so sequences are tuned to {UNPLANNED_TARGET} units in both arms; with a plan they are narrower.",
        ));
    }
    notes.push("p is of the absolute difference; relative intervals are by the delta method; intervals are not corrected for the family, verdicts are.".into());
    if evidence.phases.len() > 1 {
        notes.push("Weights changed: each phase is compared by itself, and effects are averaged by the phases' units in all variants.".into());
    }
    let has = |wanted: fn(&Data) -> bool| evidence.metrics.iter().any(|it| wanted(&it.data));
    if has(|data| matches!(data, Data::Ratio { .. })) {
        notes.push("Ratios: variances by the delta method over units.".into());
    }
    if has(|data| {
        matches!(
            data,
            Data::Mean {
                covariate: true,
                ..
            }
        )
    }) {
        notes.push("CUPED: the covariate's coefficient is from control and treatment together; arms are shown unadjusted, effects adjusted.".into());
    }
    if evidence.metrics.iter().any(|it| it.winsorized.is_some()) {
        notes.push("Winsorised metrics: each unit's values are clipped at the limits that are stated, order statistics over the units of all variants, and its covariate at the same; the limits are taken as given.".into());
    }
    if has(|data| matches!(data, Data::Quantile { .. })) {
        notes.push("Quantiles: standard errors from intervals by order statistics, single values taken as independent.".into());
    }
    if evidence.view == View::Served {
        notes.push("Only units that nothing but their assigned variant answered: who that leaves is not randomised. A second view, not the one that decides.".into());
    }
    MethodUsed {
        name: name.into(),
        alpha: plan.alpha,
        adjustment: plan.adjustment.name().into(),
        family,
        guardrail_family,
        planned_units: plan.planned_units,
        plan_reached,
        spending,
        looks,
        critical_value: judge.critical(),
        notes,
    }
}

/// Four significant digits, without an exponent where it is readable so.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let mut digits = 3;
    let mut scale = 1.0;
    while digits < 7 && size != 0.0 && size < scale {
        (digits, scale) = (digits + 1, scale / 10.0);
    }
    while digits > 0 && size >= 10.0 * scale {
        (digits, scale) = (digits - 1, scale * 10.0);
    }
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_in_words_have_four_digits() {
        for (value, text) in [
            (0.0, "0.000"),
            (1.0, "1.000"),
            (-0.198_12, "-0.1981"),
            (0.001_020_9, "0.001021"),
            (0.000_123_456, "0.0001235"),
            (12.345_6, "12.35"),
            (123_456.0, "123456"),
            (1.5e-9, "1.500e-9"),
            (2.5e7, "2.500e7"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
