//! How requests reach a cluster, and what is beside it: TLS with certificates of both sides, health checks
//! that keep a dead endpoint out, mirrors that get copies, and fallbacks that answer where a variant's
//! own cluster does not.

use std::path::Path;

use serde_json::{Value, json};
use watershed_tests::envoy::Transport;
use watershed_tests::split::{assert_split, by_variant};
use watershed_tests::tls::{Authority, TlsFront};
use watershed_tests::traffic::{ask, ask_all, units};
use watershed_tests::{Port, Stack, binaries, documents, eventually};

const STABLE: &str = "/v1/clusters/stable-a";
const CHAT: &str = "/v1/experiments/chat-model";

fn endpoint(address: std::net::SocketAddr) -> Value {
    json!({ "address": address.ip().to_string(), "port": address.port() })
}

fn path(file: &Path) -> Value {
    json!(file.display().to_string())
}

/// `chat-model`, with more to say of the variant `candidate-b`.
fn chat_model_with(field: &str, value: Value) -> Value {
    let mut chat = documents::chat_model();
    let variants = chat["variants"].as_array_mut().unwrap();
    let candidate = variants.iter_mut().find(|it| it["key"] == "candidate-b");
    candidate.unwrap()[field] = value;
    chat
}

#[tokio::test]
async fn a_cluster_is_reached_over_tls_and_a_dead_endpoint_gets_nothing() {
    let stack = Stack::with_service(Transport::Delta).await;
    let authority = Authority::new(stack.folder(), "ours");
    let proxy = authority.issue("proxy.internal");
    let front = TlsFront::start(&authority, "models.internal", stack.upstreams[0].address).await;
    let dead = Port::reserve();
    let mut cluster = json!({
        "endpoints": [endpoint(front.address), endpoint(dead.address())],
        "tls": {
            "sni": "models.internal",
            "ca": path(&authority.certificate()),
            "certificate": path(&proxy.certificate),
            "key": path(&proxy.key),
        },
        "health_check": { "path": "/v1/models", "interval_ms": 100, "unhealthy_after": 1, "healthy_after": 1 },
        "outlier_detection": { "consecutive_5xx": 3, "interval_ms": 100 },
        "circuit_breakers": { "max_connections": 64, "max_pending_requests": 64, "max_requests": 256, "max_retries": 8 },
    });
    stack.api().put(STABLE, &cluster).await;
    let mut service = documents::service(stack.gateway());
    service["idle_timeout_ms"] = json!(60_000);
    service["retries"] = json!({
        "on": ["connect_failure", "reset"], "statuses": [503], "attempts": 2,
        "attempt_timeout_ms": 10_000, "attempt_idle_timeout_ms": 5_000,
    });
    stack.api().put("/v1/services/chat", &service).await;
    stack.api().put(CHAT, &documents::chat_model()).await;
    stack.api().post(&format!("{CHAT}/start")).await;
    stack.until_split().await;

    let admin = stack.envoy.admin();
    admin
        .until_stat("cluster.stable-a.membership_healthy", 1)
        .await;
    let answers = ask_all(stack.gateway(), &units(1_000)).await;
    assert_split(&answers, &documents::WEIGHTS);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let models = answers.iter().filter(|answer| answer.variant == "stable");
    assert!(models.clone().all(|answer| answer.model == "stable-a"));
    assert!(admin.stat("cluster.stable-a.ssl.handshake").await > 0);

    // An authority that did not sign what the cluster shows.
    let other = Authority::new(stack.folder(), "others");
    cluster["tls"]["ca"] = path(&other.certificate());
    stack.api().put(STABLE, &cluster).await;
    stack.api().until_in_sync("chat-model").await;
    let stable = answers.iter().position(|answer| answer.variant == "stable");
    let unit = &units(1_000)[stable.unwrap()];
    eventually(
        "nobody is served by whom the proxy cannot trust",
        async || {
            let answer = ask(stack.gateway(), unit).await;
            match answer.status {
                503 => Ok(()),
                _ => Err(format!("{answer:?}")),
            }
        },
    )
    .await;
    assert!(admin.stat("cluster.stable-a.ssl.fail_verify_error").await > 0);
}

#[tokio::test]
async fn a_mirror_gets_a_copy_of_each_request_of_its_variant_and_of_no_other() {
    let stack = Stack::with_service(Transport::Delta).await;
    let shadow = watershed_tests::Upstream::start("shadow").await;
    let cluster = documents::cluster(shadow.address);
    stack.api().put("/v1/clusters/shadow", &cluster).await;
    let chat = chat_model_with("mirrors", json!([{ "cluster": "shadow" }]));
    stack.api().put(CHAT, &chat).await;
    stack.api().post(&format!("{CHAT}/start")).await;
    stack.until_split().await;
    let admin = stack.envoy.admin();
    let copied = "cluster.shadow.upstream_rq_completed";
    let before = admin.stat(copied).await;

    let answers = ask_all(stack.gateway(), &units(1_000)).await;
    assert_split(&answers, &documents::WEIGHTS);
    assert!(answers.iter().all(|answer| answer.model != "shadow"));
    let expected = by_variant(&answers)["candidate-b"];
    admin.until_stat(copied, before + expected).await;
}

#[tokio::test]
async fn a_fallback_answers_where_the_variants_cluster_fails() {
    let stack = Stack::with_service(Transport::Delta).await;
    let dead = Port::reserve();
    let cluster = documents::cluster(dead.address());
    stack.api().put("/v1/clusters/candidate-b", &cluster).await;
    let chat = chat_model_with("fallback", json!({ "cluster": "stable-a" }));
    stack.api().put(CHAT, &chat).await;
    stack.api().post(&format!("{CHAT}/start")).await;
    stack.until_split().await;

    let answers = ask_all(stack.gateway(), &units(500)).await;
    assert_split(&answers, &documents::WEIGHTS);
    for answer in &answers {
        let expected = match answer.variant.as_str() {
            "candidate-c" => "candidate-c",
            _ => "stable-a",
        };
        assert_eq!(
            (answer.status, answer.model.as_str()),
            (200, expected),
            "{answer:?}"
        );
    }

    // Who was answered by another variant's model counts as assigned, and not in the view per protocol.
    let assigned = by_variant(&answers)["candidate-b"];
    let results = eventually("the evidence has all of them", async || {
        let results = stack.api().get(&format!("{CHAT}/results")).await;
        match results["strayed"]["candidate-b"].as_u64() {
            Some(strayed) if strayed >= assigned => Ok(results),
            _ => Err(results),
        }
    })
    .await;
    let counted = |view: &Value, place: usize| view["phases"][0]["arms"][place]["units"].clone();
    assert_eq!(
        results["strayed"],
        json!({ "candidate-b": results["units"]["candidate-b"] })
    );
    let (first, served) = (&results["results"], &results["served"]["results"]);
    for (place, variant) in ["stable", "candidate-b", "candidate-c"].iter().enumerate() {
        assert_eq!(
            counted(first, place),
            results["units"][variant],
            "{results}"
        );
    }
    assert_eq!(counted(served, 0), counted(first, 0));
    assert_eq!(counted(served, 1), json!(0));

    // Without one, those of the variant go unanswered.
    stack.api().put(CHAT, &documents::chat_model()).await;
    stack.api().until_in_sync("chat-model").await;
    let answers = ask_all(stack.gateway(), &units(500)).await;
    let failed = answers.iter().filter(|answer| answer.status == 503);
    assert_eq!(
        failed.count(),
        answers
            .iter()
            .filter(|answer| answer.model.is_empty())
            .count()
    );
    assert!(answers.iter().any(|answer| answer.status == 503));
}

/// The manifests of the golden file that says everything about upstreams, with files and ports of the
/// story's own.
fn everything(stack: &Stack, second: &Port) -> Vec<Value> {
    let authority = Authority::new(stack.folder(), "golden");
    let proxy = authority.issue("proxy.internal");
    let golden = "control-plane/golden/resources/upstreams/in.yaml";
    let mut text = std::fs::read_to_string(binaries::repository().join(golden)).unwrap();
    for (from, to) in [
        ("/etc/envoy/ca.pem", authority.certificate()),
        ("/etc/envoy/proxy.pem", proxy.certificate),
        ("/etc/envoy/proxy-key.pem", proxy.key),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, &to.display().to_string());
    }
    for (from, to) in [
        (r#"address: 0.0.0.0, port: 10000"#, stack.gateway()),
        (r#"address: "::", port: 10001"#, second.address()),
    ] {
        assert!(text.contains(from), "{from}");
        let to = format!("address: {}, port: {}", to.ip(), to.port());
        text = text.replace(from, &to);
    }
    if !Path::new("/etc/ssl/certs/ca-certificates.crt").is_file() {
        println!("skipped: the system has no certificate authorities that a cluster could trust");
        let system = "sni: small.models.internal,";
        let ours = format!("{system} ca: {},", authority.certificate().display());
        text = text.replace(system, &ours);
    }
    let documents = text.split("---\n");
    documents
        .map(|it| serde_saphyr::from_str(it).unwrap())
        .collect()
}

#[tokio::test]
async fn envoy_takes_everything_that_can_be_said_of_upstreams() {
    let stack = Stack::start(Transport::Delta).await;
    let second = Port::reserve();
    let manifests = everything(&stack, &second);
    for manifest in &manifests {
        let kind = manifest["kind"].as_str().unwrap().to_lowercase();
        let key = manifest["key"].as_str().unwrap();
        let path = format!("/v1/{kind}s/{key}");
        stack.api().put(&path, &manifest["spec"]).await;
    }
    for key in ["model.size", "plain"] {
        stack
            .api()
            .post(&format!("/v1/experiments/{key}/start"))
            .await;
    }
    let fleet = stack.api().until_in_sync("plain").await;
    assert_eq!(fleet["refused"], 0, "{fleet:#}");
    let admin = stack.envoy.admin();
    let rejected = "cluster_manager.cds.update_rejected";
    assert_eq!(admin.stat(rejected).await, 0);
    for gateway in [stack.gateway(), second.address()] {
        eventually("both listeners are there", async || {
            tokio::net::TcpStream::connect(gateway).await.map(drop)
        })
        .await;
    }
}
