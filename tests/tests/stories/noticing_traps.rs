//! The stories say that the filter never traps. This one shows that they would notice if it did: it runs
//! Envoy with a filter that traps on every request.

use std::process::Command;

use tempfile::TempDir;
use watershed_tests::envoy::{Bootstrap, Envoy};
use watershed_tests::http::send;
use watershed_tests::traffic::request;
use watershed_tests::{Port, binaries, eventually};

#[tokio::test]
async fn a_filter_that_traps_is_noticed() {
    let folder = TempDir::new().unwrap();
    let wasm = folder.path().join("trap.wasm");
    let compiled = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "--target",
            "wasm32-wasip1",
            "--crate-type",
            "cdylib",
            "-C",
            "panic=abort",
            "-o",
        ])
        .arg(&wasm)
        .arg(binaries::repository().join("tests/data/trap.rs"))
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(compiled.success());

    let listener = Port::reserve();
    let nobody = Port::reserve().address();
    let bootstrap = Bootstrap::read("sidecar/ecds.yaml", nobody, &wasm).listen(listener.address());
    let mut envoy = Envoy::start(folder.path(), &bootstrap).await;
    eventually("the proxy listens", async || {
        send(listener.address(), &request("unit-1")).await
    })
    .await;
    // The trap stands in the log at once; the reload is counted with the next request.
    assert!(envoy.filter_harm().await.is_some());
    eventually("the reload is counted", async || {
        let _ = send(listener.address(), &request("unit-1")).await;
        let harm = envoy.filter_harm().await.unwrap_or_default();
        if harm.contains("vm_reload") {
            Ok(())
        } else {
            Err(harm)
        }
    })
    .await;
}
