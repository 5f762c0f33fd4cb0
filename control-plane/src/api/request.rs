//! What a request says beside its body: the key in its path, the revision it is about, who makes it
//! and why.

use super::auth::Caller;
use super::error::Problem;
use crate::auth::Role;
use crate::model::Key;
use crate::model::change::Precondition;
use crate::store::Author;
use crate::store::receipts::Claim;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The most bytes of a reason.
const MAX_REASON: usize = 1_024;
/// Says why, where the query does not.
const REASON: HeaderName = HeaderName::from_static("x-change-reason");

/// The key in the path.
pub(super) struct Name(pub(super) Key);

/// The query, as its type says; unknown parameters are refused.
pub(super) struct Asked<Q>(pub(super) Q);

/// A write: what it is about, and the rest of it.
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) terms: Terms,
}

/// On what condition a write is made, by whom, what they may do, and why.
pub(super) struct Terms {
    pub(super) precondition: Precondition,
    pub(super) author: Author,
    pub(super) role: Role,
    /// Whether to tell only what would change.
    pub(super) dry_run: bool,
    /// What the author calls the write, where they may send it again.
    pub(super) claim: Option<Claim>,
}

/// Unknown parameters are refused: one that means "do not really" must not be overlooked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// Why, for the audit.
    #[schemars(length(max = 1024))]
    reason: Option<String>,
    /// Only tells what would change, and keeps nothing.
    dry_run: Option<bool>,
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

impl<S: Send + Sync, Q: DeserializeOwned> FromRequestParts<S> for Asked<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Q>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|error| {
            // It quotes the query, which is as long as the caller likes.
            let text: String = error.body_text().chars().take(300).collect();
            Problem::malformed(format!("in the query, {text}"))
        })?;
        Ok(Self(query))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Terms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Only who was let through is known: a route outside `authorize` cannot write.
        let caller = parts.extensions.get::<Caller>().cloned();
        let Caller { principal, origin } = caller.ok_or_else(Problem::internal)?;
        let Asked(parameters) = Asked::<Parameters>::from_request_parts(parts, state).await?;
        Ok(Self {
            precondition: precondition(&parts.headers)?,
            author: Author {
                actor: principal.actor,
                reason: reason(parameters.reason, &parts.headers)?,
                origin,
            },
            role: principal.role,
            dry_run: parameters.dry_run.unwrap_or(false),
            claim: parts.extensions.get::<Claim>().cloned(),
        })
    }
}

/// The reason of the query or of the header.
fn reason(asked: Option<String>, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let said = match headers
        .get(REASON)
        .map(|value| std::str::from_utf8(value.as_bytes()))
    {
        Some(Ok(said)) => Some(said.to_owned()),
        Some(Err(_)) => return Err(Problem::malformed("x-change-reason is not UTF-8")),
        None => None,
    };
    let reason = match (asked, said) {
        (Some(_), Some(_)) => {
            let detail = "there is a reason in the query and another in x-change-reason";
            return Err(Problem::malformed(detail));
        }
        (asked, said) => asked.or(said),
    };
    if reason.as_ref().is_some_and(|text| text.len() > MAX_REASON) {
        let detail = format!("the reason has more than {MAX_REASON} bytes");
        return Err(Problem::malformed(detail));
    }
    // A database's text has no zero.
    if reason.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(Problem::malformed("the reason has a zero in it"));
    }
    Ok(reason)
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
