//! A write that was answered 2xx is there after `kill -9`, whenever that comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;
use watershed_tests::api::Api;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::eventually;
use watershed_tests::http::Request;

fn path(round: usize, n: usize) -> String {
    format!("/v1/layers/round-{round}-{n}")
}

fn salt(n: usize) -> String {
    format!("salt-{n}")
}

/// Writes one layer after the other, counting those that were acknowledged, until nobody answers.
async fn write_until_killed(api: Api, round: usize, acknowledged: Arc<AtomicUsize>) {
    for n in 0.. {
        let request = Request::new("PUT", &path(round, n)).json(&json!({ "salt": salt(n) }));
        match api.send(&request).await {
            Ok(response) => assert_eq!(response.status, 201, "{}", response.text()),
            Err(_) => return,
        }
        acknowledged.store(n + 1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_a_kill_9_in_the_middle_of_writes() {
    let folder = TempDir::new().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    for (round, enough) in [1, 7, 40].into_iter().enumerate() {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let api = control_plane.api();
        let writer = tokio::spawn(write_until_killed(api, round, Arc::clone(&acknowledged)));
        eventually("enough was written", async || {
            match acknowledged.load(Ordering::SeqCst) {
                written if written >= enough => Ok(()),
                written => Err(format!("{written} of {enough}")),
            }
        })
        .await;
        control_plane.kill();
        writer.await.unwrap();
        control_plane.start().await;

        let acknowledged = acknowledged.load(Ordering::SeqCst);
        for n in 0..acknowledged {
            let layer = api.get(&path(round, n)).await;
            assert_eq!(
                layer["spec"]["salt"],
                salt(n),
                "{n} of {acknowledged}: {layer}"
            );
        }
        // The one that was under way is there whole or not at all, and none after it.
        let next = api
            .send(&Request::get(&path(round, acknowledged)))
            .await
            .unwrap();
        let whole = next.status == 200 && next.json()["spec"]["salt"] == salt(acknowledged);
        assert!(
            whole || next.status == 404,
            "{} {}",
            next.status,
            next.text()
        );
        let after = api
            .send(&Request::get(&path(round, acknowledged + 1)))
            .await
            .unwrap();
        assert_eq!(after.status, 404);
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
            "--database",
        ])
        .arg(&database)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("watershed.db"), "{said}");
}
