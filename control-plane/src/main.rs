//! The `watershed` binary; see `watershed --help`.

use clap::Parser as _;
use std::process::ExitCode;
use watershed::app::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    app::log_to_stderr();
    match app::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("watershed: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
