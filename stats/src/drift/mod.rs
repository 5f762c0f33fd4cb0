//! Has a distribution moved: two samples against each other, and a series against its control limits.

pub mod attribute_chart;
pub mod chart_constants;
pub mod cusum;
pub mod ewma;
pub mod ks;
pub mod psi;
pub mod shewhart;
pub mod xbar;
