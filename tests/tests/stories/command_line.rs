//! The pages about the command line tell the truth: every command of `docs/cli.md`, `docs/migrate.md`
//! and `docs/uses.md` is run, in order, by the real binary against a real control plane, and ends with
//! the code that is marked behind it, 0 where there is none. Manifests of `docs/uses.md` are applied
//! where they stand.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use watershed_tests::control_plane::ControlPlane;
use watershed_tests::{binaries, documents, pages};

/// What a page tells its reader to do.
enum Step {
    /// A `yaml` block.
    Apply(String),
    /// A line of an `sh` block, with the exit code that it ends with.
    Run(String, i32),
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in pages::blocks(&format!("docs/{page}")) {
        match &*block.language {
            "sh" => steps.extend(block.body.lines().map(command)),
            "yaml" => steps.push(Step::Apply(block.body)),
            _ => {}
        }
    }
    steps
}

fn command(line: &str) -> Step {
    let (command, code) = line.split_once("   # ").unwrap_or((line, "0"));
    Step::Run(command.trim().to_owned(), code.trim().parse().unwrap())
}

/// The commands of a page that has nothing to apply.
fn commands(page: &str) -> Vec<(String, i32)> {
    let steps = steps(page).into_iter();
    let commands = steps.filter_map(|step| match step {
        Step::Run(command, code) => Some((command, code)),
        Step::Apply(_) => None,
    });
    commands.collect()
}

/// The command line with the program that was built, from the root of the repository.
fn shell(command: &str, server: &str) -> Command {
    let program = binaries::watershed().display().to_string();
    let command = command.replacen("watershed", &program, 1);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec {command}")])
        .env("WATERSHED_SERVER", server)
        .env_remove("WATERSHED_API_KEY")
        .current_dir(binaries::repository())
        .stdin(Stdio::null());
    shell
}

/// A watch never ends by itself: its first line is enough.
fn watch(command: &str, server: &str) {
    let mut watch = shell(command, server)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let read = BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line);
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(
        read.is_ok() && line.contains("acknowledged"),
        "{command}: {line}"
    );
}

fn run(command: &str, code: i32, server: &str) {
    assert!(command.starts_with("watershed "), "no test runs: {command}");
    if command.contains("--watch") {
        return watch(command, server);
    }
    let output = shell(command, server).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command}\n{}",
        String::from_utf8_lossy(&said)
    );
}

#[tokio::test]
async fn every_command_of_the_pages_ends_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let server = format!("http://{}", control_plane.api().address());
    let told = commands("cli.md");
    assert!(told.len() > 20, "the page lost its commands: {told:?}");
    for (command, code) in told {
        run(&command, code, &server);
    }
    let told = commands("migrate.md");
    assert!(told.len() > 3, "the page lost its commands: {told:?}");
    for (command, code) in told {
        run(&command, code, &server);
    }
}

#[tokio::test]
async fn the_recipes_work_from_the_top_of_the_page_to_its_bottom() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let server = format!("http://{}", control_plane.api().address());
    let steps = steps("uses.md");
    assert!(steps.len() > 30, "the page lost its recipes");
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Run(command, code) => run(&command, code, &server),
            Step::Apply(manifests) => {
                let file = folder.path().join(format!("{number}.yaml"));
                fs::write(&file, manifests).unwrap();
                run(
                    &format!("watershed apply -f {}", file.display()),
                    0,
                    &server,
                );
            }
        }
    }
}

#[test]
fn the_reference_is_what_the_code_says_of_itself() {
    let output = Command::new("python3")
        .arg(binaries::repository().join("docs/reference.py"))
        .arg("--check")
        .arg(binaries::watershed())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn what_was_imported_can_be_applied_and_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let api = control_plane.api();
    let server = format!("http://{}", api.address());
    let endpoint = documents::cluster("127.0.0.1:9".parse().unwrap());
    api.put("/v1/clusters/stable", &endpoint).await;
    let service = serde_json::json!({"hosts": ["*"], "default_cluster": "stable"});
    api.put("/v1/services/chat", &service).await;
    let arguments = "--service chat --owner growth --decision-date 2099-06-30";
    for peer in ["unleash", "flagd", "growthbook"] {
        let file = format!("tests/data/peers/{peer}.json");
        // Through a file, as into a repository, and right away.
        let manifests = folder.path().join(format!("{peer}.yaml"));
        let import = format!("watershed import --from {peer} {file} {arguments}");
        run(&format!("{import} > {}", manifests.display()), 0, &server);
        run(
            &format!("watershed apply -f {}", manifests.display()),
            0,
            &server,
        );
        run(&format!("{import} --apply"), 0, &server);
    }
    for key in ["checkout.button", "header-color", "pricing-page"] {
        run(&format!("watershed start {key}"), 0, &server);
        let request = serde_json::json!({"context": {"targetingKey": "u-1", "plan": "pro"}});
        let path = format!("/ofrep/v1/evaluate/flags/{key}");
        let flag = api.post_with(&path, &request).await;
        assert_ne!(flag["variant"], "", "{flag}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_while_the_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let server = format!("http://{}", control_plane.api().address());
    run("watershed apply -f envoy/demo", 0, &server);
    let mut watch = shell("watershed status chat-model --watch", &server)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("chat-model draft revision "));
    control_plane.kill();
    let away = next();
    assert!(away.contains("cannot reach the control plane"), "{away}");
    control_plane.start().await;
    run("watershed start chat-model", 0, &server);
    let back = next();
    assert!(back.starts_with("chat-model running revision "), "{back}");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[tokio::test]
async fn a_manifest_comes_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let server = format!("http://{}", control_plane.api().address());
    for (text, code) in [
        ("kind: Layer\nkey: a\nspec: {}\n", 0),
        ("kind: Layer\n", 1),
        ("[", 1),
    ] {
        let mut apply = shell("watershed apply -f - --dry-run", &server);
        let apply = apply
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut apply = apply.spawn().unwrap();
        apply
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = apply.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(code == 0 || said.contains("standard input: "), "{said}");
    }
}
