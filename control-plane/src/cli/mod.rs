//! The command line: one file per subcommand, all of them speaking to the API through [`client`].

pub mod apply;
pub mod client;
pub mod manifest;
