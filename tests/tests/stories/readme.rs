//! The README tells the truth: its manifests are accepted, and each of its commands is run, here or by
//! CI. What lives here: reading the commands out of the README and running them against a stack. A
//! command of a new kind fails the story until somebody says how it is run.

use std::fs;
use std::process::Command;

use serde_json::Value;
use watershed_tests::envoy::Transport;
use watershed_tests::process::Process;
use watershed_tests::{Stack, binaries, eventually};

/// The targets of make that CI runs: `make demo` by the demo's story, the others by `.ci/run`.
const MAKE_TARGETS: [&str; 6] = ["setup", "build", "filter", "demo", "test", "lint"];

/// The bodies of the README's fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(binaries::repository().join("README.md")).unwrap();
    blocks_of(&readme, language)
}

fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(opened) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if opened == language {
                blocks.push(body.join("\n"));
            }
        }
    }
    blocks
}

/// The commands of a shell block: continued lines are one, comments are none.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
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
    let mut process = Process::start(shell(&command), &stack.folder().join("readme.log"));
    eventually("the control plane of the README listens", async || {
        assert!(process.ended().is_none(), "{}", process.log_end());
        fs::metadata(&ready)
    })
    .await;
}

#[tokio::test]
async fn every_manifest_of_the_readme_is_accepted_and_every_command_is_run() {
    let stack = Stack::with_service(Transport::Delta).await;
    let api = stack.api();
    place_manifests(&stack);
    for block in blocks("yaml") {
        let manifest: Value =
            serde_saphyr::from_str(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
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

    for command in blocks("sh").iter().flat_map(|block| commands(block)) {
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
    assert!(
        blocks("yaml").len() + blocks("sh").len() >= 4,
        "the README lost its examples"
    );
}

#[test]
fn commands_are_read_out_of_fenced_blocks() {
    let text = "a\n```sh\nmake x # now\n\n# no\ncurl -s \\\n  b\n```\n```yaml\nkind: K\n```\n```\nno\n```\n";
    let shell = blocks_of(text, "sh");
    assert_eq!(shell.len(), 1);
    assert_eq!(commands(&shell[0]), ["make x # now", "curl -s    b"]);
    assert_eq!(blocks_of(text, "yaml"), ["kind: K"]);
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
