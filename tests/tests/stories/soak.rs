//! What only shows after a while: a hundred thousand hostile requests, and five hundred updates of a
//! large configuration under traffic. Ignored by default because they take minutes; `make soak` runs them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use watershed_tests::envoy::Transport;
use watershed_tests::http::{Connection, Request};
use watershed_tests::standalone::Standalone;
use watershed_tests::traffic::Traffic;
use watershed_tests::{Stack, binaries, documents};

const REQUESTS: u64 = 100_000;
const CONNECTIONS: u64 = 8;

const EXPERIMENTS: usize = 1_000;
const UPDATES: usize = 500;
/// After so many updates the memory that is measured against is in use.
const WARM_UP: usize = 50;

/// SplitMix64 (Steele, Lea, Flood 2014): the same requests in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Bytes that may stand in a header, most of them hostile: not ASCII, separators, percent signs.
    fn value(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest) + 1;
        let byte = |random: &mut Self| match random.below(4) {
            0 => b"%=;,&\"\\/{}[]:"[random.below(13)],
            1 => 0x80 | u8::try_from(random.below(128)).unwrap(),
            _ => b'!' + u8::try_from(random.below(93)).unwrap(),
        };
        (0..length).map(|_| byte(self)).collect()
    }

    fn request(&mut self) -> Request {
        const NAMES: [&str; 12] = [
            "x-user",
            "cookie",
            "x-force",
            "baggage",
            "x-experiment-id",
            "x-variant",
            "x-version",
            "x-watershed-cluster",
            "x-prompt-version",
            "traceparent",
            "x-forwarded-for",
            "accept",
        ];
        let mut request = match self.below(3) {
            0 => Request::new("POST", "/v1/chat?user=%ff&force=v1.k1.x.y"),
            1 => Request::new("POST", "/v1/chat").header("content-type", "application/json"),
            _ => Request::get("/v1/chat?user=%00"),
        };
        for _ in 0..self.below(12) {
            request = request.header(NAMES[self.below(NAMES.len())], self.value(200));
        }
        if self.below(2) == 0 {
            let prefix: &[u8] = [
                &b"{\"user\":"[..],
                b"{\"model\":\"gpt-4\",\"user\":\"u",
                b"",
            ][self.below(3)];
            let body = [prefix, &self.value(2_000)].concat();
            request = request
                .header("content-length", body.len().to_string())
                .body(&body);
        }
        request
    }
}

/// Asks `requests` times; counts the statuses. A request without an answer fails the story.
async fn ask(gateway: SocketAddr, seed: u64, requests: u64) -> BTreeMap<u16, u64> {
    let mut random = Random(seed);
    let mut statuses = BTreeMap::new();
    let mut connection = Connection::open(gateway).await.unwrap();
    for _ in 0..requests {
        let request = random.request();
        let response = match connection.send(&request).await {
            Ok(response) => response,
            // Envoy closes the connection after some refusals.
            Err(_) => {
                connection = Connection::open(gateway).await.unwrap();
                connection
                    .send(&request)
                    .await
                    .unwrap_or_else(|error| panic!("{error}: {request:?}"))
            }
        };
        *statuses.entry(response.status).or_default() += 1;
    }
    statuses
}

/// The configuration that the fuzz targets use: everything that a request can reach.
fn everything() -> Value {
    let file = binaries::repository().join("fuzz/src/everything.json");
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace("\"cluster\": \"a\"", "\"cluster\": \"stable-a\"");
    serde_json::from_str(&text.replace("\"cluster\": \"b\"", "\"cluster\": \"candidate-b\""))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; make soak runs it"]
async fn a_hundred_thousand_hostile_requests_are_answered_and_trap_nothing() {
    let mut proxy = Standalone::start(&everything(), |bootstrap| bootstrap).await;
    let gateway = proxy.gateway();
    let askers =
        (0..CONNECTIONS).map(|seed| tokio::spawn(ask(gateway, seed, REQUESTS / CONNECTIONS)));
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for asker in askers.collect::<Vec<_>>() {
        for (status, count) in asker.await.unwrap() {
            *statuses.entry(status).or_default() += count;
        }
    }
    println!("{statuses:?}");
    assert_eq!(statuses.values().sum::<u64>(), REQUESTS);
    assert!(statuses[&200] > REQUESTS / 2, "{statuses:?}");
    assert!(
        statuses.keys().all(|status| (200..500).contains(status)),
        "{statuses:?}"
    );
    proxy.envoy.assert_filter_unharmed().await;
}

/// An experiment of ten buckets that only stamps.
fn filler() -> Value {
    json!({
        "owner": "ml-platform",
        "decision_date": "2026-12-31",
        "layer": "filler",
        "services": ["chat"],
        "unit": { "type": "user", "sources": [{ "header": "x-filler" }] },
        "audience": { "all": [{ "header": "x-plan", "one_of": ["free", "team"] }, { "path": true, "prefix": "/v1" }] },
        "traffic": 10,
        "variants": [{ "key": "a", "weight": 5_000 }, { "key": "b", "weight": 5_000 }],
    })
}

/// The resident memory of the Envoy that was started in `folder`, in bytes.
fn resident(folder: &Path) -> u64 {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let is_ours = |path: &std::path::PathBuf| {
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("--config-path") && command.contains(&folder)
    };
    let process = processes.into_iter().find(is_ours).expect("Envoy runs");
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; make soak runs it"]
async fn five_hundred_updates_of_a_thousand_experiments_fail_no_request_and_leave_memory_flat() {
    let mut stack = Stack::with_chat(Transport::Delta).await;
    let api = stack.api();
    api.put("/v1/layers/filler", &documents::layer()).await;
    for n in 1..EXPERIMENTS {
        api.put(&format!("/v1/experiments/filler-{n}"), &filler())
            .await;
        api.post(&format!("/v1/experiments/filler-{n}/start")).await;
    }
    api.until_in_sync("chat-model").await;

    let traffic = Traffic::start(stack.gateway());
    let mut warm = 0;
    for update in 0..UPDATES {
        let candidate = u32::try_from(update % 3_000).unwrap();
        let weights = [
            ("stable", 7_000),
            ("candidate-b", candidate),
            ("candidate-c", 3_000 - candidate),
        ];
        api.patch(
            "/v1/experiments/chat-model/weights",
            &documents::weights(&weights),
        )
        .await;
        api.until_in_sync("chat-model").await;
        if update == WARM_UP {
            warm = resident(stack.folder());
        }
    }
    let end = resident(stack.folder());
    println!("resident after {WARM_UP} updates: {warm} bytes, after {UPDATES}: {end} bytes");
    traffic.stop_unharmed().await;
    stack.envoy.assert_filter_unharmed().await;
    assert!(end < warm + warm / 10, "{warm} bytes grew to {end}");
}
