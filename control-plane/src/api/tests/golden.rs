//! Golden files: problems as they are sent, one file each under `golden/api`. Programs read them, so
//! a change is seen. Write them anew with `make golden`, and read the difference.

use super::*;
use std::path::Path;

/// Compares with the golden file, or writes it where `WATERSHED_GOLDEN=write` asks for that.
pub(super) fn compare(name: &str, answer: &Answer) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/api");
    let file = folder.join(format!("{name}.json"));
    let got = serde_json::to_string_pretty(&answer.json()).unwrap() + "\n";
    if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(file, got).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file)
        .unwrap_or_else(|fault| panic!("{}: {fault}; `make golden` writes it", file.display()));
    assert_eq!(
        got,
        expected,
        "{} differs; `make golden` writes it anew",
        file.display()
    );
}

#[tokio::test]
async fn golden_problems_of_input() {
    let server = Server::filled().await;
    let malformed = server.json("PUT", "/v1/layers/a", "{\"salt\": }").await;
    compare("malformed", &malformed);
    let unknown = server.json("PUT", "/v1/layers/a", r#"{"pepper": 1}"#).await;
    compare("unknown-field", &unknown);
    let invalid = json!({
        "layer": "nowhere",
        "unit": {"type": "user", "sources": []},
        "audience": {"all": [{"header": "x-plan"}]},
        "variants": [{"key": "control", "weight": 7000}, {"key": "candidate", "weight": 2000}],
        "fallback": "stable",
    });
    compare("invalid", &server.put("/v1/experiments/y", &invalid).await);
    compare(
        "weights",
        &server.weights(&json!({"control": 9000, "new": 500})).await,
    );
    compare("bad-key", &server.get("/v1/layers/..%2fetc").await);
    compare(
        "unsupported",
        &server.call("PUT", "/v1/layers/a", &[], "{}").await,
    );
}

#[tokio::test]
async fn golden_problems_of_state() {
    let server = Server::filled().await;
    compare("unknown", &server.get("/v1/experiments/y").await);
    compare("nothing-here", &server.get("/v1/widgets").await);
    compare("wrong-method", &server.post("/v1/experiments").await);
    compare(
        "wrong-state",
        &server.post("/v1/experiments/x/resume").await,
    );
    compare("in-use", &server.delete("/v1/layers/models").await);
    compare(
        "no-room",
        &server.put("/v1/experiments/y", &experiment()).await,
    );
    let same = json!({"default_cluster": "stable"});
    compare("conflict", &server.put("/v1/services/more", &same).await);
    let mut circle = experiment();
    circle["requires"] = json!([{"experiment": "x"}]);
    compare("circle", &server.put("/v1/experiments/x", &circle).await);
    let stale = [("if-match", "\"1\"")];
    let stale = server.call("DELETE", "/v1/experiments/x", &stale, "").await;
    compare("stale", &stale);
    server.post("/v1/experiments/x/start").await;
    let mut moved = experiment();
    moved["salt"] = "2".into();
    compare("frozen", &server.put("/v1/experiments/x", &moved).await);
    let locked = Server::locked().await;
    compare("unauthorized", &locked.delete("/v1/layers/a").await);
}

#[tokio::test]
async fn golden_documents() {
    let server = Server::filled().await;
    compare("experiment", &server.get("/v1/experiments/x").await);
    compare("list", &server.get("/v1/clusters").await);
    compare("status", &server.get("/v1/experiments/x/status").await);
    let secret = "a-secret-for-golden-files-of-48-characters-in-all";
    let settings = json!({
        "trust": "mesh", "force": {"header": "x-force"}, "body_limit_bytes": 1024,
        "signing_keys": [{"id": "k1", "secret": secret}],
    });
    compare("settings", &server.put("/v1/settings", &settings).await);
    server.post("/v1/experiments/x/start").await;
    let force = r#"{"variant": "candidate"}"#;
    let forced = server.json("POST", "/v1/experiments/x/force", force).await;
    compare("force", &forced);
    let request = json!({"experiment": "x", "unit": "u-1", "headers": {"x-force": "nonsense"}});
    let evaluated = server
        .json("POST", "/v1/evaluate", &request.to_string())
        .await;
    compare("evaluation", &evaluated);
}
