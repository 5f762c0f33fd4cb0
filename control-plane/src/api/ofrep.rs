//! `/ofrep/v1/evaluate/flags`: experiments as flags of any OpenFeature SDK, by the OpenFeature Remote
//! Evaluation Protocol. Its requests and faults have the protocol's shapes, not ours. What a flag is
//! evaluated to is [`crate::ofrep`]'s.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use crate::auth::Role;
use crate::ofrep::{
    Answer, Context, ErrorCode, Evaluated, Evaluator, Failed, Flags, Moment, Refused,
};
use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes of a request: a context is small.
const MAX_BODY: usize = 64 * 1024;

/// A request of the protocol.
#[derive(Deserialize, JsonSchema)]
struct EvaluationRequest {
    /// Whom the flags are for: `targetingKey` and whatever else is known.
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

/// The evaluator of the model that was asked last.
type Cache = Arc<Mutex<Option<Arc<Evaluator>>>>;

/// What could not be read, or not be done.
enum Fault {
    Client(ErrorCode, String),
    Ours(Problem),
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let cache = Cache::default();
    let path = "/ofrep/v1/evaluate/flags";
    let all = {
        let cache = Arc::clone(&cache);
        move |State(api): State<AppState>, request: Request| bulk(api, cache, request)
    };
    let one = move |State(api): State<AppState>, path: Path<String>, request: Request| {
        single(api, cache, path, request)
    };
    vec![
        Endpoint::new(Verb::Post, path, Role::Viewer, all)
            .says(
                "openfeature",
                "ofrep_evaluate_flags",
                "Evaluates every experiment as a flag, for OpenFeature's SDKs",
            )
            .body::<EvaluationRequest>()
            .json_only()
            .answers_tagged::<Flags>(200, "One answer a flag.")
            .answers_unchanged("The answer is the one of `If-None-Match`.")
            .answers::<Refused>(400, "The request or its context is not right."),
        Endpoint::new(Verb::Post, format!("{path}/{{key}}"), Role::Viewer, one)
            .says(
                "openfeature",
                "ofrep_evaluate_flag",
                "Evaluates one experiment as a flag, for OpenFeature's SDKs",
            )
            .body::<EvaluationRequest>()
            .json_only()
            .answers::<Evaluated>(200, "What the flag evaluates to.")
            .answers::<Failed>(400, "The request or its context is not right.")
            .answers::<Failed>(404, "There is no experiment of this key."),
    ]
}

/// `POST /ofrep/v1/evaluate/flags/{key}`
async fn single(
    api: AppState,
    cache: Cache,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = key.clone();
    let answer = evaluate(&api, cache, request, move |evaluator, context, at| {
        evaluator.one(&asked, context, at)
    });
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(Fault::Ours(problem)) => return Err(problem),
        Err(Fault::Client(error_code, error_details)) => Answer::Failed(Failed {
            key,
            error_code,
            error_details,
        }),
    };
    let status = match &answer {
        Answer::Evaluated(_) => StatusCode::OK,
        Answer::Failed(failed) if failed.error_code == ErrorCode::FlagNotFound => {
            StatusCode::NOT_FOUND
        }
        Answer::Failed(_) => StatusCode::BAD_REQUEST,
    };
    Ok((status, Json(answer)).into_response())
}

/// `POST /ofrep/v1/evaluate/flags`
async fn bulk(api: AppState, cache: Cache, request: Request) -> Result<Response, Problem> {
    let known = request.headers().clone();
    match evaluate(&api, cache, request, Evaluator::all).await {
        Ok(flags) => tagged(&flags, &known),
        Err(Fault::Ours(problem)) => Err(problem),
        Err(Fault::Client(error_code, error_details)) => {
            let refused = Refused {
                error_code,
                error_details,
            };
            Ok((StatusCode::BAD_REQUEST, Json(refused)).into_response())
        }
    }
}

async fn evaluate<T: Send + 'static>(
    api: &AppState,
    cache: Cache,
    request: Request,
    ask: impl FnOnce(&Evaluator, &Context, Moment) -> T + Send + 'static,
) -> Result<T, Fault> {
    let context = context(&read(request).await?)?;
    let model = api.control.model();
    let at = Moment {
        now: (api.clock)(),
        // Its keys are the operating system's randomness.
        chance: RandomState::new().hash_one(0),
    };
    let internal = || Fault::Ours(Problem::internal());
    // Compiling a large model takes a moment that other requests must not wait for.
    let asked = tokio::task::spawn_blocking(move || {
        let mut cached = cache.lock().unwrap_or_else(PoisonError::into_inner);
        let current = cached.take().filter(|it| Arc::ptr_eq(it.model(), &model));
        let evaluator = match current {
            Some(evaluator) => evaluator,
            None => Arc::new(Evaluator::compile(model)?),
        };
        *cached = Some(Arc::clone(&evaluator));
        drop(cached);
        Ok::<_, watershed_engine::CompileError>(ask(&evaluator, &context, at))
    });
    asked.await.map_err(|_| internal())?.map_err(|fault| {
        tracing::error!(%fault, "the model makes no configuration");
        internal()
    })
}

async fn read(request: Request) -> Result<Bytes, Fault> {
    to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| {
        let details = format!("the body ended early, or has more than {MAX_BODY} bytes");
        Fault::Client(ErrorCode::ParseError, details)
    })
}

/// A request without a body, or without a context, has an empty one.
fn context(body: &[u8]) -> Result<Context, Fault> {
    // An object by itself first: a list would be read as one's fields.
    let request = if body.trim_ascii().is_empty() {
        Ok(Map::new())
    } else {
        serde_json::from_slice(body)
    };
    let request = request.and_then(|fields| serde_json::from_value(Value::Object(fields)));
    let request: EvaluationRequest = request.map_err(|fault: serde_json::Error| {
        let details = format!("expected {{\"context\": {{…}}}}: {fault}");
        Fault::Client(ErrorCode::ParseError, details)
    })?;
    Context::try_new(request.context.unwrap_or_default())
        .map_err(|bad| Fault::Client(ErrorCode::InvalidContext, bad.to_string()))
}

/// The answer under a tag of its own content. What the context changes is in the content, so that a
/// tag is never that of another context's answer.
fn tagged(answer: &impl Serialize, known: &HeaderMap) -> Result<Response, Problem> {
    let body = serde_json::to_vec(answer).map_err(|_| Problem::internal())?;
    let mut tag = String::from("\"");
    for byte in Sha256::digest(&body).iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let is_known = known
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // RFC 9110, section 13.1.2: compared weakly.
        .map(|given| given.trim().trim_start_matches("W/"))
        .any(|given| given == tag || given == "*");
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let json = [(header::CONTENT_TYPE, "application/json")];
        (json, body).into_response()
    };
    let tag = HeaderValue::from_str(&tag).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
