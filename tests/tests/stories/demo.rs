//! The demo runs to its end, every step right, and writes its figures.

use std::process::Command;

use tempfile::TempDir;
use watershed_tests::binaries;

#[test]
fn the_demo_ends_with_every_step_right_and_writes_its_figures() {
    let folder = TempDir::new().unwrap();
    let figures = folder.path().join("demo.json");
    let output = Command::new(binaries::watershed())
        .args(["demo", "--once", "--wasm-path"])
        .arg(binaries::wasm())
        .arg("--envoy")
        .arg(binaries::envoy())
        .arg("--folder")
        .arg(folder.path().join("demo"))
        .arg("--figures")
        .arg(&figures)
        .current_dir(binaries::repository())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    let figures: serde_json::Value =
        serde_json::from_slice(&std::fs::read(figures).unwrap()).unwrap();
    assert_eq!(figures["ok"], true, "{figures:#}");
}
