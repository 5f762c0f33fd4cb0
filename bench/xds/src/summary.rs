//! Many durations in a few numbers.

use serde::Serialize;
use std::time::Duration;

/// What some durations were, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// The median.
    pub p50_ms: f64,
    /// What 99 of 100 were at most.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Summary {
    /// Of these durations; the quantiles are among them (nearest rank).
    #[must_use]
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let count = durations.len();
        let rank = |part: f64| (part * count as f64).ceil().max(1.0) as usize - 1;
        let at = |rank: usize| durations.get(rank).copied().unwrap_or_default();
        Self {
            count,
            p50_ms: milliseconds(at(rank(0.5))),
            p99_ms: milliseconds(at(rank(0.99))),
            max_ms: milliseconds(at(count.saturating_sub(1))),
        }
    }
}

/// To a microsecond.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_among_the_durations() {
        let durations = (1..=200).rev().map(Duration::from_millis).collect();
        let Summary {
            count,
            p50_ms,
            p99_ms,
            max_ms,
        } = Summary::of(durations);
        assert_eq!((count, p50_ms, p99_ms, max_ms), (200, 100.0, 198.0, 200.0));
        assert_eq!(Summary::of(Vec::new()).max_ms, 0.0);
        assert_eq!(Summary::of(vec![Duration::from_millis(7)]).p99_ms, 7.0);
    }
}
