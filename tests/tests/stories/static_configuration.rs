//! A proxy without a control plane: the experiment stands in its bootstrap.

use serde_json::Value;
use tempfile::TempDir;
use watershed_tests::envoy::{Bootstrap, Envoy, validate};
use watershed_tests::split::{assert_split, by_variant};
use watershed_tests::traffic::{ask, ask_all, units};
use watershed_tests::{Port, Upstream, binaries, eventually};

const CONFIGURATION: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
    /http_filters/0/typed_config/config/configuration/value";

fn bootstrap() -> Bootstrap {
    let nobody = ([127, 0, 0, 1], 1).into();
    Bootstrap::read("sidecar/static.yaml", nobody, &binaries::wasm())
}

#[tokio::test]
async fn an_experiment_in_the_bootstrap_splits_traffic_and_counts_it() {
    let folder = TempDir::new().unwrap();
    let listener = Port::reserve();
    let gateway = listener.address();
    let stable = Upstream::start("stable-a").await;
    let candidate = Upstream::start("candidate-b").await;
    let bootstrap = bootstrap()
        .listen(gateway)
        .cluster("stable-a", stable.address)
        .cluster("candidate-b", candidate.address);
    let mut envoy = Envoy::start(folder.path(), &bootstrap).await;
    eventually("the proxy listens", async || {
        tokio::net::TcpStream::connect(gateway).await
    })
    .await;

    let answers = ask_all(gateway, &units(5_000)).await;
    assert_split(&answers, &[("stable", 9_000), ("candidate", 1_000)]);
    let model = |variant: &str| {
        if variant == "stable" {
            "stable-a"
        } else {
            "candidate-b"
        }
    };
    let misled = answers
        .iter()
        .find(|answer| answer.model != model(&answer.variant));
    assert_eq!(misled, None);
    for (variant, count) in by_variant(&answers) {
        let counter = format!("wasmcustom.watershed.assignment.experiment.model.variant.{variant}");
        envoy.admin().until_stat(&counter, count).await;
    }
    assert_eq!(ask(gateway, "").await.model, "stable-a");
    envoy.assert_filter_unharmed().await;
}

#[test]
fn an_experiment_that_is_wrong_keeps_envoy_from_starting_and_is_named() {
    let folder = TempDir::new().unwrap();
    let mut bootstrap = bootstrap();
    let configuration = bootstrap.at(CONFIGURATION);
    let overlapping = configuration.as_str().unwrap().replace("9000", "8000");
    assert_ne!(configuration.as_str(), Some(overlapping.as_str()));
    *configuration = Value::String(overlapping);
    let words = validate(folder.path(), &bootstrap).unwrap_err();
    assert!(
        words.contains(r#"experiment "model""#) && words.contains("overlap"),
        "{words}"
    );
}
