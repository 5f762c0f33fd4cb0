//! What an assignment costs: in the engine beside its peers, and inside Envoy.
//!
//! A tour. [`work`] says what everybody is asked to do, in nobody's words; [`ours`] and [`peers`]
//! put it into the words of one engine each, as [`case::Case`]s that run a number of times.
//! [`counting`] counts allocations, [`callgrind`] instructions, [`estimates`] reads the times that
//! criterion measured; [`figures`] puts them beside their [`targets`] into JSON and a table.
//! [`envoy`] does the same for proxies. What does not live here: any engine, and any pass or fail:
//! figures depend on the machine, and a test that depends on them would lie sooner or later.

pub mod callgrind;
pub mod case;
pub mod counting;
pub mod envoy;
pub mod estimates;
pub mod figures;
pub mod hashes;
pub mod machine;
pub mod ours;
pub mod peers;
pub mod targets;
pub mod work;
