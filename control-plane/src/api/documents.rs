//! What a model holds as documents: what all kinds with many have in common.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::request::{Name, Parameters, Terms, Write};
use crate::auth::Role;
use crate::control::{Command, Outcome};
use crate::model::change::{Change, Spec};
use crate::model::cluster::ClusterSpec;
use crate::model::document::{Body, Document, ExperimentBody, SpecBody};
use crate::model::entry::Entry;
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::holdout::HoldoutSpec;
use crate::model::layer::LayerSpec;
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

    /// As one of all specs.
    fn into_spec(self) -> Spec;
}

/// Each kind with its spec.
macro_rules! resource {
    ($spec:ty, $kind:ident, $wrap:expr, $writer:ident, $remover:ident, $body:ty) => {
        impl Resource for $spec {
            const KIND: Kind = Kind::$kind;
            const WRITER: Role = Role::$writer;
            const REMOVER: Role = Role::$remover;
            type Body = $body;

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
    SpecBody<Self>
);
resource!(
    SegmentSpec,
    Segment,
    Box::new,
    Editor,
    Operator,
    SpecBody<Self>
);
resource!(
    ServiceSpec,
    Service,
    identity,
    Operator,
    Operator,
    SpecBody<Self>
);
resource!(LayerSpec, Layer, identity, Editor, Operator, SpecBody<Self>);
resource!(
    HoldoutSpec,
    Holdout,
    identity,
    Operator,
    Operator,
    SpecBody<Self>
);
resource!(
    ExperimentSpec,
    Experiment,
    Box::new,
    Editor,
    Editor,
    ExperimentBody
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
            .answers::<Listing<R::Body>>(200, "The documents."),
        Endpoint::new(Verb::Get, one.clone(), Role::Viewer, get::<R>)
            .says(tag, format!("get_{kind}"), format!("One {kind}"))
            .answers_tagged::<Document<R::Body>>(200, "The document."),
        Endpoint::new(Verb::Put, one.clone(), R::WRITER, put::<R>)
            .says(
                tag,
                format!("put_{kind}"),
                format!("Makes or changes a {kind}"),
            )
            .query::<Parameters>()
            .precondition()
            .body::<R>()
            .answers_tagged::<Document<R::Body>>(200, "It says this now, or said so already.")
            .answers_tagged::<Document<R::Body>>(201, "It was made."),
        Endpoint::new(Verb::Delete, one, R::REMOVER, delete::<R>)
            .says(
                tag,
                format!("delete_{kind}"),
                format!("Takes a {kind} away"),
            )
            .query::<Parameters>()
            .precondition()
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
        Kind::Experiment => "experiments",
    }
}

/// A list of documents.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{B}List")]
pub(super) struct Listing<B = Body> {
    items: Vec<Document<B>>,
}

/// `GET /v1/{kind}s`: every document, by key.
async fn list<R: Resource>(State(api): State<AppState>) -> Json<Listing> {
    let entries = api.control.model().entries(R::KIND);
    Json(Listing {
        items: entries.iter().map(Entry::document).collect(),
    })
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
) -> Result<StatusCode, Problem> {
    let change = Change::Delete(R::KIND, write.key.clone());
    make(&api, write.terms, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a change and shows the document as it is then.
pub(super) async fn change_document(
    api: &AppState,
    terms: Terms,
    change: Change,
) -> Result<Response, Problem> {
    let (kind, key) = change.target();
    let key = key.clone();
    let Outcome { model, edit } = make(api, terms, change).await?;
    let entry = model.entry(kind, &key).ok_or_else(Problem::internal)?;
    let made = edit.is_some_and(|edit| edit.before.is_none());
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(show(status, &entry))
}

async fn make(api: &AppState, terms: Terms, change: Change) -> Result<Outcome, Problem> {
    let command = Command {
        change,
        precondition: terms.precondition,
        author: terms.author,
        role: terms.role,
    };
    Ok(api.control.change(command, (api.clock)()).await?)
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
