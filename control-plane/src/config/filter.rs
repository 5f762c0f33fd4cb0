//! What the control plane tells proxies of the filter's code.

/// Where proxies find the filter.
#[derive(Clone, Debug, clap::Args)]
pub struct FilterConfig {
    /// The filter's Wasm file, as a path on the proxies.
    #[arg(long, value_name = "FILE", default_value = "/etc/envoy/watershed.wasm")]
    pub wasm_path: String,
}
