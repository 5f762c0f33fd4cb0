//! Statistics that a decision can rest on: no I/O, no clock, no randomness of its own, one method a file.
//!
//! What goes in is plain numbers, mostly sufficient statistics ([`Summary`]: n, mean, variance). What comes out is a
//! struct that says everything the method found, or a [`StatsError`] that says why there is no answer. An answer never
//! holds a NaN; where the mathematics has a limit at the edge (p = 0, an infinite bound), the limit is the answer.
//!
//! A tour, from the ground up:
//!
//! 1. [`distribution`]: normal, Student t, chi-squared, beta and friends. Upper tails are computed directly, and in
//!    logarithms where they underflow.
//! 2. [`moments`]: means and variances of streams, merged in any order.
//! 3. [`plan`]: sample size, power and detectable effect, before an experiment.
//! 4. [`fixed`]: tests at a fixed sample size; [`many`]: p-values of many tests.
//! 5. [`sequential`]: looking more than once. Group-sequential boundaries, confidence sequences, mSPRT.
//! 6. [`bayes`]: posteriors, chances to beat and expected losses.
//! 7. [`variance_reduction`]: CUPED, ANCOVA, post-stratification.
//! 8. [`segment`]: does the effect differ by attribute, does it harm a segment.
//! 9. [`trust`]: whether the data can be believed; [`drift`]: has a distribution moved. Kolmogorov-Smirnov, PSI, control
//!    charts.
//! 10. [`bandit`]: allocation by what was seen, and effects from data that came about that way.
//! 11. [`results`]: all of it together, from an experiment's sufficient statistics to a verdict.
//!
//! Conventions, everywhere: arm `a` is the control and arm `b` the treatment, a difference is `b - a`, variances are
//! unbiased (divided by n - 1), `alpha` is the two-sided level unless it says otherwise, logarithms are natural.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

pub mod bandit;
pub mod bayes;
mod check;
pub mod distribution;
pub mod drift;
mod error;
pub mod fixed;
pub mod many;
pub mod moments;
pub mod plan;
mod quadrature;
pub mod results;
pub mod segment;
pub mod sequential;
mod summary;
pub mod trust;
pub mod variance_reduction;

pub use error::{Result, StatsError};
pub use summary::Summary;
