//! What a request says beside its body: the key in its path, the revision it is about, who makes it
//! and why.

use super::auth::Actor;
use super::error::Problem;
use crate::model::Key;
use crate::model::change::Precondition;
use crate::store::Author;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Deserialize;

/// The most bytes of a reason.
const MAX_REASON: usize = 1_024;

/// The key in the path.
pub(super) struct Name(pub(super) Key);

/// A write: what it is about, and the rest of it.
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) terms: Terms,
}

/// On what condition a write is made, by whom and why.
pub(super) struct Terms {
    pub(super) precondition: Precondition,
    pub(super) author: Author,
}

/// Unknown parameters are refused: one that means "do not really" must not be overlooked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// Why, for the audit.
    #[schemars(length(max = 1024))]
    reason: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("the path is not UTF-8"))?;
        let key = Key::try_new(&name);
        let key = key.map_err(|bad| Problem::malformed(format!("in the path, {bad}")))?;
        Ok(Self(key))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Write {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let terms = Terms::from_request_parts(parts, state).await?;
        let Name(key) = Name::from_request_parts(parts, state).await?;
        Ok(Self { key, terms })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Terms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Only who was let through has an actor: a route outside `authorize` cannot write.
        let actor = parts.extensions.get::<Actor>().copied();
        let Actor(actor) = actor.ok_or_else(Problem::unauthorized)?;
        let Query(parameters) = Query::<Parameters>::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::malformed(format!("in the query, {}", error.body_text())))?;
        if parameters
            .reason
            .as_ref()
            .is_some_and(|r| r.len() > MAX_REASON)
        {
            let detail = format!("the reason has more than {MAX_REASON} bytes");
            return Err(Problem::malformed(detail));
        }
        Ok(Self {
            precondition: precondition(&parts.headers)?,
            author: Author {
                actor: actor.to_owned(),
                reason: parameters.reason,
                ..Author::default()
            },
        })
    }
}

/// `If-Match: *` or `If-Match: "REVISION"` (RFC 9110, section 13.1.1), one tag only.
fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = given.next() else {
        return Ok(Precondition::None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let revision = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    match (text, revision, given.next()) {
        ("*", _, None) => Ok(Precondition::Exists),
        (_, Some(revision), None) => Ok(Precondition::Revision(revision)),
        _ => Err(Problem::malformed(
            "If-Match is neither `*` nor one ETag of ours, as `\"7\"`",
        )),
    }
}
