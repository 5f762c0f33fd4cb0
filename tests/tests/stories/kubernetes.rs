//! The manifests for Kubernetes are what Kubernetes takes: `kubectl` renders each folder of
//! `envoy/kubernetes/`, and what comes out fits the schemas of Kubernetes itself; the control plane starts
//! with their arguments. A cluster is not started.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;
use watershed::app::Cli;
use watershed_tests::control_plane::start_by;
use watershed_tests::tls::Authority;
use watershed_tests::{Durability, Postgres, binaries};

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

/// The control plane's container of a workload.
fn container(name: &str) -> Value {
    let text = fs::read_to_string(folder(name)).unwrap();
    let mut workload: Value = serde_saphyr::from_str(&text).unwrap();
    workload["spec"]["template"]["spec"]["containers"][0].take()
}

fn arguments(container: &Value) -> Vec<&str> {
    let arguments = container["args"].as_array().unwrap().iter();
    arguments.map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn the_flags_in_the_manifests_are_those_of_the_program() {
    let program = Cli::command();
    let serve = program.find_subcommand("serve").unwrap();
    let known = serve.get_arguments().filter_map(clap::Arg::get_env);
    let known: BTreeSet<&str> = known.filter_map(|it| it.to_str()).collect();
    for name in ["base/deployment.yaml", "single/statefulset.yaml"] {
        let container = container(name);
        let words = [&["watershed"], &*arguments(&container)].concat();
        Cli::try_parse_from(words).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        for variable in container["env"].as_array().unwrap() {
            let variable = variable["name"].as_str().unwrap();
            assert!(known.contains(variable), "{name}: nothing reads {variable}");
        }
    }
}

/// The container's command on this machine: with its arguments and the variables that have a value, on free
/// ports, and with the folder in the place of those that Kubernetes mounts.
fn started_here(container: &Value, folder: &Path) -> Command {
    let folder = folder.display().to_string();
    let placed = |text: &str| {
        ["/etc/watershed/xds", "/var/lib/watershed"]
            .iter()
            .fold(text.to_owned(), |text, mounted| {
                text.replace(mounted, &folder)
            })
            .replace("0.0.0.0:18080", "127.0.0.1:0")
            .replace("0.0.0.0:18000", "127.0.0.1:0")
    };
    let mut command = Command::new(binaries::watershed());
    command
        .args(arguments(container).into_iter().map(placed))
        .env_remove("DATABASE_URL")
        .env_remove("WATERSHED_EVIDENCE_URL")
        .current_dir(&folder);
    for variable in container["env"].as_array().unwrap() {
        if let Some(value) = variable["value"].as_str() {
            command.env(variable["name"].as_str().unwrap(), placed(value));
        }
    }
    command
}

#[tokio::test]
async fn the_control_plane_starts_as_the_manifests_have_it() {
    let scratch = tempfile::tempdir().unwrap();
    let ready = scratch.path().join("single");
    let mut single = started_here(&container("single/statefulset.yaml"), scratch.path());
    single.arg("--ready-file").arg(&ready);
    start_by(single, &ready).await;

    let Some(server) = Postgres::start(Durability::None) else {
        return;
    };
    let authority = Authority::new(scratch.path(), "authority");
    let issued = authority.issue("watershed-xds");
    let mounted = [
        (issued.certificate, "tls.crt"),
        (issued.key, "tls.key"),
        (authority.certificate(), "ca.crt"),
    ];
    for (from, name) in mounted {
        fs::copy(from, scratch.path().join(name)).unwrap();
    }
    let ready = scratch.path().join("base");
    let mut base = started_here(&container("base/deployment.yaml"), scratch.path());
    base.env("DATABASE_URL", server.create("watershed"))
        .arg("--ready-file")
        .arg(&ready);
    start_by(base, &ready).await;
}
