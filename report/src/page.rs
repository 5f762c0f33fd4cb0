//! The page: whether to believe it, then each metric's table and plots, then the method with every parameter.

use crate::markup::{escape, number, p_value, percent, signed};
use crate::plot::{distribution, series, split};
use std::fmt::Write as _;
use watershed_stats::results::{
    Check, CheckName, Comparison, Direction, MetricResult, MinimumEffect, Results, Status, Verdict,
    View,
};

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The experiment's key.
    pub experiment: &'a str,
    /// When this was computed, as it is to be read.
    pub computed: &'a str,
    /// The results that decide.
    pub results: &'a Results,
    /// The second view, by the variant that served.
    pub served: Option<&'a Results>,
    /// How values are distributed, for the metrics of which that is known.
    pub distributions: &'a [Distribution],
}

/// How a metric's values are distributed.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The metric's key.
    pub metric: String,
    /// The bins' edges, ascending: one more than there are bins.
    pub edges: Vec<f64>,
    /// For each variant, in the order of the metric's arms, the values in each bin.
    pub counts: Vec<Vec<f64>>,
}

/// One HTML document that needs nothing else.
#[must_use]
pub fn html(page: &Page<'_>) -> String {
    let experiment = escape(page.experiment);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{experiment}: results</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{experiment}</h1>\n\
         <p class=\"soft\">Results of {}, {}.</p>\n",
        include_str!("style.css"),
        escape(page.computed),
        view(page.results.view)
    );
    trust(&mut out, page.results);
    metrics(&mut out, page, "Metrics", "m", &page.results.metrics);
    metrics(&mut out, page, "Guardrails", "g", &page.results.guardrails);
    if let Some(served) = page.served {
        second_view(&mut out, served);
    }
    method(&mut out, page.results);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

const fn view(view: View) -> &'static str {
    match view {
        View::IntentToTreat => "by the variant that units were assigned (intent to treat)",
        View::Served => {
            "only units that nothing but their assigned variant answered (per protocol)"
        }
    }
}

fn trust(out: &mut String, results: &Results) {
    out.push_str(
        "<section aria-labelledby=\"trust\">\n<h2 id=\"trust\">Can it be believed?</h2>\n",
    );
    if !results.trust.valid {
        out.push_str(
            "<p class=\"alarm\"><strong>No verdict.</strong> A check failed, so that the numbers below decide nothing.</p>\n",
        );
    }
    out.push_str("<div class=\"scroll\"><table><caption>Checks, in the order in which they matter</caption>\n<tr><th scope=\"col\">Check</th><th scope=\"col\">Outcome</th><th scope=\"col\" class=\"n\">p</th><th scope=\"col\">Found</th></tr>\n");
    for check in &results.trust.checks {
        check_row(out, check);
    }
    out.push_str("</table></div>\n");
    out.push_str(&split::plot(&results.phases));
    out.push_str("</section>\n");
}

fn check_row(out: &mut String, check: &Check) {
    let name = match check.name {
        CheckName::SampleRatio => "Sample ratio",
        CheckName::Telemetry => "Telemetry",
        CheckName::Contamination => "Contamination",
        CheckName::AaHistory => "A/A tests",
        CheckName::Twyman => "Too good to be true",
        CheckName::Novelty => "Novelty",
    };
    let (class, word) = match check.status {
        Status::Pass => ("good", "passed"),
        Status::Warn => ("warn", "look into it"),
        Status::Fail => ("bad", "failed"),
        Status::Unknown => ("soft", "unknown"),
    };
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\">{name}</th><td><span class=\"state {class}\">{word}</span></td><td class=\"n\">{}</td><td>{}</td></tr>",
        check.p.map(p_value).unwrap_or_default(),
        escape(&check.detail)
    );
}

fn metrics(out: &mut String, page: &Page<'_>, title: &str, id: &str, metrics: &[MetricResult]) {
    if metrics.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>"
    );
    for (place, metric) in metrics.iter().enumerate() {
        let id = format!("{id}{place}");
        let _ = writeln!(out, "<h3>{}</h3>", escape(&metric.metric));
        let _ = writeln!(out, "<p class=\"soft\">{}</p>", about(metric));
        table(out, metric, &page.results.control);
        let method = &page.results.method;
        out.push_str(&series::over_time(&format!("{id}s"), metric, method));
        out.push_str(&series::by_age(&format!("{id}a"), metric));
        let shown = page
            .distributions
            .iter()
            .find(|distribution| distribution.metric == metric.metric);
        if let Some(shown) = shown {
            let variants: Vec<&str> = metric.arms.iter().map(|arm| arm.variant.as_str()).collect();
            out.push_str(&distribution::plot(&format!("{id}d"), shown, &variants));
        }
    }
    out.push_str("</section>\n");
}

fn about(metric: &MetricResult) -> String {
    let kind = match metric.quantile {
        Some(q) => format!("{} quantile", number(q)),
        None => metric.kind.clone(),
    };
    let better = match metric.direction {
        Direction::Increase => "more is better",
        Direction::Decrease => "less is better",
    };
    let smallest = match metric.minimum_effect {
        None => String::new(),
        Some(MinimumEffect::Absolute(effect)) => {
            format!("; the smallest effect that matters is {}", number(effect))
        }
        Some(MinimumEffect::Relative(share)) => format!(
            "; the smallest effect that matters is {}",
            percent(share, false)
        ),
    };
    let winsorized = metric.winsorized.map(|it| format!("; {it}"));
    format!(
        "{}, {}, {better}{smallest}{}",
        metric.role.name(),
        escape(&kind),
        escape(&winsorized.unwrap_or_default())
    )
}

fn table(out: &mut String, metric: &MetricResult, control: &str) {
    let _ = writeln!(
        out,
        "<div class=\"scroll\"><table><caption>{}: each variant against {}</caption>\n<tr><th scope=\"col\">Variant</th><th scope=\"col\">Verdict</th>\
         <th scope=\"col\" class=\"n\">n</th><th scope=\"col\" class=\"n\">Value</th><th scope=\"col\" class=\"n\">Effect</th>\
         <th scope=\"col\" class=\"n\">Relative</th><th scope=\"col\" class=\"n\">p, adjusted</th><th scope=\"col\" class=\"n\">Chance to beat</th>\
         <th scope=\"col\" class=\"n\">Power</th></tr>",
        escape(&metric.metric),
        escape(control)
    );
    for arm in &metric.arms {
        let comparison = metric
            .comparisons
            .iter()
            .find(|comparison| comparison.variant == arm.variant);
        let value = match (arm.mean, arm.standard_error) {
            (Some(mean), Some(error)) => format!("{} ± {}", number(mean), number(error)),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{value}</td>{}</tr>",
            escape(&arm.variant),
            comparison.map_or_else(|| "control".into(), verdict),
            number(arm.n),
            numbers(comparison)
        );
    }
    // Where the sums contradict each other there are no arms, but reasons.
    if metric.arms.is_empty() {
        for comparison in &metric.comparisons {
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td colspan=\"7\"></td></tr>",
                escape(&comparison.variant),
                verdict(comparison)
            );
        }
    }
    out.push_str("</table></div>\n");
    for flag in &metric.flags {
        let _ = writeln!(
            out,
            "<p class=\"warn\"><strong>Look into it</strong>: {}.</p>",
            escape(&flag.detail)
        );
    }
    for comparison in &metric.comparisons {
        let _ = writeln!(
            out,
            "<p><strong>{}</strong>: {}.</p>",
            escape(&comparison.variant),
            escape(&comparison.reasons.join("; "))
        );
    }
}

fn verdict(comparison: &Comparison) -> String {
    let (class, word) = match comparison.verdict {
        Verdict::Winner => ("good", "winner"),
        Verdict::Loser => ("bad", "loser"),
        Verdict::NoDifferenceBeyondMde => ("soft", "no difference that matters"),
        Verdict::KeepRunning => ("soft", "keep running"),
        Verdict::Invalid => ("bad", "invalid"),
    };
    format!("<span class=\"state {class}\">{word}</span>")
}

fn numbers(comparison: Option<&Comparison>) -> String {
    let Some(numbers) = comparison.and_then(|comparison| comparison.numbers.as_ref()) else {
        return "<td colspan=\"5\"></td>".into();
    };
    let absolute = numbers.absolute;
    let relative = numbers.relative.map(|it| {
        format!(
            "{}<br>{} to {}",
            percent(it.estimate, true),
            percent(it.lower, true),
            percent(it.upper, true)
        )
    });
    format!(
        "<td class=\"n\">{}<br>{} to {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
        signed(absolute.estimate),
        signed(absolute.lower),
        signed(absolute.upper),
        relative.unwrap_or_default(),
        escape(&p_value(numbers.p_adjusted)),
        percent(numbers.chance_to_beat, false),
        numbers
            .power
            .map(|power| percent(power, false))
            .unwrap_or_default()
    )
}

fn second_view(out: &mut String, served: &Results) {
    let _ = writeln!(
        out,
        "<section aria-labelledby=\"served\">\n<h2 id=\"served\">Second view: {}</h2>\n\
         <p class=\"soft\">Who is left out is not left to chance, so this view does not decide.</p>",
        view(served.view)
    );
    for metric in served.metrics.iter().chain(&served.guardrails) {
        let _ = writeln!(out, "<h3>{}</h3>", escape(&metric.metric));
        table(out, metric, &served.control);
    }
    out.push_str("</section>\n");
}

fn method(out: &mut String, results: &Results) {
    let used = &results.method;
    out.push_str("<section aria-labelledby=\"how\">\n<h2 id=\"how\">How it was computed</h2>\n<div class=\"scroll\"><table><caption>Every parameter</caption>\n");
    let mut rows = vec![
        ("Method", used.name.clone()),
        ("Level, both sides", number(used.alpha)),
        ("Correction", used.adjustment.clone()),
        ("Comparisons in the family", used.family.to_string()),
        (
            "Comparisons among guardrails",
            used.guardrail_family.to_string(),
        ),
    ];
    if let Some(units) = used.planned_units {
        rows.push(("Units planned", number(units)));
    }
    if let Some(z) = used.critical_value {
        rows.push(("Critical value at this look", number(z)));
    }
    if !used.looks.is_empty() {
        let looks: Vec<String> = used.looks.iter().map(|look| number(*look)).collect();
        rows.push(("Looks so far, as shares of the plan", looks.join(", ")));
    }
    if let Some(spending) = used.spending {
        rows.push(("Spending", format!("{spending:?}")));
    }
    let tuned: Vec<String> = results
        .metrics
        .iter()
        .flat_map(|metric| &metric.comparisons)
        .filter_map(|comparison| {
            let units = comparison.numbers.as_ref()?.tuned_to?;
            Some(format!("{}: {}", comparison.variant, number(units)))
        })
        .take(
            results
                .phases
                .first()
                .map_or(0, |phase| phase.arms.len().saturating_sub(1)),
        )
        .collect();
    if !tuned.is_empty() {
        rows.push(("Units that sequences are tuned to", tuned.join(", ")));
    }
    let effects = tuned_effects(results);
    if !effects.is_empty() {
        rows.push(("Effects that mixtures are tuned to", effects.join("; ")));
    }
    for (name, value) in rows {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>",
            escape(&value)
        );
    }
    out.push_str("</table></div>\n<ul>\n");
    for note in &used.notes {
        let _ = writeln!(out, "<li>{}</li>", escape(note));
    }
    out.push_str("</ul>\n</section>\n");
}

/// The effect that each comparison's mixture is tuned to, where that is the method.
fn tuned_effects(results: &Results) -> Vec<String> {
    let metrics = results.metrics.iter().chain(&results.guardrails);
    let of_metric = metrics.flat_map(|metric| {
        metric.comparisons.iter().filter_map(|comparison| {
            let effect = comparison.numbers.as_ref()?.tuned_effect?;
            let (metric, variant) = (&metric.metric, &comparison.variant);
            Some(format!("{metric}, {variant}: {}", number(effect)))
        })
    });
    of_metric.collect()
}
