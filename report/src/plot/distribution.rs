//! How a metric's values are distributed in each variant: shares by bin, as stepped lines over each other.

use super::{Axis, BOTTOM, LEFT, RIGHT, TOP, WIDTH, grid, legend, look, open, path, ticks_below};
use crate::markup::{number, percent};
use crate::page::Distribution;
use std::fmt::Write as _;

const HEIGHT: f64 = 220.0;

/// The plot, or nothing where there are no bins.
pub(crate) fn plot(id: &str, distribution: &Distribution, variants: &[&str]) -> String {
    let edges = &distribution.edges;
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return String::new();
    };
    if edges.len() < 2 || !first.is_finite() || !last.is_finite() {
        return String::new();
    }
    let bottom = HEIGHT - BOTTOM;
    let shares: Vec<Vec<f64>> = distribution.counts.iter().map(|it| of_total(it)).collect();
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let y = Axis::exactly(0.0, 1.05 * most, bottom, TOP);
    let x = Axis::exactly(*first, *last, LEFT + 8.0, WIDTH - RIGHT - 8.0);
    let mut svg = open(
        id,
        HEIGHT,
        &format!("Distribution of {}", distribution.metric),
        &description(edges, &shares, variants),
    );
    grid(&mut svg, &y, |share| percent(share, false));
    ticks_below(&mut svg, &x, bottom);
    for (place, shares) in shares.iter().enumerate() {
        let (class, dash) = look(place);
        let steps: Vec<(f64, f64)> = edges
            .iter()
            .zip(edges.iter().skip(1))
            .zip(shares)
            .flat_map(|((from, to), share)| {
                [(x.at(*from), y.at(*share)), (x.at(*to), y.at(*share))]
            })
            .collect();
        let _ = writeln!(
            svg,
            "<path class=\"{class} line\" stroke-dasharray=\"{dash}\" d=\"{}\"/>",
            path(&steps)
        );
    }
    svg.push_str("</svg>\n");
    let names: Vec<(usize, &str)> = variants.iter().copied().enumerate().collect();
    format!(
        "<figure>{svg}{}<figcaption>Share of each variant's values by bin.</figcaption></figure>\n",
        legend(&names)
    )
}

fn of_total(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    counts
        .iter()
        .map(|count| if total > 0.0 { count / total } else { 0.0 })
        .collect()
}

fn description(edges: &[f64], shares: &[Vec<f64>], variants: &[&str]) -> String {
    let mut text = String::new();
    for (shares, variant) in shares.iter().zip(variants) {
        let fullest = edges
            .iter()
            .zip(edges.iter().skip(1))
            .zip(shares)
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some(((from, to), share)) = fullest {
            let _ = write!(
                text,
                "{variant}: most values, {}, are from {} to {}. ",
                percent(*share, false),
                number(*from),
                number(*to)
            );
        }
    }
    text
}
