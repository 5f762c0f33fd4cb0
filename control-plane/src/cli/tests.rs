//! Commands against an API in this process, over a real connection: the manifests of the golden case
//! are applied, a unit is explained, and a forced one is seen to be forced.

use super::client::ApiClient;
use super::explain::{ExplainArgs, explained};
use super::force::{ForceArgs, forced};
use super::{apply, manifest};
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

const KEY: &str = "correct-horse-battery-staple";

#[derive(Parser)]
enum Cli {
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
        let control = Control::start(store.clone(), publisher, Arc::default());
        let auth = Auth::Keys {
            command_line: Some(KeyHash::of(KEY.as_bytes())),
            rate: None,
        };
        let gate = Gate::open(auth, store.clone(), Arc::default(), clock::now);
        let state = AppState {
            control: control.await.unwrap(),
            proxies: Arc::new(FleetView::new(fleets, Arc::new(Registry::default()))),
            metrics: Arc::default(),
            gate: gate.await.unwrap(),
            store,
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

    async fn explain(&self, words: &[&str]) -> anyhow::Result<String> {
        match self.cli(&[&["explain", "--api-key", KEY], words].concat()) {
            Cli::Explain(args) => explained(&args).await,
            Cli::Force(_) => panic!("{words:?}"),
        }
    }

    async fn force(&self, words: &[&str]) -> anyhow::Result<Value> {
        match self.cli(&[&["force"], words].concat()) {
            Cli::Force(args) => forced(&args).await,
            Cli::Explain(_) => panic!("{words:?}"),
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
