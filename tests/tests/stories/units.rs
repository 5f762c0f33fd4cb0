//! Where a unit comes from: a verified token, the body, the address, a cookie that the proxy makes, the
//! request itself. Each is held against the same unit in a header.

use serde_json::{Value, json};
use watershed_tests::Standalone;
use watershed_tests::envoy::Bootstrap;
use watershed_tests::http::Request;
use watershed_tests::standalone::HTTP_FILTERS;

/// So many that two units hardly share one by chance.
const VARIANTS: u32 = 50;

/// One experiment in a layer of its own, of many variants, that only stamps. Its unit is read at
/// `source`, then in the header `x-unit`.
fn experiment(key: &str, source: &Value) -> Value {
    let share = 10_000 / VARIANTS;
    let variants: Vec<Value> = (0..VARIANTS)
        .map(|n| {
            let range = json!({ "start": n * share, "end": n * share + share - 1 });
            json!({ "key": format!("v{n}"), "ranges": [range] })
        })
        .collect();
    json!({
        "key": key,
        "layer": key,
        "unitSources": [source, { "header": "x-unit" }],
        "allocation": [{ "start": 0, "end": 9999 }],
        "variants": variants,
        "fallback": "v0",
    })
}

fn configuration(experiments: &[Value]) -> Value {
    let layers: Vec<Value> = experiments
        .iter()
        .map(|experiment| json!({ "key": experiment["layer"] }))
        .collect();
    json!({ "services": [{ "key": "all" }], "layers": layers, "experiments": experiments })
}

async fn standalone(key: &str, source: Value) -> Standalone {
    let configuration = configuration(&[experiment(key, &source)]);
    Standalone::start(&configuration, |bootstrap| bootstrap).await
}

/// The variant that reached the upstream; empty where there was none.
async fn variant(standalone: &Standalone, request: &Request) -> String {
    let answer = standalone.echo(request).await;
    let variant = answer["headers"]["x-variant"].as_str();
    variant.unwrap_or_default().to_owned()
}

async fn by_header(standalone: &Standalone, unit: &str) -> String {
    let variant = variant(standalone, &Request::get("/").header("x-unit", unit)).await;
    assert!(!variant.is_empty());
    variant
}

/// `{"iss": "me", "list": ["a", "b"], "b": true, "n": 42, "sub": "12345678", "exp": 4102444800,
/// "o": {"deep": "x", "f": 1.5}}`, signed with [`JWKS`].
const TOKEN: &str = concat!(
    "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAiayJ9.eyJpc3MiOiAibWUiLCAic3ViIjogIjEyM",
    "zQ1Njc4IiwgIm4iOiA0MiwgIm8iOiB7ImRlZXAiOiAieCIsICJmIjogMS41fSwgImxpc3QiOiBbImEiLCAiYiJdLCA",
    "iYiI6IHRydWUsICJleHAiOiA0MTAyNDQ0ODAwfQ.3Vzq_2G2jcAbQ37SmGSFtallgLsFhw6ojv-RfSa8EI4",
);

const JWKS: &str = r#"{"keys": [{"kty": "oct", "alg": "HS256", "kid": "k",
    "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;

/// Puts Envoy's `jwt_authn` in front of the filter.
fn with_jwt(mut bootstrap: Bootstrap) -> Bootstrap {
    let filter = json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "own": {
                "issuer": "me", "local_jwks": { "inline_string": JWKS }, "payload_in_metadata": "payload",
            }},
            "rules": [{ "match": { "prefix": "/" }, "requires": { "requires_any": { "requirements": [
                { "provider_name": "own" }, { "allow_missing": {} },
            ]}}}],
        },
    });
    let filters = bootstrap.at(HTTP_FILTERS).as_array_mut().unwrap();
    filters.insert(0, filter);
    bootstrap
}

#[tokio::test]
async fn a_claim_of_a_verified_token_is_a_unit() {
    let claim = |path: &[&str]| json!({ "jwtClaim": { "provider": "payload", "path": path } });
    let experiments = [
        experiment("text", &claim(&["sub"])),
        experiment("number", &claim(&["n"])),
        experiment("inner", &claim(&["o", "deep"])),
        experiment("list", &claim(&["list"])),
    ];
    let mut standalone = Standalone::start(&configuration(&experiments), with_jwt).await;
    let bearer = Request::get("/").header("authorization", format!("Bearer {TOKEN}"));
    let answer = standalone.echo(&bearer).await;
    assert_eq!(answer["headers"]["x-experiment-id"], "text,number,inner");
    let variants = answer["headers"]["x-variant"].as_str().unwrap().split(',');
    let units = ["12345678", "42", "x"];
    for (position, (variant, unit)) in variants.zip(units).enumerate() {
        let all = by_header(&standalone, unit).await;
        assert_eq!(all.split(',').nth(position), Some(variant), "{unit}");
    }
    assert_eq!(
        variant(&standalone, &Request::get("/")).await,
        "",
        "no token, no unit"
    );
    standalone.envoy.assert_filter_unharmed().await;
}

fn chunked(chunks: &[&[u8]], trailers: &str) -> Request {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    Request::new("POST", "/v1/chat/completions")
        .header("content-type", "application/json")
        .header("transfer-encoding", "chunked")
        .body(&body)
}

fn posted(body: &[u8]) -> Request {
    Request::new("POST", "/v1/chat/completions")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", body.len().to_string())
        .body(body)
}

#[tokio::test]
async fn a_value_in_the_body_is_a_unit_and_the_body_arrives_whole() {
    let mut standalone = standalone("body", json!({ "body": "/metadata/user" })).await;
    for unit in ["alice", "bob", "carol"] {
        let expected = by_header(&standalone, unit).await;
        let body =
            json!({ "messages": ["x".repeat(5_000)], "metadata": { "user": unit } }).to_string();
        let halves = body.as_bytes().split_at(100);
        for request in [
            posted(body.as_bytes()),
            chunked(&[body.as_bytes()], ""),
            chunked(&[halves.0, halves.1], ""),
            chunked(&[halves.0, halves.1], "x-trailer: 1\r\n"),
        ] {
            let answer = standalone.echo(&request).await;
            assert_eq!(
                answer["headers"]["x-variant"],
                expected.as_str(),
                "{answer}"
            );
            assert_eq!(answer["body_length"], body.len(), "{answer}");
        }
    }
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn a_body_that_gives_no_unit_gives_way_to_the_next_source() {
    let mut standalone = standalone("body", json!({ "body": "/user" })).await;
    let expected = by_header(&standalone, "next").await;
    let large = json!({ "user": "alice", "prompt": "x".repeat(70_000) }).to_string();
    let deep = format!("{{\"a\":{}", "[".repeat(50_000));
    for body in [
        large.as_bytes(),
        deep.as_bytes(),
        b"{\"user\":",
        b"\xff\xfe",
        b"{}",
        b"nope",
        b"",
    ] {
        for request in [
            posted(body),
            chunked(
                &[body]
                    .into_iter()
                    .filter(|b| !b.is_empty())
                    .collect::<Vec<_>>(),
                "",
            ),
        ] {
            let request = request.header("x-unit", "next");
            let answer = standalone.echo(&request).await;
            assert_eq!(answer["headers"]["x-variant"], expected.as_str());
            assert_eq!(answer["body_length"], body.len());
        }
    }
    let user = json!({ "user": "alice" }).to_string();
    let compressed = posted(user.as_bytes()).header("content-encoding", "gzip");
    assert_eq!(
        variant(&standalone, &compressed.header("x-unit", "next")).await,
        expected
    );
    let too_large = "wasmcustom.watershed.body_too_large";
    standalone.envoy.admin().until_stat(too_large, 2).await;
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn a_proxy_that_hands_no_body_over_hangs_nobody() {
    let configuration = configuration(&[experiment("body", &json!({ "body": "/user" }))]);
    let mut standalone = Standalone::start(&configuration, |mut bootstrap| {
        let plugin = format!("{HTTP_FILTERS}/0/typed_config/config");
        let plugin = bootstrap.at(&plugin).as_object_mut().unwrap();
        assert!(plugin.remove("allow_on_headers_stop_iteration").is_some());
        bootstrap
    })
    .await;
    let expected = by_header(&standalone, "next").await;
    let body = json!({ "user": "alice" }).to_string();
    for _ in 0..3 {
        let request = posted(body.as_bytes()).header("x-unit", "next");
        let answer = standalone.echo(&request).await;
        assert_eq!(answer["headers"]["x-variant"], expected.as_str());
        assert_eq!(answer["body_length"], body.len());
    }
    assert!(
        standalone
            .envoy
            .log_end()
            .contains("allow_on_headers_stop_iteration")
    );
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn the_source_address_is_a_unit_and_its_port_is_not() {
    let source = json!({ "sourceAddress": {} });
    let mut standalone = standalone("address", source).await;
    let by_address = variant(&standalone, &Request::get("/")).await;
    let header = json!({ "header": "x-unit" });
    let by_name = self::standalone("address", header).await;
    assert_eq!(by_address, by_header(&by_name, "127.0.0.1").await);
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn a_generated_unit_is_kept_in_a_cookie() {
    let source = json!({ "generated": { "cookie": "uid", "sameSite": "LAX" } });
    let mut standalone = standalone("generated", source).await;
    let first = standalone
        .send(&Request::get("/").header("cookie", "a=1"))
        .await;
    let cookie = first.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(
        attributes,
        "Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax"
    );
    let unit = pair.strip_prefix("uid=").unwrap();
    let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    assert!(unit.len() == 32 && unit.bytes().all(is_hex), "{unit}");
    let seen = first.json();
    assert_eq!(
        seen["headers"]["cookie"],
        format!("a=1; {pair}"),
        "the upstream knows it, too"
    );
    assert_eq!(
        seen["headers"]["x-variant"],
        by_header_of_generated(&standalone, unit).await
    );

    let again = standalone
        .send(&Request::get("/").header("cookie", pair))
        .await;
    assert_eq!(again.header("set-cookie"), None);
    assert_eq!(
        again.json()["headers"]["x-variant"],
        seen["headers"]["x-variant"]
    );
    let other = standalone.send(&Request::get("/")).await;
    assert_ne!(
        other.header("set-cookie"),
        Some(cookie),
        "nobody gets the same one"
    );
    standalone.envoy.assert_filter_unharmed().await;
}

/// The variant of a unit that comes in its cookie.
async fn by_header_of_generated(standalone: &Standalone, unit: &str) -> String {
    variant(
        standalone,
        &Request::get("/").header("cookie", format!("uid={unit}")),
    )
    .await
}

#[tokio::test]
async fn where_the_request_is_the_unit_each_is_assigned_anew() {
    let mut standalone = standalone("request", json!({ "request": {} })).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        seen.insert(variant(&standalone, &Request::get("/")).await);
    }
    assert!(!seen.contains("") && seen.len() > 5, "{seen:?}");
    standalone.envoy.assert_filter_unharmed().await;
}
