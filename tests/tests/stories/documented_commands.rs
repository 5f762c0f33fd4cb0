//! Commands of pages that have no story of their own, of CONTRIBUTING.md, and at the top of files that people
//! load (`envoy/compose.yaml`, `Dockerfile`, `envoy/kubernetes/`): each is run, or, where a test can't do
//! that, held to what it names, and printed with the reason. A command of a new kind fails until somebody
//! says how it is run. What is not here: which page is whose; `documents` has that.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clap::Parser as _;
use serde_json::Value;
use tempfile::TempDir;
use watershed::app::Cli;
use watershed_tests::control_plane::{ControlPlane, start_by};
use watershed_tests::tls::Authority;
use watershed_tests::{Durability, Postgres, binaries, pages};

/// The pages whose `sh` blocks are run here. Of others only those that start a server are.
const PAGES: [&str; 5] = [
    "CONTRIBUTING.md",
    "docs/deploy.md",
    "docs/operations.md",
    "docs/releases.md",
    "docs/results.md",
];

/// The files with commands in the comment at their top.
const FILES: [&str; 5] = [
    "Dockerfile",
    "envoy/compose.yaml",
    "envoy/kubernetes/base/kustomization.yaml",
    "envoy/kubernetes/monitoring/kustomization.yaml",
    "envoy/kubernetes/single/kustomization.yaml",
];

/// Where commands are run.
struct Place {
    folder: TempDir,
    /// A control plane with the demo's documents.
    filled: ControlPlane,
    /// One where nothing was ever changed.
    empty: ControlPlane,
}

impl Place {
    async fn prepare() -> Self {
        let folder = watershed_tests::stack::folder();
        let mut place = Self {
            filled: control_plane(folder.path(), "filled"),
            empty: control_plane(folder.path(), "empty"),
            folder,
        };
        place.filled.start().await;
        place.empty.start().await;
        let demo = binaries::repository().join("envoy/demo");
        let apply = format!("watershed apply -f {}", demo.display());
        place.run(&apply, Some(&place.filled));
        place.put_certificates();
        place
    }

    /// Under the names that the pages have for them.
    fn put_certificates(&self) {
        let authority = Authority::new(self.folder.path(), "authority");
        let server = authority.issue("watershed.example.org");
        let files = [
            (&server.certificate, ["server.pem", "tls.crt"]),
            (&server.key, ["server.key", "tls.key"]),
            (&authority.certificate(), ["proxies-ca.pem", "ca.crt"]),
        ];
        for (from, names) in files {
            for name in names {
                fs::copy(from, self.folder.path().join(name)).unwrap();
            }
        }
    }

    /// The command in a shell, with the program that was built on its path.
    fn shell(&self, command: &str, server: Option<&ControlPlane>) -> Command {
        let programs = binaries::watershed().parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", command])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env_remove("DATABASE_URL")
            .env_remove("WATERSHED_API_KEY")
            .env_remove("WATERSHED_EVIDENCE_URL")
            .stdin(Stdio::null());
        if let Some(server) = server {
            let url = format!("http://{}", server.api().address());
            shell.env("WATERSHED_SERVER", url);
        }
        shell
    }

    fn run(&self, command: &str, server: Option<&ControlPlane>) {
        succeeded(command, &self.shell(command, server).output().unwrap());
    }

    /// Starts a control plane as a page has it, but on free ports and, where it names none, with a
    /// database of its own, and waits until it listens.
    async fn serve(&self, command: &str) {
        let server = postgres_for(command);
        let mut placed = command
            .replace("0.0.0.0:18080", "127.0.0.1:0")
            .replace("0.0.0.0:18000", "127.0.0.1:0")
            .replacen("watershed serve", "exec watershed serve", 1);
        if let Some(url) = database_in(command) {
            let Some(server) = &server else {
                return checked(command, "there is no PostgreSQL here", &parsed(command));
            };
            placed = placed.replace(url, &server.create("watershed"));
        }
        let here = tempfile::tempdir_in(self.folder.path()).unwrap();
        let ready = here.path().join("ready.json");
        let database = format!("--database {}", here.path().join("w.db").display());
        let mine = [
            ("--api-address", "--api-address 127.0.0.1:0"),
            ("--xds-address", "--xds-address 127.0.0.1:0"),
            ("--xds-tls-cert", "--xds-plaintext"),
            ("DATABASE_URL", &database),
        ];
        for (given, added) in mine {
            if !command.contains(given) {
                placed = format!("{placed} {added}");
            }
        }
        placed = format!("{placed} --ready-file {}", ready.display());
        start_by(self.shell(&placed, None), &ready).await;
    }

    /// Runs a command, or holds it to what it names.
    async fn hold(&self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let words = &words[words.iter().take_while(|it| it.contains('=')).count()..];
        match words {
            ["watershed", "serve", ..] => self.serve(command).await,
            ["watershed", "plan", ..] => self.run(command, None),
            ["watershed", "export", ..] => self.run(command, Some(&self.filled)),
            ["watershed", "import", ..] => self.run(command, Some(&self.empty)),
            ["make", targets @ ..] => {
                let found = make(targets);
                checked(command, "it builds for minutes; make knows it", &found);
            }
            ["docker", "compose", rest @ ..] => {
                let found = compose(rest);
                checked(command, "make compose-test runs the stack", &found);
            }
            ["docker", "build", rest @ ..] => {
                let found = docker_build(rest);
                checked(command, "make compose-test builds the images", &found);
            }
            ["kubectl", rest @ ..] => {
                let found = self.kubectl(command, rest);
                checked(command, "there is no cluster here", &found);
            }
            _ => panic!("no test runs: {command}"),
        }
    }

    /// What is made, without a cluster; what is applied or asked, by what it names.
    fn kubectl(&self, command: &str, words: &[&str]) -> Result<(), String> {
        let kubernetes = binaries::repository().join("envoy/kubernetes");
        match words {
            ["apply", "-k", folder] => exists(&kubernetes.join(folder)),
            ["-n", "watershed", "logs", "watershed-0", ..] => {
                exists(&kubernetes.join("single/statefulset.yaml"))
            }
            ["create", ..] | ["-n", "watershed", "create", ..] => {
                if Command::new("kubectl").arg("version").output().is_err() {
                    println!("skipped: there is no kubectl to read `{command}`");
                    return Ok(());
                }
                let dry = format!("{command} --dry-run=client -o name");
                let output = self.shell(&dry, None).output().unwrap();
                told(&output)
            }
            _ => Err("a command of kubectl that no test knows".to_owned()),
        }
    }
}

fn control_plane(folder: &Path, name: &str) -> ControlPlane {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    ControlPlane::stopped(&folder)
}

fn succeeded(command: &str, output: &Output) {
    told(output).unwrap_or_else(|said| panic!("{command}\n{said}"));
}

fn told(output: &Output) -> Result<(), String> {
    let said = [&*output.stdout, &*output.stderr].concat();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said).into_owned()),
    }
}

/// A command that is not run says so, and why.
fn checked(command: &str, why: &str, found: &Result<(), String>) {
    if let Err(fault) = found {
        panic!("{command}: {fault}");
    }
    println!("checked and not run, because {why}: {command}");
}

fn exists(path: &Path) -> Result<(), String> {
    match path.exists() {
        true => Ok(()),
        false => Err(format!("there is no {}", path.display())),
    }
}

/// The URL of the database that a command names.
fn database_in(command: &str) -> Option<&str> {
    let (_, rest) = command.split_once("DATABASE_URL=")?;
    rest.split_whitespace().next()
}

fn postgres_for(command: &str) -> Option<Postgres> {
    database_in(command).and_then(|_| Postgres::start(Durability::None))
}

/// Whether the program reads the command's arguments, as a shell splits them.
fn parsed(command: &str) -> Result<(), String> {
    let script = format!("watershed() {{ printf '%s\\n' \"$@\"; }}; {command}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let words = ["watershed"].into_iter().chain(words.lines());
    let parsed = Cli::try_parse_from(words);
    parsed.map(drop).map_err(|fault| fault.to_string())
}

/// Whether make knows what it would do for these targets.
fn make(targets: &[&str]) -> Result<(), String> {
    let mut make = Command::new("make");
    make.args(["--dry-run", "--no-print-directory"])
        .args(targets)
        .current_dir(binaries::repository());
    told(&make.output().unwrap())
}

/// Whether files, profiles and services are those of the stack.
fn compose(words: &[&str]) -> Result<(), String> {
    let mut words = words.iter().copied();
    let mut next = |what: &str| words.next().ok_or(format!("{what} is missing"));
    let mut stack = Value::Null;
    let verb = loop {
        match next("what to do")? {
            "-f" => {
                let path = binaries::repository().join(next("a file")?);
                let text = fs::read_to_string(&path).map_err(|it| it.to_string())?;
                stack = serde_saphyr::from_str(&text).map_err(|it| it.to_string())?;
            }
            "--profile" => {
                let profile = next("a profile")?;
                let services = stack["services"].as_object().ok_or("no services")?;
                let has = |it: &Value| {
                    it["profiles"]
                        .as_array()
                        .is_some_and(|it| it.contains(&profile.into()))
                };
                if !services.values().any(has) {
                    return Err(format!("no service has the profile {profile}"));
                }
            }
            verb => break verb,
        }
    };
    let rest: Vec<&str> = words.collect();
    match (verb, &*rest) {
        ("up", ["--build"] | []) | ("down", ["--volumes"] | []) => Ok(()),
        ("exec", [service, _, ..]) if stack["services"].get(*service).is_some() => Ok(()),
        _ => Err("a command of compose that no test knows".to_owned()),
    }
}

/// Whether the target is one of the Dockerfile.
fn docker_build(words: &[&str]) -> Result<(), String> {
    let dockerfile = pages::text("Dockerfile");
    let target = words.iter().skip_while(|it| **it != "--target").nth(1);
    let target = target.ok_or("it names no target")?;
    let stage = format!(" AS {target}");
    match dockerfile.lines().any(|line| line.ends_with(&stage)) {
        true => Ok(()),
        false => Err(format!("the Dockerfile has no target {target}")),
    }
}

/// The commands in the comment at the top of a file: they are indented.
fn at_the_top(file: &str) -> Vec<String> {
    let text = pages::text(file);
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    let commands = comment.filter_map(|line| line.strip_prefix("#   "));
    // What is said of a command stands behind it, in brackets.
    let commands = commands.map(|line| line.split("   (").next().unwrap_or(line).trim().to_owned());
    commands.collect()
}

#[tokio::test]
async fn every_command_is_run_or_held_to_what_it_names() {
    let place = Place::prepare().await;
    let mut seen = 0;
    for page in pages::pages() {
        let is_ours = PAGES.contains(&&*page);
        let blocks = pages::blocks_in(&page, "sh").into_iter();
        // The README has a story of its own, servers and all.
        let blocks = blocks.filter(|it| is_ours || it.is_server() && page != "README.md");
        for command in blocks.flat_map(|block| block.commands()) {
            place.hold(&command).await;
            seen += 1;
        }
    }
    assert!(seen >= 20, "the pages lost their commands: {seen}");
    let outcomes = pages::blocks_in("docs/results.md", "json");
    for block in outcomes {
        let outcome: Value = serde_json::from_str(&block.body).unwrap();
        let answer = place.filled.api().post_with("/v1/outcomes", &outcome).await;
        assert_eq!(answer["accepted"], 1, "{answer}");
    }
}

#[tokio::test]
async fn every_command_at_the_top_of_a_file_is_held_to_what_it_names() {
    let place = Place::prepare().await;
    for file in FILES {
        let commands = at_the_top(file);
        assert!(!commands.is_empty(), "{file} lost its commands");
        for command in commands {
            place.hold(&command).await;
        }
    }
}

#[test]
fn what_a_command_names_has_to_be_there() {
    let file = ["-f", "envoy/compose.yaml"];
    for rest in [
        &["--profile", "mysql", "up"][..],
        &["exec", "control-plain", "cat"],
        &["up", "--no-such-flag"],
        &["-f", "envoy/composed.yaml", "up"],
        &["fly"],
        &[],
    ] {
        let words = [&file[..], rest].concat();
        assert!(compose(&words).is_err(), "{words:?}");
    }
    assert!(make(&["no-such-target"]).is_err());
    assert!(docker_build(&["--target", "no-such-target", "."]).is_err());
    assert!(parsed("watershed serve --no-such-flag").is_err());
    assert!(parsed("A=b watershed serve --xds-client-fleet 'dns:*.{fleet}.example.org'").is_ok());
}

#[test]
fn the_stack_starts_the_program_with_arguments_that_it_has() {
    let stack: Value = serde_saphyr::from_str(&pages::text("envoy/compose.yaml")).unwrap();
    let services = stack["services"].as_object().unwrap().values();
    let shared = stack.as_object().unwrap().values();
    let commands = services
        .chain(shared)
        .filter_map(|it| it["command"].as_array());
    let mut seen = 0;
    for command in commands {
        let words: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
        // The others are Envoys and databases.
        if let ["serve" | "model", ..] = *words {
            let words = [&["watershed"], &*words].concat();
            Cli::try_parse_from(&words).unwrap_or_else(|fault| panic!("{words:?}: {fault}"));
            seen += 1;
        }
    }
    assert!(
        seen >= 6,
        "the stack lost its control planes and models: {seen}"
    );
}
