//! Access logs over real gRPC: what no proxy should send costs nobody else anything.

use super::*;
use crate::clock;
use crate::config::{EvidenceConfig, EvidenceDatabase};
use crate::model::Model;
use clap::Parser;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, HttpRequestProperties,
};
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier,
};
use envoy_types::pb::google::protobuf::{Any, BytesValue, Duration, Timestamp};
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};
use watershed_evidence::store::Scan;
use watershed_proto::RECORD_FILTER_STATE;
use watershed_proto::filter::v1::{Assignment, AssignmentRecord};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    evidence: EvidenceConfig,
}

struct Receiver {
    channel: Channel,
    evidence: Evidence,
    metrics: Arc<Metrics>,
    _folder: TempDir,
}

async fn receiver() -> Receiver {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let (_, models) = watch::channel(Arc::new(Model::default()));
    let stopping = CancellationToken::new();
    let (evidence, _) = Evidence::open(
        &Arguments::parse_from(["test"]).evidence,
        &EvidenceDatabase::Sqlite(folder.path().join("evidence.db")),
        models,
        (clock::now, &stopping),
    )
    .await
    .unwrap();
    let logs = AccessLogs {
        metrics: Arc::clone(&metrics),
        evidence: evidence.clone(),
        accounts: Accounts::of_nobody(),
        clock: clock::now,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .add_service(logs.service())
            .serve_with_incoming(incoming),
    );
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Receiver {
        channel: channel.connect().await.unwrap(),
        evidence,
        metrics,
        _folder: folder,
    }
}

/// A request of an assigned unit, whose identifier the client chose.
fn entry(request_id: String) -> HttpAccessLogEntry {
    let record = AssignmentRecord {
        assignments: vec![Assignment {
            experiment: "chat".to_owned(),
            variant: "a".to_owned(),
            unit_type: "user".to_owned(),
            unit: "u-1".to_owned(),
            ..Assignment::default()
        }],
        ..AssignmentRecord::default()
    };
    let value = BytesValue {
        value: record.encode_to_vec(),
    };
    let state = Any {
        type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
        value: value.encode_to_vec(),
    };
    HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(Timestamp::default()),
            time_to_first_upstream_rx_byte: Some(Duration::default()),
            filter_state_objects: [(RECORD_FILTER_STATE.to_owned(), state)].into(),
            ..AccessLogCommon::default()
        }),
        request: Some(HttpRequestProperties {
            request_id,
            ..HttpRequestProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    }
}

fn message(entry: HttpAccessLogEntry) -> StreamAccessLogsMessage {
    let node = Node {
        id: "edge-1".to_owned(),
        ..Node::default()
    };
    StreamAccessLogsMessage {
        identifier: Some(Identifier {
            node: Some(node),
            log_name: "watershed".to_owned(),
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries {
            log_entry: vec![entry],
        })),
    }
}

impl Receiver {
    /// Sends a message on a stream of its own, and waits until that is over.
    async fn send(&self, message: StreamAccessLogsMessage) -> Result<(), Status> {
        let mut client = AccessLogServiceClient::new(self.channel.clone());
        let messages = tokio_stream::iter([message]);
        client.stream_access_logs(messages).await.map(drop)
    }

    fn counted(&self, outcome: &str) -> bool {
        let line = format!("watershed_access_log_entries_total{{outcome=\"{outcome}\"}} 1\n");
        self.metrics.encode().unwrap().contains(&line)
    }
}

#[tokio::test]
async fn an_entry_of_almost_16_mb_is_taken_in_and_what_is_kept_of_it_is_short() {
    let receiver = receiver().await;
    let long = "x".repeat(MAX_MESSAGE_BYTES - 1_000);
    receiver.send(message(entry(long))).await.unwrap();
    let mut scan = Scan {
        limit: 9,
        ..Scan::default()
    };
    let kept = loop {
        let page = receiver.evidence.store.exposures(&scan).await.unwrap();
        if let Some(it) = page.exposures.into_iter().next() {
            break it;
        }
        scan.after = page.next;
        tokio::task::yield_now().await;
    };
    assert_eq!(kept.execution.proxy, "edge-1");
    assert!(kept.execution.request_id.len() <= 256);
}

/// What was garbage was counted, and the next stream is read.
async fn has_told_and_goes_on(receiver: &Receiver) {
    assert!(
        receiver.counted("garbage"),
        "{}",
        receiver.metrics.encode().unwrap()
    );
    receiver
        .send(message(entry("r-1".to_owned())))
        .await
        .unwrap();
    assert!(receiver.counted("assigned"));
}

#[tokio::test]
async fn an_entry_of_more_than_16_mb_costs_its_own_stream_and_is_told_and_counted() {
    let receiver = receiver().await;
    let long = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let refused = receiver.send(message(entry(long))).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    has_told_and_goes_on(&receiver).await;
}

#[tokio::test]
async fn bytes_that_are_no_message_cost_their_own_stream_and_are_told_and_counted() {
    let receiver = receiver().await;
    let mut client = tonic::client::Grpc::new(receiver.channel.clone());
    client.ready().await.unwrap();
    // Where the identifier should be.
    let garbage = BytesValue {
        value: vec![0xff; 40],
    };
    let path = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
    let codec = tonic_prost::ProstCodec::<BytesValue, StreamAccessLogsResponse>::default();
    let messages = Request::new(tokio_stream::iter([garbage]));
    let refused = client
        .client_streaming(messages, path.parse().unwrap(), codec)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    has_told_and_goes_on(&receiver).await;
}
