//! The command line: one file per subcommand, all of them speaking to the API through [`client`].

pub mod apply;
pub mod client;
pub mod explain;
pub mod force;
pub mod manifest;
pub mod server;
#[cfg(test)]
mod tests;
