//! The index of endpoints, and what every request passes: the counter, and for `/v1` the lock.

use super::auth::authorize;
use super::documents::{Resource, delete, get as show, list, put};
use super::error::Problem;
use super::{AppState, evaluate, experiments, force, health, settings, status, switches};
use crate::model::cluster::ClusterSpec;
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::holdout::HoldoutSpec;
use crate::model::layer::LayerSpec;
use crate::model::segment::SegmentSpec;
use crate::model::service::ServiceSpec;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, patch, post};

/// The whole API.
pub fn router(api: AppState) -> Router {
    let documents = documents();
    let life = Router::new()
        .route("/v1/experiments/{key}/weights", patch(experiments::weights))
        .route("/v1/experiments/{key}/start", post(experiments::start))
        .route("/v1/experiments/{key}/pause", post(experiments::pause))
        .route("/v1/experiments/{key}/resume", post(experiments::resume))
        .route(
            "/v1/experiments/{key}/rollback",
            post(experiments::rollback),
        )
        .route(
            "/v1/experiments/{key}/reshuffle",
            post(experiments::reshuffle),
        )
        .route("/v1/experiments/{key}/force", post(force::post))
        .route("/v1/experiments/{key}/status", get(status::get));
    Router::new()
        .merge(documents)
        .merge(life)
        .merge(switches::routes())
        .route_layer(from_fn_with_state(api.clone(), authorize))
        .route("/v1/evaluate", post(evaluate::post))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(from_fn_with_state(api.clone(), count))
        .with_state(api)
}

/// Every kind of thing by its collection.
fn documents() -> Router<AppState> {
    Router::new()
        .route("/v1/settings", get(settings::get).put(settings::put))
        .merge(collection::<ClusterSpec>("clusters"))
        .merge(collection::<SegmentSpec>("segments"))
        .merge(collection::<ServiceSpec>("services"))
        .merge(collection::<LayerSpec>("layers"))
        .merge(collection::<HoldoutSpec>("holdouts"))
        .merge(collection::<ExperimentSpec>("experiments"))
}

fn collection<R: Resource>(name: &str) -> Router<AppState> {
    let one = get(show::<R>).put(put::<R>).delete(delete::<R>);
    Router::new()
        .route(&format!("/v1/{name}"), get(list::<R>))
        .route(&format!("/v1/{name}/{{key}}"), one)
}

async fn wrong_method(request: Request) -> Problem {
    Problem::method_not_allowed(request.method())
}

async fn nothing_here(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found(format!("there is nothing at {path}"))
}

async fn count(State(api): State<AppState>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // The pattern, not the path: a label must not be of a caller's choosing.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    api.metrics.api_request(route, &method, response.status());
    response
}
