//! An Envoy of the user's own, with its own listener, routes and clusters: it serves before its control
//! plane is there, splits once it is, and goes on when it is gone.

use watershed_tests::envoy::Transport;
use watershed_tests::http::send;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{Answer, Traffic, ask_all, request, units};

async fn started_before_its_control_plane(transport: Transport) {
    let mut sidecar = Sidecar::start(|bootstrap| bootstrap.transport(transport)).await;
    let gateway = sidecar.gateway();

    let spoofed = request("unit-1")
        .header("x-variant", "candidate-b")
        .header("x-watershed-cluster", "candidate-b");
    let answer = send(gateway, &spoofed).await.unwrap();
    let untouched = Answer {
        status: 200,
        model: "stable-a".to_owned(),
        ..Answer::default()
    };
    assert_eq!(Answer::from(&answer), untouched, "{}", answer.text());
    let traffic = Traffic::start(gateway);
    traffic.until_answered(200).await;

    sidecar.control_plane.start().await;
    sidecar.apply_experiment().await;
    let units = units(2_000);
    let split = ask_all(gateway, &units).await;
    assert_split(&split, &Sidecar::WEIGHTS);
    let answer = send(gateway, &request("unit-1")).await.unwrap();
    let leaked = answer
        .json()
        .pointer("/received/x-watershed-cluster")
        .cloned();
    assert_eq!(leaked, None, "the choice is the proxy's own business");

    sidecar.control_plane.kill();
    traffic.until_answered(1_000).await;
    assert_eq!(ask_all(gateway, &units).await, split);
    traffic.stop_unharmed().await;
    sidecar.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn with_delta_xds_a_proxy_that_starts_first_serves_the_default_cluster_and_splits_once_told()
{
    started_before_its_control_plane(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_a_proxy_that_starts_first_serves_the_default_cluster_and_splits_once_told()
 {
    started_before_its_control_plane(Transport::StateOfTheWorld).await;
}
