//! What a release says of itself: which build a program is, and what it is made of.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use watershed_tests::binaries;

#[test]
fn the_program_says_which_build_it_is() {
    let output = Command::new(binaries::watershed())
        .arg("--version")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let build = said
        .trim_end()
        .strip_prefix(&format!("watershed {version} ("))
        .and_then(|rest| rest.strip_suffix(')'));
    let (source, target) = build.and_then(|build| build.split_once(", ")).unwrap();
    assert!(
        source == "a working tree" || source.starts_with("commit "),
        "{said}"
    );
    assert!(target.contains(std::env::consts::ARCH), "{said}");
}

fn bill_of_materials() -> Value {
    let output = Command::new("python3")
        .arg(binaries::repository().join("setup/sbom.py"))
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(["--target", "wasm32-wasip1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_bill_of_materials_has_what_is_shipped_and_nothing_else() {
    let bill = bill_of_materials();
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    let shipped = [
        "watershed-control-plane",
        "watershed-filter",
        "watershed-engine",
        "regex",
        "rusqlite",
        "tonic",
    ];
    for name in shipped {
        assert!(names.contains(name), "{name} is shipped");
    }
    for name in ["proptest", "watershed-tests", "watershed-harness"] {
        assert!(!names.contains(name), "{name} is for tests alone");
    }
    for component in components {
        assert!(component["licenses"].is_array(), "no licence: {component}");
        let ours = component["name"].as_str().unwrap().starts_with("watershed");
        let sum = component["hashes"][0]["content"].as_str();
        assert_eq!(sum.is_none(), ours, "a checksum of each crate: {component}");
    }
}

#[test]
fn whatever_a_component_depends_on_is_in_the_bill_of_materials() {
    let bill = bill_of_materials();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed: BTreeSet<String> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| text(&component["bom-ref"]))
        .collect();
    let mut needed = BTreeSet::new();
    for dependency in bill["dependencies"].as_array().unwrap() {
        needed.extend(dependency["dependsOn"].as_array().unwrap().iter().map(text));
    }
    assert_eq!(listed, needed, "each has a place, and none has two");
}
