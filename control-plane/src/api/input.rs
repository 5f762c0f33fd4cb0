//! Bodies: read with a bound, parsed as what their content type says, and refused with the place
//! of the fault.

use super::error::Problem;
use super::strict::Strict;
use crate::model::fault::{Fault, segment};
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// The most bytes of a body: room for a rule with 100,000 values.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// A body of at most so many bytes, parsed.
pub(super) struct Input<T, const MOST: usize = MAX_BODY>(pub(super) T);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Json,
    Yaml,
}

impl<S: Sync, T: DeserializeOwned, const MOST: usize> FromRequest<S> for Input<T, MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let format = format(request.headers())?;
        let bytes = read(request, MOST).await?;
        match format {
            Format::Json => json(&bytes),
            Format::Yaml => yaml(&bytes),
        }
        .map(Self)
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let given = String::from_utf8_lossy(given.unwrap_or_default());
    let essence = given.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/yaml" | "application/x-yaml" | "text/yaml" => Ok(Format::Yaml),
        _ => Err(Problem::unsupported(
            &given,
            "application/json or application/yaml",
        )),
    }
}

pub(super) async fn read(request: Request, most: usize) -> Result<Bytes, Problem> {
    to_bytes(request.into_body(), most).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
            Problem::too_large(most)
        } else {
            Problem::malformed("the body ended early")
        }
    })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict::new(&mut deserializer);
    let value = serde_path_to_error::deserialize(strict).map_err(|error: Misread| {
        let place = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            Category::Data => Problem::from(misshapen(place, &message(&error))),
            Category::Syntax | Category::Eof | Category::Io => not_json(&error, &place),
        }
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(not_json(&error, "")),
    }
}

type Misread = serde_path_to_error::Error<serde_json::Error>;

fn not_json(error: &serde_json::Error, place: &str) -> Problem {
    let (line, column, what) = (error.line(), error.column(), message(error));
    let within = match place {
        "" => String::new(),
        place => format!(", in {place}"),
    };
    Problem::malformed(format!(
        "the body is not JSON at line {line}, column {column}{within}: {what}"
    ))
}

/// YAML is read as the JSON value it stands for first, so that both are told apart by nothing later.
fn yaml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A message must not quote the body: there may be a secret in it.
    let quiet = serde_saphyr::options! { with_snippet: false };
    let value: serde_json::Value = serde_saphyr::from_slice_with_options(bytes, quiet)
        .map_err(|error| Problem::malformed(format!("the body is not YAML: {error}")))?;
    serde_path_to_error::deserialize(Strict::new(value)).map_err(|error: Misread| {
        let place = pointer(error.path());
        Problem::from(misshapen(place, &message(error.inner())))
    })
}

/// The message without the place that serde_json puts at its end.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// serde says "what is wrong, expected what would be right".
fn misshapen(pointer: String, message: &str) -> Fault {
    let (message, expected) = message
        .split_once(", expected ")
        .unwrap_or((message, "the documented shape"));
    Fault {
        pointer,
        message: message.to_owned(),
        expected: expected.to_owned(),
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for part in path {
        match part {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", segment(key))),
            // A newtype or an enum adds nothing to the place in the document.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}
