//! A Brownian motion with drift, watched at a few looks and absorbed when it leaves the region in
//! which a trial goes on: where it is, given that it is still inside, and what has left. The density
//! after each look is the one before it, convolved with a normal and cut off (Armitage, McPherson and
//! Rowe 1969), here on Gauss-Legendre panels that are as fine as the density and the next kernel need.
//! What the looks mean (spending, power) lives beside this file.

use crate::distribution::normal;
use crate::quadrature::{self, BARYCENTRIC, NODES, ORDER};

/// A panel no wider than this many standard deviations of a normal integrates it to rounding error.
const RESOLVED: f64 = 4.0;
/// The same for the polynomial through a panel's nodes, which stands in for the density between them.
const INTERPOLATED: f64 = 1.3;
/// Beyond this many widths of the next kernel, panels as fine as the kernel would be too many: they are
/// then as fine as the density alone needs, and refined around each target.
const WIDE: f64 = 120.0;
/// Standard deviations beyond which a path counts as lost on the side where nothing is absorbed.
const LOST: f64 = 10.0;
/// Standard deviations up to which a bound is looked for: beyond, the normal's tail is no double.
pub(super) const FARTHEST: f64 = 38.0;
/// A contribution below `exp(-WINDOW / 2)` of the largest is left out.
const WINDOW: f64 = 72.0;

/// Towards which side a path leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Up,
    Down,
}

impl Side {
    pub(super) fn sign(self) -> f64 {
        if self == Self::Up { 1.0 } else { -1.0 }
    }
}

/// Where the path was cut off, and when: the density has a seam there that later increments smooth.
#[derive(Clone, Copy, Debug)]
struct Seam {
    at: f64,
    time: f64,
}

/// Some neighbouring nodes and the range that they stand for.
#[derive(Clone, Debug)]
struct Panel {
    low: f64,
    high: f64,
    first: usize,
    count: usize,
}

/// The paths that have not left the region so far.
#[derive(Clone, Debug)]
pub(super) struct Path {
    drift: f64,
    time: f64,
    symmetric: bool,
    panels: Vec<Panel>,
    at: Vec<f64>,
    density: Vec<f64>,
    mass: Vec<f64>,
    seams: Vec<Seam>,
}

/// One step of a path from a look to the next.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The drift's part of the increment.
    shift: f64,
    /// The increment's standard deviation.
    sd: f64,
}

impl Path {
    /// All paths at the origin at time 0.
    pub(super) fn start(drift: f64) -> Self {
        Self {
            drift,
            time: 0.0,
            symmetric: drift == 0.0,
            panels: vec![Panel {
                low: 0.0,
                high: 0.0,
                first: 0,
                count: 1,
            }],
            at: vec![0.0],
            density: vec![f64::INFINITY],
            mass: vec![1.0],
            seams: Vec::new(),
        }
    }

    /// The expectation at time 1.
    pub(super) fn drift(&self) -> f64 {
        self.drift
    }

    /// Where a path can be at `time` that was in the region until now and moved by `deviations` standard
    /// deviations of its increment.
    pub(super) fn farthest(&self, time: f64, side: Side, deviations: f64) -> f64 {
        let step = self.step(time);
        let edge = match side {
            Side::Up => self.panels.last().map(|panel| panel.high),
            Side::Down => self.panels.first().map(|panel| panel.low),
        };
        edge.unwrap_or_default() + step.shift + side.sign() * step.sd * deviations
    }

    /// The probability to be inside until now and beyond `bound` at `time`.
    pub(super) fn beyond(&self, time: f64, bound: f64, side: Side) -> f64 {
        let sign = side.sign();
        if bound * sign == f64::INFINITY {
            return 0.0;
        }
        let step = self.step(time);
        let reach = self.reach(time, bound, step);
        let centre = bound - step.shift;
        let mut sum = 0.0;
        let far = if side == Side::Up {
            (centre - reach, f64::INFINITY)
        } else {
            (f64::NEG_INFINITY, centre + reach)
        };
        self.sources(far, (centre - reach, centre + reach), step.sd, |y, mass| {
            sum += mass * normal::sf(sign * (centre - y) / step.sd);
        });
        sum
    }

    /// The density at `x` at `time` of the paths that were inside until now.
    pub(super) fn density(&self, time: f64, x: f64) -> f64 {
        let step = self.step(time);
        let reach = self.reach(time, x, step);
        let centre = x - step.shift;
        let window = (centre - reach, centre + reach);
        let scale = -0.5 / (step.sd * step.sd);
        let mut sum = 0.0;
        self.sources(window, window, step.sd, |y, mass| {
            let gap = centre - y;
            sum += mass * (gap * gap * scale).exp();
        });
        sum / (step.sd * (2.0 * std::f64::consts::PI).sqrt())
    }

    /// The paths that are inside `lower..upper` at `time` too. `next` is the time of the look after, up
    /// to which the answer will be used.
    pub(super) fn advance(&self, time: f64, (lower, upper): (f64, f64), next: f64) -> Self {
        let spread = time.sqrt();
        let centre = self.drift * time;
        let below = if lower == f64::NEG_INFINITY {
            LOST
        } else {
            FARTHEST
        };
        let above = if upper == f64::INFINITY {
            LOST
        } else {
            FARTHEST
        };
        let low = lower.max(centre - below * spread);
        let high = upper.min(centre + above * spread);
        let mut path = Self {
            drift: self.drift,
            time,
            symmetric: self.symmetric && low == -high,
            panels: Vec::new(),
            at: Vec::new(),
            density: Vec::new(),
            mass: Vec::new(),
            seams: self.seams.clone(),
        };
        let kernel = (next - time).sqrt();
        let from = if path.symmetric { 0.0 } else { low };
        let widths = path.partition(from, high, kernel);
        for (panel_low, panel_high) in widths {
            path.fill(self, panel_low, panel_high);
        }
        if path.symmetric {
            path.mirror();
        }
        path.seams
            .extend([Seam { at: low, time }, Seam { at: high, time }]);
        path
    }

    fn step(&self, time: f64) -> Step {
        let gap = time - self.time;
        Step {
            shift: self.drift * gap,
            sd: gap.sqrt(),
        }
    }

    /// How far from `x` the paths may have been that still matter there. Far out, where `x` itself is
    /// unlikely, they come from farther.
    fn reach(&self, time: f64, x: f64, step: Step) -> f64 {
        let deviation = x - self.drift * time;
        step.sd * (WINDOW + deviation * deviation / time).sqrt()
    }

    /// Visits positions and masses that stand for the paths within `range`, fine enough for a kernel of
    /// width `sd` wherever that lies within `window`.
    fn sources(
        &self,
        range: (f64, f64),
        window: (f64, f64),
        sd: f64,
        mut visit: impl FnMut(f64, f64),
    ) {
        for panel in &self.panels {
            if panel.high < range.0 || panel.low > range.1 {
                continue;
            }
            let crossed = panel.high >= window.0 && panel.low <= window.1;
            if panel.count < ORDER || panel.high - panel.low <= RESOLVED * sd || !crossed {
                let own = panel.first..panel.first + panel.count;
                let (at, mass) = (self.at.get(own.clone()), self.mass.get(own));
                for (y, mass) in at.into_iter().flatten().zip(mass.into_iter().flatten()) {
                    visit(*y, *mass);
                }
            } else {
                self.refined(panel, range, window, sd, &mut visit);
            }
        }
    }

    /// The same for one panel that is too wide for the kernel: cut at the window, and finely inside.
    fn refined(
        &self,
        panel: &Panel,
        range: (f64, f64),
        window: (f64, f64),
        sd: f64,
        visit: &mut impl FnMut(f64, f64),
    ) {
        let low = panel.low.max(range.0);
        let high = panel.high.min(range.1);
        let inner = (low.max(window.0), high.min(window.1));
        for (from, to, width) in [
            (low, inner.0, f64::INFINITY),
            (inner.0, inner.1, 0.625 * RESOLVED * sd),
            (inner.1, high, f64::INFINITY),
        ] {
            if to <= from {
                continue;
            }
            let pieces = ((to - from) / width).ceil().max(1.0);
            let piece = (to - from) / pieces;
            let mut start = from;
            let mut left = pieces;
            while left > 0.5 {
                let end = if left < 1.5 { to } else { start + piece };
                quadrature::nodes(start, end, |y, weight| {
                    visit(y, weight * self.interpolate(panel, y));
                });
                start = end;
                left -= 1.0;
            }
        }
    }

    /// The density within a panel, by the polynomial through its nodes (barycentric).
    fn interpolate(&self, panel: &Panel, y: f64) -> f64 {
        let half = 0.5 * (panel.high - panel.low);
        let x = (y - panel.low) / half - 1.0;
        let values = self
            .density
            .get(panel.first..panel.first + panel.count)
            .unwrap_or_default();
        let (mut above, mut below) = (0.0, 0.0);
        for ((node, weight), value) in NODES.iter().zip(&BARYCENTRIC).zip(values) {
            let gap = x - node;
            if gap == 0.0 {
                return *value;
            }
            let term = weight / gap;
            above += term * value;
            below += term;
        }
        above / below
    }

    /// Panels from `low` to `high`, as fine as this path's density and the next kernel need.
    fn partition(&self, low: f64, high: f64, kernel: f64) -> Vec<(f64, f64)> {
        let mut panels = Vec::new();
        let narrow = high - low > WIDE * kernel;
        let wanted = |y: f64| {
            let smooth = self.smoothness(y);
            if narrow {
                return INTERPOLATED * smooth;
            }
            RESOLVED / (1.0 / (smooth * smooth) + 1.0 / (kernel * kernel)).sqrt()
        };
        let mut start = low;
        while start < high {
            let mut width = wanted(start);
            for _ in 0..4 {
                width = width
                    .min(wanted(start + width))
                    .min(wanted(start + 0.5 * width));
            }
            // No sliver at the end.
            let left = high - start;
            let end = if left <= width {
                high
            } else if left <= 2.0 * width {
                start + 0.5 * left
            } else {
                start + width
            };
            panels.push((start, end));
            start = end;
        }
        panels
    }

    /// The width over which the density at `y` changes: the spread since the path was last cut off
    /// near there.
    fn smoothness(&self, y: f64) -> f64 {
        let mut narrowest = self.time.sqrt();
        for seam in self.seams.iter().rev() {
            let spread = (self.time - seam.time).sqrt();
            if spread >= narrowest {
                break;
            }
            narrowest = narrowest.min(spread.max((y - seam.at).abs() / 6.0));
        }
        narrowest
    }

    fn fill(&mut self, before: &Self, low: f64, high: f64) {
        self.panels.push(Panel {
            low,
            high,
            first: self.at.len(),
            count: ORDER,
        });
        quadrature::nodes(low, high, |x, weight| {
            let density = before.density(self.time, x);
            self.at.push(x);
            self.density.push(density);
            self.mass.push(weight * density);
        });
    }

    /// Completes a path of which only the part above the origin was filled.
    fn mirror(&mut self) {
        let half = self.at.len();
        let flipped = |values: &[f64], sign: f64| {
            values
                .iter()
                .rev()
                .map(|v| sign * v)
                .chain(values.iter().copied())
                .collect()
        };
        self.at = flipped(&self.at, -1.0);
        self.density = flipped(&self.density, 1.0);
        self.mass = flipped(&self.mass, 1.0);
        let lower = self.panels.iter().rev().map(|panel| Panel {
            low: -panel.high,
            high: -panel.low,
            first: half - panel.first - panel.count,
            count: panel.count,
        });
        let upper = self.panels.iter().map(|panel| Panel {
            first: half + panel.first,
            ..panel.clone()
        });
        self.panels = lower.chain(upper).collect();
    }
}
