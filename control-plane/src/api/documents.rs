//! What a model holds as documents: what all kinds with many have in common.

use super::AppState;
use super::error::Problem;
use super::input::Input;
use super::request::{Name, Terms, Write};
use crate::control::{Command, Outcome};
use crate::model::change::{Change, Spec};
use crate::model::cluster::ClusterSpec;
use crate::model::document::Document;
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
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::identity;

/// A spec that has documents.
pub(super) trait Resource: DeserializeOwned + Send + 'static {
    /// The kind of its documents.
    const KIND: Kind;

    /// As one of all specs.
    fn into_spec(self) -> Spec;
}

/// Each kind with its spec.
macro_rules! resource {
    ($spec:ty, $kind:ident, $wrap:expr) => {
        impl Resource for $spec {
            const KIND: Kind = Kind::$kind;

            fn into_spec(self) -> Spec {
                Spec::$kind($wrap(self))
            }
        }
    };
}

resource!(ClusterSpec, Cluster, identity);
resource!(SegmentSpec, Segment, Box::new);
resource!(ServiceSpec, Service, identity);
resource!(LayerSpec, Layer, identity);
resource!(HoldoutSpec, Holdout, identity);
resource!(ExperimentSpec, Experiment, Box::new);

/// A list of documents.
#[derive(Serialize)]
pub(super) struct Listing {
    items: Vec<Document>,
}

/// `GET /v1/{kind}s`: every document, by key.
pub(super) async fn list<R: Resource>(State(api): State<AppState>) -> Json<Listing> {
    let entries = api.control.model().entries(R::KIND);
    Json(Listing {
        items: entries.iter().map(Entry::document).collect(),
    })
}

/// `GET /v1/{kind}s/{key}`
pub(super) async fn get<R: Resource>(
    State(api): State<AppState>,
    Name(key): Name,
) -> Result<Response, Problem> {
    let entry = api.control.model().entry(R::KIND, &key);
    entry
        .map(|entry| show(StatusCode::OK, &entry))
        .ok_or_else(|| missing(R::KIND, &key))
}

/// `PUT /v1/{kind}s/{key}`: 201 where it was made, 200 where it was changed or is so already.
pub(super) async fn put<R: Resource>(
    State(api): State<AppState>,
    write: Write,
    Input(spec): Input<R>,
) -> Result<Response, Problem> {
    let change = Change::Put(write.key.clone(), spec.into_spec());
    change_document(&api, write.terms, change).await
}

/// `DELETE /v1/{kind}s/{key}`
pub(super) async fn delete<R: Resource>(
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
