//! An upstream "model" for the demo and the tests: an OpenAI-style chat endpoint with a name, and with
//! a latency, an error rate and a token count that can be set. What lives here: the answers, which are
//! pure functions of the request, the settings, a random draw and the time, and the thin HTTP/1.1 server
//! around them. What does not: anything that knows of experiments. A model only says who it is and
//! which of Watershed's headers reached it, so that a reader can compare that with what was decided.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// The one path that answers as a model.
pub const COMPLETIONS_PATH: &str = "/v1/chat/completions";

/// The largest request body that is read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Proxies pass on what clients send them, which may be many.
const MAX_HEADERS: usize = 2_000;
const MAX_HEAD_BYTES: usize = 1 << 20;

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// The request headers that every JSON answer reports back as `received`.
const RECEIVED: [&str; 3] = [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER];

/// How one model behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it calls itself in every answer.
    pub name: String,
    /// The least time to an answer.
    pub latency: Duration,
    /// Up to so much is added to the latency, evenly distributed.
    pub jitter: Duration,
    /// The share of completions that fail with a 500, in 0.0..=1.0.
    pub error_rate: f64,
    /// The completion tokens that each answer says it used.
    pub completion_tokens: u32,
    /// Where the draws for jitter and errors start: the same seed gives the same sequence.
    pub seed: u64,
}

impl Settings {
    /// A model that answers at once and never fails.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            error_rate: 0.0,
            completion_tokens: 16,
            seed: 0,
        }
    }
}

/// An answer before it is HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How long to wait before the first byte.
    pub delay: Duration,
    /// The HTTP status.
    pub status: StatusCode,
    /// The value of `content-type`.
    pub content_type: &'static str,
    /// The body, in the pieces that it is sent in.
    pub chunks: Vec<Bytes>,
}

impl Answer {
    fn json(delay: Duration, status: StatusCode, body: &Value) -> Self {
        Self {
            delay,
            status,
            content_type: JSON,
            chunks: vec![body.to_string().into()],
        }
    }

    /// The error object of OpenAI's API.
    fn error(delay: Duration, status: StatusCode, message: &str) -> Self {
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let error = json!({ "message": message, "type": kind, "param": null, "code": null });
        Self::json(delay, status, &json!({ "error": error }))
    }
}

/// The part of a chat request that changes the answer; the rest is ignored, as real servers do.
#[derive(Deserialize)]
struct ChatRequest {
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message {
    /// A string, or the parts of a multi-modal message.
    #[serde(default)]
    content: Value,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: u32,
    total_tokens: usize,
}

/// The answer to a chat request with these headers and this body. `draw` is evenly distributed over all `u64` and decides jitter and
/// error; `now` is in seconds since 1970.
pub fn completion(
    headers: &HeaderMap,
    body: &[u8],
    settings: &Settings,
    draw: u64,
    now: i64,
) -> Answer {
    let [a, b, c, d, e, f, g, h] = draw.to_be_bytes();
    let delay = settings.latency + settings.jitter.mul_f64(unit_interval([a, b, c, d]));
    let request: ChatRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the body is no chat request: {error}");
            return Answer::error(Duration::ZERO, StatusCode::BAD_REQUEST, &message);
        }
    };
    if unit_interval([e, f, g, h]) < settings.error_rate {
        let message = format!("{} failed, as its error rate asks", settings.name);
        return Answer::error(delay, StatusCode::INTERNAL_SERVER_ERROR, &message);
    }
    let id = format!("chatcmpl-{draw:016x}");
    if request.stream {
        return streamed(&id, settings, delay, now);
    }
    let message = json!({ "role": "assistant", "content": sentence(settings) });
    let body = json!({
        "id": id,
        "object": "chat.completion",
        "created": now,
        "model": settings.name,
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": usage(&request, settings),
        "received": received(headers),
    });
    Answer::json(delay, StatusCode::OK, &body)
}

/// The answer as server-sent events: the role, one event a word, the end, and `[DONE]`.
fn streamed(id: &str, settings: &Settings, delay: Duration, now: i64) -> Answer {
    let event = |delta: Value, finish_reason: Option<&str>| {
        let chunk = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": now,
            "model": settings.name,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        });
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let text = sentence(settings);
    let words = text
        .split_inclusive(' ')
        .map(|word| event(json!({ "content": word }), None));
    let chunks = std::iter::once(event(json!({ "role": "assistant" }), None))
        .chain(words)
        .chain([
            event(json!({}), Some("stop")),
            Bytes::from_static(b"data: [DONE]\n\n"),
        ])
        .collect();
    Answer {
        delay,
        status: StatusCode::OK,
        content_type: EVENT_STREAM,
        chunks,
    }
}

fn sentence(settings: &Settings) -> String {
    format!("This is {} speaking.", settings.name)
}

/// Words stand in for prompt tokens: what matters is that longer prompts count more.
fn usage(request: &ChatRequest, settings: &Settings) -> Usage {
    let words = |message: &Message| match &message.content {
        Value::String(text) => text.split_whitespace().count(),
        other => other.to_string().split_whitespace().count(),
    };
    let prompt_tokens: usize = request.messages.iter().map(words).sum();
    let completion = usize::try_from(settings.completion_tokens).unwrap_or(usize::MAX);
    Usage {
        prompt_tokens,
        completion_tokens: settings.completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion),
    }
}

/// The answer on every other path: who was asked for what, and how many headers came along.
pub fn echo(method: &Method, path: &str, headers: &HeaderMap, settings: &Settings) -> Answer {
    let body = json!({
        "model": settings.name,
        "method": method.as_str(),
        "path": path,
        "received": received(headers),
        "header_count": headers.len(),
    });
    Answer::json(settings.latency, StatusCode::OK, &body)
}

/// Which of Watershed's headers came along; several values of one are joined with a comma.
fn received(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    let joined = |name: &str| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        values.join(",")
    };
    let present = RECEIVED
        .into_iter()
        .filter(|name| headers.contains_key(*name));
    present.map(|name| (name, joined(name))).collect()
}

/// Four even bytes as a number in 0.0..1.0.
fn unit_interval(bytes: [u8; 4]) -> f64 {
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// The `n`th number of the SplitMix64 sequence that starts at `seed` (Steele, Lea, Flood 2014).
fn draw(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Model {
    settings: Settings,
    served: AtomicU64,
}

impl Model {
    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let answer = match body {
            Err(_) => {
                let message = "the body was cut off or is larger than 1 MiB";
                Answer::error(Duration::ZERO, StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Ok(body) if head.method == Method::POST && head.uri.path() == COMPLETIONS_PATH => {
                let draw = draw(
                    self.settings.seed,
                    self.served.fetch_add(1, Ordering::Relaxed),
                );
                let now = jiff::Timestamp::now().as_second();
                completion(&head.headers, &body.to_bytes(), &self.settings, draw, now)
            }
            Ok(_) => {
                let target = head
                    .uri
                    .path_and_query()
                    .map_or("", |target| target.as_str());
                echo(&head.method, target, &head.headers, &self.settings)
            }
        };
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        Ok(response(answer))
    }
}

fn response(answer: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let mut chunks = answer.chunks;
    let body = match chunks.pop() {
        Some(only) if chunks.is_empty() => Full::new(only).boxed(),
        last => {
            let frames = chunks
                .into_iter()
                .chain(last)
                .map(|chunk| Ok(Frame::data(chunk)));
            StreamBody::new(stream::iter(frames)).boxed()
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let content_type = http::HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Answers on `listener` until `shutdown` is ready; connections that are open then end with the
/// answer that they are in.
///
/// # Errors
/// Fails where the listener does; a fault of one connection ends that one alone.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let served = AtomicU64::new(0);
    let model = Arc::new(Model { settings, served });
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client was gone before we looked.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            },
            () = &mut shutdown => break,
        };
        connections.spawn(connection(stream, model.clone(), closing.clone()));
    }
    closing.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn connection(stream: TcpStream, model: Arc<Model>, closing: CancellationToken) {
    // Only costs time where it fails.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| model.clone().respond(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// `watershed model`: one upstream to try things with.
#[derive(clap::Args, Debug)]
pub struct ModelArgs {
    /// What the model calls itself.
    #[arg(long)]
    name: String,
    /// Where it listens; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// The least time to an answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Up to so many milliseconds more, evenly distributed.
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// The share of completions that fail, in 0.0..=1.0.
    #[arg(long, default_value_t = 0.0, value_parser = parse_rate)]
    error_rate: f64,
    /// The completion tokens that each answer says it used.
    #[arg(long, default_value_t = 16)]
    completion_tokens: u32,
    /// The start of the sequence that decides jitter and errors.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl ModelArgs {
    fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            latency: Duration::from_millis(self.latency_ms),
            jitter: Duration::from_millis(self.jitter_ms),
            error_rate: self.error_rate,
            completion_tokens: self.completion_tokens,
            seed: self.seed,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.0 to 1.0".to_owned()),
    }
}

/// Serves until the process is interrupted; the first line on standard output is the bound address.
///
/// # Errors
/// Fails where the address can't be bound.
pub async fn run(args: ModelArgs) -> anyhow::Result<()> {
    use anyhow::Context;
    let listener = TcpListener::bind(args.address)
        .await
        .with_context(|| format!("can't listen on {}", args.address))?;
    println!("{} listens on http://{}", args.name, listener.local_addr()?);
    let interrupted = async {
        // Without a signal handler the default action ends the process just as well.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(serve(args.settings(), listener, interrupted).await?)
}

#[cfg(test)]
mod tests;
