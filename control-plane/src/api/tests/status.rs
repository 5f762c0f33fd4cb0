//! The status of an experiment: which fleets it is about, and when one is in sync.

use super::super::fleets::{ProxyState, Refusal, SnapshotState};
use super::*;

fn proxy(node: &str, version: &str) -> ProxyState {
    ProxyState {
        node: node.to_owned(),
        slice: None,
        connected_since: Timestamp::UNIX_EPOCH,
        version: Some(version.to_owned()),
        sent: Some("v2".to_owned()),
        in_sync: version == "v2",
        refusal: None,
        types: Vec::new(),
    }
}

fn set(server: &Server, fleet: &str, proxies: Vec<ProxyState>) {
    let state = FleetState {
        snapshots: vec![SnapshotState {
            version: Some("v2".to_owned()),
            ..SnapshotState::default()
        }],
        proxies,
    };
    let fleet = Key::try_new(fleet).unwrap();
    server.fleets.0.lock().unwrap().insert(fleet, state);
}

async fn fleet(server: &Server) -> Value {
    let answer = server.get("/v1/experiments/x/status").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["fleets"]["default"].take()
}

#[tokio::test]
async fn the_status_names_experiment_state_and_weights() {
    let server = Server::filled().await;
    let status = server.get("/v1/experiments/x/status").await.json();
    assert_eq!(status["experiment"], "x");
    assert_eq!(status["revision"], 4);
    assert_eq!(status["state"], "draft");
    assert_eq!(
        status["weights"],
        json!({"control": 7000, "candidate": 3000})
    );
}

#[tokio::test]
async fn a_fleet_is_in_sync_when_each_connected_proxy_is() {
    let server = Server::filled().await;
    set(&server, "default", vec![proxy("a", "v2"), proxy("b", "v1")]);
    let report = fleet(&server).await;
    assert_eq!(
        (
            &report["connected"],
            &report["acknowledged"],
            &report["in_sync"]
        ),
        (&json!(2), &json!(1), &json!(false))
    );
    set(&server, "default", vec![proxy("a", "v2"), proxy("b", "v2")]);
    assert_eq!(fleet(&server).await["in_sync"], true);
}

#[tokio::test]
async fn a_fleet_without_proxies_is_not_in_sync() {
    let server = Server::filled().await;
    assert_eq!(fleet(&server).await["in_sync"], false);
    set(&server, "default", Vec::new());
    assert_eq!(fleet(&server).await["in_sync"], false);
}

#[tokio::test]
async fn a_refusal_is_shown_with_what_the_proxy_said() {
    let server = Server::filled().await;
    let mut refusing = proxy("a", "v1");
    refusing.refusal = Some(Refusal {
        r#type: "CDS".to_owned(),
        version: "v2".to_owned(),
        message: "malformed".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    });
    set(&server, "default", vec![refusing]);
    let report = fleet(&server).await;
    assert_eq!(
        (&report["refused"], &report["in_sync"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        report["proxies"][0],
        json!({
            "node": "a",
            "connected_since": "1970-01-01T00:00:00Z",
            "version": "v1",
            "sent": "v2",
            "in_sync": false,
            "refusal": {
                "type": "CDS",
                "version": "v2",
                "message": "malformed",
                "at": "1970-01-01T00:00:00Z",
            },
        })
    );
}

#[tokio::test]
async fn the_fleets_are_those_of_the_experiments_services() {
    let server = Server::filled().await;
    let elsewhere = json!({"default_cluster": "stable", "fleets": ["edge", "mesh"]});
    server.put("/v1/services/other", &elsewhere).await;
    let fleets = async |server: &Server| {
        let status = server.get("/v1/experiments/x/status").await.json();
        let fleets = status["fleets"].as_object().unwrap();
        fleets.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fleets(&server).await, "default");
    let mut everywhere = experiment();
    everywhere["services"] = json!([]);
    server.put("/v1/experiments/x", &everywhere).await;
    assert_eq!(fleets(&server).await, "default edge mesh");
}

#[tokio::test]
async fn of_a_large_fleet_those_are_shown_that_need_to_be_looked_at() {
    let server = Server::filled().await;
    let mut all: Vec<ProxyState> = (0..500).map(|n| proxy(&format!("{n:03}"), "v2")).collect();
    all[300] = proxy("300", "v1");
    all[400].refusal = Some(Refusal {
        r#type: "LDS".to_owned(),
        version: "v2".to_owned(),
        message: "malformed".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    });
    set(&server, "default", all);
    let report = fleet(&server).await;
    assert_eq!(
        (&report["connected"], &report["acknowledged"]),
        (&json!(500), &json!(499))
    );
    let shown = report["proxies"].as_array().unwrap();
    let names: Vec<_> = shown
        .iter()
        .map(|proxy| proxy["node"].as_str().unwrap())
        .collect();
    assert_eq!(
        (names.len(), &names[..3]),
        (100, &["400", "300", "000"][..])
    );
}
