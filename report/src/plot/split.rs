//! The units of each variant against what the weights promise, phase by phase: a bar for what is there, a mark for what
//! was promised.

use super::{Axis, LEFT, RIGHT, WIDTH, look, open};
use crate::markup::{escape, number};
use std::fmt::Write as _;
use watershed_stats::results::PhaseUnits;

const ROW: f64 = 26.0;
const NAMES: f64 = LEFT + 90.0;

/// The plot.
pub(crate) fn plot(phases: &[PhaseUnits]) -> String {
    let rows = phases.iter().map(|phase| phase.arms.len()).sum::<usize>() as f64;
    let heads = if phases.len() > 1 {
        phases.len() as f64
    } else {
        0.0
    };
    let height = (rows + heads) * ROW + 8.0;
    let most = phases
        .iter()
        .flat_map(|phase| &phase.arms)
        .map(|arm| arm.expected.max(arm.units as f64))
        .fold(0.0, f64::max);
    // Counts stand to the right of the bars.
    let x = Axis::exactly(0.0, most, NAMES, WIDTH - RIGHT - 190.0);
    let mut svg = open(
        "split",
        height,
        "Units against the configured split",
        &description(phases),
    );
    let mut y = 4.0;
    for (place, phase) in phases.iter().enumerate() {
        if phases.len() > 1 {
            let _ = writeln!(
                svg,
                "<text class=\"strong\" x=\"0\" y=\"{:.1}\">Phase {}</text>",
                y + 17.0,
                place + 1
            );
            y += ROW;
        }
        for (variant, arm) in phase.arms.iter().enumerate() {
            let (class, _) = look(variant);
            let (units, mark) = (arm.units as f64, x.at(arm.expected));
            let _ = writeln!(
                svg,
                "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
                 <rect class=\"{class} bar\" x=\"{NAMES}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\"/>\
                 <line class=\"mark\" x1=\"{mark:.1}\" x2=\"{mark:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{} of {} expected</text>",
                NAMES - 8.0,
                y + 16.0,
                escape(&shortened(&arm.variant)),
                y + 4.0,
                x.at(units) - NAMES,
                y + 24.0,
                x.at(most) + 10.0,
                y + 16.0,
                number(units),
                number(arm.expected)
            );
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    format!(
        "<figure>{svg}<figcaption>Units by variant; the mark is what the weights promise of the phase's total.</figcaption></figure>\n"
    )
}

/// What fits beside a bar.
fn shortened(name: &str) -> String {
    if name.chars().count() <= 22 {
        return name.into();
    }
    name.chars().take(21).chain(['…']).collect()
}

fn description(phases: &[PhaseUnits]) -> String {
    let mut text = String::new();
    for (place, phase) in phases.iter().enumerate() {
        for arm in &phase.arms {
            let _ = write!(
                text,
                "Phase {}, {}: {} units, {} expected. ",
                place + 1,
                arm.variant,
                arm.units,
                number(arm.expected)
            );
        }
    }
    text
}
