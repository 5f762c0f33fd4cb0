//! Whether the data can be believed at all; asked before any effect is looked at.

pub mod aa;
pub mod missing;
pub mod novelty;
pub mod srm;
pub mod twyman;
