//! An Envoy of the user's own, with its own listener, routes and clusters: Watershed sends only the
//! filter's configuration, or, without a control plane, a file does.

use std::net::SocketAddr;

use serde_json::json;
use tempfile::TempDir;
use watershed_tests::api::Api;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::envoy::{Bootstrap, Envoy, Transport};
use watershed_tests::http::send;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{Answer, Traffic, ask_all, request, units};
use watershed_tests::{Port, Upstream, binaries, documents, eventually};

const HALVES: [(&str, u32); 2] = [("stable", 5_000), ("candidate-b", 5_000)];

fn untouched() -> Answer {
    Answer {
        status: 200,
        model: "stable-a".to_owned(),
        ..Answer::default()
    }
}

async fn until_answering(gateway: SocketAddr) {
    eventually("the proxy answers", async || {
        let response = send(gateway, &request("first"))
            .await
            .map_err(|error| error.to_string())?;
        if response.status == 200 {
            Ok(())
        } else {
            Err(response.status.to_string())
        }
    })
    .await;
}

async fn apply_experiment(api: Api, upstreams: [&Upstream; 2]) {
    for upstream in upstreams {
        api.put(
            &format!("/v1/clusters/{}", upstream.name),
            &documents::cluster(upstream.address),
        )
        .await;
    }
    api.put(
        "/v1/services/chat",
        &json!({ "default_cluster": "stable-a" }),
    )
    .await;
    api.put("/v1/layers/models", &documents::layer()).await;
    let mut experiment = documents::chat_model();
    experiment["variants"] = json!([
        { "key": "stable", "weight": 5_000, "cluster": "stable-a" },
        { "key": "candidate-b", "weight": 5_000, "cluster": "candidate-b" },
    ]);
    api.put("/v1/experiments/chat-model", &experiment).await;
    api.post("/v1/experiments/chat-model/start").await;
}

async fn started_before_its_control_plane(transport: Transport) {
    let folder = TempDir::new().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    let (stable, candidate) = (
        Upstream::start("stable-a").await,
        Upstream::start("candidate-b").await,
    );
    let listener = Port::reserve();
    let gateway = listener.address();
    let placeholders = [
        ("WATERSHED_HOST", control_plane.xds().ip().to_string()),
        ("WATERSHED_PORT", control_plane.xds().port().to_string()),
        (
            "/etc/envoy/watershed.wasm",
            binaries::wasm().display().to_string(),
        ),
    ];
    let bootstrap = Bootstrap::read("sidecar/ecds.yaml", &placeholders)
        .transport(transport)
        .listen(gateway)
        .cluster("stable-a", stable.address)
        .cluster("candidate-b", candidate.address);
    let mut envoy = Envoy::start(folder.path(), &bootstrap).await;

    until_answering(gateway).await;
    let spoofed = request("unit-1")
        .header("x-variant", "candidate-b")
        .header("x-watershed-cluster", "candidate-b");
    let answer = send(gateway, &spoofed).await.unwrap();
    assert_eq!(Answer::from(&answer), untouched(), "{}", answer.text());
    let traffic = Traffic::start(gateway);
    traffic.until_answered(200).await;

    control_plane.start().await;
    apply_experiment(control_plane.api(), [&stable, &candidate]).await;
    control_plane.api().until_in_sync("chat-model").await;
    let units = units(2_000);
    let split = ask_all(gateway, &units).await;
    assert_split(&split, &HALVES);
    let leaked = send(gateway, &request("unit-1")).await.unwrap();
    assert!(
        leaked
            .json()
            .pointer("/received/x-watershed-cluster")
            .is_none(),
        "{}",
        leaked.text()
    );

    control_plane.kill();
    assert_eq!(ask_all(gateway, &units).await, split);
    traffic.stop_unharmed().await;
    envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn with_delta_xds_an_envoy_without_its_control_plane_serves_the_default_cluster_and_splits_once_it_is_there()
 {
    started_before_its_control_plane(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_an_envoy_without_its_control_plane_serves_the_default_cluster_and_splits_once_it_is_there()
 {
    started_before_its_control_plane(Transport::StateOfTheWorld).await;
}
