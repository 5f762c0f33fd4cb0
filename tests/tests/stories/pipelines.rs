//! The workflow that people copy does what it says: its commands are run in order, as a runner would,
//! against a real control plane.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use watershed_tests::api::Api;
use watershed_tests::binaries;
use watershed_tests::control_plane::ControlPlane;

/// The commands of a job of `docs/pipelines/github-actions.yaml`, in order.
fn commands(job: &str) -> Vec<String> {
    let file = binaries::repository().join("docs/pipelines/github-actions.yaml");
    let workflow: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let steps = workflow["jobs"][job]["steps"].as_array().unwrap();
    let commands = steps.iter().filter_map(|step| step["run"].as_str());
    commands.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_pull_request_changes_nothing_and_a_merge_changes_what_it_showed() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let api = control_plane.api();
    let experiments = folder.path().join("experiments");
    fs::create_dir(&experiments).unwrap();
    for file in fs::read_dir(binaries::repository().join("envoy/demo")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), experiments.join(file.file_name())).unwrap();
    }
    let programs = binaries::watershed().parent().unwrap().to_owned();
    let run = |command: &str| -> Output {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("sh")
            .args(["-e", "-c", command])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("WATERSHED_SERVER", format!("http://{}", api.address()))
            .env_remove("WATERSHED_API_KEY")
            .env("GITHUB_SHA", "0a1b2c3")
            .env("GITHUB_ACTOR", "ada")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        output
    };
    let show = commands("show");
    assert_eq!(show.len(), 1);
    let shown = run(&show[0]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("chat-model"));
    assert_eq!(experiments_of(&api).await, 0);
    let apply = commands("apply");
    assert_eq!(apply.len(), 3);
    // There are no proxies here to wait for.
    for command in apply.iter().filter(|it| !it.contains("--wait")) {
        run(command);
    }
    let audit = api.get("/v1/audit?limit=1").await;
    assert_eq!(
        audit["items"][0]["reason"],
        "[source git/experiments] 0a1b2c3 by ada"
    );
    assert_eq!(experiments_of(&api).await, 2);
}

async fn experiments_of(api: &Api) -> usize {
    let listed = api.get("/v1/experiments").await;
    listed["items"].as_array().unwrap().len()
}
