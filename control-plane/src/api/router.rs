//! The index of endpoints, and what every request passes: the counter, and for what is not open the
//! lock.

use super::auth::authorize;
use super::endpoint::Endpoint;
use super::error::Problem;
use super::trace::trace;
use super::{
    AppState, audit, backup, documents, evaluate, experiments, exposures, fleets, force, health,
    keys, layers, ofrep, outcome_stream, outcomes, pages, results, settings, simulate, status,
    switches, timeline, units,
};
use crate::auth::Access;
use crate::model::cluster::ClusterSpec;
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::holdout::HoldoutSpec;
use crate::model::layer::LayerSpec;
use crate::model::metric::MetricSpec;
use crate::model::segment::SegmentSpec;
use crate::model::service::ServiceSpec;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::post_service;

/// Every endpoint that there is.
pub(super) fn endpoints() -> Vec<Endpoint> {
    [
        settings::endpoints(),
        documents::endpoints::<ClusterSpec>(),
        documents::endpoints::<SegmentSpec>(),
        documents::endpoints::<ServiceSpec>(),
        documents::endpoints::<LayerSpec>(),
        documents::endpoints::<HoldoutSpec>(),
        documents::endpoints::<MetricSpec>(),
        documents::endpoints::<ExperimentSpec>(),
        experiments::endpoints(),
        switches::endpoints(),
        vec![
            layers::endpoint(),
            force::endpoint(),
            status::endpoint(),
            evaluate::endpoint(),
            simulate::endpoint(),
            timeline::endpoint(),
            results::endpoint(),
            outcomes::endpoint(),
            exposures::endpoint(),
            units::endpoint(),
        ],
        keys::endpoints(),
        ofrep::endpoints(),
        vec![audit::endpoint()],
        backup::endpoints(),
        fleets::endpoints(),
        health::endpoints(),
        pages::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The whole API.
pub fn router(api: AppState) -> Router {
    let route = |router: Router<AppState>, endpoint: Endpoint| {
        let repeat = endpoint.operation.repeat;
        let Endpoint { path, handler, .. } = endpoint;
        let handler = match endpoint.access {
            Access::Open => handler,
            Access::Role(role) => {
                handler.route_layer(from_fn_with_state((api.clone(), role, repeat), authorize))
            }
        };
        router.route(&path, handler)
    };
    let (path, reports) = outcome_stream::service(&api);
    endpoints()
        .into_iter()
        .fold(Router::new(), route)
        .route(path, post_service(reports))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(from_fn_with_state(api.clone(), count))
        .layer(from_fn(trace))
        .with_state(api)
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
