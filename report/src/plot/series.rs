//! The effect over time, or by the days since first exposure: a line for each treatment, with its interval around it.

use super::{Axis, BOTTOM, LEFT, RIGHT, TOP, WIDTH, grid, legend, look, open, path};
use crate::markup::{escape, number, signed};
use std::fmt::Write as _;
use watershed_stats::results::{EffectInterval, MethodUsed, MetricResult};

const HEIGHT: f64 = 260.0;

/// Effects, one after the other.
struct Line<'a> {
    title: String,
    caption: String,
    points: Vec<(String, &'a [Option<EffectInterval>])>,
}

/// The effect of all units up to each day.
pub(crate) fn over_time(id: &str, metric: &MetricResult, method: &MethodUsed) -> String {
    let days = metric.series.iter();
    let line = Line {
        title: format!("Effect on {} over time", metric.metric),
        caption: format!(
            "Effect (treatment minus control) with all units first exposed up to a day, and its interval. {}",
            holds(method)
        ),
        points: days
            .map(|it| (it.day.clone(), it.effects.as_slice()))
            .collect(),
    };
    plot(id, metric, &line)
}

/// For which looks a method's intervals hold.
fn holds(method: &MethodUsed) -> &'static str {
    match method.name.as_str() {
        "sequential" | "msprt" => "Intervals hold on all days together: one may look at any time.",
        "group_sequential" => "Intervals hold at the planned looks together.",
        _ => "Intervals are each for one look.",
    }
}

/// The effect on each day since units were first exposed.
pub(crate) fn by_age(id: &str, metric: &MetricResult) -> String {
    let days = metric.by_age.iter();
    let line = Line {
        title: format!("Effect on {} by days since first exposure", metric.metric),
        caption: "Effect on the day that began so many days after a unit's first exposure, over the units that are old enough. Intervals are each for one day.".to_owned(),
        points: days
            .map(|it| (format!("day {}", it.day), it.effects.as_slice()))
            .collect(),
    };
    plot(id, metric, &line)
}

/// The plot, or nothing where there are fewer than two points.
fn plot(id: &str, metric: &MetricResult, shown: &Line<'_>) -> String {
    let days = &shown.points;
    if days.len() < 2 {
        return String::new();
    }
    let bottom = HEIGHT - BOTTOM;
    let all = days
        .iter()
        .flat_map(|(_, effects)| effects.iter().flatten());
    let y = Axis::over(
        all.flat_map(|effect| [effect.lower, effect.upper])
            .chain([0.0]),
        bottom,
        TOP,
    );
    let x = Axis::exactly(
        0.0,
        days.len() as f64 - 1.0,
        LEFT + 8.0,
        WIDTH - RIGHT - 8.0,
    );
    // A variant looks the same in all plots: as its place among all of them says.
    let names: Vec<(usize, &str)> = metric
        .comparisons
        .iter()
        .map(|comparison| {
            let place = metric
                .arms
                .iter()
                .position(|arm| arm.variant == comparison.variant);
            (place.unwrap_or(0), comparison.variant.as_str())
        })
        .collect();
    let mut svg = open(id, HEIGHT, &shown.title, &description(metric, shown));
    grid(&mut svg, &y, signed);
    for (nth, (place, _)) in names.iter().enumerate() {
        let points: Vec<(f64, &EffectInterval)> = days
            .iter()
            .enumerate()
            .filter_map(|(day, it)| Some((x.at(day as f64), it.1.get(nth)?.as_ref()?)))
            .collect();
        let (class, dash) = look(*place);
        let upper = points.iter().map(|(x, it)| (*x, y.at(it.upper)));
        let lower = points.iter().rev().map(|(x, it)| (*x, y.at(it.lower)));
        let band: Vec<_> = upper.chain(lower).collect();
        let line: Vec<_> = points
            .iter()
            .map(|(x, it)| (*x, y.at(it.estimate)))
            .collect();
        let _ = writeln!(
            svg,
            "<path class=\"{class} band\" d=\"{}Z\"/><path class=\"{class} line\" stroke-dasharray=\"{dash}\" d=\"{}\"/>",
            path(&band),
            path(&line)
        );
    }
    let every = days.len().div_ceil(6);
    for (place, (day, _)) in days.iter().enumerate().step_by(every) {
        let anchor = match place {
            0 => "start",
            _ if place + every >= days.len() && place + 1 == days.len() => "end",
            _ => "mid",
        };
        let _ = writeln!(
            svg,
            "<text class=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x.at(place as f64),
            bottom + 18.0,
            escape(day)
        );
    }
    svg.push_str("</svg>\n");
    format!(
        "<figure>{svg}{}<figcaption>{}</figcaption></figure>\n",
        legend(&names),
        shown.caption
    )
}

fn description(metric: &MetricResult, shown: &Line<'_>) -> String {
    let mut text = String::new();
    let Some((last, effects)) = shown.points.last() else {
        return text;
    };
    for (comparison, effect) in metric.comparisons.iter().zip(*effects) {
        if let Some(effect) = effect {
            let _ = write!(
                text,
                "{}: up to {} {} ({} to {}). ",
                comparison.variant,
                last,
                signed(effect.estimate),
                number(effect.lower),
                number(effect.upper)
            );
        }
    }
    text
}
