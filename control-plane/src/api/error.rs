//! Errors as people and programs see them: problem+json (RFC 9457) with one entry in `errors` for
//! each fault. The only place where an error of the inside becomes a status.

use crate::auth::{Refused, Role};
use crate::control::ControlError;
use crate::model::change::ModelError;
use crate::model::lifecycle::WrongStep;
use crate::model::placement::PlacementError;
use crate::model::{Fault, Faults};
use crate::store::StoreError;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// An answer that is not what was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// What kind of problem it is; `urn:watershed:problem:` and a word that never changes.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "number")]
    #[schemars(with = "u16")]
    status: StatusCode,
    detail: String,
    /// The revision that there is, where another was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Faults::is_empty")]
    #[schemars(default)]
    errors: Faults,
    /// Seconds until it is worth trying again; goes into the header.
    #[serde(skip)]
    retry_after: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

macro_rules! problem {
    ($word:literal) => {
        concat!("urn:watershed:problem:", $word)
    };
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status,
            detail: detail.into(),
            revision: None,
            errors: Faults::default(),
            retry_after: None,
        }
    }

    fn with(mut self, errors: Faults) -> Self {
        self.errors = errors;
        self
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Bytes that are no document at all: 400.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        let (kind, title) = (problem!("malformed"), "The request cannot be read");
        Self::new(StatusCode::BAD_REQUEST, kind, title, detail)
    }

    /// A document with faults: 422.
    pub(super) fn invalid(faults: Faults) -> Self {
        let detail = match faults.iter().count() {
            1 => "one fault; see errors".to_owned(),
            count => format!("{count} faults; see errors"),
        };
        let (kind, title) = (problem!("invalid"), "The document is not valid");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, title, detail).with(faults)
    }

    /// A request of nobody who is known: 401.
    pub(super) fn unauthorized(refused: &Refused) -> Self {
        let detail = match refused {
            Refused::Missing => "send an API key as `Authorization: Bearer KEY`".to_owned(),
            Refused::Revoked | Refused::Expired | Refused::Roleless => refused.to_string(),
            // What it is instead is nobody's business.
            _ => "the key is not known".to_owned(),
        };
        let (kind, title) = (problem!("unauthorized"), "This needs a key that counts");
        Self::new(StatusCode::UNAUTHORIZED, kind, title, detail)
    }

    /// A request of somebody who may not make it: 403.
    pub(super) fn forbidden(role: Role, needed: Role) -> Self {
        let detail = format!("this needs the role {needed}; the key has the role {role}");
        let (kind, title) = (problem!("forbidden"), "The key may not do this");
        Self::new(StatusCode::FORBIDDEN, kind, title, detail)
    }

    /// A request too many: 429.
    pub(super) fn too_many(detail: &str, wait: Duration) -> Self {
        let (kind, title) = (problem!("too-many-requests"), "Too many requests");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, kind, title, detail);
        // Whole seconds (RFC 9110, section 10.2.3), and never too early.
        problem.retry_after = Some(wait.as_secs().saturating_add(1));
        problem
    }

    /// A name that is taken, or a place that is full: 409.
    pub(super) fn exists(detail: String) -> Self {
        Self::conflict(problem!("exists"), "There is no place for this", detail)
    }

    /// Nothing there: 404.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        let (kind, title) = (problem!("not-found"), "There is no such thing");
        Self::new(StatusCode::NOT_FOUND, kind, title, detail)
    }

    /// A method that the path does not have: 405.
    pub(super) fn method_not_allowed(method: &http::Method) -> Self {
        let detail = format!("{method} is not among the methods of this path; see Allow");
        let (kind, title) = (
            problem!("method-not-allowed"),
            "The path does not have this method",
        );
        Self::new(StatusCode::METHOD_NOT_ALLOWED, kind, title, detail)
    }

    /// A body that is too long: 413.
    pub(super) fn too_large(most: usize) -> Self {
        let detail = format!("at most {most} bytes are read");
        let (kind, title) = (problem!("too-large"), "The body is too large");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, kind, title, detail)
    }

    /// A body of a type that is not read: 415.
    pub(super) fn unsupported(given: &str, read: &str) -> Self {
        let shown: String = given.escape_debug().take(100).collect();
        let given = match shown.as_str() {
            "" => "the body has no content type".to_owned(),
            shown => format!("the body's content type is `{shown}`"),
        };
        let detail = format!("{given}; send {read}");
        let (kind, title) = (
            problem!("unsupported-media-type"),
            "The body's type is not read",
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, kind, title, detail)
    }

    /// Something of ours does not work right now: 503. What it is stands in the log.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let (kind, title) = (problem!("unavailable"), "Not available right now");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail)
    }

    /// A fault of ours: 500. What it is stands in the log.
    pub(super) fn internal() -> Self {
        let detail = "see the server's log";
        let (kind, title) = (problem!("internal"), "A fault of the server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, kind, title, detail)
    }

    /// Something else has to be said first: 409.
    pub(super) fn unready(detail: &str) -> Self {
        let title = "Something is missing in the model";
        Self::conflict(problem!("unready"), title, detail.to_owned())
    }

    fn conflict(kind: &'static str, title: &'static str, detail: String) -> Self {
        Self::new(StatusCode::CONFLICT, kind, title, detail)
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Model(error) => error.into(),
            ControlError::Forbidden { role, needed } => Self::forbidden(role, needed),
            ControlError::Rejected(rejected) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                problem!("rejected"),
                "Proxies could not take this",
                rejected.reason,
            ),
            ControlError::Store(fault @ StoreError::NotEmpty { .. }) => {
                let title = "This is only done where nothing was ever changed";
                Self::conflict(problem!("not-empty"), title, fault.to_string())
            }
            ControlError::Store(fault) => {
                tracing::error!(%fault, "a change could not be kept");
                Self::unavailable("the change could not be kept; see the server's log")
            }
            ControlError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                problem!("idempotency-key-reused"),
                "This Idempotency-Key stands for another request",
                "send a new key with a new request",
            ),
            ControlError::Busy => {
                Self::unavailable("other changes take too long; try again in a while")
            }
            ControlError::Interrupted(fault) => {
                tracing::error!(%fault, "a change was interrupted");
                Self::internal()
            }
        }
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        let detail = error.to_string();
        match error {
            ModelError::Invalid { faults, .. } => Self::invalid(faults),
            ModelError::Unknown { .. } => Self::not_found(detail),
            ModelError::Stale { current, .. } => {
                let (kind, title) = (problem!("stale"), "Somebody else has changed it");
                let mut stale = Self::new(StatusCode::PRECONDITION_FAILED, kind, title, detail);
                stale.revision = current;
                stale
            }
            ModelError::InUse { .. } => {
                Self::conflict(problem!("in-use"), "Something else uses it", detail)
            }
            ModelError::Frozen { kind, key, faults } => {
                let detail = format!("{kind} `{key}` has units that would move; see errors");
                let title = "This cannot change any more";
                Self::conflict(problem!("frozen"), title, detail).with(faults)
            }
            ModelError::Step { source, .. } => {
                let title = "The experiment's state does not have this action";
                Self::conflict(problem!("wrong-state"), title, detail).with(step_fault(&source))
            }
            ModelError::Unready { key, faults, .. } => {
                let detail =
                    format!("experiment `{key}` does not say all that this needs; see errors");
                let title = "The experiment is not ready for this";
                Self::conflict(problem!("not-ready"), title, detail).with(faults)
            }
            ModelError::Placement(error) => error.into(),
            ModelError::Conflict(_) => {
                let title = "This contradicts something else in the model";
                Self::conflict(problem!("conflict"), title, detail)
            }
        }
    }
}

fn step_fault(wrong: &WrongStep) -> Faults {
    let allowed: Vec<&str> = wrong.allowed.iter().map(|action| action.as_str()).collect();
    let message = format!("the experiment is {}", wrong.state);
    let expected = match allowed.as_slice() {
        [] => "no action any more".to_owned(),
        allowed => format!("one of: {}", allowed.join(", ")),
    };
    Faults::one("", message, expected)
}

impl From<PlacementError> for Problem {
    fn from(error: PlacementError) -> Self {
        let detail = error.to_string();
        match error {
            PlacementError::Full { wanted, free, .. } => {
                let title = "The layer has too few free buckets";
                let message = format!("asks for {wanted} buckets");
                let faults = Faults::one("/traffic", message, format!("at most {free}"));
                Self::conflict(problem!("no-room"), title, detail).with(faults)
            }
            fault @ (PlacementError::Allocation(_)
            | PlacementError::Neighbours(_)
            | PlacementError::Misfit { .. }) => {
                tracing::error!(%fault, "buckets could not be computed");
                Self::internal()
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::invalid(Faults::one(fault.pointer, fault.message, fault.expected))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, json);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"watershed\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
