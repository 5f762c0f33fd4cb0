//! Distributions and the special functions under them. Each upper tail (`sf`) is computed directly, never as one minus
//! the other tail, and has a logarithm (`log_sf`) for where it underflows. Relative errors are stated where they are
//! made; the reference cases hold every function to them.

pub mod kolmogorov;
pub mod normal;
pub mod student_t;
