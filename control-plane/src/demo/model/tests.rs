//! What a model answers, as a function and over a socket.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;

const CHAT: &[u8] = br#"{"model":"any","messages":[{"role":"user","content":"two words"}]}"#;

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.chunks.concat()).unwrap()
}

fn complete(body: &[u8], settings: &Settings, draw: u64, now: i64) -> Answer {
    completion(&HeaderMap::new(), body, settings, draw, now)
}

#[test]
fn a_completion_names_the_model_and_counts_tokens() {
    let answer = complete(CHAT, &Settings::named("stable-a"), 7, 1_700_000_000);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        body(&answer),
        json!({
            "id": "chatcmpl-0000000000000007",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "stable-a",
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": "This is stable-a speaking." },
                "finish_reason": "stop",
            }],
            "usage": { "prompt_tokens": 2, "completion_tokens": 16, "total_tokens": 18 },
            "received": {},
        })
    );
}

#[test]
fn a_stream_ends_with_done_and_its_words_are_the_whole_answer() {
    let request = br#"{"stream":true,"messages":[{"content":[{"type":"text","text":"hi"}]}]}"#;
    let answer = complete(request, &Settings::named("b"), 1, 2);
    assert_eq!(answer.content_type, EVENT_STREAM);
    let text = String::from_utf8(answer.chunks.concat()).unwrap();
    let events: Vec<&str> = text.split_terminator("\n\n").collect();
    let (done, events) = events.split_last().unwrap();
    assert_eq!(*done, "data: [DONE]");
    let said: String = events
        .iter()
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .filter_map(|chunk: Value| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(said, "This is b speaking.");
}

#[test]
fn a_body_that_is_no_chat_request_is_refused_as_openai_does() {
    for garbage in [
        &b""[..],
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        br#"{"messages":3}"#,
        br#"{"stream":true}"#,
    ] {
        let answer = complete(garbage, &Settings::named("a"), 0, 0);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{garbage:?}");
        assert_eq!(body(&answer)["error"]["type"], "invalid_request_error");
    }
}

#[test]
fn errors_come_at_their_rate_and_the_same_seed_gives_the_same_ones() {
    let settings = Settings {
        error_rate: 0.2,
        seed: 42,
        ..Settings::named("a")
    };
    let failures = || -> Vec<u64> {
        (0..10_000)
            .filter(|n| {
                complete(CHAT, &settings, draw(settings.seed, *n), 0)
                    .status
                    .is_server_error()
            })
            .collect()
    };
    let seen = failures();
    assert!((1_800..2_200).contains(&seen.len()), "{}", seen.len());
    assert_eq!(seen, failures());
}

#[test]
fn an_error_rate_of_one_always_fails_and_of_zero_never() {
    for draw in [0, 1, u64::MAX / 2, u64::MAX] {
        let always = Settings {
            error_rate: 1.0,
            ..Settings::named("a")
        };
        assert!(complete(CHAT, &always, draw, 0).status.is_server_error());
        assert!(
            complete(CHAT, &Settings::named("a"), draw, 0)
                .status
                .is_success()
        );
    }
}

#[test]
fn an_echo_shows_every_value_of_our_headers_and_no_other_header() {
    let mut headers = HeaderMap::new();
    headers.append(VARIANT_HEADER, "a".parse().unwrap());
    headers.append(
        VARIANT_HEADER,
        http::HeaderValue::from_bytes(b"\xff").unwrap(),
    );
    headers.append("authorization", "secret".parse().unwrap());
    let answer = echo(&Method::GET, "/x?y=1", &headers, &Settings::named("c"));
    assert_eq!(
        body(&answer),
        json!({
            "model": "c", "method": "GET", "path": "/x?y=1", "header_count": 3,
            "received": { "x-variant": "a,\u{fffd}" },
        })
    );
}

#[test]
fn a_rate_outside_of_zero_to_one_is_refused() {
    for garbage in ["", "x", "-0.1", "1.1", "NaN", "inf"] {
        assert!(parse_rate(garbage).is_err(), "{garbage}");
    }
    assert_eq!(parse_rate("0.25"), Ok(0.25));
}

proptest! {
    #[test]
    fn the_delay_stays_between_latency_and_latency_plus_jitter(draw: u64, latency in 0u64..1000, jitter in 0u64..1000) {
        let settings = Settings {
            latency: Duration::from_millis(latency),
            jitter: Duration::from_millis(jitter),
            ..Settings::named("a")
        };
        let delay = complete(CHAT, &settings, draw, 0).delay;
        prop_assert!(delay >= settings.latency && delay <= settings.latency + settings.jitter);
    }

    #[test]
    fn any_body_is_answered(body: Vec<u8>, draw: u64) {
        let status = complete(&body, &Settings::named("a"), draw, 0).status;
        prop_assert!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST);
    }
}

async fn exchange(stream: &mut TcpStream, request: &[u8], end: &str) -> String {
    stream.write_all(request).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).ends_with(end) {
        let read = stream.read_buf(&mut seen).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn one_connection_serves_many_requests_until_the_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(Settings::named("a"), listener, async {
        let _ = stopped.await;
    }));

    let mut stream = TcpStream::connect(address).await.unwrap();
    let first = exchange(&mut stream, b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n", "}").await;
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{first}");
    let head = format!(
        "POST {COMPLETIONS_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        CHAT.len()
    );
    let second = exchange(&mut stream, &[head.as_bytes(), CHAT].concat(), "}").await;
    assert!(second.contains("chat.completion"), "{second}");
    let many: String = (0..500).map(|n| format!("x-h-{n}: v\r\n")).collect();
    let head = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n{many}\r\n",
        "y".repeat(60_000)
    );
    let third = exchange(&mut stream, head.as_bytes(), "}").await;
    assert!(third.contains(r#""header_count":502"#), "{third}");

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _server = tokio::spawn(serve(
        Settings::named("a"),
        listener,
        std::future::pending(),
    ));

    let mut bad = TcpStream::connect(address).await.unwrap();
    bad.write_all(b"\x00\xff garbage\r\n\r\n").await.unwrap();
    let mut end = Vec::new();
    bad.read_to_end(&mut end).await.unwrap();
    let mut good = TcpStream::connect(address).await.unwrap();
    let answer = exchange(&mut good, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}
