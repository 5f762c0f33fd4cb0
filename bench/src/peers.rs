//! The peers at the same work, one file each: their own public call, their own configuration
//! format, the version that their registry gives today. What does not live here: any opinion.
//!
//! Each peer looks its flag up by name, evaluates the three rules and hashes the unit. `bound`
//! works hand over a context that was built beforehand (the unit excepted, where the peer takes it
//! apart from the context); `raw` works build the context from the six strings each time.

mod driver;
mod eppo;
mod flagd;
mod growthbook;
mod launchdarkly;
mod unleash;

use crate::case::Case;

/// The cases of all peers.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        eppo::cases(),
        unleash::cases(),
        growthbook::cases(),
        launchdarkly::cases(),
        flagd::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
