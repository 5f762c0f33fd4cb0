//! Traces of the control plane, as OpenTelemetry has them. What lives here: which spans there are, whose children
//! they are, and how a collector gets them ([`exporter`]). What does not: when a span begins and ends; that stands
//! where its work is done.
//!
//! A span is one of the crate `tracing` under [`TARGET`], at a level that the log does not show by itself. Without
//! a collector nobody asks for it, and it costs a comparison. Its attributes are words of ours, keys of the model
//! and numbers: never a unit, a secret or a text that a caller chose.

mod exporter;

use crate::metrics::Spans;
use crate::model::change::Edit;
use crate::model::{FleetSlice, Key};
use crate::schedule::Due;
use anyhow::Context as _;
use exporter::Told;
use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal as _;
use std::time::Duration;
use tracing::{Span, debug_span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};
use watershed_xds::Version;

/// What spans for a collector are told by; those of the evidence's pipeline have it, too.
pub const TARGET: &str = watershed_evidence::TRACE_TARGET;

/// How long the last spans may take to get to the collector.
const DRAIN: Duration = Duration::from_secs(2);

/// What we are called where `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say nothing.
const SERVICE: &str = "watershed";

/// What brings spans to a collector.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

/// Sends logs to standard error, where `RUST_LOG` chooses which, and spans to the collector at `endpoint`, where
/// there is one; what becomes of them is counted in `spans`.
///
/// # Errors
/// The endpoint is none.
pub fn start(endpoint: Option<&str>, spans: &Spans) -> anyhow::Result<Traces> {
    let provider = endpoint.map(|endpoint| provider(endpoint, spans));
    let provider = provider.transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            // Places in our code and in our threads are nothing to who watches.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|it| it.is_span() && it.target() == TARGET))
    });
    tracing_subscriber::registry()
        .with(log())
        .with(spans)
        .init();
    Ok(Traces(provider))
}

fn log() -> impl Layer<Registry> {
    let filter = EnvFilter::try_from_default_env();
    // What NATS's client does about a connection is told by us, once an outage.
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter)
}

fn provider(endpoint: &str, spans: &Spans) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("send traces to {endpoint}"))?;
    let exporter = Told::new(exporter, spans.clone());
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build())
}

/// Who we are: as the environment says, and `watershed` where it does not.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&"service.name".into());
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = Resource::builder().with_attribute(version);
    match is_named {
        true => builder.build(),
        false => builder.with_service_name(SERVICE).build(),
    }
}

impl Traces {
    /// Gives what is there to the collector, and ends; waits for it a bounded time.
    pub async fn end(self) {
        let Some(provider) = self.0 else {
            return;
        };
        // It waits for a thread of its own.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(DRAIN));
        // What could not be exported was told by the exporter.
        let _ = ended.await;
    }
}

/// Headers that say of which trace a request is part.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// A request to the API, by its route's pattern, in the trace that its headers name.
#[must_use]
pub fn request(method: &'static str, route: Option<&str>, headers: &HeaderMap) -> Span {
    let span = debug_span!(
        target: TARGET,
        "request",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = field::Empty,
    );
    if !span.is_disabled() {
        let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        span.record("otel.name", name);
        // One that cannot have a parent begins a trace.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
    span
}

/// How a request to the API ended.
pub fn answered(span: &Span, status: http::StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The keeping of a change.
#[must_use]
pub fn commit(edit: &Edit) -> Span {
    debug_span!(
        target: TARGET,
        "commit",
        "watershed.revision" = edit.revision,
        "watershed.kind" = edit.kind.as_str(),
        "watershed.action" = edit.action,
    )
}

/// The making of what proxies get of the model at a revision, for every fleet.
#[must_use]
pub fn build(revision: u64) -> Span {
    debug_span!(target: TARGET, "build snapshots", "watershed.revision" = revision)
}

/// The handing over of a snapshot to the streams of so many proxies.
#[must_use]
pub fn push(part: &FleetSlice, version: Version, proxies: usize) -> Span {
    debug_span!(
        target: TARGET,
        "push snapshot",
        "watershed.fleet" = part.fleet.as_str(),
        "watershed.slice" = part.slice.as_ref().map(Key::as_str),
        "watershed.version" = %version,
        "watershed.proxies" = proxies,
    )
}

/// A step of an experiment's life that the clock takes.
#[must_use]
pub fn step(due: &Due) -> Span {
    debug_span!(
        target: TARGET,
        "scheduled step",
        "watershed.experiment" = due.key.as_str(),
        "watershed.action" = due.action.as_str(),
    )
}
