//! The manifests for Kubernetes are what Kubernetes takes: `kubectl` renders each folder of
//! `envoy/kubernetes/`, and what comes out fits the schemas of Kubernetes itself. A cluster is not started.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use watershed_tests::binaries;

fn folder(name: &str) -> PathBuf {
    binaries::repository().join("envoy/kubernetes").join(name)
}

/// What `kubectl apply -k` would send, where there is a `kubectl`.
fn rendered(name: &str) -> Option<String> {
    let output = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder(name))
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The manifests of a folder as they are written, for where nothing renders them.
fn written(name: &str) -> String {
    let files = fs::read_dir(folder(name)).unwrap();
    let texts = files
        .map(|file| file.unwrap().path())
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .map(|path| fs::read_to_string(path).unwrap());
    texts.collect::<Vec<_>>().join("\n---\n")
}

fn kinds(manifests: &str) -> BTreeSet<String> {
    let lines = manifests.lines();
    lines
        .filter_map(|line| line.strip_prefix("kind: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_folder_has_what_it_is_for() {
    let base = kinds(&written("base"));
    for kind in [
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ] {
        assert!(base.contains(kind), "base has no {kind}");
    }
    assert!(kinds(&written("single")).contains("StatefulSet"));
    assert!(kinds(&written("monitoring")).contains("ServiceMonitor"));
}

#[test]
fn kubectl_renders_every_folder() {
    for name in ["base", "single", "monitoring"] {
        let Some(rendered) = rendered(name) else {
            println!("skipped: there is no kubectl");
            return;
        };
        assert!(rendered.contains("namespace: watershed"), "{name}");
        assert!(
            !rendered.contains("image: watershed/control-plane\n"),
            "{name}: an image without a version"
        );
    }
}

#[test]
fn the_manifests_fit_the_schemas_of_kubernetes() {
    let packages = binaries::repository().join(".kubernetes/packages");
    if !packages.join("kubernetes_validate").is_dir() {
        println!("skipped: there are no schemas of Kubernetes; setup/packages.sh brings them");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    // Prometheus' operator brings the schema of its ServiceMonitor itself.
    for name in ["base", "single"] {
        let file = scratch.path().join(name);
        fs::write(&file, rendered(name).unwrap_or_else(|| written(name))).unwrap();
        let output = Command::new("python3")
            .args(["-m", "kubernetes_validate", "--strict"])
            .arg(&file)
            .env("PYTHONPATH", &packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{name}: {said}");
        assert!(said.contains("passed for resource"), "{name}: {said}");
    }
}

#[test]
fn what_the_schemas_are_used_for_can_fail() {
    let packages = binaries::repository().join(".kubernetes/packages");
    if !packages.join("kubernetes_validate").is_dir() {
        println!("skipped: there are no schemas of Kubernetes; setup/packages.sh brings them");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("broken.yaml");
    let broken = written("base").replace("minAvailable: 1", "minAvailable: [1]");
    fs::write(&file, broken).unwrap();
    let status = Command::new("python3")
        .args(["-m", "kubernetes_validate", "--strict", "--quiet"])
        .arg(&file)
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
}

#[test]
fn the_flags_in_the_manifests_are_those_of_the_program() {
    let help = Command::new(binaries::watershed())
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for name in ["base/deployment.yaml", "single/statefulset.yaml"] {
        let text = fs::read_to_string(folder(name)).unwrap();
        let documents: Value = serde_saphyr::from_str(&text).unwrap();
        let container = &documents["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter();
        let flags = arguments
            .filter_map(Value::as_str)
            .filter(|word| word.starts_with("--"));
        let variables = container["env"].as_array().unwrap().iter();
        let variables = variables.filter_map(|it| it["name"].as_str());
        for word in flags.chain(variables) {
            assert!(
                help.contains(word),
                "{name}: `watershed serve` has no {word}"
            );
        }
    }
}
