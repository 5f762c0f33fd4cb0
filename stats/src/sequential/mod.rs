//! Looking at an experiment more than once without paying for it in false positives.
//!
//! * Where the size is known before: group-sequential tests. A [`spending`] function says how much error each look may
//!   use, [`boundary`] gives the critical values, [`futility`] also those for giving up, [`shape`] the classical ones,
//!   and [`crossing`] what any of them does: power, expected size, inflation.
//! * Where it is not, or someone looks at every observation: [`confidence_sequence`] (tuned to the planned size),
//!   [`msprt`], and Eppo's published form in [`eppo`].
//! * [`mixture`] has the uniform boundaries of Howard and others for means of bounded or sub-exponential data, [`sprt`]
//!   Wald's test.

pub mod boundary;
pub mod confidence_sequence;
pub mod crossing;
pub mod eppo;
pub mod futility;
pub mod mixture;
pub mod msprt;
mod path;
pub mod shape;
pub mod spending;
pub mod sprt;

/// The z above which a standard normal is with probability `p`, which is from 0 to 1.
pub(crate) fn upper_quantile(p: f64) -> f64 {
    -crate::distribution::normal::lower_quantile(p)
}
