//! No request harms the filter: each is answered, the VM never traps, and the split goes on.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watershed_tests::envoy::{Envoy, Transport};
use watershed_tests::http::{Request, send};
use watershed_tests::sidecar::Sidecar;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{ask_all, request, units};
use watershed_tests::{Stack, documents};

/// Bytes that are not UTF-8, but that HTTP allows in a header.
const NOT_UTF8: &[u8] = b"\xff\xfe\x80\xc3\x28\xf0\x9f";

/// Requests, and the statuses that Envoy may give them: 200 where the filter decides, 4xx where Envoy's
/// own limits come first.
fn hostile_requests() -> Vec<(&'static str, Request, Vec<u16>)> {
    let get = || Request::get("/v1/models");
    let many = (0..500).fold(request("many"), |request, n| {
        request.header(&format!("x-{n}"), "v")
    });
    let long = "y".repeat(55_000);
    let longer = "y".repeat(60 * 1024);
    vec![
        (
            "a unit that is not UTF-8",
            get().header("x-conversation-id", NOT_UTF8),
            vec![200],
        ),
        (
            "a cookie that is not UTF-8",
            get().header("cookie", [b"cid=", NOT_UTF8].concat()),
            vec![200],
        ),
        (
            "a spoofed header that is not UTF-8",
            request("u").header("x-variant", NOT_UTF8),
            vec![200],
        ),
        (
            "an unrelated header that is not UTF-8",
            request("u").header("x-other", NOT_UTF8),
            vec![200],
        ),
        (
            "a path that is not UTF-8",
            Request::raw(b"GET /v1/\xff\xfe?\xff=\xff HTTP/1.1\r\nhost: x\r\n"),
            vec![200, 400],
        ),
        (
            "a host that is not UTF-8",
            Request::raw(b"GET /v1 HTTP/1.1\r\nhost: \xff\xfe\r\n"),
            vec![200, 400],
        ),
        (
            "a unit of 55,000 bytes",
            get().header("x-conversation-id", &long),
            vec![200, 431],
        ),
        (
            "a header of 60 KiB",
            request("u").header("x-long", &longer),
            vec![200, 431],
        ),
        (
            "a cookie of 55,000 bytes",
            get().header("cookie", format!("a={long}; cid=u")),
            vec![200, 431],
        ),
        ("500 headers", many, vec![200, 431]),
        (
            "500 units",
            (0..500).fold(get(), |r, n| r.header("x-conversation-id", format!("u{n}"))),
            vec![200, 431],
        ),
        (
            "no host",
            Request::raw(b"GET /v1 HTTP/1.1\r\nx-conversation-id: u\r\n"),
            vec![200, 400],
        ),
        (
            "an empty host",
            Request::raw(b"GET /v1 HTTP/1.1\r\nhost: \r\nx-conversation-id: u\r\n"),
            vec![200, 400],
        ),
        (
            "HTTP/1.0 without a host",
            Request::raw(b"GET /v1 HTTP/1.0\r\nx-conversation-id: u\r\n"),
            vec![200, 400, 426],
        ),
        (
            "an empty path",
            Request::raw(b"GET  HTTP/1.1\r\nhost: x\r\n"),
            vec![400],
        ),
        (
            "an absolute target",
            Request::raw(b"GET http://[::1]:99999/v1 HTTP/1.1\r\nhost: x\r\n"),
            vec![200, 400],
        ),
        (
            "a query of percent signs",
            Request::get("/v1?cid=%&cid=%f&cid=%ff%00&&=&%").header("cookie", "=;;cid;cid==;"),
            vec![200],
        ),
        (
            "a unit of commas and controls",
            get().header("x-conversation-id", ",;\t\"'%,"),
            vec![200],
        ),
        (
            "garbage",
            Request::raw(b"\x16\x03\x01 \xff garbage\r\n"),
            vec![400],
        ),
    ]
}

/// Sends each several times, because each of Envoy's workers has a VM of its own.
async fn assert_answered(
    gateway: SocketAddr,
    envoy: &mut Envoy,
    requests: Vec<(&'static str, Request, Vec<u16>)>,
) {
    for (what, request, allowed) in requests {
        for _ in 0..4 {
            let response = send(gateway, &request).await;
            let response = response.unwrap_or_else(|error| panic!("{what}: {error}"));
            let status = response.status;
            assert!(
                allowed.contains(&status),
                "{what}: {status} {}",
                response.text()
            );
        }
        let harm = envoy.filter_harm().await;
        assert_eq!(harm, None, "{what}: {}", envoy.log_end());
    }
}

#[tokio::test]
async fn hostile_requests_are_answered_and_the_filter_is_unharmed() {
    let mut stack = Stack::with_chat(Transport::Delta).await;
    assert_answered(stack.gateway(), &mut stack.envoy, hostile_requests()).await;
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );
}

#[tokio::test]
async fn where_envoys_own_limits_are_raised_hostile_requests_reach_the_filter_and_do_not_harm_it() {
    const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let mut sidecar = Sidecar::start(|mut bootstrap| {
        let manager = bootstrap.at(MANAGER);
        manager["max_request_headers_kb"] = json!(8_192);
        manager["common_http_protocol_options"]["max_headers_count"] = json!(10_000);
        manager["http_protocol_options"] = json!({ "accept_http_10": true });
        bootstrap
    })
    .await;
    sidecar.control_plane.start().await;
    sidecar.apply_experiment().await;

    let mut requests = hostile_requests();
    for (_, _, allowed) in &mut requests {
        // Nothing is too large any more: what is 431 above has to pass the filter here.
        allowed.retain(|status| *status != 431);
    }
    assert_answered(sidecar.gateway(), &mut sidecar.envoy, requests).await;
    assert_split(
        &ask_all(sidecar.gateway(), &units(2_000)).await,
        &Sidecar::WEIGHTS,
    );
}

/// HTTP/2 by hand: the preface, empty settings, and the head of a frame with the headers of stream 1.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// `GET /` over `http` from HPACK's static table (RFC 7541, appendix A), without an `:authority`.
const NO_AUTHORITY: &[u8] = b"\x82\x86\x84";
/// The same with a `host` header in its stead.
const HOST_INSTEAD: &[u8] = b"\x82\x86\x84\x66\x01x";

/// The types of the frames that answer a stream: HEADERS and RST_STREAM (RFC 9113, section 6).
const ANSWERS: [u8; 2] = [1, 3];

#[tokio::test]
async fn http2_requests_without_authority_are_answered_or_cut_off_and_the_filter_is_unharmed() {
    let mut stack = Stack::with_chat(Transport::Delta).await;
    for headers in [NO_AUTHORITY, HOST_INSTEAD] {
        for _ in 0..4 {
            let mut stream = TcpStream::connect(stack.gateway()).await.unwrap();
            let length = u8::try_from(headers.len()).unwrap();
            let frame = [&[0, 0, length, 1, 5, 0, 0, 0, 1], headers].concat();
            stream.write_all(&[HTTP2, &frame].concat()).await.unwrap();
            let answered = tokio::time::timeout(Duration::from_secs(30), until_answered(stream));
            answered.await.expect("Envoy neither answers nor closes");
        }
    }
    stack.envoy.assert_filter_unharmed().await;
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );
}

/// Reads frames until stream 1 is answered, or Envoy closes the connection, as it does with what its
/// codec refuses.
async fn until_answered(mut stream: TcpStream) {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let [a, b, c, kind, _flags, id @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut payload).await.is_err()
            || (ANSWERS.contains(&kind) && id == [0, 0, 0, 1])
        {
            return;
        }
    }
}
