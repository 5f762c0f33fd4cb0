//! The document of the API tells the truth: a control plane that starts with an empty database prints
//! one admin key, and with it every command of `docs/api.md` works, from the first to the last.

use std::process::Command;

use serde_json::Value;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::http::Request;
use watershed_tests::pages;

/// The shell blocks of the document, as one script; one that starts a server is not for this one.
fn script() -> String {
    let blocks = pages::blocks_in("docs/api.md", "sh").into_iter();
    let commands = blocks.filter(|it| !it.is_server()).map(|it| it.body);
    format!("set -eu\n{}", commands.collect::<String>())
}

/// What the document says that a change that is only tried is answered.
fn documented_difference() -> Value {
    let blocks = pages::blocks_in("docs/api.md", "json");
    assert_eq!(blocks.len(), 1, "the document has one answer");
    serde_json::from_str(&blocks[0].body).unwrap()
}

/// The key that was printed, once.
fn printed_key(control_plane: &ControlPlane) -> String {
    let log = control_plane.log();
    let words = log.split_whitespace();
    let mut keys = words.filter(|word| word.starts_with("wsk_"));
    let key = keys.next().expect("a printed key").to_owned();
    assert_eq!(keys.next(), None, "{log}");
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_printed_once_and_every_command_of_the_document_works_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start_with(&[]).await;
    let key = printed_key(&control_plane);
    let refused = control_plane.api().send(&Request::get("/v1/layers")).await;
    assert_eq!(refused.unwrap().status, 401);

    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl, which the document's commands use");
        return;
    }
    let url = format!("http://{}", control_plane.api().address());
    let placed = script().replace("http://127.0.0.1:18080", &url);
    let mut shell = Command::new("sh");
    shell.args(["-c", &placed]).current_dir(folder.path());
    shell.env("WATERSHED_API_KEY", &key);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{}",
        control_plane.log_end()
    );
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let answers: Vec<Value> = answers.map(Result::unwrap).collect();
    let tried: Vec<&Value> = answers.iter().filter(|it| it["dry_run"] == true).collect();
    assert_eq!(tried, [&documented_difference()]);

    // Started again, it has its keys and prints none.
    control_plane.kill();
    control_plane.start_with(&[]).await;
    assert_eq!(
        printed_key(&control_plane),
        key,
        "the one of the first start"
    );
    let again = Request::get("/v1/audit").header("authorization", format!("Bearer {key}"));
    let audit = control_plane.api().send(&again).await.unwrap();
    assert_eq!(audit.status, 200);
    let audit = audit.json();
    let actions: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert!(actions.starts_with(&["create"]), "{actions:?}");
    assert!(
        actions.contains(&"weights") && actions.contains(&"revoke"),
        "{actions:?}"
    );
}
