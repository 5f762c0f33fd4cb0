//! What the evidence costs: a load of access logs over real gRPC ([`load`], from [`wire`]) into what the
//! control plane receives them with ([`receive`]), and questions to a store of many units ([`question`]).
//! What a process needed is read in [`usage`]. Nothing here is a test: no figure can fail a build.

pub mod load;
pub mod question;
pub mod receive;
pub mod usage;
pub mod wire;
