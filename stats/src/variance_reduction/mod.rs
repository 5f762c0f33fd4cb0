//! Smaller intervals from the same traffic: what is known of the units from before takes its part out of the outcome.
//! [`cuped`] from sums or moments ([`joint`]), [`ancova`] where each unit is at hand, [`post_stratification`] where units
//! fall into groups, or into phases between which the weights changed.

pub mod ancova;
pub mod cuped;
pub mod joint;
pub mod post_stratification;
