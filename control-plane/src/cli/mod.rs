//! The command line: one file per subcommand, all of them speaking to the API through [`client`].

pub mod apply;
pub mod audit;
pub mod client;
mod destination;
mod difference;
pub mod exit;
pub mod explain;
pub mod export;
pub mod exposures;
pub mod force;
pub mod get;
pub mod life;
pub mod manifest;
pub mod outcomes;
pub mod output;
pub mod peers;
pub mod plan;
mod restore;
pub mod results;
pub mod server;
pub mod simulate;
pub mod status;
#[cfg(test)]
mod tests;
