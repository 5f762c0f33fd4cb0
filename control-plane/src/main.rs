//! The `watershed` binary; see `watershed --help`.

use clap::Parser as _;
use std::process::ExitCode;
use watershed::app::{self, Cli};
use watershed::cli::exit;

#[tokio::main]
async fn main() -> ExitCode {
    match app::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("watershed: {fault:#}");
            exit::code(&fault)
        }
    }
}
