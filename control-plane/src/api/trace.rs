//! A span for each request to the API.

use crate::metrics::method_label;
use crate::traces;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

/// Has a request answered within its span.
pub(super) async fn trace(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(MatchedPath::as_str);
    let span = traces::request(method_label(request.method()), route, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    traces::answered(&span, response.status());
    response
}
