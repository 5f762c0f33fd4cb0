//! A plot of the set-ups: a bar for the median, a line from the least to the most. What does not
//! live here: any figure.

use super::report::Figure;
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 120.0;
const ROW: f64 = 34.0;
const TOP: f64 = 50.0;

/// The plot as SVG.
#[must_use]
pub fn svg(figures: &[Figure]) -> String {
    let most = figures
        .iter()
        .map(|figure| figure.cpu_us.max)
        .fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let height = TOP + ROW * figures.len() as f64 + 16.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">Envoy's processor time, \
         microseconds a request (median, least to most)</text>\n"
    );
    for (row, figure) in figures.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (bar, text) = (y + 4.0, y + 19.0);
        let end = LEFT + figure.cpu_us.median * scale;
        let (min, max) = (
            LEFT + figure.cpu_us.min * scale,
            LEFT + figure.cpu_us.max * scale,
        );
        let fill = if figure.setup.starts_with("watershed") {
            "#2b7a78"
        } else {
            "#b5bcc4"
        };
        let _ = write!(
            out,
            "<text x=\"{0}\" y=\"{text}\" text-anchor=\"end\">{1}</text>\n\
             <rect x=\"{LEFT}\" y=\"{bar}\" width=\"{2:.1}\" height=\"22\" fill=\"{fill}\"/>\n\
             <line x1=\"{min:.1}\" x2=\"{max:.1}\" y1=\"{3}\" y2=\"{3}\" stroke=\"#333\"/>\n\
             <text x=\"{4:.1}\" y=\"{text}\">{5:.1} ({6:.2}x)</text>\n",
            LEFT - 10.0,
            figure.setup,
            end - LEFT,
            y + 15.0,
            max.max(end) + 8.0,
            figure.cpu_us.median,
            figure.to_no_filter.median,
        );
    }
    out.push_str("</svg>\n");
    out
}
