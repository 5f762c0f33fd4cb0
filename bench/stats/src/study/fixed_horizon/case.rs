//! What a simulated experiment says, what must come of many of them, and the data that several are made of.

use crate::draw::{Draws, uniform};
use crate::report::percent;
use watershed_stats::Summary;
use watershed_stats::fixed::proportions::Count;
use watershed_stats::moments::Moments;

/// The level of every test, and what intervals may miss.
pub(super) const ALPHA: f64 = 0.05;

/// What one simulated experiment says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    pub rejects: bool,
    pub covers: Option<bool>,
}

/// What the shares must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Must {
    /// This, within the Monte Carlo error.
    Be(f64),
    /// At most this: an exact test of counts can't be exactly at its level.
    BeAtMost(f64),
    /// At least this, for the same reason.
    BeAtLeast(f64),
    /// An approximation: within this much of the level.
    BeNear(f64, f64),
}

impl Must {
    pub fn holds(self, (low, high): (f64, f64)) -> bool {
        match self {
            Self::Be(share) => low <= share && share <= high,
            Self::BeAtMost(share) => low <= share,
            Self::BeAtLeast(share) => high >= share,
            Self::BeNear(share, by) => low <= share + by && high >= share - by,
        }
    }

    pub fn word(self) -> String {
        match self {
            Self::Be(share) => percent(share),
            Self::BeAtMost(share) => format!("at most {}", percent(share)),
            Self::BeAtLeast(share) => format!("at least {}", percent(share)),
            Self::BeNear(share, by) => format!("{} ± {}", percent(share), percent(by)),
        }
    }
}

/// A method on its data: an experiment without an effect, or with the one of the plan.
pub(super) struct Case {
    pub name: &'static str,
    pub run: fn(&mut Draws, bool) -> anyhow::Result<Answer>,
    pub level: Option<Must>,
    pub coverage: Option<Must>,
    pub power: Option<f64>,
}

pub(super) fn successes(n: u32, p: f64, draws: &mut Draws) -> Count {
    let x = (0..n).filter(|_| uniform(draws) < p).count();
    Count {
        x: x as f64,
        n: f64::from(n),
    }
}

pub(super) fn sample(
    n: u32,
    draws: &mut Draws,
    mut one: impl FnMut(&mut Draws) -> f64,
) -> anyhow::Result<Summary> {
    let values: Vec<f64> = (0..n).map(|_| one(draws)).collect();
    Ok(Moments::of(&values)?.summary())
}

pub(super) fn within((low, high): (f64, f64), truth: f64) -> Option<bool> {
    Some(low <= truth && truth <= high)
}
