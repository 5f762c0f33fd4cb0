//! A write that was answered 2xx is there after `kill -9`, whenever that comes, and whatever the store;
//! and proxies end on what was written last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};
use watershed_tests::api::Api;
use watershed_tests::envoy::Transport;
use watershed_tests::http::Request;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Durability, Postgres, Stack, documents, eventually};

/// Writes in all, by several writers at once, and how often the control plane is killed meanwhile.
const WRITES: usize = 1_000;
const WRITERS: usize = 4;
const KILLS: usize = 12;

/// What was heard of one write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Heard {
    /// 2xx.
    Kept,
    /// Nothing, or that it could not be kept: it may be there or not.
    Nothing,
}

/// Numbers that look like chance, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn path(n: usize) -> String {
    format!("/v1/layers/written-{n}")
}

fn salt(n: usize) -> String {
    format!("salt-{n}")
}

/// Writes every [`WRITERS`]th layer, each once, and says what was heard of each.
async fn write(api: Api, first: usize, answered: Arc<AtomicUsize>) -> Vec<(usize, Heard)> {
    let mut heard = Vec::new();
    for n in (first..WRITES).step_by(WRITERS) {
        eventually("somebody is there to write to", async || {
            api.send(&Request::get("/healthz")).await
        })
        .await;
        let request = Request::new("PUT", &path(n)).json(&json!({ "salt": salt(n) }));
        heard.push(match api.send(&request).await {
            Ok(response) if response.status == 201 => (n, Heard::Kept),
            Ok(response) => panic!("{}: {} {}", path(n), response.status, response.text()),
            Err(_) => (n, Heard::Nothing),
        });
        answered.fetch_add(1, Ordering::SeqCst);
    }
    heard
}

/// Kills the control plane and starts it again, [`KILLS`] times, at moments of chance among the writes.
async fn kill_and_start(stack: &mut Stack, answered: &AtomicUsize) {
    let seed = u64::from(std::process::id()) | 1 << 40;
    println!("seed {seed}");
    let mut random = Random(seed);
    for kill in 0..KILLS {
        let part = WRITES * kill / KILLS;
        let spread = u64::try_from(WRITES / KILLS).unwrap();
        let enough = part + usize::try_from(random.below(spread)).unwrap();
        eventually("enough was written", async || {
            match answered.load(Ordering::SeqCst) {
                written if written >= enough => Ok(()),
                written => Err(format!("{written} of {enough}")),
            }
        })
        .await;
        // Anywhere within a write, not only at its end.
        for _ in 0..random.below(2_000) {
            tokio::task::yield_now().await;
        }
        stack.control_plane.kill();
        stack.control_plane.start().await;
    }
}

async fn nothing_acknowledged_is_lost(database_url: Option<&str>) {
    let mut stack = Stack::with_chat_on(Transport::Delta, database_url).await;
    let (api, answered) = (stack.api(), Arc::new(AtomicUsize::new(0)));
    let writing = async {
        let mut writers = JoinSet::new();
        for first in 0..WRITERS {
            writers.spawn_local(write(api, first, Arc::clone(&answered)));
        }
        kill_and_start(&mut stack, &answered).await;
        writers.join_all().await
    };
    let heard = LocalSet::new().run_until(writing).await;
    let heard: Vec<_> = heard.into_iter().flatten().collect();

    let kept = heard.iter().filter(|(_, heard)| *heard == Heard::Kept);
    println!("{} of {WRITES} writes were acknowledged", kept.count());
    for (n, heard) in heard {
        let answer = api.send(&Request::get(&path(n))).await.unwrap();
        let whole = answer.status == 200 && answer.json()["spec"]["salt"] == salt(n);
        let none = heard == Heard::Nothing && answer.status == 404;
        assert!(
            whole || none,
            "{n}, {heard:?}: {} {}",
            answer.status,
            answer.text()
        );
    }

    let last = [
        ("stable", 2_000),
        ("candidate-b", 4_000),
        ("candidate-c", 4_000),
    ];
    let weights = "/v1/experiments/chat-model/weights";
    api.patch(weights, &documents::weights(&last)).await;
    stack.control_plane.kill();
    stack.control_plane.start().await;
    api.until_in_sync("chat-model").await;
    assert_split(&ask_all(stack.gateway(), &units(2_000)).await, &last);
}

#[tokio::test]
async fn with_sqlite_every_acknowledged_write_survives_kill_9_in_the_middle_of_writes() {
    nothing_acknowledged_is_lost(None).await;
}

#[tokio::test]
async fn with_postgresql_every_acknowledged_write_survives_kill_9_in_the_middle_of_writes() {
    if let Some(server) = Postgres::start(Durability::Disk) {
        nothing_acknowledged_is_lost(Some(&server.create("watershed"))).await;
    }
}

#[tokio::test]
async fn a_database_that_is_none_stops_the_start_with_its_path() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("watershed.db");
    std::fs::write(
        &database,
        b"this is no database, and long enough to be read as a page".repeat(100),
    )
    .unwrap();
    let output = std::process::Command::new(watershed_tests::binaries::watershed())
        .args([
            "serve",
            "--api-address",
            "127.0.0.1:0",
            "--xds-address",
            "127.0.0.1:0",
        ])
        .args([
            "--wasm-path",
            "/filter.wasm",
            "--insecure-open-api",
            "--xds-plaintext",
            "--database",
        ])
        .arg(&database)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("watershed.db"), "{said}");
}
