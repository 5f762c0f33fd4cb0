//! Figures of the engine and its peers: as JSON for machines, as tables for people. What does not
//! live here: measuring.

use crate::machine::Machine;
use crate::targets::Target;
use serde::Serialize;
use std::fmt::Write as _;

/// One engine at one piece of work.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The work.
    pub work: &'static str,
    /// Who did it.
    pub by: &'static str,
    /// The median time in nanoseconds.
    pub ns: Option<f64>,
    /// Between what criterion is 95% sure that the median lies.
    pub ns_interval: Option<[f64; 2]>,
    /// Instructions.
    pub instructions: Option<u64>,
    /// Allocations.
    pub allocations: Option<f64>,
    /// Bytes asked for by them.
    pub bytes: Option<f64>,
    /// Bytes that stay, where the work is to build something.
    pub live_bytes: Option<i64>,
}

/// Everything that one run of the bench found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// The figures.
    pub figures: Vec<Figure>,
    /// The targets.
    pub targets: Vec<Target>,
    /// What could not be measured, and why.
    pub skipped: Vec<String>,
}

/// The report for people.
#[must_use]
pub fn tables(report: &Report) -> String {
    let mut out = String::new();
    let Machine {
        processor,
        cores,
        load,
        kernel,
    } = &report.machine;
    let _ = writeln!(
        out,
        "{processor}, {cores} cores, load {load}, Linux {kernel}\n"
    );
    let mut last = "";
    for figure in &report.figures {
        if figure.work != last {
            let _ = writeln!(
                out,
                "{}{:<28}{:>12}{:>14}{:>8}{:>12}{:>12}",
                if last.is_empty() { "" } else { "\n" },
                figure.work,
                "ns",
                "instructions",
                "allocs",
                "bytes",
                "live bytes"
            );
            last = figure.work;
        }
        let _ = writeln!(
            out,
            "  {:<26}{:>12}{:>14}{:>8}{:>12}{:>12}",
            figure.by,
            cell(figure.ns),
            cell(figure.instructions.map(|n| n as f64)),
            cell(figure.allocations),
            cell(figure.bytes),
            cell(figure.live_bytes.map(|n| n as f64)),
        );
    }
    let _ = writeln!(out, "\n{}", targets(&report.targets));
    for skipped in &report.skipped {
        let _ = writeln!(out, "skipped: {skipped}");
    }
    out
}

/// Targets for people.
#[must_use]
pub fn targets(targets: &[Target]) -> String {
    let mut out = format!(
        "{:<16}{:<34}{:>14}{:>14}  met\n",
        "target", "", "at most", "measured"
    );
    for target in targets {
        let met = match target.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        let _ = writeln!(
            out,
            "{:<16}{:<34}{:>14}{:>14}  {met}",
            target.work,
            target.what,
            cell(Some(target.most)),
            cell(target.measured),
        );
    }
    out
}

/// A number with as many digits as somebody reads; `-` where there is none.
#[must_use]
pub fn cell(number: Option<f64>) -> String {
    match number {
        None => "-".into(),
        Some(number) if number == number.trunc() || number >= 1_000.0 => grouped(number),
        Some(number) if number < 10.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.1}"),
    }
}

fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut out = String::from(if number < 0.0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(cell(Some(1_234_567.8)), "1,234,568");
        assert_eq!(cell(Some(999.0)), "999");
        assert_eq!(cell(Some(12.34)), "12.3");
        assert_eq!(cell(Some(1.234)), "1.23");
        assert_eq!(cell(Some(-1_000.0)), "-1,000");
        assert_eq!(cell(None), "-");
    }
}
