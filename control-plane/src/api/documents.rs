//! What a model holds as documents: what all kinds with many have in common.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::idempotency::replay;
use super::input::Input;
use super::list::{AnyQuery, ExperimentQuery, ListQuery, PAGE_BYTES};
use super::preview;
use super::request::{Asked, Name, Terms, Write};
use crate::auth::Role;
use crate::control::{Answer, Command, Outcome};
use crate::model::change::{Change, Spec};
use crate::model::cluster::ClusterSpec;
use crate::model::document::{Body, Document, ExperimentBody, SpecBody};
use crate::model::entry::Entry;
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::holdout::HoldoutSpec;
use crate::model::layer::LayerSpec;
use crate::model::metric::MetricSpec;
use crate::model::segment::SegmentSpec;
use crate::model::service::ServiceSpec;
use crate::model::{Key, Kind};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::convert::identity;

/// A spec that has documents.
pub(super) trait Resource: DeserializeOwned + JsonSchema + Send + 'static {
    /// The kind of its documents.
    const KIND: Kind;
    /// The least role that may put one, and that may take one away; which one, the model says.
    const WRITER: Role;
    const REMOVER: Role;
    /// What its documents say beside name, revision and times.
    type Body: JsonSchema;
    /// Which of them can be asked for.
    type Query: ListQuery;

    /// As one of all specs.
    fn into_spec(self) -> Spec;
}

/// Each kind with its spec.
macro_rules! resource {
    ($spec:ty, $kind:ident, $wrap:expr, $writer:ident, $remover:ident, $body:ty, $query:ty) => {
        impl Resource for $spec {
            const KIND: Kind = Kind::$kind;
            const WRITER: Role = Role::$writer;
            const REMOVER: Role = Role::$remover;
            type Body = $body;
            type Query = $query;

            fn into_spec(self) -> Spec {
                Spec::$kind($wrap(self))
            }
        }
    };
}

resource!(
    ClusterSpec,
    Cluster,
    identity,
    Editor,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    SegmentSpec,
    Segment,
    Box::new,
    Editor,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    ServiceSpec,
    Service,
    identity,
    Operator,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    LayerSpec,
    Layer,
    identity,
    Editor,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    HoldoutSpec,
    Holdout,
    identity,
    Operator,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    MetricSpec,
    Metric,
    Box::new,
    Editor,
    Operator,
    SpecBody<Self>,
    AnyQuery
);
resource!(
    ExperimentSpec,
    Experiment,
    Box::new,
    Editor,
    Editor,
    ExperimentBody,
    ExperimentQuery
);

/// What every collection of documents can do.
pub(super) fn endpoints<R: Resource>() -> Vec<Endpoint> {
    let kind = R::KIND.as_str();
    let all = format!("/v1/{kind}s");
    let one = format!("/v1/{kind}s/{{key}}");
    let tag = plural(R::KIND);
    vec![
        Endpoint::new(Verb::Get, all, Role::Viewer, list::<R>)
            .says(
                tag,
                format!("list_{kind}s"),
                format!("Every {kind}, by key"),
            )
            .query::<R::Query>()
            .answers::<Listing<R::Body>>(200, "A page of documents."),
        Endpoint::new(Verb::Get, one.clone(), Role::Viewer, get::<R>)
            .says(tag, format!("get_{kind}"), format!("One {kind}"))
            .answers_tagged::<Document<R::Body>>(200, "The document."),
        Endpoint::new(Verb::Put, one.clone(), R::WRITER, put::<R>)
            .says(
                tag,
                format!("put_{kind}"),
                format!("Makes or changes a {kind}"),
            )
            .changes()
            .body::<R>()
            .answers_tagged::<Document<R::Body>>(200, "It says this now, or said so already.")
            .answers_tagged::<Document<R::Body>>(201, "It was made."),
        Endpoint::new(Verb::Delete, one, R::REMOVER, delete::<R>)
            .says(
                tag,
                format!("delete_{kind}"),
                format!("Takes a {kind} away"),
            )
            .changes()
            .answers_empty("It is gone."),
    ]
}

/// The group of a kind's endpoints.
fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Settings => "settings",
        Kind::Cluster => "clusters",
        Kind::Segment => "segments",
        Kind::Service => "services",
        Kind::Layer => "layers",
        Kind::Holdout => "holdouts",
        Kind::Metric => "metrics",
        Kind::Experiment => "experiments",
    }
}

/// A page of documents.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{B}List")]
struct Listing<B = Body> {
    items: Vec<Document<B>>,
    /// The cursor of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Key>,
}

/// `GET /v1/{kind}s`: a page of the documents that are asked for, by key.
async fn list<R: Resource>(
    State(api): State<AppState>,
    Asked(query): Asked<R::Query>,
) -> Result<Response, Problem> {
    let page = query.page()?;
    let entries = api.control.model().entries(R::KIND);
    let mut wanted = entries
        .iter()
        .filter(|entry| page.reaches(entry) && query.wants(entry))
        .peekable();
    let mut bytes = 0_usize;
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < page.limit && bytes < PAGE_BYTES {
        let Some(entry) = wanted.next() else { break };
        let item = to_raw_value(&entry.document()).map_err(|_| Problem::internal())?;
        bytes = bytes.saturating_add(item.get().len());
        last = Some(entry.key());
        items.push(item);
    }
    let next = last.filter(|_| wanted.peek().is_some()).cloned();
    Ok(Json(RawListing { items, next }).into_response())
}

/// A [`Listing`] whose documents are written already, so that their length is known.
#[derive(Serialize)]
struct RawListing {
    items: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Key>,
}

/// `GET /v1/{kind}s/{key}`
async fn get<R: Resource>(
    State(api): State<AppState>,
    Name(key): Name,
) -> Result<Response, Problem> {
    let entry = api.control.model().entry(R::KIND, &key);
    entry
        .map(|entry| show(StatusCode::OK, &entry))
        .ok_or_else(|| missing(R::KIND, &key))
}

/// `PUT /v1/{kind}s/{key}`: 201 where it was made, 200 where it was changed or is so already.
async fn put<R: Resource>(
    State(api): State<AppState>,
    write: Write,
    Input(spec): Input<R>,
) -> Result<Response, Problem> {
    let change = Change::Put(write.key.clone(), spec.into_spec());
    change_document(&api, write.terms, change).await
}

/// `DELETE /v1/{kind}s/{key}`
async fn delete<R: Resource>(
    State(api): State<AppState>,
    write: Write,
) -> Result<Response, Problem> {
    let change = Change::Delete(R::KIND, write.key.clone());
    change_document(&api, write.terms, change).await
}

/// Makes a change and shows the document as it is then, if there is one; or shows only what would
/// become of it.
pub(super) async fn change_document(
    api: &AppState,
    terms: Terms,
    change: Change,
) -> Result<Response, Problem> {
    let (kind, key) = change.target();
    let key = key.clone();
    let command = Command {
        change,
        precondition: terms.precondition,
        author: terms.author,
        role: terms.role,
    };
    let now = (api.clock)();
    if terms.dry_run {
        return preview::show(api.control.preview(&command, now)?);
    }
    let answer = api.control.change_once(command, terms.claim, now).await?;
    let Outcome { model, edit } = match answer {
        Answer::Made(outcome) => outcome,
        Answer::Repeated(kept) => return Ok(replay(*kept)),
    };
    let Some(entry) = model.entry(kind, &key) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let made = edit.is_some_and(|edit| edit.before.is_none());
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(show(status, &entry))
}

pub(super) fn show(status: StatusCode, entry: &Entry) -> Response {
    let document = entry.document();
    let tag = format!("\"{}\"", document.revision);
    let mut response = (status, Json(document)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) fn missing(kind: Kind, key: &Key) -> Problem {
    Problem::not_found(format!("there is no {kind} `{key}`"))
}
