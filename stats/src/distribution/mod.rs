//! Distributions and the special functions under them. Each upper tail (`sf`) is computed directly, never as one minus
//! the other tail, and has a logarithm (`log_sf`) for where it underflows. Relative errors are stated where they are
//! made; the reference cases hold every function to them.

mod beta;
mod chi_squared;
mod equivalent_deviate;
mod hypergeometric;
pub mod kolmogorov;
pub mod noncentral_t;
pub mod normal;
mod stirling;
pub mod student_t;

pub use beta::Beta;
pub(crate) use beta::tails as beta_tails;
pub use chi_squared::ChiSquared;
pub(crate) use chi_squared::gamma_tails;
pub(crate) use hypergeometric::log_hypergeometric;
pub(crate) use stirling::log_gamma_ratio;
pub use student_t::StudentT;
