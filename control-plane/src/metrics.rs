//! What the control plane counts about itself, in the text format that Prometheus reads. Label
//! values are words of ours or keys of the model, never text that a caller chose.

mod bounded;
mod evidence;
mod exposures;
mod spans;
mod telemetry;
mod traffic;

pub use exposures::Exposures;
pub use spans::Spans;
pub use traffic::Traffic;

use evidence::PipelineCounters;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use telemetry::Telemetry;
use watershed_evidence::pipeline::Pipeline;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The buckets of what it takes to build what proxies get, in seconds.
const BUILD: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];

/// All counters and gauges.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    api_requests: Family<ApiLabels, Counter>,
    api_refused: Family<ReasonLabels, Counter>,
    changes: Family<ChangeLabels, Counter>,
    xds_build: Histogram,
    xds_pushes: Family<TypeLabels, Counter>,
    xds_acks: Family<TypeLabels, Counter>,
    xds_nacks: Family<TypeLabels, Counter>,
    xds_proxies: Family<FleetLabels, Gauge>,
    access_log_entries: Family<OutcomeLabels, Counter>,
    tls_reloads: Family<ReloadLabels, Counter>,
    telemetry: Telemetry,
    traffic: Traffic,
    pipeline: PipelineCounters,
    exposures: Exposures,
    spans: Spans,
    leader: Gauge,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ApiLabels {
    route: String,
    method: &'static str,
    code_class: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ChangeLabels {
    kind: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct TypeLabels {
    r#type: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct FleetLabels {
    fleet: String,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ReloadLabels {
    port: &'static str,
    outcome: &'static str,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::with_spans(Spans::default())
    }

    /// All at zero, but for what became of spans: whoever exports them counts there already.
    #[must_use]
    pub fn with_spans(spans: Spans) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("watershed"),
            api_requests: Family::default(),
            api_refused: Family::default(),
            changes: Family::default(),
            xds_build: Histogram::new(BUILD),
            xds_pushes: Family::default(),
            xds_acks: Family::default(),
            xds_nacks: Family::default(),
            xds_proxies: Family::default(),
            access_log_entries: Family::default(),
            tls_reloads: Family::default(),
            telemetry: Telemetry::default(),
            traffic: Traffic::default(),
            pipeline: PipelineCounters::default(),
            exposures: Exposures::default(),
            spans,
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let requests = self.api_requests.clone();
        registry.register("api_requests", "Requests to the API", requests);
        let refused = self.api_refused.clone();
        registry.register("api_refused", "Requests that were not let in", refused);
        registry.register("changes", "Changes of the model", self.changes.clone());
        let build = self.xds_build.clone();
        registry.register(
            "xds_build_seconds",
            "What it took to build what proxies get of a model",
            build,
        );
        let pushes = self.xds_pushes.clone();
        registry.register("xds_pushes", "xDS responses sent to proxies", pushes);
        let acks = self.xds_acks.clone();
        registry.register("xds_acks", "xDS responses that proxies accepted", acks);
        let nacks = self.xds_nacks.clone();
        registry.register("xds_nacks", "xDS responses that proxies refused", nacks);
        let proxies = self.xds_proxies.clone();
        registry.register("xds_proxies", "Connected proxies", proxies);
        let entries = self.access_log_entries.clone();
        registry.register("access_log_entries", "Access-log entries received", entries);
        let reloads = self.tls_reloads.clone();
        registry.register("tls_reloads", "Certificates that changed", reloads);
        self.telemetry.register(registry);
        self.traffic.register(registry);
        registry.register_collector(Box::new(self.pipeline.clone()));
        self.exposures.register(registry);
        self.spans.register(registry);
        let leader = self.leader.clone();
        registry.register("leader", "Whether this replica does timed work", leader);
    }

    /// Counts a request to the API: the route's pattern, the method, and the status' first digit.
    pub fn api_request(&self, route: &str, method: &http::Method, status: http::StatusCode) {
        let labels = ApiLabels {
            route: route.to_owned(),
            method: method_label(method),
            code_class: class(status.as_u16()).unwrap_or("5xx"),
        };
        self.api_requests.get_or_create(&labels).inc();
    }

    /// Counts a request that was not let in, by why: no key that counts, not the role, too often.
    pub fn api_refused(&self, reason: &'static str) {
        self.api_refused
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }

    /// Counts a change that was made and kept.
    pub fn change(&self, kind: &'static str, action: &'static str) {
        self.changes
            .get_or_create(&ChangeLabels { kind, action })
            .inc();
    }

    /// Shows whether this replica does timed work.
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts what it took to build what proxies get of a model.
    pub fn xds_build(&self, took: Duration) {
        self.xds_build.observe(took.as_secs_f64());
    }

    /// Counts a response of the xDS type that was sent.
    pub fn xds_push(&self, r#type: &'static str) {
        self.xds_pushes.get_or_create(&TypeLabels { r#type }).inc();
    }

    /// Counts a response of the xDS type that a proxy accepted.
    pub fn xds_ack(&self, r#type: &'static str) {
        self.xds_acks.get_or_create(&TypeLabels { r#type }).inc();
    }

    /// Counts a response of the xDS type that a proxy refused.
    pub fn xds_nack(&self, r#type: &'static str) {
        self.xds_nacks.get_or_create(&TypeLabels { r#type }).inc();
    }

    /// Sets how many proxies of a fleet are connected. Only for fleets that the model has, or what a
    /// proxy calls itself would become a label.
    pub fn xds_proxies(&self, fleet: &str, connected: usize) {
        let fleet = fleet.to_owned();
        let connected = i64::try_from(connected).unwrap_or(i64::MAX);
        self.xds_proxies
            .get_or_create(&FleetLabels { fleet })
            .set(connected);
    }

    /// Counts an access-log entry by what could be read from it.
    pub fn access_log_entry(&self, outcome: &'static str) {
        self.access_log_entries
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    /// Counts new certificates for the port by whether they could be used.
    pub fn tls_reload(&self, port: &'static str, outcome: &'static str) {
        self.tls_reloads
            .get_or_create(&ReloadLabels { port, outcome })
            .inc();
    }

    /// What is missing of the telemetry.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// What the traffic of experiments is like.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// How exposures go out to others.
    #[must_use]
    pub fn exposures(&self) -> &Exposures {
        &self.exposures
    }

    /// From now on tells what `pipeline` counts, too.
    pub fn watch(&self, pipeline: Pipeline) {
        self.pipeline.watch(pipeline);
    }

    /// Everything as text.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A method as a label: those that HTTP does not have are `OTHER`, as a caller may make them up.
#[must_use]
pub fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

/// The first digit of a status; nothing where it is none of HTTP's.
fn class(status: u16) -> Option<&'static str> {
    match status {
        100..=199 => Some("1xx"),
        200..=299 => Some("2xx"),
        300..=399 => Some("3xx"),
        400..=499 => Some("4xx"),
        500..=599 => Some("5xx"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use watershed_evidence::Execution;

    /// One of each.
    fn full() -> Metrics {
        let metrics = Metrics::new();
        metrics.api_request("/healthz", &http::Method::GET, http::StatusCode::OK);
        metrics.api_refused("role");
        metrics.change("experiment", "start");
        metrics.xds_build(Duration::from_millis(3));
        metrics.xds_push("cluster");
        metrics.xds_ack("cluster");
        metrics.xds_nack("listener");
        metrics.xds_proxies("default", 2);
        metrics.access_log_entry("assigned");
        metrics.tls_reload("xds", "failed");
        metrics.telemetry().stands_at("chat", 10, 9);
        let mut exposure = crate::evidence::fake::exposure();
        exposure.fallback_used = true;
        exposure.execution = Arc::new(Execution {
            ttfb_us: 1,
            ..Execution::default()
        });
        metrics.traffic().exposure(&exposure);
        metrics
    }

    #[test]
    fn every_family_is_told_under_its_name() {
        let metrics = full();
        let text = metrics.encode().unwrap();
        for line in [
            r#"watershed_api_requests_total{route="/healthz",method="GET",code_class="2xx"} 1"#,
            r#"watershed_api_refused_total{reason="role"} 1"#,
            r#"watershed_changes_total{kind="experiment",action="start"} 1"#,
            r#"watershed_xds_build_seconds_bucket{le="0.005"} 1"#,
            r#"watershed_xds_pushes_total{type="cluster"} 1"#,
            r#"watershed_xds_acks_total{type="cluster"} 1"#,
            r#"watershed_xds_nacks_total{type="listener"} 1"#,
            r#"watershed_xds_proxies{fleet="default"} 2"#,
            r#"watershed_access_log_entries_total{outcome="assigned"} 1"#,
            r#"watershed_tls_reloads_total{port="xds",outcome="failed"} 1"#,
        ] {
            assert!(text.lines().any(|got| got == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_metric_is_in_the_documentation_and_it_names_no_other() {
        let documented = include_str!("../../docs/monitoring.md");
        let named = |line: &str| {
            let name = line.strip_prefix("| `watershed_")?.split_once('`')?.0;
            Some(name.to_owned())
        };
        let documented: BTreeSet<_> = documented.lines().filter_map(named).collect();
        let metrics = full();
        let (pipeline, _driver) = crate::evidence::fake::pipeline();
        metrics.watch(pipeline);
        let text = metrics.encode().unwrap();
        let told = text.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE watershed_")?.split_once(' ')?;
            let suffix = if kind == "counter" { "_total" } else { "" };
            Some(format!("{name}{suffix}"))
        });
        assert_eq!(told.collect::<BTreeSet<_>>(), documented);
    }

    #[test]
    fn a_method_that_a_caller_made_up_does_not_become_a_label() {
        let metrics = Metrics::new();
        let made_up = http::Method::from_bytes(b"BREW").unwrap();
        metrics.api_request("/", &made_up, http::StatusCode::METHOD_NOT_ALLOWED);
        assert!(metrics.encode().unwrap().contains(r#"method="OTHER""#));
    }
}
