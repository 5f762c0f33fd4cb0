//! The xDS and access-log server's configuration.

use std::net::SocketAddr;

/// Where proxies connect.
#[derive(Clone, Debug, clap::Args)]
pub struct XdsConfig {
    /// The address of the gRPC server that proxies get their configuration from.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18000")]
    pub xds_address: SocketAddr,
}
