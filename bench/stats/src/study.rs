//! The studies: each simulates one guarantee.

pub mod always_valid;
pub mod bandits;
pub mod cuped;
pub mod fixed_horizon;
pub mod group_sequential;
pub mod mixture_ratio;
pub mod sample_ratio;
pub mod sequential_power;

use crate::report::Study;

/// Simulates one of them.
type Simulate = fn() -> anyhow::Result<Study>;

/// All of them, in the order of the page.
///
/// # Errors
/// What a method answers that should not.
pub fn all() -> anyhow::Result<Vec<Study>> {
    let studies: [(&str, Simulate); 9] = [
        ("fixed horizon", fixed_horizon::study),
        ("power", fixed_horizon::power::study),
        ("always valid", always_valid::study),
        ("mixture ratio", mixture_ratio::study),
        ("sequential power", sequential_power::study),
        ("group sequential", group_sequential::study),
        ("CUPED", cuped::study),
        ("sample ratio", sample_ratio::study),
        ("bandits", bandits::study),
    ];
    let mut done = Vec::new();
    for (name, study) in studies {
        let start = std::time::Instant::now();
        done.push(study()?);
        eprintln!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(done)
}
