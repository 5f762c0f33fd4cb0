//! `GET /v1/audit`: who did what, newest first. It can be read and filtered, and nothing here or
//! anywhere else changes it.

use super::AppState;
use super::difference::{MAX_OPERATIONS, Operation, between};
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::keys::unreadable;
use super::request::Asked;
use crate::auth::Role;
use crate::store::audit::{Filter, Record};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// The longest text that is looked for.
const MAX_TEXT: usize = 300;

/// What is asked for: records for which all that is given is so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// By whom, as `key:ci`.
    #[schemars(length(max = 300))]
    actor: Option<String>,
    /// What was done, as `weights`, `start` or `revoke`.
    #[schemars(length(max = 300))]
    action: Option<String>,
    /// To what kind of thing, as `experiment` or `api_key`.
    #[schemars(length(max = 300))]
    kind: Option<String>,
    /// To the thing of that name.
    #[schemars(length(max = 300))]
    key: Option<String>,
    /// At this time or later, in RFC 3339.
    since: Option<Timestamp>,
    /// Before this time, in RFC 3339.
    until: Option<Timestamp>,
    /// The most records; 50 where not given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Where the page before ended: its `next`.
    #[schemars(length(max = 300))]
    cursor: Option<String>,
}

/// A page of the audit.
#[derive(Serialize, JsonSchema)]
struct AuditPage {
    items: Vec<AuditRecord>,
    /// The cursor of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Something that was done.
#[derive(Serialize, JsonSchema)]
struct AuditRecord {
    /// Its place in the audit; ids sort by time.
    id: String,
    at: Timestamp,
    /// By whom.
    actor: String,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// What the client called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// What.
    action: String,
    /// To what kind of thing.
    kind: String,
    /// Its name.
    key: String,
    /// The model's revision that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// The document's revision before.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_before: Option<u64>,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
    /// What is different in the document.
    changes: Vec<Operation>,
    /// Whether more is different than is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    truncated: bool,
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Get, "/v1/audit", Role::Operator, get)
        .says(
            "audit",
            "list_audit",
            "Who did what, when, from where and why, newest first",
        )
        .query::<AuditQuery>()
        .answers::<AuditPage>(200, "A page of records.")
}

/// `GET /v1/audit`
async fn get(
    State(api): State<AppState>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let mut filter = query.filter()?;
    let wanted = filter.limit;
    // One more tells whether there is another page.
    filter.limit = wanted.saturating_add(1);
    let mut records = api.store.audit(&filter).await.map_err(unreadable)?;
    let more = records.len() > usize::try_from(wanted).unwrap_or(usize::MAX);
    if more {
        records.pop();
    }
    let last = records.last().map(|record| record.id.clone());
    Ok(Json(AuditPage {
        items: records.into_iter().map(AuditRecord::from).collect(),
        next: last.filter(|_| more),
    }))
}

impl AuditQuery {
    fn filter(self) -> Result<Filter, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("in the query, limit is {limit}, expected 1 to {MAX_LIMIT}");
            return Err(Problem::malformed(detail));
        }
        for (name, text) in [
            ("actor", &self.actor),
            ("action", &self.action),
            ("kind", &self.kind),
            ("key", &self.key),
            ("cursor", &self.cursor),
        ] {
            let long = text.as_ref().is_some_and(|text| text.len() > MAX_TEXT);
            let zero = text.as_ref().is_some_and(|text| text.contains('\0'));
            if long || zero {
                let detail =
                    format!("in the query, {name} has more than {MAX_TEXT} bytes, or a zero");
                return Err(Problem::malformed(detail));
            }
        }
        Ok(Filter {
            actor: self.actor,
            action: self.action,
            kind: self.kind,
            key: self.key,
            since: self.since,
            until: self.until,
            before_id: self.cursor,
            limit,
        })
    }
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        let changes = between(record.before.as_ref(), record.after.as_ref());
        let event = record.event;
        Self {
            id: record.id,
            at: event.at,
            actor: event.author.actor,
            peer: event.author.origin.peer,
            user_agent: event.author.origin.user_agent,
            action: event.action,
            kind: event.kind,
            key: event.key,
            revision: event.revision,
            revision_before: record.revision_before,
            reason: event.author.reason,
            detail: event.detail,
            truncated: changes.len() >= MAX_OPERATIONS,
            changes,
        }
    }
}
