//! Results as a table for a spreadsheet (RFC 4180): a line for each metric and variant, the control's too.

use std::fmt::Write as _;
use watershed_stats::results::{ArmResult, Comparison, MetricResult, Results};

const HEAD: &str = "metric,role,type,variant,n,mean,standard_error,effect,effect_lower,effect_upper,relative,relative_lower,\
relative_upper,p,p_adjusted,chance_to_beat,power,verdict,reasons\r\n";

/// The table. Numbers are written so that they read back exactly; what there is not is empty.
#[must_use]
pub fn csv(results: &Results) -> String {
    let mut text = String::from(HEAD);
    for metric in results.metrics.iter().chain(&results.guardrails) {
        for arm in &metric.arms {
            let comparison = metric
                .comparisons
                .iter()
                .find(|comparison| comparison.variant == arm.variant);
            row(&mut text, metric, arm, comparison);
        }
    }
    text
}

fn row(text: &mut String, metric: &MetricResult, arm: &ArmResult, with: Option<&Comparison>) {
    let numbers = with.and_then(|comparison| comparison.numbers.as_ref());
    let absolute = numbers.map(|it| it.absolute);
    let relative = numbers.and_then(|it| it.relative);
    let optional = |value: Option<f64>| value.map(|it| it.to_string()).unwrap_or_default();
    let fields = [
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
    ];
    let _ = write!(text, "{}\r\n", fields.join(","));
}

/// Quoted where it must be. What a spreadsheet would take for a formula gets an apostrophe before it.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
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
