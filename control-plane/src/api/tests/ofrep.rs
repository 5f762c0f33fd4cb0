//! Flags as an OpenFeature provider asks for them: statuses, tags and the protocol's own faults.

use super::*;

const FLAGS: &str = "/ofrep/v1/evaluate/flags";

async fn running() -> Server {
    let server = Server::filled().await;
    let started = server.post("/v1/experiments/x/start").await;
    assert_eq!(started.status, 200, "{}", started.text);
    server
}

/// A unit of each variant of `x`, and one of none.
async fn units(server: &Server) -> BTreeMap<String, String> {
    let mut units = BTreeMap::new();
    for unit in 0..100 {
        let unit = format!("u-{unit}");
        let body = json!({"context": {"targetingKey": unit}}).to_string();
        let answer = server.json("POST", &format!("{FLAGS}/x"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        units.insert(answer.json()["variant"].as_str().unwrap().to_owned(), unit);
    }
    assert_eq!(units.len(), 3, "{units:?}");
    units
}

#[tokio::test]
async fn a_flag_is_evaluated_for_whom_the_context_names() {
    let server = running().await;
    for (variant, unit) in units(&server).await {
        let body = json!({"context": {"targetingKey": unit}}).to_string();
        let flag = server
            .json("POST", &format!("{FLAGS}/x"), &body)
            .await
            .json();
        assert_eq!(flag["key"], "x");
        if variant.is_empty() {
            assert_eq!(
                (&flag["reason"], flag.get("value")),
                (&json!("DEFAULT"), None)
            );
        } else {
            assert_eq!(
                (&flag["reason"], &flag["value"]),
                (&json!("SPLIT"), &json!(variant))
            );
        }
        let all = server.json("POST", FLAGS, &body).await.json();
        assert_eq!(all, json!({ "flags": [flag] }));
    }
}

#[tokio::test]
async fn a_tag_is_that_of_the_answer_and_so_of_the_context() {
    let server = running().await;
    let units = units(&server).await;
    let ask = async |unit: &str, tag: &str| {
        let body = json!({"context": {"targetingKey": unit}}).to_string();
        server
            .call("POST", FLAGS, &[("if-none-match", tag)], &body)
            .await
    };
    let first = ask(&units["control"], "\"none\"").await;
    assert_eq!(
        (first.status.as_u16(), first.header("content-type")),
        (200, "application/json")
    );
    let tag = first.header("etag").to_owned();
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"a\", {tag}"),
        "*".to_owned(),
    ] {
        let again = ask(&units["control"], &known).await;
        assert_eq!((again.status.as_u16(), &*again.text), (304, ""));
        assert_eq!(again.header("etag"), tag);
    }
    let other = ask(&units["candidate"], &tag).await;
    assert_eq!(other.status, 200, "another context has another answer");
    assert_ne!(other.header("etag"), tag);
    server
        .weights(&json!({"control": 0, "candidate": 10_000}))
        .await;
    let changed = ask(&units["control"], &tag).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["flags"][0]["variant"], "candidate");
}

#[tokio::test]
async fn what_is_wrong_comes_back_in_the_protocol_s_own_words() {
    let server = running().await;
    let (one, long) = (format!("{FLAGS}/x"), "u".repeat(70_000));
    for (path, body, status, code) in [
        (&*one, "{", 400, "PARSE_ERROR"),
        (&*one, "[]", 400, "PARSE_ERROR"),
        (&*one, r#"{"context": 1}"#, 400, "PARSE_ERROR"),
        (&*one, "\u{0}", 400, "PARSE_ERROR"),
        (&*one, &*long, 400, "PARSE_ERROR"),
        (&*one, "", 400, "TARGETING_KEY_MISSING"),
        (&*one, r#"{"context": {}}"#, 400, "TARGETING_KEY_MISSING"),
        (
            &*one,
            r#"{"context": {"targetingKey": 1}}"#,
            400,
            "INVALID_CONTEXT",
        ),
        (
            &*one,
            &*format!(r#"{{"context": {{"targetingKey": "{}"}}}}"#, &long[..300]),
            400,
            "INVALID_CONTEXT",
        ),
        (
            &*format!("{FLAGS}/none"),
            r#"{"context": {"targetingKey": "u"}}"#,
            404,
            "FLAG_NOT_FOUND",
        ),
        (
            &*format!("{FLAGS}/No%20Key%2F"),
            r#"{"context": {"targetingKey": "u"}}"#,
            404,
            "FLAG_NOT_FOUND",
        ),
    ] {
        let answer = server.json("POST", path, body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["errorCode"], code, "{answer}");
        assert!(
            answer["key"].is_string() && answer["errorDetails"].is_string(),
            "{answer}"
        );
    }
    for (body, code) in [
        ("{", "PARSE_ERROR"),
        (r#"{"context": {"targetingKey": []}}"#, "INVALID_CONTEXT"),
    ] {
        let answer = server.json("POST", FLAGS, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errorCode"]),
            (400, &json!(code))
        );
    }
    // One flag's missing unit is not every flag's.
    let answer = server.json("POST", FLAGS, "{}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["flags"][0]["errorCode"],
        "TARGETING_KEY_MISSING"
    );
}
