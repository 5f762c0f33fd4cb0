//! Who may write: whoever has the key, or, when the server was told so, everybody. Reading is open.

use super::AppState;
use super::error::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Who may write.
#[derive(Clone)]
pub enum Auth {
    /// Everybody who reaches the API.
    Open,
    /// Who has the key with this SHA-256. The key itself is not kept.
    Key([u8; 32]),
}

/// Whom the audit names for a write that was allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Actor(pub(super) &'static str);

impl Auth {
    /// Whoever has `key`.
    #[must_use]
    pub fn key(key: &str) -> Self {
        Self::Key(digest(key.as_bytes()))
    }

    /// Who makes a request with these headers, where they may write.
    fn actor(&self, headers: &HeaderMap) -> Option<Actor> {
        match self {
            Self::Open => Some(Actor("demo")),
            Self::Key(known) => {
                let given = digest(bearer(headers)?);
                // Hashes of equal length in constant time: neither length nor prefix leaks.
                bool::from(known.ct_eq(&given)).then_some(Actor("api-key"))
            }
        }
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750); the scheme has no case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

/// Lets reads through, and writes of those who may write.
pub(super) async fn authorize(
    State(api): State<AppState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !request.method().is_safe() {
        let actor = api.auth.actor(request.headers());
        let actor = actor.ok_or_else(Problem::unauthorized)?;
        request.extensions_mut().insert(actor);
    }
    Ok(next.run(request).await)
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Key(_) => "Key([hidden])",
        })
    }
}
