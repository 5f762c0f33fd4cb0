//! What only layers have: who holds which of their buckets.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::request::Name;
use crate::auth::Role;
use crate::model::Kind;
use crate::model::layer_buckets::LayerBuckets;
use axum::Json;
use axum::extract::State;

pub(super) fn endpoint() -> Endpoint {
    let path = "/v1/layers/{key}/buckets";
    Endpoint::new(Verb::Get, path, Role::Viewer, get)
        .says(
            "layers",
            "get_layer_buckets",
            "Which buckets of a layer are free, and who holds the others",
        )
        .answers::<LayerBuckets>(200, "The buckets.")
}

/// `GET /v1/layers/{key}/buckets`
async fn get(State(api): State<AppState>, Name(key): Name) -> Result<Json<LayerBuckets>, Problem> {
    let found = LayerBuckets::of(&api.control.model(), &key).map_err(|fault| {
        tracing::error!(%fault, "two experiments hold one bucket");
        Problem::internal()
    })?;
    found.map(Json).ok_or_else(|| missing(Kind::Layer, &key))
}
