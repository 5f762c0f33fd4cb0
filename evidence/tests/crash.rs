//! `kill -9` while batches are kept and folded: what was said to be kept is there, once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: a panic is a failed test"
)]

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use watershed_evidence::batch::{Batch, BatchBuilder};
use watershed_evidence::recent::Recent;
use watershed_evidence::{
    EvidenceStore, Execution, Exposure, Privacy, Reason, SqliteStore, UnitHasher,
};

/// Where the process that is to be killed keeps its evidence; set in that process alone.
const FOLDER: &str = "WATERSHED_CRASH_FOLDER";
const ROWS: i64 = 100;

fn database(folder: &Path) -> PathBuf {
    folder.join("evidence.db")
}

fn batch(number: i64, units: &UnitHasher) -> Batch {
    let (mut builder, mut recent) = (BatchBuilder::default(), Recent::new(1_000));
    for row in 0..ROWS {
        let time = number * ROWS + row;
        let exposure = Exposure {
            experiment: "chat".to_owned(),
            variant: "stable".to_owned(),
            served: Some("stable".to_owned()),
            fallback_used: false,
            reason: Reason::Hashed,
            unit_type: "user".to_owned(),
            unit: units.unit("user", &row.to_string()),
            probability: 0.0,
            mirror: None,
            execution: Arc::new(Execution {
                time,
                reached_upstream: true,
                status: 200,
                ..Execution::default()
            }),
        };
        assert!(builder.push(&exposure, &mut recent));
    }
    Batch {
        writer: 1,
        number,
        blocks: builder.seal(),
        outcomes: Vec::new(),
        account: None,
    }
}

/// Does nothing but in the process that the other test starts, where it goes on until it is killed.
#[tokio::test]
async fn keeps_batches_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let store = SqliteStore::open(&database(Path::new(&folder))).unwrap();
    let units = UnitHasher::new(&[7; 32], Privacy::Hashed);
    let folding = store.clone();
    tokio::spawn(async move { while folding.fold().await.is_ok() {} });
    for number in 1.. {
        store.append(&batch(number, &units)).await.unwrap();
        // Whoever reads may be gone already.
        let _ = writeln!(std::io::stdout(), "\n{number}");
    }
}

#[tokio::test]
async fn what_was_kept_when_the_process_was_killed_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "keeps_batches_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut kept = 0_i64;
    for line in lines.map_while(Result::ok) {
        kept = line.trim().parse().unwrap_or(kept);
        if kept == 30 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(kept >= 30, "it ended by itself after {kept}");

    let store = SqliteStore::open(&database(folder.path())).unwrap();
    while store.fold().await.unwrap().more {}
    let summary = store.summary("chat").await.unwrap();
    let exposures = i64::try_from(summary.counts.exposures).unwrap();
    // The one that was under way may be there, whole, and nobody was told.
    assert!(
        exposures == kept * ROWS || exposures == (kept + 1) * ROWS,
        "{exposures} of {kept}"
    );
    assert_eq!(summary.units.get("stable"), Some(&100));
    let requests = store.sufficient("chat", "requests").await.unwrap();
    let sum = requests.variants.get("stable").unwrap().sums.x;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let expected = exposures as f64;
    assert!((sum - expected).abs() < 0.5, "{sum} of {expected}");

    let units = UnitHasher::new(&[7; 32], Privacy::Hashed);
    for number in 1..=kept {
        assert!(store.append(&batch(number, &units)).await.unwrap().repeated);
    }
}
