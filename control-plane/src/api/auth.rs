//! What stands before each endpoint that is not open: the gate, and the role that the endpoint needs.

use super::AppState;
use super::error::Problem;
use super::idempotency::{Repeat, claim};
use crate::auth::{Principal, Role};
use crate::store::Origin;
use crate::tls::RemoteAddress;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};
use std::net::IpAddr;

/// The most characters of a user agent that are kept.
const MAX_USER_AGENT: usize = 200;

/// Who makes a request that was let in, and from where.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) origin: Origin,
}

/// Lets requests through of those who have the role.
pub(super) async fn authorize(
    State((api, needed, repeat)): State<(AppState, Role, Repeat)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = remote(request.extensions().get());
    let principal = api.gate.admit(request.headers(), peer).await?;
    api.gate.permit(&principal, needed)?;
    let origin = origin(request.headers(), peer);
    request
        .extensions_mut()
        .insert(Caller { principal, origin });
    let request = claim(request, repeat).await?;
    Ok(next.run(request).await)
}

/// The address at the other end of a connection, where that is known.
pub(super) fn remote(info: Option<&ConnectInfo<RemoteAddress>>) -> Option<IpAddr> {
    info.map(|ConnectInfo(RemoteAddress(address))| address.ip().to_canonical())
}

fn origin(headers: &HeaderMap, peer: Option<IpAddr>) -> Origin {
    let user_agent = headers.get(header::USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let plain = text.chars().filter(|letter| !letter.is_control());
        plain.take(MAX_USER_AGENT).collect()
    });
    Origin {
        peer: peer.map(|peer| peer.to_string()),
        user_agent,
    }
}
