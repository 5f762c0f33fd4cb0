//! Every bootstrap that the repository offers is one that Envoy accepts.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use watershed_tests::binaries;
use watershed_tests::envoy::{Bootstrap, validate};

fn filled_in(name: &str) -> Bootstrap {
    let xds = ([127, 0, 0, 1], 18_000).into();
    Bootstrap::read(name, xds, &binaries::wasm())
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
}

/// The bootstraps below `envoy/`, by their path there: the files with Envoy's top-level sections.
fn bootstraps() -> Vec<String> {
    let root = binaries::repository().join("envoy");
    let mut files = Vec::new();
    yaml_files(&root, &mut files);
    let is_bootstrap = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().any(|line| {
            line.starts_with("static_resources:") || line.starts_with("dynamic_resources:")
        })
    };
    files.retain(is_bootstrap);
    files
        .iter()
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .collect()
}

#[test]
fn every_bootstrap_passes_envoys_own_validation() {
    let names = bootstraps();
    assert!(names.contains(&"bootstrap.yaml".to_owned()), "{names:?}");
    assert!(
        names.contains(&"sidecar/static.yaml".to_owned()),
        "{names:?}"
    );
    let folder = TempDir::new().unwrap();
    for name in names {
        let bootstrap = filled_in(&name);
        validate(folder.path(), &bootstrap).unwrap_or_else(|words| panic!("envoy/{name}: {words}"));
    }
}

#[test]
fn validation_refuses_a_bootstrap_that_is_wrong() {
    let folder = TempDir::new().unwrap();
    let mut bootstrap = filled_in("bootstrap.yaml");
    *bootstrap.at("/node") = serde_json::json!({ "no_such_field": true });
    let words = validate(folder.path(), &bootstrap).unwrap_err();
    assert!(words.contains("no_such_field"), "{words}");
}
