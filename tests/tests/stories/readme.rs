//! The README tells the truth: its manifests are accepted, and each of its commands is run, here or by
//! CI. What lives here: running the commands of the README against a stack. A command of a new kind fails
//! the story until somebody says how it is run.

use std::fs;
use std::process::Command;

use serde_json::Value;
use watershed_tests::control_plane::start_by;
use watershed_tests::envoy::{Bootstrap, Transport};
use watershed_tests::pages::Block;
use watershed_tests::{Stack, binaries, eventually, pages};

/// The targets of make that CI runs: `make demo` by the demo's story, the others by `.ci/run`.
const MAKE_TARGETS: [&str; 6] = ["setup", "build", "filter", "demo", "test", "lint"];

/// What the README's blocks of YAML say.
fn documents() -> Vec<Value> {
    let blocks = pages::blocks_in("README.md", "yaml").into_iter();
    let read = |block: Block| {
        serde_saphyr::from_str(&block.body)
            .unwrap_or_else(|fault| panic!("README.md:{}: {fault}", block.line))
    };
    blocks.map(read).collect()
}

/// Puts the files and addresses of the story where the README has the usual ones.
fn placed(command: &str, stack: &Stack) -> String {
    let manifests = stack.folder().join("manifests").display().to_string();
    [
        (
            "target/debug/watershed",
            binaries::watershed().display().to_string(),
        ),
        (
            "target/wasm32-wasip1/wasm/watershed_filter.wasm",
            binaries::wasm().display().to_string(),
        ),
        ("envoy/demo", manifests),
        ("localhost:", "127.0.0.1:".to_owned()),
        ("127.0.0.1:18080", stack.api().address().to_string()),
        ("127.0.0.1:10000", stack.gateway().to_string()),
    ]
    .iter()
    .fold(command.to_owned(), |command, (from, to)| {
        command.replace(from, to)
    })
}

/// Copies `envoy/demo` with the ports of the story, as the demo itself does: the usual ones may be in
/// use by another story.
fn place_manifests(stack: &Stack) {
    let folder = stack.folder().join("manifests");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(binaries::repository().join("envoy/demo")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        text = text.replace("port: 10000", &format!("port: {}", stack.gateway().port()));
        for (upstream, port) in stack.upstreams.iter().zip(["18101", "18102", "18103"]) {
            text = text.replace(port, &upstream.address.port().to_string());
        }
        fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
}

/// Runs a command line from the root of the repository.
fn run(command: &str) {
    let mut shell = shell(command);
    let output = shell.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{command}\n{}",
        String::from_utf8_lossy(&said)
    );
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(binaries::repository());
    shell
}

/// Starts the control plane as the README says, but on free ports and with a database of its own, and
/// waits until it listens.
async fn serve(command: &str, stack: &Stack) {
    let ready = stack.folder().join("ready.json");
    let database = stack.folder().join("readme.db");
    // `exec`, so that it is the control plane that ends with the story, not only its shell.
    let command = format!(
        "exec {command} --api-address 127.0.0.1:0 --xds-address 127.0.0.1:0 --database {} --ready-file {}",
        database.display(),
        ready.display(),
    );
    start_by(shell(&command), &ready).await;
}

#[tokio::test]
async fn every_manifest_of_the_readme_is_accepted_and_every_command_is_run() {
    let stack = Stack::with_service(Transport::Delta).await;
    let api = stack.api();
    place_manifests(&stack);
    let documents = documents();
    let manifests: Vec<&Value> = documents.iter().filter(|it| it.is_object()).collect();
    assert!(!manifests.is_empty(), "the README lost its manifest");
    for manifest in manifests {
        let (kind, key) = (
            manifest["kind"].as_str().unwrap(),
            manifest["key"].as_str().unwrap(),
        );
        api.put(
            &format!("/v1/{}s/{key}", kind.to_lowercase()),
            &manifest["spec"],
        )
        .await;
    }
    api.post("/v1/experiments/chat-model/start").await;
    api.until_in_sync("chat-model").await;
    let gateway = stack.gateway();
    eventually("the proxy listens", async || {
        tokio::net::TcpStream::connect(gateway).await
    })
    .await;

    let blocks = pages::blocks_in("README.md", "sh");
    assert!(blocks.len() >= 4, "the README lost its examples");
    for command in blocks.iter().flat_map(Block::commands) {
        let placed = placed(&command, &stack);
        let mut words = command.split_whitespace();
        match (words.next().unwrap(), words.next().unwrap_or_default()) {
            ("make", _) => {
                let mut targets = command
                    .split_whitespace()
                    .skip(1)
                    .filter(|word| !word.contains('='));
                assert!(
                    targets.all(|target| MAKE_TARGETS.contains(&target)),
                    "no CI runs: {command}"
                );
            }
            ("curl", _) => run(&placed.replacen("curl", "curl --fail --silent --show-error", 1)),
            ("target/debug/watershed", "serve") => serve(&placed, &stack).await,
            ("target/debug/watershed", "apply") => run(&placed),
            _ => panic!("the README has a command that nothing runs: {command}"),
        }
    }
}

/// A route as far as the README has it: what it matches and where it leads.
fn essence(route: &Value) -> (&Value, &Value) {
    (&route["match"], &route["route"]["cluster"])
}

#[test]
fn the_routes_of_the_readme_are_those_of_the_bootstrap() {
    let xds = ([127, 0, 0, 1], 18_000).into();
    let mut bootstrap = Bootstrap::read("sidecar/ecds.yaml", xds, &binaries::wasm());
    let table = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config";
    let there = bootstrap.at(&format!("{table}/virtual_hosts/0/routes"));
    let there: Vec<_> = there.as_array().unwrap().iter().map(essence).collect();
    let documents = documents();
    let lists = documents.iter().filter_map(Value::as_array);
    let told: Vec<_> = lists.flatten().map(essence).collect();
    assert_eq!(told, there);
}

#[test]
fn every_target_that_make_offers_is_documented_by_help() {
    let makefile = fs::read_to_string(binaries::repository().join("Makefile")).unwrap();
    let phony = makefile
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY: "))
        .unwrap();
    for target in phony.split_whitespace() {
        let documented =
            |line: &str| line.starts_with(&format!("{target}:")) && line.contains("## ");
        assert!(makefile.lines().any(documented), "{target}");
    }
}
