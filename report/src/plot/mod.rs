//! Plots as SVG inside a page: colours come from the page's style, so that they follow light and dark, and lines differ by
//! dash as well as by colour. Each has a title and a description for those who do not see it.

pub(crate) mod distribution;
pub(crate) mod series;
pub(crate) mod split;

use crate::markup::{escape, number};
use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 720.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// How the lines of variants differ, besides by colour.
const DASHES: [&str; 4] = ["", "6 4", "2 3", "10 4 2 4"];

/// The class of a variant's colour, and its dash.
pub(crate) fn look(place: usize) -> (String, &'static str) {
    let dash = DASHES.get(place % DASHES.len()).copied().unwrap_or("");
    (format!("v{}", place % 6), dash)
}

/// Opens a plot; `description` is all that it shows, in words.
pub(crate) fn open(id: &str, height: f64, title: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n",
        escape(title),
        escape(description)
    )
}

/// A linear axis from data to pixels.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all values, with some room.
    pub(crate) fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-12 * high.abs().max(low.abs()) {
            let room = if low == 0.0 { 1.0 } else { low.abs() };
            (low, high) = (low - room, high + room);
        }
        let room = 0.05 * (high - low);
        Self {
            low: low - room,
            high: high + room,
            from,
            to,
        }
    }

    /// The same, without room at the ends.
    pub(crate) fn exactly(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            from,
            to,
        }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values, about five.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * unit)
            .find(|step| *step >= rough)
            .unwrap_or(unit);
        let first = (self.low / step).ceil();
        (0_i32..12)
            .map(|k| step * (first + f64::from(k)))
            .map(|tick| if tick.abs() < 1e-9 * step { 0.0 } else { tick })
            .take_while(|tick| *tick <= self.high)
            .collect()
    }
}

/// Horizontal grid lines with their values.
pub(crate) fn grid(svg: &mut String, axis: &Axis, label: impl Fn(f64) -> String) {
    for tick in axis.ticks() {
        let at = axis.at(tick);
        let class = if tick == 0.0 { "zero" } else { "grid" };
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            escape(&label(tick))
        );
    }
}

/// Values below a horizontal axis.
pub(crate) fn ticks_below(svg: &mut String, axis: &Axis, bottom: f64) {
    for tick in axis.ticks() {
        let _ = writeln!(
            svg,
            "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            axis.at(tick),
            bottom + 18.0,
            number(tick)
        );
    }
}

/// Points as a path.
pub(crate) fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (place, (x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{x:.1} {y:.1}", if place == 0 { "M" } else { "L" });
    }
    d
}

/// Which line is whose, as a list under the plot: the places of variants, and their names.
pub(crate) fn legend(names: &[(usize, &str)]) -> String {
    let mut html = String::from("<ul class=\"legend\">");
    for (place, name) in names {
        let (class, dash) = look(*place);
        let _ = write!(
            html,
            "<li><svg viewBox=\"0 0 28 8\" aria-hidden=\"true\"><line class=\"{class} line\" stroke-dasharray=\"{dash}\" x1=\"0\" x2=\"28\" y1=\"4\" y2=\"4\"/></svg>{}</li>",
            escape(name)
        );
    }
    html.push_str("</ul>\n");
    html
}
