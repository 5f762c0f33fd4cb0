//! Commands against an API in this process, over a real connection: the manifests of the golden case
//! are applied, a unit is explained, and a forced one is seen to be forced.

use super::apply::{self, ApplyArgs};
use super::audit::{self, AuditArgs};
use super::client::ApiClient;
use super::exit;
use super::explain::{ExplainArgs, explained};
use super::force::{ForceArgs, forced};
use super::get::{self, GetArgs};
use super::life::{self, Life};
use super::manifest;
use super::simulate::{self, SimulateArgs};
use super::status::{self, StatusArgs};
use crate::ads::{FleetView, Fleets, Registry};
use crate::api::{AppState, Auth, Gate, router};
use crate::auth::KeyHash;
use crate::clock;
use crate::control::Control;
use crate::publish::FleetPublisher;
use crate::resources::Settings;
use crate::store::Store;
use clap::Parser;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;

mod apply_and_prune;

const KEY: &str = "correct-horse-battery-staple";

#[derive(Parser)]
enum Cli {
    Apply(ApplyArgs),
    Get(GetArgs),
    Status(StatusArgs),
    #[command(flatten)]
    Life(Life),
    Audit(AuditArgs),
    Simulate(Box<SimulateArgs>),
    Explain(Box<ExplainArgs>),
    Force(ForceArgs),
}

struct Server {
    url: String,
    _folder: TempDir,
}

impl Server {
    /// Serves the golden manifests, the experiments running.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("w.db")).await.unwrap();
        let fleets = Arc::new(Fleets::default());
        let settings = Settings {
            wasm_path: "/watershed.wasm".to_owned(),
        };
        let publisher = Arc::new(FleetPublisher::new(Arc::clone(&fleets), settings));
        let registry = Registry::new(Arc::clone(&fleets), Arc::default());
        let control = Control::start(store.clone(), publisher, Arc::default());
        let auth = Auth::Keys {
            command_line: Some(KeyHash::of(KEY.as_bytes())),
            rate: None,
            open_id: None,
        };
        let gate = Gate::open(auth, store.clone(), Arc::default(), clock::now);
        let state = AppState {
            control: control.await.unwrap(),
            proxies: Arc::new(FleetView::new(Arc::clone(&fleets), registry)),
            metrics: Arc::default(),
            accounts: crate::evidence::accounts::Accounts::of_nobody(),
            gate: gate.await.unwrap(),
            store,
            evidence: None,
            clock: clock::now,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router(state)).await });
        let server = Self {
            url,
            _folder: folder,
        };
        server.apply().await;
        server
    }

    async fn apply(&self) {
        let client = ApiClient::new(&self.url, Some(KEY.to_owned()));
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/resources/rich/in.yaml");
        for manifest in manifest::load(&golden).unwrap() {
            apply::put(&client, &manifest).await.unwrap();
        }
        for key in [
            "chat-model",
            "chat-tone",
            "search-ranker",
            "search-hopeless",
        ] {
            let path = format!("/v1/experiments/{key}/start");
            client.post(&path).await.unwrap();
        }
    }

    fn cli(&self, words: &[&str]) -> Cli {
        let server = ["--server", &self.url];
        Cli::try_parse_from(["watershed"].iter().chain(words).chain(&server)).unwrap()
    }

    /// What a command prints, with the key.
    async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let words = [words, &["--api-key", KEY]].concat();
        match self.cli(&words) {
            Cli::Apply(args) => Ok(apply::applied(&args).await?.0),
            Cli::Get(args) => get::shown(&args).await,
            Cli::Status(args) => {
                let client = ApiClient::new(&self.url, Some(KEY.to_owned()));
                let statuses = status::statuses(&client, args.experiment()).await?;
                status::shown(&args, &statuses)
            }
            Cli::Life(life) => life::changed(life).await,
            Cli::Audit(args) => audit::shown(&args).await,
            Cli::Simulate(args) => simulate::shown(&args).await,
            Cli::Explain(args) => explained(&args).await,
            Cli::Force(args) => Ok(forced(&args).await?.to_string()),
        }
    }

    async fn explain(&self, words: &[&str]) -> anyhow::Result<String> {
        match self.cli(&[&["explain", "--api-key", KEY], words].concat()) {
            Cli::Explain(args) => explained(&args).await,
            _ => panic!("{words:?}"),
        }
    }

    async fn force(&self, words: &[&str]) -> anyhow::Result<Value> {
        match self.cli(&[&["force"], words].concat()) {
            Cli::Force(args) => forced(&args).await,
            _ => panic!("{words:?}"),
        }
    }
}

#[tokio::test]
async fn a_unit_is_explained_with_a_mark_at_each_rule() {
    let server = Server::start().await;
    let words = ["--experiment", "chat-model", "--unit", "c-1"];
    let mut request = words.to_vec();
    request.extend([
        "-H",
        "x-app-version: 2.5.0",
        "-H",
        "x-model: gpt-4",
        "--host",
        "api.example.com",
    ]);
    request.extend(["--time", "2026-02-04T10:00:00Z"]);
    let shown = server.explain(&request).await.unwrap();
    for line in [
        "→ service chat, cluster ",
        "✓ chat-model → ",
        "  layer models, conversation `c-1`, deterministic",
        "  ✓ holdout global: bucket ",
        "    ✓ all",
        "      ✓ header x-model matches ",
        "      ✓ not",
        "   it is missing",
        "  • variant bucket ",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(
        !shown.contains("chat-tone →"),
        "only the one asked for: {shown}"
    );
    let without = server.explain(&words).await.unwrap();
    assert!(
        without.contains("✗ chat-model → nothing: not eligible"),
        "{without}"
    );
    let unknown = server
        .explain(&["--experiment", "nothing"])
        .await
        .unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("/experiment: there is no experiment `nothing`")
    );
}

#[tokio::test]
async fn a_forced_variant_is_seen_to_be_forced() {
    let server = Server::start().await;
    let refused = server
        .force(&["-e", "chat-model", "-v", "large", "--api-key", "wrong"])
        .await;
    assert!(refused.unwrap_err().to_string().contains("401"));
    let key = ["--api-key", KEY];
    for variant in ["small", "large"] {
        let words = ["-e", "chat-model", "-v", variant, "--expires", "30m"];
        let answer = server.force(&[&words[..], &key].concat()).await.unwrap();
        let header = format!("x-force-variant: {}", answer["token"].as_str().unwrap());
        let words = ["-e", "chat-model", "-u", "c-1", "-H", &header];
        let shown = server.explain(&words).await.unwrap();
        assert!(shown.contains(&format!("→ {variant} (forced)")), "{shown}");
        assert!(shown.contains(&format!("✓ forced to {variant}")), "{shown}");
    }
    let expires = ["-e", "chat-model", "-v", "other", "--expires", "1y"];
    let refused = server
        .force(&[&expires[..], &key].concat())
        .await
        .unwrap_err();
    let refused = format!("{refused:#}");
    assert!(
        refused.contains("/variant: `other` is not a variant"),
        "{refused}"
    );
    assert!(refused.contains("/expires: `1y` does not fit"), "{refused}");
}

#[tokio::test]
async fn a_program_gets_json() {
    let server = Server::start().await;
    let words = ["--path", "/v1/search?q=a", "-o", "json", "--chance", "0.1"];
    let shown: Value = serde_json::from_str(&server.explain(&words).await.unwrap()).unwrap();
    assert_eq!(shown["service"], "search");
    let notes = shown["notes"].as_array().unwrap();
    let hopeless = "experiment `search-hopeless` is off: it requires `chat-draft`, which is draft";
    assert!(notes.contains(&hopeless.into()), "{notes:?}");
}

/// The golden output of that name; `make golden` writes it anew.
fn golden(name: &str, shown: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/cli")
        .join(name);
    if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, shown).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, expected, "{}", file.display());
}

/// A table whose times are the same each time, and so are its columns, however long a time is.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            steady.push_str(line);
        } else {
            let cells = line
                .split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty());
            let cells = cells.map(|cell| match cell.parse::<jiff::Timestamp>() {
                Ok(_) => "TIME",
                Err(_) => cell,
            });
            steady.push_str(&cells.collect::<Vec<_>>().join("  "));
        }
        steady.push('\n');
    }
    steady
}

#[tokio::test]
async fn golden_tables_are_what_people_see() {
    let server = Server::start().await;
    for kind in [
        "experiments",
        "clusters",
        "services",
        "layers",
        "holdouts",
        "segments",
        "metrics",
        "settings",
    ] {
        let shown = server.run(&["get", kind]).await.unwrap();
        golden(&format!("get-{kind}.txt"), &shown);
    }
    golden(
        "get-layer.yaml",
        &server
            .run(&["get", "layer", "moved-in", "-o", "yaml"])
            .await
            .unwrap(),
    );
    golden("status.txt", &server.run(&["status"]).await.unwrap());
    let split = [&["simulate", "chat-model", "-n", "2000"], SERVED].concat();
    golden("simulate.txt", &server.run(&split).await.unwrap());
    let weights = [
        "weights",
        "chat-model",
        "small=50%",
        "large=50%",
        "--reason",
        "half and half",
    ];
    golden("weights.txt", &server.run(&weights).await.unwrap());
    let audit = ["audit", "--key", "chat-model", "--changes"];
    golden("audit.txt", &steady(&server.run(&audit).await.unwrap()));
}

#[tokio::test]
async fn an_experiment_is_led_through_its_life() {
    let server = Server::start().await;
    for (words, state) in [
        (
            &["pause", "chat-model", "--reason", "lunch & dinner"] as &[_],
            "paused",
        ),
        (&["resume", "chat-model"], "running"),
        (&["rollback", "chat-model"], "rolled_back"),
        (&["decide", "chat-model", "--variant", "large"], "decided"),
        (&["archive", "chat-model"], "archived"),
    ] {
        let shown = server.run(words).await.unwrap();
        let expected = format!("chat-model is {state} (revision ");
        assert!(shown.starts_with(&expected), "{shown}");
    }
    let audit = server
        .run(&["audit", "--action", "pause", "-o", "json"])
        .await
        .unwrap();
    let audit: Value = serde_json::from_str(&audit).unwrap();
    assert_eq!(audit["items"][0]["reason"], "lunch & dinner");
    let off = server.run(&["disable", "chat-tone"]).await.unwrap();
    assert!(off.contains("running, switched off"), "{off}");
    let json = server
        .run(&["enable", "chat-tone", "-o", "json"])
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap()["key"],
        "chat-tone"
    );
}

#[tokio::test]
async fn a_script_can_tell_why_a_command_failed() {
    let server = Server::start().await;
    let code = async |words: &[&str]| {
        let fault = server.run(words).await.unwrap_err();
        format!("{:?}", exit::code(&fault))
    };
    let is = |number: u8| format!("{:?}", std::process::ExitCode::from(number));
    assert_eq!(code(&["get", "layers", "nothing"]).await, is(5));
    assert_eq!(code(&["start", "chat-model"]).await, is(6));
    assert_eq!(
        code(&["weights", "chat-model", "small=1", "large=2"]).await,
        is(4)
    );
    assert_eq!(
        code(&["weights", "chat-model", "small=100%", "small=0%"]).await,
        is(1)
    );
    let wrong = server.cli(&["get", "layers", "--api-key", "wrong-key-of-some-length"]);
    let Cli::Get(args) = wrong else { panic!() };
    let fault = get::shown(&args).await.unwrap_err();
    assert_eq!(format!("{:?}", exit::code(&fault)), is(7), "{fault:#}");
}

/// A request that `chat-model` is for.
const SERVED: &[&str] = &[
    "-H",
    "x-app-version: 2.5.0",
    "-H",
    "x-model: gpt-4",
    "--host",
    "api.example.com",
    "--time",
    "2026-02-04T10:00:00Z",
];

#[tokio::test]
async fn a_simulation_says_what_is_wrong_with_it() {
    let server = Server::start().await;
    for (words, said) in [
        (
            &["simulate", "nothing"] as &[_],
            "/request/experiment: there is no experiment",
        ),
        (&["simulate", "chat-model", "-n", "0"], "/units: is 0"),
        (
            &["simulate", "chat-model", "-n", "200001"],
            "/units: is 200001",
        ),
        (
            &["simulate", "chat-model", "-H", "a b: c"],
            "/request/headers/a b",
        ),
    ] {
        let fault = server.run(words).await.unwrap_err().to_string();
        assert!(fault.contains(said), "{fault}");
    }
    let words = ["simulate", "chat-model", "-n", "3000", "-o", "json"];
    let words = [&words[..], SERVED].concat();
    let found: Value = serde_json::from_str(&server.run(&words).await.unwrap()).unwrap();
    let inside = found["assigned"].as_u64().unwrap();
    assert!(
        (2_100..2_400).contains(&inside),
        "8,000 buckets less the holdout: {found}"
    );
    assert!(found["p_value"].as_f64().unwrap() > 1e-6, "{found}");
    assert!(
        (found["variants"][0]["observed"].as_f64().unwrap() - 0.7).abs() < 0.04,
        "{found}"
    );
}
