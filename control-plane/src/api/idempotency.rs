//! `Idempotency-Key`: a write that may be sent again. The body is read here, because a key stands for
//! all that was asked for with it; whether it was answered before is found out under the writers' lock.

use super::error::Problem;
use super::input::MAX_BODY;
use crate::store::receipts::{Claim, Effect, Kept};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Names a write.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier write.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The most bytes of a key.
pub(super) const MAX_KEY: usize = 128;

/// What an endpoint makes of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeat {
    /// It is answered again, and not made again.
    Answered,
    /// There is nothing to answer again: a secret is shown once. A key is refused, because whoever sends
    /// one relies on it.
    Refused,
    /// It changes nothing, and may be sent again without a key.
    Harmless,
}

/// The key of a request that names what it brings, where it has one.
pub(super) fn report_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let bytes = key.as_bytes();
    if is_key(bytes) && keys.next().is_none() {
        return Ok(Some(String::from_utf8_lossy(bytes).into_owned()));
    }
    let detail =
        format!("Idempotency-Key is not one text of 1 to {MAX_KEY} visible ASCII characters");
    Err(Problem::malformed(detail))
}

/// Whether it can name a request.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    (1..=MAX_KEY).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// Puts the claim of a request that has a key beside it.
pub(super) async fn claim(request: Request, repeat: Repeat) -> Result<Request, Problem> {
    if !request.headers().contains_key(KEY) {
        return Ok(request);
    }
    match repeat {
        Repeat::Answered => {}
        Repeat::Harmless => return Ok(request),
        Repeat::Refused => {
            let detail = "this takes no Idempotency-Key: a secret is not kept to be shown again";
            return Err(Problem::malformed(detail));
        }
    }
    let key = report_key(request.headers())?.unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    // One byte more than is read: whoever reads it then says that it is too large.
    let body = to_bytes(body, MAX_BODY.saturating_add(1)).await;
    let body = body.map_err(|_| Problem::too_large(MAX_BODY))?;
    let mut hash = Sha256::new();
    let said = |name| {
        parts
            .headers
            .get(name)
            .map_or(&[] as &[u8], HeaderValue::as_bytes)
    };
    for part in [
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        parts.uri.query().unwrap_or_default().as_bytes(),
        said(header::CONTENT_TYPE),
        said(header::IF_MATCH),
        &body,
    ] {
        // With its length, so that no part can stand for the end of another.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let fingerprint = hex::encode(hash.finalize());
    parts.extensions.insert(Claim { key, fingerprint });
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The answer to a write that was made before.
pub(super) fn replay(kept: Kept) -> Response {
    let status = match kept.effect {
        Effect::Created => StatusCode::CREATED,
        Effect::Changed => StatusCode::OK,
        Effect::Removed => StatusCode::NO_CONTENT,
    };
    let replayed = [(REPLAYED, HeaderValue::from_static("true"))];
    let Some(document) = kept.document.filter(|_| kept.effect != Effect::Removed) else {
        return (status, replayed).into_response();
    };
    let mut shown = Map::from_iter([
        ("kind".to_owned(), document.kind.into()),
        ("key".to_owned(), document.key.into()),
        ("revision".to_owned(), document.meta.revision.into()),
        ("created_at".to_owned(), json!(document.meta.created_at)),
        ("updated_at".to_owned(), json!(document.meta.updated_at)),
    ]);
    if let Value::Object(body) = document.body {
        shown.extend(body);
    }
    let tag = [(header::ETAG, format!("\"{}\"", document.meta.revision))];
    (status, replayed, tag, Json(shown)).into_response()
}
