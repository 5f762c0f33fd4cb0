//! `POST /v1/outcomes`: what applications report. Reading an outcome is [`crate::evidence::report`]'s;
//! here are the body's type and compression, and the answer that counts what became of each.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::idempotency::report_key;
use super::input::{MAX_BODY, read};
use crate::auth::Role;
use crate::evidence::desk::Desk;
use crate::evidence::report::{Context, Format, OutcomeSpec, Report};
use crate::model::Faults;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::Serialize;
use std::io::Read as _;
use std::sync::Arc;
use watershed_evidence::StoreError;

/// What became of a report.
#[derive(Serialize, JsonSchema)]
pub(super) struct Receipt {
    /// Outcomes that are kept.
    pub(super) accepted: usize,
    /// Outcomes that were kept before, by their idempotency keys.
    pub(super) duplicate: usize,
    /// Outcomes that can't be kept.
    pub(super) refused: usize,
    /// Why, for the first of them; a pointer begins with the outcome's place in the report.
    #[serde(skip_serializing_if = "Faults::is_empty")]
    #[schemars(default)]
    pub(super) errors: Faults,
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Post, "/v1/outcomes", Role::Reporter, post)
        .says(
            "evidence",
            "report_outcomes",
            "Reports outcomes: one, a list, or one a line (application/x-ndjson); gzip may be used",
        )
        .body::<Vec<OutcomeSpec>>()
        .json_only()
        .answers::<Receipt>(
            200,
            "How many outcomes are kept, were kept before, and can't be.",
        )
}

async fn post(State(api): State<AppState>, request: Request) -> Result<Json<Receipt>, Problem> {
    let desk = desk(&api)?;
    let format = format(request.headers())?;
    let is_compressed = is_compressed(request.headers())?;
    let report_key = report_key(request.headers())?;
    let bytes = read(request, MAX_BODY).await?;
    let model = api.control.model();
    let now = (api.clock)();
    let units = desk.units.clone();
    // Ten thousand hashes take a moment that other requests must not wait for.
    let read = tokio::task::spawn_blocking(move || {
        let bytes = if is_compressed {
            unpacked(&bytes)?
        } else {
            bytes
        };
        let context = Context {
            model: &model,
            units: &units,
            now,
            report_key: report_key.as_deref(),
        };
        Report::read(&bytes, format, context).map_err(|fault| Problem::malformed(fault.to_string()))
    });
    let report = read.await.map_err(|_| Problem::internal())??;
    if report.outcomes.is_empty() && report.refused > 0 {
        return Err(Problem::invalid(report.faults));
    }
    keep(&desk, report).await.map(Json).map_err(unkept)
}

/// Keeps what of a report can be, and says what became of it.
pub(super) async fn keep(desk: &Desk, report: Report) -> Result<Receipt, StoreError> {
    let count = report.outcomes.len();
    let kept = desk.keep(report.outcomes).await?;
    let duplicate = match kept.repeated {
        true => count,
        false => kept.duplicate_outcomes.len(),
    };
    Ok(Receipt {
        accepted: count.saturating_sub(duplicate),
        duplicate,
        refused: report.refused,
        errors: report.faults,
    })
}

/// Where evidence is kept, if it is.
pub(super) fn desk(api: &AppState) -> Result<Arc<Desk>, Problem> {
    let detail = "this control plane keeps no evidence";
    let desk = api.evidence.clone();
    desk.ok_or_else(|| Problem::unavailable(detail))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(super) fn unkept(fault: StoreError) -> Problem {
    tracing::error!(%fault, "outcomes could not be kept");
    Problem::unavailable("the outcomes could not be kept; send them again later")
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(super) fn unanswered(fault: StoreError) -> Problem {
    tracing::error!(%fault, "the evidence could not be read");
    Problem::unavailable("the evidence does not answer; see the server's log")
}

fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = String::from_utf8_lossy(given.map_or(&[], HeaderValue::as_bytes));
    let essence = given.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Lines),
        _ => Err(Problem::unsupported(
            &given,
            "application/json or application/x-ndjson",
        )),
    }
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, Problem> {
    let given = headers.get(header::CONTENT_ENCODING);
    let given = String::from_utf8_lossy(given.map_or(&[], HeaderValue::as_bytes));
    match given.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(Problem::malformed(
            "the content encoding is neither gzip nor identity",
        )),
    }
}

/// At most as much as an uncompressed body may have.
fn unpacked(packed: &[u8]) -> Result<Bytes, Problem> {
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| Problem::malformed("the body is not gzip, or ended early"))?;
    if bytes.len() > MAX_BODY {
        return Err(Problem::too_large(MAX_BODY));
    }
    Ok(bytes.into())
}
