//! Results as a table for a spreadsheet (RFC 4180): a line for each view, metric and variant, the control's too.

use std::borrow::Cow;
use std::fmt::Write as _;
use watershed_stats::results::{ArmResult, Comparison, MetricResult, Results, View};

const HEAD: &str = "view,metric,role,type,variant,n,mean,standard_error,effect,effect_lower,effect_upper,relative,relative_lower,\
relative_upper,p,p_adjusted,chance_to_beat,power,verdict,reasons,clip_lower,clip_upper,clip_denominator_lower,\
clip_denominator_upper\r\n";

/// The table of the results that decide, and of the second view where there is one. Numbers are written so that they
/// read back exactly; what there is not is empty.
#[must_use]
pub fn csv(results: &Results, served: Option<&Results>) -> String {
    let mut text = String::from(HEAD);
    for results in [results].into_iter().chain(served) {
        let view = match results.view {
            View::IntentToTreat => "intent_to_treat",
            View::Served => "served",
        };
        for metric in results.metrics.iter().chain(&results.guardrails) {
            for arm in &metric.arms {
                row(&mut text, view, metric, arm);
            }
        }
    }
    text
}

fn row(text: &mut String, view: &str, metric: &MetricResult, arm: &ArmResult) {
    let of_arm = |it: &&Comparison| it.variant == arm.variant;
    let with = metric.comparisons.iter().find(of_arm);
    let numbers = with.and_then(|comparison| comparison.numbers.as_ref());
    let absolute = numbers.map(|it| it.absolute);
    let relative = numbers.and_then(|it| it.relative);
    let optional = |value: Option<f64>| value.map(|it| it.to_string()).unwrap_or_default();
    let clip = metric.winsorized.unwrap_or_default();
    let denominator = clip.denominator.unwrap_or_default();
    let fields = [
        view.into(),
        field(&metric.metric),
        metric.role.name().into(),
        metric.kind.clone(),
        field(&arm.variant),
        arm.n.to_string(),
        optional(arm.mean),
        optional(arm.standard_error),
        optional(absolute.map(|it| it.estimate)),
        optional(absolute.map(|it| it.lower)),
        optional(absolute.map(|it| it.upper)),
        optional(relative.map(|it| it.estimate)),
        optional(relative.map(|it| it.lower)),
        optional(relative.map(|it| it.upper)),
        optional(numbers.map(|it| it.p)),
        optional(numbers.map(|it| it.p_adjusted)),
        optional(numbers.map(|it| it.chance_to_beat)),
        optional(numbers.and_then(|it| it.power)),
        with.map_or_else(|| "control".into(), |it| it.verdict.name().to_owned()),
        field(&with.map(|it| it.reasons.join("; ")).unwrap_or_default()),
        optional(clip.value.lower.map(|it| it.at)),
        optional(clip.value.upper.map(|it| it.at)),
        optional(denominator.lower.map(|it| it.at)),
        optional(denominator.upper.map(|it| it.at)),
    ];
    let _ = write!(text, "{}\r\n", fields.join(","));
}

/// Text as a field: what a spreadsheet would take for a formula gets an apostrophe before it.
fn field(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        quoted(&format!("'{text}")).into_owned()
    } else {
        quoted(text).into_owned()
    }
}

/// A field of CSV (RFC 4180): in quotes where it could be taken for more than one.
#[must_use]
pub fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_no_formula() {
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(field("=cmd()"), "'=cmd()");
        assert_eq!(field("plain"), "plain");
    }
}
