//! `watershed exposures`: raw exposures as lines or files, for a notebook or a warehouse.

use super::client::ApiClient;
use super::destination::Destination;
use super::output::print_on;
use super::server::ServerArgs;
use crate::percent::encode;
use std::env;
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
    /// As Parquet files in this folder, which is made where there is none, or in a bucket of S3
    /// (`s3://BUCKET/PREFIX`, with keys, region and endpoint from AWS's own variables). Each is called after the
    /// cursor that it begins at, so that the same ones are written when it is asked again.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["csv", "follow"])]
    parquet: Option<String>,
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
    if let Some(named) = &args.parquet {
        let destination = Destination::open(named, environment())?;
        return save(&args, &client, &destination, cursor).await;
    }
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

/// The environment's variables, but for what is no text.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()))
}

/// Writes a file for each page.
async fn save(
    args: &ExposuresArgs,
    client: &ApiClient,
    destination: &Destination,
    mut cursor: String,
) -> anyhow::Result<()> {
    loop {
        let (file, next) = client.page(&args.path(&cursor)).await?;
        let Some(next) = next.filter(|next| *next != cursor) else {
            return Ok(());
        };
        let name = format!("exposures-{cursor:0>20}.parquet");
        let place = destination.write(&name, file).await?;
        if !print_on(&format!("{place}\n"))? {
            return Ok(());
        }
        cursor = next;
    }
}

impl ExposuresArgs {
    fn path(&self, cursor: &str) -> String {
        let format = match (&self.parquet, self.csv) {
            (Some(_), _) => "parquet",
            (None, true) => "csv",
            (None, false) => "ndjson",
        };
        let experiment = self.experiment.as_deref();
        let experiment = experiment.map(|it| format!("&experiment={}", encode(it)));
        let experiment = experiment.unwrap_or_default();
        format!(
            "/v1/exposures?format={format}&cursor={}{experiment}",
            encode(cursor)
        )
    }
}
