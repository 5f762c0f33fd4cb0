//! Rounds of requests, paired and interleaved: in each round every set-up gets the same requests,
//! one set-up after the other and each round in another order, so that whatever else the machine
//! does meets all of them. What lives here: the rounds and their statistics. What does not: how an
//! Envoy is started.

use super::Setup;
use super::load;
use super::process::{Envoy, Process};
use super::upstream::Upstream;
use serde::Serialize;

/// A set-up that is up.
#[derive(Debug)]
pub struct Running {
    /// Which one.
    pub setup: Setup,
    /// Its Envoy.
    pub envoy: Envoy,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds.
    pub rounds: usize,
    /// Requests of one set-up in one round.
    pub requests: usize,
    /// Requests of each set-up before the first round: code is compiled while it runs.
    pub warm_up: usize,
    /// Whether what a set-up does to its requests is looked at.
    pub checks: bool,
}

/// The processor time of one set-up, in microseconds a request, by rounds.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Which one.
    pub setup: Setup,
    /// Envoy's.
    pub envoy: Vec<f64>,
    /// The service's that Envoy asks, where it asks one.
    pub service: Vec<f64>,
}

/// The median, and between what all lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Drives all rounds. `service` is the process behind [`Setup::ExtAuthz`].
///
/// # Errors
/// Where a request fails, or a set-up doesn't do to its requests what it should.
pub fn run(
    running: &[Running],
    service: &Process,
    upstream: &Upstream,
    requests: &[Vec<u8>],
    plan: Plan,
    mut tick: impl FnMut(usize),
) -> anyhow::Result<Vec<Samples>> {
    let mut samples: Vec<Samples> = running
        .iter()
        .map(|one| Samples {
            setup: one.setup,
            envoy: Vec::new(),
            service: Vec::new(),
        })
        .collect();
    for one in running {
        measure(one, service, upstream, requests, plan.warm_up, plan.checks)?;
    }
    for round in 0..plan.rounds {
        for step in 0..running.len() {
            let place = (round + step) % running.len();
            if let Some((one, samples)) = running.get(place).zip(samples.get_mut(place)) {
                let (envoy, asked) =
                    measure(one, service, upstream, requests, plan.requests, plan.checks)?;
                samples.envoy.push(envoy);
                if one.setup == Setup::ExtAuthz {
                    samples.service.push(asked);
                }
            }
        }
        tick(round + 1);
    }
    Ok(samples)
}

/// Microseconds a request of Envoy and of the service.
fn measure(
    one: &Running,
    service: &Process,
    upstream: &Upstream,
    requests: &[Vec<u8>],
    count: usize,
    checks: bool,
) -> anyhow::Result<(f64, f64)> {
    let stamped = upstream.stamped();
    let before = (one.envoy.process.used()?, service.used()?);
    load::run(one.envoy.listener, requests, count)?;
    let after = (one.envoy.process.used()?, service.used()?);
    let stamped = upstream.stamped() - stamped;
    let expected = if one.setup.stamps() { count as u64 } else { 0 };
    let name = one.setup.name();
    anyhow::ensure!(
        stamped == expected || !checks,
        "{name}: {stamped} of {count} requests had a variant"
    );
    let each = |before, after: std::time::Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / count as f64
    };
    Ok((each(before.0, after.0), each(before.1, after.1)))
}

/// The spread of some samples; of none, all 0.
#[must_use]
pub fn spread(samples: &[f64]) -> Spread {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    };
    Spread {
        median,
        min: at(0),
        max: at(sorted.len().saturating_sub(1)),
    }
}

/// The spread of the ratios of pairs from the same round.
#[must_use]
pub fn ratio(samples: &[f64], of: &[f64]) -> Spread {
    let ratios: Vec<f64> = samples
        .iter()
        .zip(of)
        .map(|(one, other)| one / other)
        .collect();
    spread(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        let of = |samples: &[f64]| {
            let Spread { median, min, max } = spread(samples);
            (median, min, max)
        };
        assert_eq!(of(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), (2.5, 1.0, 4.0));
        assert_eq!(of(&[]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn ratios_are_of_pairs() {
        let ratio = ratio(&[2.0, 30.0], &[1.0, 10.0]);
        assert_eq!((ratio.min, ratio.max), (2.0, 3.0));
    }
}
