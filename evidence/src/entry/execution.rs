//! What an access-log entry says that Envoy did, whoever was assigned. Names and numbers are bounded;
//! what is missing is empty or zero.

use crate::Micros;
use crate::exposure::{Execution, ResponseFlags};
use crate::header::{self, OUTCOME_HEADER};
use envoy_types::pb::envoy::config::core::v3::Address;
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, HttpRequestProperties, HttpResponseProperties,
    ResponseFlags as Wire,
};
use envoy_types::pb::google::protobuf::{Duration, Timestamp};

/// The longest text that is kept of one field, in bytes. A client may choose the request's identifier.
const MAX_TEXT: usize = 256;

/// The execution, and how many items of the outcome header could not be read.
pub(super) fn of(entry: HttpAccessLogEntry, proxy: &str) -> (Execution, u32) {
    let mut execution = Execution {
        proxy: bounded(proxy.to_owned()),
        ..Execution::default()
    };
    entry
        .common_properties
        .into_iter()
        .for_each(|it| common(&mut execution, it));
    entry
        .request
        .into_iter()
        .for_each(|it| request(&mut execution, it));
    let garbage = entry.response.as_ref();
    let garbage = garbage.map(|it| response(&mut execution, it));
    (execution, garbage.unwrap_or(0))
}

fn common(execution: &mut Execution, common: AccessLogCommon) {
    let first_rx = common.time_to_first_upstream_rx_byte;
    // The bytes' times are the last attempt's; either shows that somebody was spoken to.
    execution.reached_upstream =
        first_rx.is_some() || common.time_to_first_upstream_tx_byte.is_some();
    execution.time = common.start_time.map_or(0, micros);
    execution.attempts = common.upstream_request_attempt_count;
    execution.ttfb_us = first_rx.map_or(0, elapsed);
    execution.ttlb_us = common.time_to_last_upstream_rx_byte.map_or(0, elapsed);
    let ends = [common.duration, common.time_to_last_downstream_tx_byte];
    execution.duration_us = ends.into_iter().flatten().next().map_or(0, elapsed);
    execution.flags = common.response_flags.map(flags).unwrap_or_default();
    execution.upstream_host = common.upstream_remote_address.map(host).unwrap_or_default();
    execution.upstream_cluster = cluster(common.upstream_cluster, execution.attempts);
}

/// The cluster that answered. A composite cluster is called `FIRST+SECOND` (no key has a `+`), and each
/// attempt goes to the next of its members.
fn cluster(name: String, attempts: u32) -> String {
    let member = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let members = name.split('+').count();
    if members < 2 {
        return bounded(name);
    }
    let answered = name.split('+').nth(member.min(members - 1));
    bounded(answered.unwrap_or_default().to_owned())
}

fn request(execution: &mut Execution, mut request: HttpRequestProperties) {
    execution.bytes_in = request
        .request_headers_bytes
        .saturating_add(request.request_body_bytes);
    let parent = request.request_headers.remove("traceparent");
    execution.trace_id = parent.and_then(|it| trace_id(&it)).unwrap_or_default();
    execution.request_id = bounded(request.request_id);
}

fn response(execution: &mut Execution, response: &HttpResponseProperties) -> u32 {
    execution.bytes_out = response
        .response_headers_bytes
        .saturating_add(response.response_body_bytes);
    let status = response.response_code.map_or(0, |it| it.value);
    execution.status = u16::try_from(status).unwrap_or(0);
    let Some(value) = response.response_headers.get(OUTCOME_HEADER) else {
        return 0;
    };
    let parsed = header::parse(value);
    execution.outcomes = parsed.outcomes;
    parsed.garbage
}

/// The trace of a `traceparent` (W3C Trace Context): `VERSION-TRACE-PARENT-FLAGS`.
fn trace_id(traceparent: &str) -> Option<String> {
    let trace = traceparent.split('-').nth(1)?;
    let hexadecimal = trace.len() == 32 && trace.bytes().all(|it| it.is_ascii_hexdigit());
    hexadecimal.then(|| trace.to_ascii_lowercase())
}

fn host(address: Address) -> String {
    match address.address {
        Some(Kind::SocketAddress(socket)) => match socket.port_specifier {
            Some(PortSpecifier::PortValue(port)) => bounded(format!("{}:{port}", socket.address)),
            _ => bounded(socket.address),
        },
        Some(Kind::Pipe(pipe)) => bounded(pipe.path),
        _ => String::new(),
    }
}

fn flags(wire: Wire) -> ResponseFlags {
    let set = [
        wire.failed_local_healthcheck,
        wire.no_healthy_upstream,
        wire.upstream_request_timeout,
        wire.local_reset,
        wire.upstream_remote_reset,
        wire.upstream_connection_failure,
        wire.upstream_connection_termination,
        wire.upstream_overflow,
        wire.no_route_found,
        wire.delay_injected,
        wire.fault_injected,
        wire.rate_limited,
        wire.unauthorized_details.is_some(),
        wire.rate_limit_service_error,
        wire.downstream_connection_termination,
        wire.upstream_retry_limit_exceeded,
        wire.stream_idle_timeout,
        wire.invalid_envoy_request_headers,
        wire.downstream_protocol_error,
        wire.upstream_max_stream_duration_reached,
        wire.response_from_cache_filter,
        wire.no_filter_config_found,
        wire.duration_timeout,
        wire.upstream_protocol_error,
        wire.no_cluster_found,
        wire.overload_manager,
        wire.dns_resolution_failure,
        wire.downstream_remote_reset,
    ];
    let bits = set
        .iter()
        .rev()
        .fold(0, |bits, it| bits << 1 | u32::from(*it));
    ResponseFlags(bits)
}

fn micros(at: Timestamp) -> Micros {
    at.seconds
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(at.nanos / 1_000))
}

fn elapsed(duration: Duration) -> u64 {
    let micros = duration.seconds.saturating_mul(1_000_000);
    u64::try_from(micros.saturating_add(i64::from(duration.nanos / 1_000))).unwrap_or(0)
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|it| text.is_char_boundary(*it));
        text.truncate(end.unwrap_or(0));
        text.shrink_to_fit();
    }
    text
}
