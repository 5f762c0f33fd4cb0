//! Which control plane a command speaks to, and with which key: the arguments that all of them share.

use super::client::ApiClient;

/// Where the API is.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The control plane's API.
    #[arg(
        long,
        env = "WATERSHED_SERVER",
        default_value = "http://127.0.0.1:18080"
    )]
    server: String,
    /// The key that allows writes.
    #[arg(long, env = "WATERSHED_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

impl ServerArgs {
    /// A client of it.
    #[must_use]
    pub fn client(&self) -> ApiClient {
        ApiClient::new(&self.server, self.api_key.clone())
    }
}
