//! Several control planes on one PostgreSQL: what is written on one reaches the proxies of all, a proxy
//! may move between them, one of them leads, and a database that goes away takes no proxy with it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_tests::api::Api;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::envoy::{Bootstrap, Envoy, Transport};
use watershed_tests::http::Request;
use watershed_tests::split::assert_split;
use watershed_tests::stack::{front_proxy, upstreams};
use watershed_tests::traffic::{Traffic, ask_all, units};
use watershed_tests::{
    Durability, Port, Postgres, Stack, Upstream, binaries, documents, eventually,
};

const RAMPED: [(&str, u32); 3] = [
    ("stable", 2_000),
    ("candidate-b", 4_000),
    ("candidate-c", 4_000),
];
const WEIGHTS: &str = "/v1/experiments/chat-model/weights";

/// Two replicas on one database, each in a folder of its own.
struct Replicas {
    a: ControlPlane,
    b: ControlPlane,
    folder: TempDir,
    _server: Postgres,
}

impl Replicas {
    async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    async fn start_with(more: &[&str]) -> Option<Self> {
        let server = Postgres::start(Durability::None)?;
        let url = server.create("watershed");
        let folder = tempfile::Builder::new()
            .prefix("watershed-")
            .tempdir()
            .unwrap();
        let replica = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            ControlPlane::stopped(&folder).on(&url)
        };
        let (mut a, mut b) = (replica("a"), replica("b"));
        // At once, as an orchestrator does: one of them makes the schema.
        let wasm = binaries::wasm();
        let arguments = ["--wasm-path", wasm.to_str()?, "--insecure-open-api"];
        let arguments = [&arguments[..], more].concat();
        tokio::join!(a.start_with(&arguments), b.start_with(&arguments));
        Some(Self {
            a,
            b,
            folder,
            _server: server,
        })
    }

    /// An Envoy of the fleet `name` that asks the replica at `xds`.
    async fn envoy(&self, name: &str, xds: SocketAddr) -> Envoy {
        let folder = self.folder.path().join(format!("envoy-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let mut bootstrap = front_proxy(xds);
        *bootstrap.at("/node/cluster") = json!(name);
        Envoy::start(&folder, &bootstrap).await
    }
}

/// Waits until `fleet` has a proxy on that replica, and it has acknowledged the revision.
async fn until_in_sync(api: Api, fleet: &str, revision: &Value) {
    eventually("the fleet is in sync", async || {
        let experiment = api.get("/v1/experiments/chat-model").await;
        let fleet = api.fleet("chat-model", fleet).await;
        let connected = fleet["connected"].as_u64().unwrap_or(0) > 0;
        if experiment["revision"] == *revision && connected && fleet["in_sync"] == true {
            Ok(())
        } else {
            Err(format!(
                "{} of {revision}: {fleet:#}",
                experiment["revision"]
            ))
        }
    })
    .await;
}

/// A service for each fleet, with `chat-model` running in both.
async fn apply(api: Api, upstreams: &[Upstream], fleets: &[(&str, &Port)]) -> Value {
    for upstream in upstreams {
        let path = format!("/v1/clusters/{}", upstream.name);
        api.put(&path, &documents::cluster(upstream.address)).await;
    }
    for (fleet, port) in fleets {
        let mut service = documents::service(port.address());
        service["fleets"] = json!([fleet]);
        api.put(&format!("/v1/services/chat-{fleet}"), &service)
            .await;
    }
    api.put("/v1/layers/models", &documents::layer()).await;
    let mut experiment = documents::chat_model();
    let services: Vec<_> = fleets.iter().map(|(it, _)| format!("chat-{it}")).collect();
    experiment["services"] = json!(services);
    api.put("/v1/experiments/chat-model", &experiment).await;
    let started = api.post("/v1/experiments/chat-model/start").await;
    started["revision"].clone()
}

#[tokio::test]
async fn a_write_on_one_replica_reaches_the_proxies_of_both() {
    let Some(replicas) = Replicas::start().await else {
        return;
    };
    let (a, b) = (replicas.a.api(), replicas.b.api());
    let (at_a, at_b) = (Port::reserve(), Port::reserve());
    let upstreams = upstreams().await;
    let _envoy_a = replicas.envoy("fleet-a", replicas.a.xds()).await;
    let _envoy_b = replicas.envoy("fleet-b", replicas.b.xds()).await;
    let revision = apply(a, &upstreams, &[("fleet-a", &at_a), ("fleet-b", &at_b)]).await;
    for (api, fleet, gateway) in [(a, "fleet-a", &at_a), (b, "fleet-b", &at_b)] {
        until_in_sync(api, fleet, &revision).await;
        until_stamped(gateway).await;
        let answers = ask_all(gateway.address(), &units(2_000)).await;
        assert_split(&answers, &documents::WEIGHTS);
    }

    // What is written on the other one reaches this one's proxy as well.
    let changed = b.patch(WEIGHTS, &documents::weights(&RAMPED)).await;
    until_in_sync(a, "fleet-a", &changed["revision"]).await;
    assert_split(&ask_all(at_a.address(), &units(2_000)).await, &RAMPED);

    let mut times = Vec::new();
    for n in 0..30 {
        let weights = [
            ("stable", 2_000 + n),
            ("candidate-b", 4_000 - n),
            ("candidate-c", 4_000),
        ];
        let asked = Instant::now();
        let changed = a.patch(WEIGHTS, &documents::weights(&weights)).await;
        until_in_sync(b, "fleet-b", &changed["revision"]).await;
        times.push(asked.elapsed());
    }
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let (middle, worst): (Duration, Duration) = (at(50), at(100));
    println!("from a write on one replica to the other's proxy: p50 {middle:?}, most {worst:?}");
}

async fn until_stamped(gateway: &Port) {
    eventually("requests are stamped", async || {
        let connected = tokio::net::TcpStream::connect(gateway.address()).await;
        connected.map_err(|error| error.to_string())?;
        let answer = watershed_tests::traffic::ask(gateway.address(), "first").await;
        if answer.experiment == "chat-model" {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_moves_to_another_replica_is_sent_nothing_again() {
    let Some(mut replicas) = Replicas::start().await else {
        return;
    };
    let gateway = Port::reserve();
    let upstreams = upstreams().await;
    let folder = replicas.folder.path().join("envoy");
    std::fs::create_dir(&folder).unwrap();
    // Envoy knows both, and goes to the other where one does not answer.
    let mut bootstrap = front_proxy(replicas.a.xds()).transport(Transport::Delta);
    let endpoints = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints";
    let endpoints = bootstrap.at(endpoints).as_array_mut().unwrap();
    let mut other = endpoints[0].clone();
    let port = "/endpoint/address/socket_address/port_value";
    *other.pointer_mut(port).unwrap() = json!(replicas.b.xds().port());
    endpoints.push(other);
    let envoy = Envoy::start(&folder, &bootstrap).await;
    let revision = apply(replicas.a.api(), &upstreams, &[("default", &gateway)]).await;
    let (a, b) = (replicas.a.api(), replicas.b.api());
    let on_a = eventually("the proxy is on one of them", async || {
        for (api, is_a) in [(a, true), (b, false)] {
            let fleet = api.fleet("chat-model", "default").await;
            if fleet["connected"].as_u64().unwrap_or(0) > 0 {
                return Ok(is_a);
            }
        }
        Err("on none")
    })
    .await;
    let (from, to) = if on_a { (a, b) } else { (b, a) };
    until_in_sync(from, "default", &revision).await;
    until_stamped(&gateway).await;
    let before = ask_all(gateway.address(), &units(500)).await;
    let pushed = to.metric("watershed_xds_pushes_total").await;

    if on_a {
        replicas.a.kill();
    } else {
        replicas.b.kill();
    }
    until_in_sync(to, "default", &revision).await;
    let again = to.metric("watershed_xds_pushes_total").await;
    assert!(
        (again - pushed).abs() < f64::EPSILON,
        "{pushed} then {again}"
    );
    assert_eq!(ask_all(gateway.address(), &units(500)).await, before);
    let weights = documents::weights(&RAMPED);
    let changed = to.patch(WEIGHTS, &weights).await;
    until_in_sync(to, "default", &changed["revision"]).await;
    drop(envoy);
}

#[tokio::test]
async fn one_replica_leads_and_when_it_is_killed_another_does() {
    let Some(mut replicas) = Replicas::start().await else {
        return;
    };
    let (a, b) = (replicas.a.api(), replicas.b.api());
    let leads = async |api: Api| api.metric("watershed_leader").await > 0.5;
    let a_leads = eventually("one of them leads", async || {
        match (leads(a).await, leads(b).await) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            both => Err(format!("{both:?}")),
        }
    })
    .await;
    let follower = if a_leads { b } else { a };
    let leader = if a_leads {
        &mut replicas.a
    } else {
        &mut replicas.b
    };
    leader.kill();
    eventually("the other one leads", async || {
        leads(follower).await.then_some(()).ok_or("it does not")
    })
    .await;
    leader.start().await;
    assert!(leads(follower).await && !leads(leader.api()).await);
}

/// A bootstrap whose proxy has its configuration and its log from and to one control plane, and its counters
/// to another.
fn with_counters_to(xds: SocketAddr, counters: SocketAddr) -> Bootstrap {
    let mut bootstrap = front_proxy(xds);
    *bootstrap.at("/stats_flush_interval") = json!("0.2s");
    *bootstrap.at("/stats_sinks/0/typed_config/grpc_service/envoy_grpc/cluster_name") =
        json!("counters");
    bootstrap.another_way("counters", counters)
}

#[tokio::test]
async fn every_replica_answers_about_the_evidence_of_all_and_what_one_kept_outlives_it() {
    let settle = ["--telemetry-settle-seconds", "3"];
    let Some(mut replicas) = Replicas::start_with(&settle).await else {
        return;
    };
    let (a, b) = (replicas.a.api(), replicas.b.api());
    let gateway = Port::reserve();
    let upstreams = upstreams().await;
    let folder = replicas.folder.path().join("envoy");
    std::fs::create_dir(&folder).unwrap();
    let bootstrap = with_counters_to(replicas.a.xds(), replicas.b.xds());
    let envoy = Envoy::start(&folder, &bootstrap).await;
    let revision = apply(a, &upstreams, &[("default", &gateway)]).await;
    until_in_sync(a, "default", &revision).await;
    b.until_counts_are_told().await;
    until_stamped(&gateway).await;

    ask_all(gateway.address(), &units(300)).await;
    // One more, which `until_stamped` asked.
    let counted = 301;
    for api in [a, b] {
        eventually("the log is held against the counters", async || {
            let status = api.get("/v1/experiments/chat-model/status").await;
            let telemetry = &status["telemetry"];
            let is_whole = telemetry["counted"] == counted && telemetry["arrived"] == counted;
            if is_whole {
                Ok(())
            } else {
                Err(telemetry.clone())
            }
        })
        .await;
    }
    // The log reached `a` alone.
    assert!(b.metric("watershed_access_log_entries_total").await < 0.5);
    let of_b = eventually("b answers about what a kept", async || {
        let results = b.get("/v1/experiments/chat-model/results").await;
        if results["counts"]["exposures"] == counted {
            Ok(results)
        } else {
            Err(results)
        }
    })
    .await;
    let of_a = a.get("/v1/experiments/chat-model/results").await;
    assert_eq!(of_a["results"]["trust"], of_b["results"]["trust"]);

    // An outcome that is reported to one counts on the other, once.
    let outcome = json!({
        "experiment": "chat-model", "unit": "unit-0", "metric": "thumbs_up", "value": 1,
        "idempotency_key": "first",
    });
    for (api, duplicate) in [(b, 0), (a, 1)] {
        let report = Request::new("POST", "/v1/outcomes").json(&outcome);
        let receipt = api.send(&report).await.unwrap();
        assert_eq!(receipt.json()["duplicate"], duplicate, "{}", receipt.text());
    }
    replicas.a.kill();
    let of_b = b.get("/v1/experiments/chat-model/results").await;
    assert_eq!(of_b["counts"]["exposures"], counted);
    drop(envoy);
}

#[tokio::test]
async fn without_its_database_a_control_plane_says_so_and_takes_no_proxy_with_it() {
    let Some(mut server) = Postgres::start(Durability::Disk) else {
        return;
    };
    let url = server.create("watershed");
    let stack = Stack::with_chat_on(Transport::Delta, Some(&url)).await;
    let (api, units) = (stack.api(), units(1_000));
    let before = ask_all(stack.gateway(), &units).await;
    let traffic = Traffic::start(stack.gateway());

    server.stop();
    let patch = Request::new("PATCH", WEIGHTS).json(&documents::weights(&RAMPED));
    let refused = api.send(&patch).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    let content_type = refused.header("content-type");
    assert_eq!(content_type.as_deref(), Some("application/problem+json"));
    assert_eq!(refused.json()["type"], "urn:watershed:problem:unavailable");
    assert_eq!(
        api.send(&Request::get("/readyz")).await.unwrap().status,
        503
    );
    assert_eq!(
        api.get("/v1/experiments/chat-model").await["state"],
        "running"
    );
    traffic.until_answered(500).await;
    assert_eq!(ask_all(stack.gateway(), &units).await, before);

    server.run();
    eventually("changes are taken again", async || {
        match api.send(&patch).await {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(response.text()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    api.until_in_sync("chat-model").await;
    assert_split(&ask_all(stack.gateway(), &units).await, &RAMPED);
    traffic.stop_unharmed().await;
}
