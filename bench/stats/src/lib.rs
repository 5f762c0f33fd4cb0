//! What shows that the statistics hold: simulations of their guarantees (`validate-stats`), and their
//! speed beside peers (`bench-stats`). Both are seeded, and run on one core.

pub mod bounds;
pub mod draw;
pub mod plot;
pub mod report;
pub mod speed;
pub mod study;
