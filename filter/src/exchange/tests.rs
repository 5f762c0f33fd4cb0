use super::*;
use crate::config;
use crate::counters;
use crate::fake::{FakeHost, pairs};
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMIT: usize = 200;

/// Everybody with a `user` in the body, else with a header `x-user`, gets `b`.
fn config() -> Value {
    json!({
        "bodyLimitBytes": LIMIT,
        "services": [{ "key": "s" }],
        "layers": [{ "key": "l" }],
        "experiments": [{
            "key": "e", "layer": "l",
            "unitSources": [{ "body": "/user" }, { "header": "x-user" }],
            "allocation": [{ "start": 0, "end": 9999 }],
            "variants": [
                { "key": "a", "ranges": [] },
                {
                    "key": "b",
                    "ranges": [{ "start": 0, "end": 9999 }],
                    "responseHeaders": [{ "name": "x-served", "value": "b" }],
                },
            ],
            "fallback": "a",
        }],
    })
}

fn exchange(host: &FakeHost) -> Exchange {
    let plan = config::load(config().to_string().as_bytes()).unwrap();
    Exchange::new(Rc::new(Active::new(plan, host)))
}

/// A request with JSON of this length, or of unknown length.
fn post(length: Option<usize>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let length = length.map(|length| length.to_string());
    let mut headers = vec![
        (":method", "POST"),
        (":authority", "h"),
        (":path", "/"),
        ("content-type", "application/json"),
        ("x-user", "header"),
    ];
    headers.extend(
        length
            .as_ref()
            .map(|length| ("content-length", length.as_str())),
    );
    pairs(&headers)
}

fn unit(host: &FakeHost) -> Option<String> {
    let record = host.record()?;
    record.assignments.first().map(|one| one.unit.clone())
}

/// Sends a request with this body in pieces that end at `ends`; the unit, when it went on.
fn sent(declared: bool, body: &[u8], ends: &[usize], trailers: bool) -> Option<String> {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(declared.then_some(body.len())), 0);
    if exchange.on_request_headers(&host, false) == Flow::Wait {
        assert_eq!(host.calls(), ["request_headers"], "nothing is decided yet");
        for (place, end) in ends.iter().enumerate() {
            host.buffer(&body[..*end]);
            let is_last = place + 1 == ends.len() && !trailers;
            if exchange.on_request_body(&host, *end, is_last) == Flow::Continue {
                break;
            }
        }
        if trailers {
            exchange.on_request_trailers(&host);
        }
    }
    assert!(!exchange.is_waiting());
    unit(&host)
}

#[test]
fn a_body_is_awaited_to_its_end_or_its_declared_length() {
    let body = br#"{"prompt": "hello", "user": "body"}"#;
    let all = body.len();
    for ends in [&[all][..], &[5, all], &[0, 1, 20, all], &[all, all]] {
        for declared in [true, false] {
            for trailers in [true, false] {
                let unit = sent(declared, body, ends, trailers);
                assert_eq!(unit.as_deref(), Some("body"), "{ends:?}");
            }
        }
    }
}

#[test]
fn a_body_that_gives_no_unit_gives_way_to_the_next_source() {
    let deep = "[".repeat(LIMIT);
    for body in [
        &b""[..],
        b"{}",
        b"{\"user\": ",
        b"{\"user\": null}",
        b"{\"user\": {}}",
        b"{\"user\": NaN}",
        b"\"user\"",
        b"\xff\xfe",
        b"user=u",
        deep.as_bytes(),
    ] {
        for declared in [true, false] {
            let unit = sent(declared, body, &[body.len()], false);
            assert_eq!(unit.as_deref(), Some("header"), "{body:?}");
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_not_awaited() {
    let large = format!("{{\"user\": \"body\", \"x\": \"{}\"}}", "x".repeat(LIMIT));
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(Some(large.len())), 0);
    assert_eq!(exchange.on_request_headers(&host, false), Flow::Continue);
    assert_eq!(unit(&host).as_deref(), Some("header"));
    assert_eq!(host.count(counters::BODY_TOO_LARGE), 1);
    assert!(!host.calls().contains(&"request_body"));
    let unit = sent(
        false,
        large.as_bytes(),
        &[LIMIT, LIMIT + 1, large.len()],
        false,
    );
    assert_eq!(unit.as_deref(), Some("header"));
}

#[test]
fn a_body_of_unknown_length_beyond_the_limit_is_let_go_at_once() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(None), 0);
    assert_eq!(exchange.on_request_headers(&host, false), Flow::Wait);
    assert_eq!(exchange.on_request_body(&host, LIMIT, false), Flow::Wait);
    assert_eq!(
        exchange.on_request_body(&host, LIMIT + 1, false),
        Flow::Continue
    );
    assert_eq!(host.count(counters::BODY_TOO_LARGE), 1);
    assert_eq!(unit(&host).as_deref(), Some("header"));
}

#[test]
fn a_request_without_a_body_does_not_wait() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(None), 0);
    assert_eq!(exchange.on_request_headers(&host, true), Flow::Continue);
    assert_eq!(unit(&host).as_deref(), Some("header"));
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(Some(10)), 0);
    assert_eq!(exchange.on_request_headers(&host, false), Flow::Wait);
    exchange.on_timeout(&host);
    assert!(!exchange.is_waiting());
    assert_eq!(unit(&host).as_deref(), Some("header"));
    assert_eq!(host.count(counters::BODY_LATE), 1);
    assert_eq!(
        exchange.on_request_body(&host, 10, true),
        Flow::Continue,
        "too late"
    );
}

#[test]
fn a_body_that_cannot_be_read_leaves_the_request_to_the_next_source() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(Some(10)), 0);
    host.fail("request_body");
    assert_eq!(exchange.on_request_headers(&host, false), Flow::Wait);
    assert_eq!(exchange.on_request_body(&host, 10, true), Flow::Continue);
    assert_eq!(unit(&host).as_deref(), Some("header"));
    assert_eq!(host.count(counters::HOST_ERROR), 1);
}

#[test]
fn the_response_gets_its_headers_once() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(None), 0);
    assert_eq!(exchange.on_request_headers(&host, true), Flow::Continue);
    assert!(host.response_values("x-served").is_empty());
    exchange.on_response_headers(&host);
    exchange.on_response_headers(&host);
    assert_eq!(host.response_values("x-served"), ["b"]);
    let writes = host.calls();
    let writes = writes.iter().filter(|call| call.contains("set_response"));
    assert_eq!(writes.count(), 1);
}

#[test]
fn a_response_that_comes_while_the_body_is_awaited_is_left_alone() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(Some(10)), 0);
    assert_eq!(exchange.on_request_headers(&host, false), Flow::Wait);
    exchange.on_response_headers(&host);
    assert_eq!(host.calls(), ["request_headers"]);
}

#[test]
fn a_response_header_that_cannot_be_written_is_counted() {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    host.request(&post(None), 0);
    assert_eq!(exchange.on_request_headers(&host, true), Flow::Continue);
    host.fail("set_response_header");
    exchange.on_response_headers(&host);
    assert_eq!(host.count(counters::HOST_ERROR), 1);
}

proptest! {
    #[test]
    fn any_body_in_any_pieces_lets_the_request_go_on(
        body in prop::collection::vec(any::<u8>(), 0..300),
        cut: prop::sample::Index,
        declared: bool,
        trailers: bool,
    ) {
        let cut = cut.index(body.len() + 1);
        let unit = sent(declared, &body, &[cut, body.len()], trailers);
        prop_assert!(unit.is_some());
    }
}

/// What an edge keeps of an upstream's answer with these headers; the record's outcome, and what the
/// client sees of the header.
fn answered(user: bool, answer: &[(&str, &str)]) -> (Option<Vec<u8>>, Vec<String>, FakeHost) {
    let host = FakeHost::default();
    let mut exchange = exchange(&host);
    let mut headers = vec![(":method", "GET"), (":authority", "h"), (":path", "/")];
    headers.extend(user.then_some(("x-user", "u")));
    host.request(&pairs(&headers), 0);
    let _ = exchange.on_request_headers(&host, true);
    host.respond(&pairs(answer));
    exchange.on_response_headers(&host);
    let outcome = host.record().map(|record| record.outcome_header);
    (outcome, host.response_values("x-experiment-outcome"), host)
}

#[test]
fn what_an_upstream_says_of_the_outcome_goes_into_the_record_and_not_to_the_client() {
    let told = &[("X-Experiment-Outcome", "cost_usd=0.014"), ("etag", "1")];
    let (outcome, seen, host) = answered(true, told);
    assert_eq!(outcome.unwrap(), b"cost_usd=0.014");
    assert!(seen.is_empty(), "{seen:?}");
    assert_eq!(host.response_values("etag"), ["1"]);
    let unit = host.record().unwrap().assignments[0].unit.clone();
    assert_eq!(unit, "u", "the rest of the record is there");
    assert_eq!(host.count(counters::HOST_ERROR), 0);

    let (outcome, seen, _) = answered(false, told);
    assert_eq!((outcome, seen), (None, vec![]), "nobody was assigned");
    let (outcome, _, host) = answered(true, &[("etag", "1")]);
    assert_eq!(outcome.unwrap(), b"");
    assert!(!host.calls().contains(&"filter_state"), "nothing to do");
}

#[test]
fn an_outcome_beyond_all_measure_is_cut() {
    let long = "x".repeat(100_000);
    let (outcome, seen, _) = answered(true, &[("x-experiment-outcome", &long)]);
    assert_eq!(outcome.unwrap().len(), 2_049);
    assert!(seen.is_empty());
}

#[test]
fn a_host_that_fails_while_an_outcome_is_hidden_is_counted_and_the_response_goes_on() {
    for call in ["response_header", "remove_response_header", "filter_state"] {
        let host = FakeHost::default();
        let mut exchange = exchange(&host);
        let headers = [(":method", "GET"), (":path", "/"), ("x-user", "u")];
        host.request(&pairs(&headers), 0);
        let _ = exchange.on_request_headers(&host, true);
        host.respond(&pairs(&[("x-experiment-outcome", "a=1")]));
        host.fail(call);
        exchange.on_response_headers(&host);
        assert_eq!(host.count(counters::HOST_ERROR), 1, "{call}");
    }
}

/// What the record says of an outcome after this answer came in pieces.
fn read(limit: usize, headers: &[(&str, &str)], pieces: &[&str], host: &FakeHost) -> Vec<u8> {
    let mut config = config();
    config["services"][0]["usageLimitBytes"] = json!(limit);
    let plan = config::load(config.to_string().as_bytes()).unwrap();
    let mut exchange = Exchange::new(Rc::new(Active::new(plan, host)));
    let request = [(":method", "GET"), (":path", "/"), ("x-user", "u")];
    host.request(&pairs(&request), 0);
    let _ = exchange.on_request_headers(host, true);
    host.respond(&pairs(headers));
    exchange.on_response_headers(host);
    for (number, piece) in pieces.iter().enumerate() {
        host.buffer(piece.as_bytes());
        exchange.on_response_body(host, piece.len(), number + 1 == pieces.len());
    }
    host.record().unwrap().outcome_header
}

const ANSWER: [&str; 3] = [
    "{\"usage\": {\"prompt_tok",
    "",
    "ens\": 3, \"completion_tokens\": 4}}",
];
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn tokens_of_an_answer_join_what_its_header_told() {
    let host = FakeHost::default();
    let told = [JSON, ("x-experiment-outcome", "cost_usd=0.014")];
    let outcome = read(1_000, &told, &ANSWER, &host);
    assert_eq!(outcome, b"cost_usd=0.014, input_tokens=3, output_tokens=4");
    let outcome = read(1_000, &[JSON], &ANSWER, &host);
    assert_eq!(outcome, b"input_tokens=3, output_tokens=4");
    assert_eq!(host.count(counters::HOST_ERROR), 0);
}

#[test]
fn an_answer_that_is_too_large_no_json_or_packed_is_not_read() {
    let host = FakeHost::default();
    let size: usize = ANSWER.iter().map(|it| it.len()).sum();
    assert_ne!(read(size, &[JSON], &ANSWER, &host), b"");
    assert_eq!(host.count(counters::USAGE_TOO_LARGE), 0);
    assert_eq!(read(size - 1, &[JSON], &ANSWER, &host), b"");
    assert_eq!(host.count(counters::USAGE_TOO_LARGE), 1);
    assert_eq!(read(0, &[JSON], &ANSWER, &host), b"");
    for headers in [
        &[("content-type", "text/event-stream")][..],
        &[JSON, ("content-encoding", "gzip")],
        &[],
    ] {
        assert_eq!(read(1_000, headers, &ANSWER, &host), b"", "{headers:?}");
        assert!(!host.calls().contains(&"response_body"), "{headers:?}");
    }
}

#[test]
fn a_host_that_fails_while_an_answer_is_read_is_counted_and_the_answer_goes_on() {
    for call in ["response_header", "response_body"] {
        let host = FakeHost::default();
        host.fail(call);
        assert_eq!(read(1_000, &[JSON], &ANSWER, &host), b"");
        assert!(host.count(counters::HOST_ERROR) > 0, "{call}");
    }
}
