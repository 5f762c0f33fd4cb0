//! The connections that come in, over TLS or plain: which certificates the server shows, which ones it
//! asks of proxies, and which fleets those are good for. Certificates are files, read again when they
//! change. What is spoken over a connection is `api`'s, `ads`' and `evidence`'s.

mod connection;
mod files;
mod fleet_rule;
mod incoming;

pub use connection::Connection;
pub use files::{Newest, TlsError, TlsFiles};
pub use fleet_rule::{BadFleetRule, FleetRule};
pub use incoming::{Incoming, RemoteAddress, Security, listen};
