//! `watershed exposures`: raw exposures as lines, for a notebook or a warehouse.

use super::output::print_on;
use super::server::ServerArgs;
use crate::percent::encode;
use std::time::Duration;

/// How often whoever follows is looked for more.
const PAUSE: Duration = Duration::from_secs(1);

/// Arguments of `watershed exposures`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExposuresArgs {
    /// Those of one experiment; all where not given.
    experiment: Option<String>,
    /// As CSV.
    #[arg(long)]
    csv: bool,
    /// After this cursor of an earlier line.
    #[arg(long)]
    cursor: Option<String>,
    /// Goes on with what comes.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints exposures, page after page.
///
/// # Errors
/// The API's problem.
pub async fn run(args: ExposuresArgs) -> anyhow::Result<()> {
    let client = args.server.client();
    let mut cursor = args.cursor.clone().unwrap_or_else(|| "0".to_owned());
    let mut is_first = true;
    loop {
        let (text, next) = client.lines(&args.path(&cursor)).await?;
        // Each page of CSV has a header; one is enough.
        let shown = match text.split_once('\n') {
            Some((_, rest)) if args.csv && !is_first => rest,
            _ => &text,
        };
        if !print_on(shown)? {
            return Ok(());
        }
        is_first = false;
        match next {
            Some(next) if next != cursor => cursor = next,
            _ if args.follow => tokio::time::sleep(PAUSE).await,
            _ => return Ok(()),
        }
    }
}

impl ExposuresArgs {
    fn path(&self, cursor: &str) -> String {
        let format = if self.csv { "csv" } else { "ndjson" };
        let experiment = self.experiment.as_deref();
        let experiment = experiment.map(|it| format!("&experiment={}", encode(it)));
        let experiment = experiment.unwrap_or_default();
        format!(
            "/v1/exposures?format={format}&cursor={}{experiment}",
            encode(cursor)
        )
    }
}
