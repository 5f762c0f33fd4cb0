//! The README tells the truth: its manifests are accepted, and each of its commands is run, here or by
//! CI. What lives here: reading the commands out of the README and running them against a stack. A
//! command of a new kind fails the story until somebody says how it is run.

use std::fs;
use std::process::Command;

use serde_json::Value;
use watershed_tests::envoy::Transport;
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

/// Puts the addresses of the story where the README has the usual ones.
fn placed(command: &str, stack: &Stack) -> String {
    let api = stack.api().address().to_string();
    let gateway = stack.gateway().to_string();
    let command = command.replace("localhost:", "127.0.0.1:");
    command
        .replace("127.0.0.1:18080", &api)
        .replace("127.0.0.1:10000", &gateway)
}

/// Runs a command line from the root of the repository, with what was built on the path.
fn run(command: &str) {
    let built = binaries::watershed();
    let command = command.replace("target/debug/watershed", &built.display().to_string());
    let folders = [built.parent().unwrap(), binaries::envoy().parent().unwrap()]
        .map(|f| f.display().to_string());
    let path = format!(
        "{}:{}",
        folders.join(":"),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .env("PATH", path)
        .current_dir(binaries::repository())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command}\n{said}");
}

#[tokio::test]
async fn every_manifest_of_the_readme_is_accepted_and_every_command_is_run() {
    let stack = Stack::with_service(Transport::Delta).await;
    let api = stack.api();
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
        let mut words = command.split_whitespace();
        match (words.next().unwrap(), words.next().unwrap_or_default()) {
            ("make", target) => assert!(MAKE_TARGETS.contains(&target), "no CI runs: {command}"),
            ("curl", _) => run(&placed(
                &command.replacen("curl", "curl --fail --silent --show-error", 1),
                &stack,
            )),
            ("watershed" | "target/debug/watershed", "apply") => run(&placed(&command, &stack)),
            // Starts and stays up; the sidecar's stories start Envoy with the same files.
            ("envoy", _) => run(&format!("{command} --mode validate")),
            _ => panic!("the README has a command that nothing runs: {command}"),
        }
    }
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
