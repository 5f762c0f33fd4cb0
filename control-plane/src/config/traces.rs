//! Where traces of the control plane go.

/// Where traces go.
#[derive(Clone, Debug, clap::Args)]
pub struct TracesConfig {
    /// Sends traces of the control plane to an OpenTelemetry collector, by OTLP over gRPC: `http://HOST:4317`.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

impl TracesConfig {
    /// The collector. An empty one is none, as OpenTelemetry has it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|it| !it.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_endpoint_is_none() {
        for (said, meant) in [
            (None, None),
            (Some(""), None),
            (Some("http://c"), Some("http://c")),
        ] {
            let otlp_endpoint = said.map(str::to_owned);
            assert_eq!(TracesConfig { otlp_endpoint }.endpoint(), meant);
        }
    }
}
