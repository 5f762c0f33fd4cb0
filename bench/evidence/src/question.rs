//! Questions: a store of many units is made by the ways that evidence comes by, and then asked for what
//! statistics need. *Cold* is a process that just opened the files, which the kernel has been told to
//! forget; *warm* is the same question again.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use watershed_evidence::batch::BatchBuilder;
use watershed_evidence::recent::Recent;
use watershed_evidence::winsorize::Winsorize;
use watershed_evidence::{
    Batch, EvidenceStore, Execution, Exposure, Measure, Measures, Privacy, Reason, Source,
    SqliteStore, UnitHasher,
};

const BATCH: u64 = 100_000;

/// A measure whose sums are kept, and one whose units are read for an answer.
pub const SUMMED: &str = "latency_ms";
/// See [`SUMMED`].
pub const WINSORISED: &str = "latency_winsorised";

/// How long an experiment's sufficient statistics took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// Units that the answer is of.
    pub units: i64,
    /// From opening the files to the answer, in seconds.
    pub cold_s: f64,
    /// The same again: the slowest, in seconds.
    pub warm_s: f64,
}

/// Makes a store of an experiment with so many units, each seen once.
///
/// # Errors
/// The store's.
pub async fn fill(path: &Path, units: u64) -> anyhow::Result<()> {
    let store = SqliteStore::open(path)?;
    let clipped = Measure {
        winsorize: Some(Winsorize {
            lower: 0.01,
            upper: 0.99,
            ignore_zeros: false,
        }),
        ..Measure::of(Source::Latency)
    };
    let measures = [(WINSORISED.to_owned(), clipped)];
    store.define(&Measures(measures.into())).await?;
    let hasher = UnitHasher::new(&[7; 32], Privacy::Hashed);
    for number in 0..units.div_ceil(BATCH) {
        let (mut builder, mut recent) = (BatchBuilder::default(), Recent::new(BATCH as usize * 2));
        for unit in number * BATCH..units.min((number + 1) * BATCH) {
            builder.push(&exposure(unit, &hasher), &mut recent);
        }
        let batch = Batch {
            writer: 1,
            number: i64::try_from(number)? + 1,
            blocks: builder.seal(),
            outcomes: Vec::new(),
            account: None,
        };
        store.append(&batch).await?;
        while store.fold().await?.more {}
    }
    Ok(())
}

fn exposure(unit: u64, hasher: &UnitHasher) -> Exposure {
    let variant = if unit.is_multiple_of(2) {
        "stable"
    } else {
        "candidate"
    };
    Exposure {
        experiment: "chat".to_owned(),
        variant: variant.to_owned(),
        served: Some(variant.to_owned()),
        fallback_used: false,
        reason: Reason::Hashed,
        unit_type: "user".to_owned(),
        unit: hasher.unit("user", &format!("unit-{unit:010}")),
        probability: 0.0,
        mirror: None,
        execution: Arc::new(Execution {
            // A second for every thousand: the units of ten million come within three hours.
            time: 1_900_000_000_000_000 + unit as i64 * 1_000,
            reached_upstream: true,
            status: 200,
            duration_us: 20_000 + unit % 9_000,
            ttfb_us: 9_000 + unit % 5_000,
            ..Execution::default()
        }),
    }
}

/// Has the kernel forget what it knows of the store's files.
///
/// # Errors
/// There is no `dd`.
pub fn chill(folder: &Path) -> anyhow::Result<()> {
    for file in std::fs::read_dir(folder)? {
        let file = format!("of={}", file?.path().display());
        let done = Command::new("dd")
            .args([
                &file,
                "oflag=nocache",
                "conv=notrunc,fdatasync",
                "count=0",
                "status=none",
            ])
            .status()
            .context("dd, to have the kernel forget a file")?;
        anyhow::ensure!(done.success(), "dd: {done}");
    }
    Ok(())
}

/// Asks for the statistics of a measure, and again so many times.
///
/// # Errors
/// The store's.
pub async fn ask(path: &Path, measure: &str, times: u32) -> anyhow::Result<Answered> {
    let started = Instant::now();
    let store = SqliteStore::open(path)?;
    let ask = async || store.sufficient("chat", measure).await;
    let answer = ask().await?;
    let cold_s = started.elapsed().as_secs_f64();
    let mut warm_s: f64 = 0.0;
    for _ in 0..times {
        let started = Instant::now();
        ask().await?;
        warm_s = warm_s.max(started.elapsed().as_secs_f64());
    }
    Ok(Answered {
        units: answer.variants.values().map(|it| it.sums.n).sum(),
        cold_s,
        warm_s,
    })
}
