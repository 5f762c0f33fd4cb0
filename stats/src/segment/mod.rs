//! Does it do the same to everyone: [`heterogeneity`] of the effect by attribute, and [`harm`] to one segment, watched
//! while the experiment runs.

pub mod harm;
pub mod heterogeneity;
