//! The fleets and their proxies: what is shown, page by page.

use super::super::fleets::{Accepted, MAX_LIMIT, ProxyState, Refusal, SnapshotState, TypeState};
use super::golden::compare;
use super::*;

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refusal() -> Refusal {
    Refusal {
        r#type: "LDS".to_owned(),
        version: "00000000000000c3".to_owned(),
        message: "error adding listener: cannot bind '127.0.0.1:80'".to_owned(),
        at: at("2026-01-31T08:59:30Z"),
    }
}

fn accepting(r#type: &'static str) -> TypeState {
    let version = Some("00000000000000c2".to_owned());
    TypeState {
        r#type,
        target: version.clone(),
        sent: version.clone(),
        sent_at: Some(at("2026-01-31T08:00:00Z")),
        acknowledged: version,
        acknowledged_at: Some(at("2026-01-31T08:00:01Z")),
        in_sync: true,
        acks: 3,
        ..TypeState::default()
    }
}

fn proxy(node: &str) -> ProxyState {
    ProxyState {
        node: node.to_owned(),
        slice: None,
        connected_since: at("2026-01-31T07:59:59Z"),
        version: Some("00000000000000d2".to_owned()),
        sent: Some("00000000000000d2".to_owned()),
        in_sync: true,
        refusal: None,
        types: vec![accepting("CDS"), accepting("ECDS")],
    }
}

fn refusing(node: &str) -> ProxyState {
    let listener = TypeState {
        target: Some("00000000000000c3".to_owned()),
        sent: Some("00000000000000c3".to_owned()),
        in_sync: false,
        nacks: 1,
        last_refusal: Some(refusal()),
        ..accepting("LDS")
    };
    ProxyState {
        slice: Some(key("canary")),
        in_sync: false,
        refusal: Some(refusal()),
        types: vec![listener, accepting("ECDS")],
        ..proxy(node)
    }
}

fn fleet(proxies: Vec<ProxyState>) -> FleetState {
    let snapshot = |slice: Option<&str>, version: &str| SnapshotState {
        slice: slice.map(key),
        version: Some(version.to_owned()),
        accepted_by_all: Some(Accepted {
            version: "00000000000000d2".to_owned(),
            at: at("2026-01-31T08:00:01Z"),
        }),
    };
    FleetState {
        snapshots: vec![
            snapshot(None, "00000000000000d2"),
            snapshot(Some("canary"), "00000000000000d3"),
        ],
        proxies,
    }
}

async fn with(fleets: &[(&str, FleetState)]) -> Server {
    let server = Server::filled().await;
    let known = fleets
        .iter()
        .map(|(name, state)| (key(name), state.clone()));
    server.fleets.0.lock().unwrap().extend(known);
    server
}

#[tokio::test]
async fn golden_fleets() {
    let mistyped = FleetState {
        snapshots: vec![SnapshotState::default()],
        proxies: vec![proxy("lost")],
    };
    let default = fleet(vec![proxy("edge-1"), refusing("edge-2")]);
    let server = with(&[("default", default), ("defualt", mistyped)]).await;
    compare("fleets", &server.get("/v1/fleets").await);
    compare("proxies", &server.get("/v1/fleets/default/proxies").await);
    compare("no-fleet", &server.get("/v1/fleets/nobody/proxies").await);
    let far = format!("/v1/fleets/default/proxies?limit={}", MAX_LIMIT + 1);
    compare("bad-page", &server.get(&far).await);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let names: Vec<String> = (0..25).map(|n| format!("node-{n:02}")).collect();
    let server = with(&[("default", fleet(names.iter().map(|n| proxy(n)).collect()))]).await;
    let mut seen = Vec::new();
    let mut path = "/v1/fleets/default/proxies?limit=10".to_owned();
    loop {
        let page = server.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["node"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/fleets/default/proxies?limit=10&cursor={next}");
    }
    assert_eq!(seen, names);
}

#[tokio::test]
async fn proxies_of_one_name_stay_on_one_page() {
    let server = with(&[("default", fleet(vec![proxy("a"), proxy("a"), proxy("b")]))]).await;
    let page = server
        .get("/v1/fleets/default/proxies?limit=1")
        .await
        .json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let rest = server
        .get("/v1/fleets/default/proxies?limit=1&cursor=a")
        .await;
    assert_eq!(rest.json()["items"][0]["node"], "b");
}

#[tokio::test]
async fn those_that_are_behind_can_be_asked_for() {
    let server = with(&[("default", fleet(vec![proxy("a"), refusing("b")]))]).await;
    for (wanted, node) in [("true", "a"), ("false", "b")] {
        let path = format!("/v1/fleets/default/proxies?in_sync={wanted}");
        let page = server.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[0]["node"]), (1, &json!(node)));
    }
}

#[tokio::test]
async fn garbage_in_the_query_is_refused() {
    let server = with(&[("default", fleet(Vec::new()))]).await;
    for query in [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=99999999999999999999",
        "in_sync=maybe",
        "other=1",
    ] {
        for path in ["/v1/fleets", "/v1/fleets/default/proxies"] {
            server.get(&format!("{path}?{query}")).await.problem(400);
        }
    }
    server.get("/v1/fleets/No%20Key/proxies").await.problem(400);
}
