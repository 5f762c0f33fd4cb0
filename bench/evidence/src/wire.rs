//! Access-log messages as a proxy writes them, made at next to no cost: the entries of a message are
//! encoded once with everything that a real Envoy tells, and what differs between requests (unit, request
//! identifier, time) is written over in place. What does not live here: sending them.

use anyhow::Context as _;
use bytes::{Buf, BufMut, Bytes};
use envoy_types::pb::envoy::config::core::v3::{
    Address, Locality, Node, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpRequestProperties,
    HttpResponseProperties,
};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use envoy_types::pb::google::protobuf::{Any, BytesValue, Duration, Timestamp, UInt32Value};
use prost::Message as _;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use watershed_proto::RECORD_FILTER_STATE;
use watershed_proto::filter::v1::{Assignment, AssignmentRecord, Reason};

/// Entries of a message: about Envoy's default buffer of 16 KiB.
pub const ENTRIES: usize = 24;

const UNIT: &str = "unit-0000000000";
const REQUEST_ID: &str = "6f1c3f6e-0000-4000-8000-000000000000";
/// Times have five bytes for their nanoseconds from 2^28 on, and for their seconds until 2106.
const NANOS: i32 = 300_000_000;
const SECONDS: i64 = 1_900_000_000;

/// A message of a proxy, to be written over again and again.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    places: Vec<Places>,
}

/// Requests of a proxy, numbered over all proxies.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// The number of the first one.
    pub next: u64,
    /// From one number to the next.
    pub step: u64,
    /// How many units they are of.
    pub units: u64,
}

/// Where in a message the parts of an entry are that change.
#[derive(Clone, Copy, Debug)]
struct Places {
    unit: usize,
    request_id: usize,
    seconds: usize,
}

impl Template {
    /// A proxy's message. `first` is one that says who sends.
    ///
    /// # Errors
    /// The parts that change were not found, which is a mistake here.
    pub fn new(experiment: &str, variant: &str) -> anyhow::Result<Self> {
        let logs = HttpAccessLogEntries {
            log_entry: vec![entry(experiment, variant); ENTRIES],
        };
        let message = StreamAccessLogsMessage {
            identifier: None,
            log_entries: Some(LogEntries::HttpLogs(logs)),
        };
        let bytes = message.encode_to_vec();
        let time = Timestamp {
            seconds: SECONDS,
            nanos: NANOS,
        };
        let time = time.encode_to_vec();
        let (units, ids) = (
            all(&bytes, UNIT.as_bytes()),
            all(&bytes, REQUEST_ID.as_bytes()),
        );
        let times = all(&bytes, &time);
        let found = [&units, &ids, &times].map(Vec::len);
        anyhow::ensure!(found == [ENTRIES; 3], "found {found:?} of {ENTRIES} each");
        let places = units.into_iter().zip(ids).zip(times);
        let places = places.map(|((unit, request_id), time)| Places {
            unit,
            request_id,
            // After the field's tag.
            seconds: time + 1,
        });
        Ok(Self {
            places: places.collect(),
            bytes,
        })
    }

    /// The message of these requests, the first of them so many seconds after the first of all.
    pub fn message(&mut self, mut requests: Requests, second: u64) -> Bytes {
        let seconds = SECONDS.unsigned_abs() + second;
        for at in &self.places {
            let Requests { next, step, units } = requests;
            // Without a factor of any round number of units: all of them come, in no order.
            let unit = next.wrapping_mul(7_368_787) % units;
            digits(&mut self.bytes[at.unit + 5..at.unit + 15], unit);
            digits(
                &mut self.bytes[at.request_id + 24..at.request_id + 36],
                next,
            );
            let nanos = 300_000_000 + next % 600_000_000;
            five(&mut self.bytes[at.seconds..at.seconds + 5], seconds);
            // After the next field's tag.
            five(&mut self.bytes[at.seconds + 6..at.seconds + 11], nanos);
            requests.next += step;
        }
        Bytes::copy_from_slice(&self.bytes)
    }
}

/// The first message of a stream, which has no entries.
#[must_use]
pub fn hello(proxy: usize) -> Bytes {
    let node = Node {
        id: format!("edge-{proxy}"),
        cluster: "edge".to_owned(),
        locality: Some(Locality::default()),
        ..Node::default()
    };
    let message = StreamAccessLogsMessage {
        identifier: Some(Identifier {
            node: Some(node),
            log_name: "watershed".to_owned(),
        }),
        log_entries: None,
    };
    message.encode_to_vec().into()
}

fn all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    windows
        .filter(|(_, it)| *it == needle)
        .map(|(at, _)| at)
        .collect()
}

fn digits(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// A varint of five bytes.
fn five(to: &mut [u8], number: u64) {
    for (index, byte) in to.iter_mut().enumerate() {
        let seven = u8::try_from(number >> (7 * index) & 0x7f).unwrap_or(0);
        *byte = if index < 4 { seven | 0x80 } else { seven };
    }
}

/// Everything that Envoy 1.40 writes for a request that the filter assigned.
fn entry(experiment: &str, variant: &str) -> HttpAccessLogEntry {
    let record = AssignmentRecord {
        config_version: "0123456789abcdef".to_owned(),
        service: "chat".to_owned(),
        cluster: variant.to_owned(),
        assignments: vec![Assignment {
            experiment: experiment.to_owned(),
            variant: variant.to_owned(),
            unit_type: "user".to_owned(),
            unit: UNIT.to_owned(),
            reason: Reason::Hashed.into(),
            ..Assignment::default()
        }],
        ..AssignmentRecord::default()
    };
    let record = BytesValue {
        value: record.encode_to_vec(),
    };
    let state = Any {
        type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
        value: record.encode_to_vec(),
    };
    HttpAccessLogEntry {
        common_properties: Some(common(variant, state)),
        protocol_version: 2,
        request: Some(HttpRequestProperties {
            request_method: 1,
            scheme: "http".to_owned(),
            authority: "chat.example.org".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            user_agent: "okhttp/4.12.0".to_owned(),
            request_id: REQUEST_ID.to_owned(),
            request_headers_bytes: 412,
            request_body_bytes: 1_800,
            ..HttpRequestProperties::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: Some(UInt32Value { value: 200 }),
            response_headers_bytes: 160,
            response_body_bytes: 5_400,
            response_code_details: "via_upstream".to_owned(),
            ..HttpResponseProperties::default()
        }),
    }
}

fn common(variant: &str, state: Any) -> AccessLogCommon {
    let after = |micros: i32| {
        Some(Duration {
            seconds: 0,
            nanos: micros * 1_000 + 217,
        })
    };
    AccessLogCommon {
        downstream_remote_address: socket("203.0.113.17", 51_334),
        downstream_local_address: socket("10.0.0.2", 10_000),
        downstream_direct_remote_address: socket("203.0.113.17", 51_334),
        upstream_remote_address: socket("10.0.0.7", 8_080),
        upstream_local_address: socket("10.0.0.2", 40_112),
        start_time: Some(Timestamp {
            seconds: SECONDS,
            nanos: NANOS,
        }),
        time_to_last_rx_byte: after(120),
        time_to_first_upstream_tx_byte: after(900),
        time_to_last_upstream_tx_byte: after(910),
        time_to_first_upstream_rx_byte: after(18_000),
        time_to_last_upstream_rx_byte: after(30_000),
        time_to_first_downstream_tx_byte: after(18_100),
        time_to_last_downstream_tx_byte: after(30_200),
        duration: after(30_200),
        upstream_cluster: variant.to_owned(),
        route_name: "chat".to_owned(),
        upstream_request_attempt_count: 1,
        stream_id: "6f1c3f6e-1111-4000-8000-999999999999".to_owned(),
        downstream_wire_bytes_sent: 5_700,
        downstream_wire_bytes_received: 2_300,
        upstream_wire_bytes_sent: 2_400,
        upstream_wire_bytes_received: 5_600,
        access_log_type: AccessLogType::DownstreamEnd.into(),
        filter_state_objects: [(RECORD_FILTER_STATE.to_owned(), state)].into(),
        ..AccessLogCommon::default()
    }
}

fn socket(address: &str, port: u32) -> Option<Address> {
    let socket = SocketAddress {
        address: address.to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port)),
        ..SocketAddress::default()
    };
    Some(Address {
        address: Some(address::Address::SocketAddress(socket)),
    })
}

/// Sends messages that are encoded already, and takes any answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}

/// How many bytes an entry has on the wire, about.
///
/// # Errors
/// As [`Template::new`].
pub fn entry_bytes() -> anyhow::Result<usize> {
    let template = Template::new("chat", "stable").context("a message")?;
    Ok(template.bytes.len() / ENTRIES)
}
