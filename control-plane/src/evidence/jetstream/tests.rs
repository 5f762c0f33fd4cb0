//! Exposures on a real NATS server, which goes away and comes back.

use super::*;
use crate::clock;
use crate::evidence::fake;
use async_nats::jetstream::{context::Context, stream as nats};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use watershed_evidence::batch::BatchBuilder;
use watershed_evidence::recent::Recent;
use watershed_evidence::{Batch, SqliteStore};
use watershed_harness::Nats;

/// A log of evidence, which grows.
struct Log {
    store: Arc<SqliteStore>,
    kept: i64,
    _folder: TempDir,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("evidence.db")).unwrap();
        Self {
            store: Arc::new(store),
            kept: 0,
            _folder: folder,
        }
    }

    /// Keeps so many exposures of an experiment.
    async fn keep(&mut self, experiment: &str, count: i64) {
        let (mut batch, mut recent) = (BatchBuilder::default(), Recent::new(1_000_000));
        for time in self.kept..self.kept + count {
            let mut exposure = fake::exposure();
            experiment.clone_into(&mut exposure.experiment);
            Arc::make_mut(&mut exposure.execution).time = time;
            batch.push(&exposure, &mut recent);
        }
        self.kept += count;
        let batch = Batch {
            writer: 1,
            number: self.kept,
            blocks: batch.seal(),
            ..Batch::default()
        };
        self.store.append(&batch).await.unwrap();
    }

    fn publisher(&self, target: Target) -> Publishing {
        let metrics = Arc::new(Metrics::new());
        let publisher = Publisher {
            store: Arc::clone(&self.store) as Arc<dyn EvidenceStore>,
            target,
            metrics: Arc::clone(&metrics),
            clock: clock::now,
        };
        let (leads, leading) = watch::channel(true);
        let stop = CancellationToken::new();
        let task = tokio::spawn(publisher.run(leading, stop.clone()));
        Publishing {
            metrics,
            leads,
            stop,
            task,
        }
    }
}

struct Publishing {
    metrics: Arc<Metrics>,
    leads: watch::Sender<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Publishing {
    fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.encode().unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let mut values = lines.filter(|(it, _)| *it == name).map(|(_, value)| value);
        values.next().unwrap().parse().unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn target(url: &str) -> Target {
    Target {
        servers: url.parse().unwrap(),
        ca: None,
        stream: "EXPOSURES".parse().unwrap(),
        subject: "ours.exposures".parse().unwrap(),
        keep: Duration::from_secs(60 * 60),
    }
}

async fn jetstream(server: &Nats) -> Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// A message as the stream has it.
#[derive(Debug)]
struct Found {
    subject: String,
    id: String,
    body: Value,
}

/// All that the stream has; nothing where there is none.
async fn found(server: &Nats) -> Vec<Found> {
    let context = jetstream(server).await;
    let Ok(stream) = context.get_stream("EXPOSURES").await else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        all.push(Found {
            subject: message.subject.to_string(),
            id: message.headers.get("Nats-Msg-Id").unwrap().to_string(),
            body: serde_json::from_slice(&message.payload).unwrap(),
        });
    }
    all
}

fn times(found: &[Found]) -> Vec<i64> {
    let times = found.iter().map(|it| it.body["time_us"].as_i64().unwrap());
    times.collect()
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_secs(60);
    let waited = tokio::time::timeout(patience, waiting).await;
    waited.unwrap_or_else(|_| panic!("not within {patience:?}: {what}"));
}

async fn until_found(server: &Nats, count: usize) -> Vec<Found> {
    until(&format!("{count} messages"), async || {
        let context = jetstream(server).await;
        let stream = context.get_stream("EXPOSURES").await;
        stream.is_ok_and(|it| it.cached_info().state.messages >= count.try_into().unwrap())
    })
    .await;
    found(server).await
}

#[tokio::test]
async fn exposures_of_all_experiments_arrive_once_in_the_order_of_the_log_and_as_the_api_tells_them()
 {
    let Some(server) = Nats::start() else {
        return;
    };
    let mut log = Log::new();
    log.keep("chat", 300).await;
    let publishing = log.publisher(target(&server.url()));
    until_found(&server, 300).await;
    log.keep("price", 2).await;
    let all = until_found(&server, 302).await;
    assert_eq!(times(&all), (0..302).collect::<Vec<_>>());
    let scan = Scan {
        limit: 999,
        ..Scan::default()
    };
    let page = log.store.exposures(&scan).await.unwrap();
    for (message, exposure) in all.iter().zip(&page.exposures) {
        assert_eq!(
            message.subject,
            format!("ours.exposures.{}", exposure.experiment)
        );
        let mut told = message.body.clone();
        let line = lines::object(Cursor(0), exposure);
        told["cursor"] = 0.into();
        assert_eq!(told, serde_json::from_str::<Value>(&line).unwrap());
    }
    assert_eq!(all[301].body["cursor"], page.next.0);
    let ids: BTreeSet<_> = all.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), all.len());
    publishing.end().await;

    // The next process goes on where that one was.
    log.keep("chat", 5).await;
    let publishing = log.publisher(target(&server.url()));
    let all = until_found(&server, 307).await;
    assert_eq!(times(&all), (0..307).collect::<Vec<_>>());
    assert_eq!(
        publishing.metric("watershed_exposures_published_total"),
        5.0
    );
    publishing.end().await;
}

#[tokio::test]
async fn what_comes_while_nats_is_away_waits_and_is_there_once_in_the_end() {
    let Some(mut server) = Nats::start() else {
        return;
    };
    let mut log = Log::new();
    let publishing = log.publisher(target(&server.url()));
    log.keep("chat", 10).await;
    until_found(&server, 10).await;
    server.kill();
    log.keep("chat", 1_500).await;
    until("the outage is counted and what waits is told", async || {
        publishing.metric("watershed_exposures_failures_total") > 1.0
            && publishing.metric("watershed_exposures_behind_seconds") > 0.0
    })
    .await;
    server.run();
    let all = until_found(&server, 1_510).await;
    assert_eq!(times(&all), (0..1_510).collect::<Vec<_>>());
    until("nothing waits", async || {
        publishing.metric("watershed_exposures_behind_seconds") == 0.0
    })
    .await;
    publishing.end().await;
}

/// Returns when a message that comes again now is new to a stream that recognises it for 100 ms.
async fn until_forgotten(context: &Context) {
    let config = nats::Config {
        name: "PROBE".to_owned(),
        duplicate_window: Duration::from_millis(100),
        ..nats::Config::default()
    };
    context.create_stream(config).await.unwrap();
    let is_new = async || {
        let message = async_nats::jetstream::message::PublishMessage::build().message_id("probe");
        let sent = context.send_publish("PROBE", message).await.unwrap();
        !sent.await.unwrap().duplicate
    };
    assert!(is_new().await);
    until("the message is forgotten", is_new).await;
}

#[tokio::test]
async fn what_a_process_published_before_it_could_keep_its_place_is_not_published_again_however_late()
 {
    let Some(server) = Nats::start() else {
        return;
    };
    let context = jetstream(&server).await;
    let config = nats::Config {
        name: "EXPOSURES".to_owned(),
        subjects: vec!["ours.>".to_owned()],
        duplicate_window: Duration::from_millis(100),
        ..nats::Config::default()
    };
    context.create_stream(config).await.unwrap();
    let (mut before, mut after) = (Log::new(), Log::new());
    before.keep("chat", 20).await;
    let publishing = before.publisher(target(&server.url()));
    until_found(&server, 20).await;
    publishing.end().await;
    until_forgotten(&context).await;

    // The same log with five more, and no place kept.
    after.keep("chat", 25).await;
    let publishing = after.publisher(target(&server.url()));
    let all = until_found(&server, 25).await;
    assert_eq!(times(&all), (0..25).collect::<Vec<_>>());
    assert_eq!(
        publishing.metric("watershed_exposures_published_total"),
        5.0
    );
    publishing.end().await;
}

#[tokio::test]
async fn of_two_replicas_the_one_that_leads_publishes_and_the_next_leader_goes_on() {
    let Some(server) = Nats::start() else {
        return;
    };
    let mut log = Log::new();
    let one = log.publisher(target(&server.url()));
    let other = log.publisher(target(&server.url()));
    other.leads.send_replace(false);
    log.keep("chat", 7).await;
    until("the leader published", async || {
        one.metric("watershed_exposures_published_total") == 7.0
    })
    .await;
    one.leads.send_replace(false);
    other.leads.send_replace(true);
    log.keep("chat", 4).await;
    until("the next leader published", async || {
        other.metric("watershed_exposures_published_total") == 4.0
    })
    .await;
    let all = found(&server).await;
    assert_eq!(times(&all), (0..11).collect::<Vec<_>>());
    assert_eq!(one.metric("watershed_exposures_published_total"), 7.0);
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn the_same_exposures_twice_are_one_message_each() {
    let Some(server) = Nats::start() else {
        return;
    };
    let (mut log, mut again) = (Log::new(), Log::new());
    log.keep("chat", 9).await;
    again.keep("chat", 9).await;
    let publishing = log.publisher(target(&server.url()));
    until_found(&server, 9).await;
    // Something else came in between, so that the stream does not end with them.
    let context = jetstream(&server).await;
    let other = context.publish("ours.exposures.else", "{\"time_us\": 9}".into());
    other.await.unwrap().await.unwrap();
    let second = again.publisher(target(&server.url()));
    again.keep("chat", 1).await;
    until("the tenth is published", async || {
        second.metric("watershed_exposures_published_total") == 1.0
    })
    .await;
    let stream = context.get_stream("EXPOSURES").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 11);
    publishing.end().await;
    second.end().await;
}

async fn refusal(target: &Target) -> String {
    Stream::open(target).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_stream_that_is_of_something_else_or_acknowledges_nothing_is_refused_with_what_to_do() {
    let Some(server) = Nats::start() else {
        return;
    };
    let context = jetstream(&server).await;
    let made = async |name: &str, subject: &str, no_ack| {
        let config = nats::Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            no_ack,
            ..nats::Config::default()
        };
        context.create_stream(config).await.unwrap();
    };
    made("ORDERS", "orders.*", false).await;
    made("SILENT", "silent.*", true).await;
    let mut target = target(&server.url());
    target.stream = "ORDERS".parse().unwrap();
    assert_eq!(
        refusal(&target).await,
        "the stream ORDERS takes the subjects [\"orders.*\"] and not ours.exposures.*: give it that one as well, \
         or name another stream with --exposures-nats-stream"
    );
    target.stream = "SILENT".parse().unwrap();
    target.subject = "silent".parse().unwrap();
    let told = refusal(&target).await;
    assert!(told.contains("acknowledges nothing"), "{told}");
    // A new one can't have what another one takes.
    target.stream = "NEW".parse().unwrap();
    let told = refusal(&target).await;
    assert!(told.contains("overlap"), "{told}");
}

/// The arguments of a server with JetStream in `folder`, and these.
fn with(folder: &Path, more: &[&str]) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let all = [&["--jetstream", "--store_dir", folder], more].concat();
    all.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn who_is_let_in_is_said_by_the_url() {
    let password = |folder: &Path| with(folder, &["--user", "me", "--pass", "hunter,2"]);
    let Some(server) = Nats::start_with(password) else {
        return;
    };
    let address = server.address();
    for nobody in ["", "me:hunter3@", "hunter%2C2@"] {
        let told = refusal(&target(&format!("nats://{nobody}{address}"))).await;
        assert!(told.contains("does not let us in"), "{told}");
        assert!(!told.contains("hunter"), "{told}");
    }
    let right = target(&format!("nats://me:hunter%2C2@{address}"));
    Stream::open(&right).await.unwrap();

    let token = |folder: &Path| with(folder, &["--auth", "s3cret"]);
    let server = Nats::start_with(token).unwrap();
    let right = target(&format!("nats://s3cret@{}", server.address()));
    Stream::open(&right).await.unwrap();
}

#[tokio::test]
async fn with_tls_the_servers_certificate_is_checked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let certificate = file("certificate.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let tls = ["--tls", "--tlscert", &certificate, "--tlskey", &key];
    let Some(server) = Nats::start_with(|folder| with(folder, &tls)) else {
        return;
    };
    let mut target = target(&format!("tls://localhost:{}", server.address().port()));
    let told = refusal(&target).await;
    assert!(told.contains("cannot be reached"), "{told}");
    target.ca = Some(certificate.into());
    Stream::open(&target).await.unwrap();
    target.ca = Some("/nowhere/ca.pem".into());
    let told = refusal(&target).await;
    assert!(told.contains("cannot be reached"), "{told}");
}

#[tokio::test]
async fn a_server_without_jetstream_and_one_that_is_no_nats_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let garbage = std::thread::spawn(move || {
        for said in [&b"INFO {\"max_payload\": []}\r\n"[..], b"\xff\x00\r\n", b""] {
            let (mut stream, _) = listener.accept().unwrap();
            // Whoever hears it may hang up.
            let _ = stream.write_all(said);
        }
    });
    for _ in 0..3 {
        let told = refusal(&target(&format!("nats://{address}"))).await;
        assert!(told.contains("cannot be reached"), "{told}");
    }
    garbage.join().unwrap();
    let Some(server) = Nats::start_with(|_| Vec::new()) else {
        return;
    };
    let told = refusal(&target(&server.url())).await;
    assert!(
        told.contains("the stream EXPOSURES cannot be had"),
        "{told}"
    );
}
