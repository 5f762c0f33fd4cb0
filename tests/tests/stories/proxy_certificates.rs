//! Proxies prove by a certificate which fleet they are in: one of the right fleet is served over mutual
//! TLS, another is refused with a reason, and certificates are rotated while all of that goes on. The
//! API and its client speak HTTPS.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, LogEntries,
};
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, stream_access_logs_message,
};
use envoy_types::pb::envoy::service::metrics::v3::metrics_service_client::MetricsServiceClient;
use envoy_types::pb::envoy::service::metrics::v3::{StreamMetricsMessage, stream_metrics_message};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::envoy::{Bootstrap, Envoy};
use watershed_tests::http::Request;
use watershed_tests::process::Process;
use watershed_tests::stack::{self, front_proxy};
use watershed_tests::tls::{Authority, Files, dns, uri};
use watershed_tests::{Stack, binaries, eventually};

const RULE: &str = "uri:spiffe://example.org/fleet/{fleet}";

/// A folder with an authority, and a control plane that shows a certificate of it and asks for others.
struct Secured {
    folder: TempDir,
    authority: Authority,
    server: Files,
    control_plane: ControlPlane,
}

fn for_this_machine(params: &mut rcgen::CertificateParams) {
    params.subject_alt_names = vec![dns("localhost"), dns("watershed.example.org")];
}

impl Secured {
    async fn start() -> Self {
        let folder = stack::folder();
        let authority = Authority::new(folder.path(), "ours");
        let server = authority.issue_with("server", for_this_machine);
        let file = |path: &Path| path.display().to_string();
        let arguments = [
            ["--xds-tls-cert".to_owned(), file(&server.certificate)],
            ["--xds-tls-key".to_owned(), file(&server.key)],
            ["--xds-client-ca".to_owned(), file(&authority.certificate())],
            ["--xds-client-fleet".to_owned(), RULE.to_owned()],
        ];
        let control_plane = ControlPlane::stopped(folder.path());
        let mut control_plane = control_plane.secured(arguments.concat());
        control_plane.start().await;
        Self {
            folder,
            authority,
            server,
            control_plane,
        }
    }

    /// A proxy's certificate for `fleet`.
    fn proxy(&self, fleet: &str) -> Files {
        let name = format!("spiffe://example.org/fleet/{fleet}");
        self.authority
            .issue_with(fleet, |params| params.subject_alt_names = vec![uri(&name)])
    }

    /// The front proxy's bootstrap with the transport socket of the documentation.
    fn bootstrap(&self, proxy: &Files) -> Bootstrap {
        let page = fs::read_to_string(binaries::repository().join("docs/operations.md")).unwrap();
        let block = page.split("```yaml\n").nth(1).unwrap();
        let block = block.split("```").next().unwrap();
        let path = |path: &Path| path.display().to_string();
        let placed = block
            .replace("/etc/envoy/tls/proxy.pem", &path(&proxy.certificate))
            .replace("/etc/envoy/tls/proxy.key", &path(&proxy.key))
            .replace(
                "/etc/envoy/tls/ca.pem",
                &path(&self.authority.certificate()),
            );
        let mut placed: Value = serde_saphyr::from_str(&placed).unwrap();
        let mut bootstrap = front_proxy(self.control_plane.xds());
        let cluster = bootstrap.at("/static_resources/clusters/0");
        cluster["transport_socket"] = placed["transport_socket"].take();
        bootstrap
    }

    /// A second Envoy with this bootstrap.
    async fn another(&self, name: &str, bootstrap: &Bootstrap) -> Envoy {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        Envoy::start(&folder, bootstrap).await
    }
}

#[tokio::test]
async fn a_proxy_is_served_in_the_fleet_of_its_certificate_and_in_no_other() {
    let secured = Secured::start().await;
    let bootstrap = secured.bootstrap(&secured.proxy("internal"));
    let stranger = secured.another("stranger", &bootstrap).await;
    eventually("Envoy is told why it gets nothing", async || {
        let log = stranger.log();
        // Envoy logs the message of a status as it came, in percent encoding.
        let said = "%60default%60%20(node.cluster),%20only%20for%20internal";
        log.contains(said).then_some(()).ok_or(log)
    })
    .await;

    let expired = secured.authority.issue_with("expired", |params| {
        params.subject_alt_names = vec![uri("spiffe://example.org/fleet/default")];
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let late = secured.another("late", &secured.bootstrap(&expired)).await;
    eventually("an expired certificate opens nothing", async || {
        let log = secured.control_plane.log();
        let refused = log.contains("TLS handshake failed") && log.contains("certificate expired");
        refused.then_some(()).ok_or(log)
    })
    .await;

    let bootstrap = secured.bootstrap(&secured.proxy("default"));
    let stack = Stack::around(secured.control_plane, &bootstrap, secured.folder).await;
    stack.start_chat().await;
    let fleet = stack.api().get("/v1/fleets/default/proxies").await;
    assert_eq!(fleet["items"].as_array().unwrap().len(), 1, "{fleet}");
    drop((stranger, late));
}

/// A proxy's own words, of the fleet that it names or of none.
fn identifier<T>(fleet: Option<&str>, of: impl FnOnce(Node) -> T) -> Option<T> {
    fleet.map(|fleet| {
        of(Node {
            id: "made-up".to_owned(),
            cluster: fleet.to_owned(),
            ..Node::default()
        })
    })
}

/// Sends an access log with one entry.
async fn send_access_log(channel: &Channel, fleet: Option<&str>) -> Result<(), Status> {
    let message = StreamAccessLogsMessage {
        identifier: identifier(fleet, |node| stream_access_logs_message::Identifier {
            node: Some(node),
            log_name: "watershed".to_owned(),
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries {
            log_entry: vec![HttpAccessLogEntry::default()],
        })),
    };
    let mut client = AccessLogServiceClient::new(channel.clone());
    client
        .stream_access_logs(tokio_stream::iter([message]))
        .await
        .map(drop)
}

/// Sends a report without counters.
async fn send_counters(channel: &Channel, fleet: Option<&str>) -> Result<(), Status> {
    let message = StreamMetricsMessage {
        identifier: identifier(fleet, |node| stream_metrics_message::Identifier {
            node: Some(node),
        }),
        ..StreamMetricsMessage::default()
    };
    let mut client = MetricsServiceClient::new(channel.clone());
    client
        .stream_metrics(tokio_stream::iter([message]))
        .await
        .map(drop)
}

#[tokio::test]
async fn evidence_of_a_fleet_is_taken_from_nobody_whose_certificate_is_for_another() {
    let secured = Secured::start().await;
    let (xds, proxy) = (secured.control_plane.xds(), secured.proxy("internal"));
    let channel = secured.authority.channel(xds, &proxy).await;
    // Of another fleet, of none, and without a word of who it is.
    for fleet in [Some("default"), Some(""), None] {
        for sent in [
            send_access_log(&channel, fleet).await,
            send_counters(&channel, fleet).await,
        ] {
            let refusal = sent.expect_err("it is refused");
            assert_eq!(refusal.code(), Code::PermissionDenied, "{fleet:?}");
            assert!(
                refusal.message().ends_with("only for internal"),
                "{refusal}"
            );
        }
    }
    let api = secured.control_plane.api();
    let entries = async || api.metric("watershed_access_log_entries_total").await;
    assert!(entries().await.abs() < f64::EPSILON);

    send_access_log(&channel, Some("internal")).await.unwrap();
    send_counters(&channel, Some("internal")).await.unwrap();
    assert!((entries().await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn certificates_are_rotated_under_connected_proxies_and_bad_ones_are_not_taken_up() {
    let secured = Secured::start().await;
    let proxy = secured.proxy("default");
    let bootstrap = secured.bootstrap(&proxy);
    let first = secured.server.der();
    let Secured {
        folder,
        authority,
        control_plane,
        ..
    } = secured;
    let stack = Stack::around(control_plane, &bootstrap, folder).await;
    stack.start_chat().await;
    let xds = stack.control_plane.xds();
    let shown = async || authority.shown_at(xds, &proxy).await.unwrap();
    assert_eq!(shown().await, first);

    authority.issue_with("server", |params| {
        for_this_machine(params);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    eventually("the expired certificate is counted", async || {
        let metrics = stack.api().send(&Request::get("/metrics")).await.unwrap();
        let metrics = metrics.text();
        let counted = metrics.contains(r#"tls_reloads_total{port="xds",outcome="failed"}"#);
        counted.then_some(()).ok_or(metrics)
    })
    .await;
    assert_eq!(shown().await, first, "the last good one stays");

    let second = authority.issue_with("server", for_this_machine).der();
    eventually("the new certificate is shown", async || {
        let shown = shown().await;
        (shown == second).then_some(()).ok_or("still the old one")
    })
    .await;
    // The connection of before goes on.
    let weights = json!({ "stable": 5_000, "candidate-b": 4_000, "candidate-c": 1_000 });
    let path = "/v1/experiments/chat-model/weights";
    stack.api().patch(path, &weights).await;
    stack.api().until_in_sync("chat-model").await;
}

fn watershed(arguments: &[&str]) -> Output {
    let mut command = Command::new(binaries::watershed());
    command.args(arguments).env_remove("DATABASE_URL");
    command.output().unwrap()
}

#[tokio::test]
async fn the_command_line_speaks_https_with_whom_its_authorities_vouch_for() {
    let folder = stack::folder();
    let authority = Authority::new(folder.path(), "ours");
    let stranger = Authority::new(folder.path(), "theirs");
    let server = authority.issue("localhost");
    let ready = folder.path().join("ready.json");
    let mut command = Command::new(binaries::watershed());
    command
        .args(["serve", "--insecure-open-api", "--xds-plaintext"])
        .args([
            "--api-address",
            "127.0.0.1:0",
            "--xds-address",
            "127.0.0.1:0",
        ])
        .arg("--api-tls-cert")
        .arg(&server.certificate)
        .arg("--api-tls-key")
        .arg(&server.key)
        .arg("--database")
        .arg(folder.path().join("watershed.db"))
        .arg("--ready-file")
        .arg(&ready)
        .env_remove("DATABASE_URL");
    let _process = Process::start(command, &folder.path().join("control-plane.log"));
    let ready: Value = eventually("it listens", async || {
        let text = fs::read_to_string(&ready).map_err(|fault| fault.to_string())?;
        serde_json::from_str(&text).map_err(|fault| fault.to_string())
    })
    .await;
    let address = ready["api"].as_str().unwrap();
    let url = address.replace("127.0.0.1", "https://localhost");
    let get = |ca: &Authority| {
        let ca = ca.certificate();
        watershed(&[
            "get",
            "layers",
            "--server",
            &url,
            "--ca",
            ca.to_str().unwrap(),
        ])
    };
    let answer = get(&authority);
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{said}");

    let refused = get(&stranger);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("UnknownIssuer"),
        "{said}"
    );
}

#[test]
fn proxies_without_certificates_have_to_be_asked_for() {
    let refused = watershed(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("--xds-client-ca") && said.contains("--xds-plaintext"),
        "{said}"
    );
}
