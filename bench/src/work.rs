//! The work that every engine is asked to do, in nobody's words. What does not live here: how any
//! engine wants it written down.
//!
//! A request brings six named strings. An experiment has two variants, half and half, and takes
//! units for which three rules hold: the country is one of five, the plan is one value, the app's
//! version is above another by Semantic Versioning. All rules hold for all requests, so that
//! nobody saves work by saying no; the unit is another one each time.

use std::array;

/// How many different units there are; a run of this many goes through all of them.
pub const UNITS: usize = 1_024;

/// The rule on the country.
pub const COUNTRIES: [&str; 5] = ["DE", "FR", "BE", "NL", "LU"];
/// The rule on the plan.
pub const PLAN: &str = "pro";
/// The rule on the version: above this one.
pub const VERSION_ABOVE: &str = "2.3.0";

/// The six strings, by the names that the peers get.
pub const NAMES: [&str; 6] = ["host", "path", "userId", "country", "plan", "appVersion"];
/// The same, as a proxy sees them.
pub const HEADERS: [&str; 6] = [
    ":authority",
    ":path",
    "x-user-id",
    "x-country",
    "x-plan",
    "x-app-version",
];
/// The place of the unit among the six.
pub const UNIT: usize = 2;

/// The values of the six strings for one request.
pub type Request = [String; 6];

/// One request for each unit: a UUID, as most systems name their users.
#[must_use]
pub fn requests() -> Vec<Request> {
    let mut state = 0x5eed_u64;
    (0..UNITS)
        .map(|_| {
            let [high, low] = array::from_fn(|_| split_mix(&mut state));
            [
                "api.example.com".into(),
                "/v1/chat/completions".into(),
                uuid(high, low),
                "NL".into(),
                PLAN.into(),
                "2.10.1".into(),
            ]
        })
        .collect()
}

/// The same requests of units that are numbers, as small systems name their users: 12 bytes.
#[must_use]
pub fn numbered() -> Vec<Request> {
    let mut requests = requests();
    for (number, request) in requests.iter_mut().enumerate() {
        request[UNIT] = format!("user-{:07}", number * 7_919);
    }
    requests
}

/// Goes round a list without end: a loop that costs next to nothing beside what it drives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round(usize);

impl Round {
    /// The next `times` of `list`, behind the last one the first again.
    pub fn each<'a, T>(&mut self, list: &'a [T], times: u64, mut act: impl FnMut(&'a T)) {
        let mut left = times as usize;
        while left > 0 && !list.is_empty() {
            let rest = list.get(self.0..).unwrap_or_default();
            let now = rest.get(..left).unwrap_or(rest);
            now.iter().for_each(&mut act);
            left -= now.len();
            self.0 = (self.0 + now.len()) % list.len();
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// One experiment of a piece of work.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name.
    pub key: String,
    /// The layer it lies in.
    pub layer: String,
    /// Its first and last bucket of 10,000 in the layer.
    pub buckets: (u32, u32),
}

/// Experiments laid out over layers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layout {
    /// One experiment that owns its layer.
    One,
    /// 1,000 in one layer, ten buckets each: a unit is in exactly one.
    Thousand,
    /// 100 in 10 layers, a tenth of its layer each: a unit is in exactly ten.
    Layered,
    /// 100, each in a layer of its own: a unit is in all of them.
    Unlayered,
}

impl Layout {
    /// The experiments.
    #[must_use]
    pub fn experiments(self) -> Vec<Experiment> {
        let (count, layers) = match self {
            Self::One => (1, 1),
            Self::Thousand => (1_000, 1),
            Self::Layered => (100, 10),
            Self::Unlayered => (100, 100),
        };
        spread(count, layers)
    }

    /// How many of them one unit is in.
    #[must_use]
    pub fn answers(self) -> u64 {
        match self {
            Self::One | Self::Thousand => 1,
            Self::Layered => 10,
            Self::Unlayered => 100,
        }
    }
}

/// `count` experiments in `layers` layers, each layer divided evenly among its own.
#[must_use]
pub fn spread(count: u32, layers: u32) -> Vec<Experiment> {
    let each = (count / layers.max(1)).max(1);
    let width = 10_000 / each;
    (0..count)
        .map(|number| {
            let place = number % each;
            let last = if place + 1 == each {
                9_999
            } else {
                (place + 1) * width - 1
            };
            Experiment {
                key: format!("experiment-{number:05}"),
                layer: format!("layer-{:05}", number / each),
                buckets: (place * width, last),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_layer_is_divided_without_gap_and_overlap() {
        for layout in [
            Layout::One,
            Layout::Thousand,
            Layout::Layered,
            Layout::Unlayered,
        ] {
            let mut ends: BTreeMap<String, u32> = BTreeMap::new();
            for experiment in layout.experiments() {
                let next = ends.entry(experiment.layer).or_default();
                assert_eq!(experiment.buckets.0, *next);
                *next = experiment.buckets.1 + 1;
            }
            assert!(ends.values().all(|end| *end == 10_000));
            assert_eq!(ends.len() as u64, layout.answers());
        }
    }

    #[test]
    fn a_round_goes_on_where_it_stopped() {
        let (mut round, mut seen) = (Round::default(), Vec::new());
        for times in [2, 0, 5] {
            round.each(&[1, 2, 3], times, |one| seen.push(*one));
        }
        assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1]);
        round.each(&[], 5, |one| seen.push(*one));
        assert_eq!(seen.len(), 7);
    }

    #[test]
    fn units_are_different_uuids() {
        let units: BTreeSet<String> = requests()
            .into_iter()
            .map(|request| request[UNIT].clone())
            .collect();
        assert_eq!(units.len(), UNITS);
        assert!(units.iter().all(|unit| unit.len() == 36));
    }
}
