//! Line plots as SVG: a few series over one axis each way, with a legend. Nothing more is needed here.

use std::fmt::Write as _;

/// A line through points.
#[derive(Clone, Debug)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// The points, ascending in x.
    pub points: Vec<(f64, f64)>,
    /// Dashed: a theory or a bound, not a measurement.
    pub dashed: bool,
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The file's name, without its ending.
    pub file: &'static str,
    /// What is shown.
    pub title: String,
    /// What goes to the right, and upwards.
    pub axes: (&'static str, &'static str),
    /// Whether the x axis is logarithmic.
    pub log_x: bool,
    /// The lines.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Colours that differ for colour-blind readers too (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000",
];

impl Plot {
    fn scales(&self) -> ((f64, f64), (f64, f64)) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            })
        };
        let x = range(&mut points().map(|(x, _)| self.x(*x)));
        let (low, high) = range(&mut points().map(|(_, y)| *y));
        let low = low.min(0.0);
        (x, (low, high + 0.05 * (high - low)))
    }

    fn x(&self, x: f64) -> f64 {
        if self.log_x { x.log10() } else { x }
    }

    /// The plot as a document.
    #[must_use]
    pub fn svg(&self) -> String {
        let (x, y) = self.scales();
        let across =
            |value: f64| LEFT + (self.x(value) - x.0) / (x.1 - x.0) * (WIDTH - LEFT - RIGHT);
        let up =
            |value: f64| HEIGHT - BOTTOM - (value - y.0) / (y.1 - y.0) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        self.draw_axes(&mut svg, (x, y), &across, &up);
        for (place, series) in self.series.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let dash = if series.dashed {
                " stroke-dasharray=\"6 4\""
            } else {
                ""
            };
            let points: Vec<String> = series
                .points
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y)))
                .collect();
            let key = TOP + 16.0 * place as f64;
            let right = WIDTH - RIGHT + 12.0;
            let _ = write!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash} points=\"{}\"/>\n\
                 <line x1=\"{right}\" x2=\"{}\" y1=\"{key}\" y2=\"{key}\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\n\
                 <text x=\"{}\" y=\"{}\">{}</text>\n",
                points.join(" "),
                right + 22.0,
                right + 28.0,
                key + 4.0,
                series.name
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_axes(
        &self,
        svg: &mut String,
        (x, y): ((f64, f64), (f64, f64)),
        across: &dyn Fn(f64) -> f64,
        up: &dyn Fn(f64) -> f64,
    ) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in ticks(y.0, y.1) {
            let at = up(tick);
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 6.0,
                at + 4.0,
                label(tick)
            );
        }
        let x_ticks = if self.log_x {
            (x.0.ceil() as i32..=x.1.floor() as i32)
                .map(|power| 10_f64.powi(power))
                .collect()
        } else {
            ticks(x.0, x.1)
        };
        for tick in x_ticks {
            let at = across(tick);
            let _ = write!(
                svg,
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{}\" stroke=\"black\"/>\n\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                bottom + 4.0,
                bottom + 18.0,
                label(tick)
            );
        }
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"black\"/>\n\
             <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
            0.5 * (LEFT + right),
            HEIGHT - 12.0,
            self.axes.0,
            0.5 * (TOP + bottom),
            self.axes.1
        );
    }
}

/// Round values, about five.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let unit = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * unit)
        .find(|step| *step >= rough)
        .unwrap_or(unit);
    let mut tick = (low / step).ceil() * step;
    let mut found = Vec::new();
    while tick <= high + 1e-9 * step {
        found.push(if tick.abs() < 1e-9 * step { 0.0 } else { tick });
        tick += step;
    }
    found
}

fn label(value: f64) -> String {
    if value.abs() >= 1e5 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
