//! `GET /v1/exposures`: raw exposures, one a line, as JSON or CSV, or a Parquet file of them; lines are
//! followed as they come where that is asked for. A warehouse or a notebook can redo every number from them.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::outcomes::{desk, unanswered};
use super::request::Asked;
use crate::auth::Role;
use crate::evidence::desk::Desk;
use crate::evidence::lines::{self, Shape};
use crate::evidence::parquet;
use crate::model::{Key, Kind};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use watershed_evidence::StoreError;
use watershed_evidence::store::{Cursor, Scan};

/// Where to go on after this answer.
const NEXT: HeaderName = HeaderName::from_static("x-next-cursor");
/// How many exposures are read at once.
const PAGE: usize = 10_000;
/// How often whoever follows is looked for more.
const PAUSE: Duration = Duration::from_millis(500);

/// Unknown parameters are refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExposureQuery {
    /// Those of one experiment; all where not given.
    experiment: Option<String>,
    /// After this place: the `cursor` of a line, or `x-next-cursor` of an answer.
    cursor: Option<i64>,
    /// Goes on with what comes, until the client ends it.
    follow: Option<bool>,
    /// `ndjson`, `csv` or `parquet`; as `Accept` says where not given. A file of Parquet cannot be followed.
    format: Option<Shape>,
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Get, "/v1/exposures", Role::Operator, get)
        .says(
            "evidence",
            "list_exposures",
            "Raw exposures, one a line, in the order in which they were kept",
        )
        .query::<ExposureQuery>()
        .answers_text(
            "application/x-ndjson",
            "About ten thousand exposures, or with `follow` all that come; `x-next-cursor` says where to \
             go on. With `text/csv` in `Accept`, or `format=csv`, as CSV.",
        )
        .answers_text("text/csv; charset=utf-8", "The same as CSV.")
        .answers_text(
            "application/vnd.apache.parquet",
            "The same as a Parquet file with types, with `format=parquet`; nothing more comes when \
             `x-next-cursor` is the `cursor` that was asked for.",
        )
}

/// What is read, and what is written of it.
struct Reading {
    desk: Arc<Desk>,
    scan: Scan,
    shape: Shape,
    has_begun: bool,
}

async fn get(
    State(api): State<AppState>,
    headers: HeaderMap,
    Asked(query): Asked<ExposureQuery>,
) -> Result<Response, Problem> {
    if let Some(name) = &query.experiment {
        let key = Key::try_new(name);
        let key = key.map_err(|bad| Problem::malformed(format!("in the query, {bad}")))?;
        // One that was deleted may still have evidence, but a mistyped one never has.
        if !api.control.model().experiments.contains_key(&key) {
            return Err(missing(Kind::Experiment, &key));
        }
    }
    let mut reading = Reading {
        desk: desk(&api)?,
        scan: Scan {
            experiment: query.experiment,
            after: Cursor(query.cursor.unwrap_or_default()),
            limit: PAGE,
        },
        shape: query.format.unwrap_or_else(|| accepted(&headers)),
        has_begun: false,
    };
    if reading.shape == Shape::Parquet && query.follow == Some(true) {
        return Err(Problem::malformed(
            "in the query, follow goes with ndjson and csv: a Parquet file has an end".to_owned(),
        ));
    }
    let kind = HeaderValue::from_static(reading.shape.content_type());
    // What can't be read at all is a problem, not a stream that ends early.
    let first = reading.next().await.map_err(unanswered)?;
    if query.follow != Some(true) {
        let next = HeaderValue::from(reading.scan.after.0);
        return Ok(([(header::CONTENT_TYPE, kind), (NEXT, next)], first).into_response());
    }
    let body = Body::from_stream(following(first, reading));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn following(first: Bytes, reading: Reading) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::unfold((Some(first), reading), async |(first, mut reading)| {
        if let Some(first) = first.filter(|it| !it.is_empty()) {
            return Some((Ok(first), (None, reading)));
        }
        loop {
            match reading.next().await {
                Ok(lines) if lines.is_empty() => tokio::time::sleep(PAUSE).await,
                lines => return Some((lines, (None, reading))),
            }
        }
    })
}

fn accepted(headers: &HeaderMap) -> Shape {
    let accept = headers.get_all(header::ACCEPT).iter();
    let mut accept = accept.filter_map(|value| value.to_str().ok());
    let said = |value: &str| match value {
        csv if csv.contains("text/csv") => Some(Shape::Csv),
        parquet if parquet.contains("application/vnd.apache.parquet") => Some(Shape::Parquet),
        _ => None,
    };
    accept.find_map(said).unwrap_or(Shape::Ndjson)
}

impl Reading {
    /// The next lines; none where there is nothing yet.
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        let page = self.desk.store.exposures(&self.scan).await?;
        if self.shape == Shape::Parquet {
            self.scan.after = page.next;
            let file = tokio::task::spawn_blocking(move || parquet::file(&page.exposures)).await;
            let file = file.map_err(|fault| StoreError::Database(fault.to_string()))?;
            return file
                .map(Bytes::from)
                .map_err(|fault| StoreError::Database(format!("a Parquet file: {fault}")));
        }
        let mut text = String::new();
        if self.shape == Shape::Csv && !self.has_begun {
            text.push_str(lines::HEADER);
        }
        self.has_begun = true;
        lines::write(&mut text, self.shape, &page, self.scan.after);
        self.scan.after = page.next;
        Ok(text.into())
    }
}
