//! Tests at a sample size that was fixed beforehand. Looking earlier is what the sequential methods are for.

mod effect;
pub mod fisher;
pub mod means;
pub mod proportions;
pub mod quantile;
pub mod ratio;
pub mod relative;
pub mod table;

pub use effect::Effect;
