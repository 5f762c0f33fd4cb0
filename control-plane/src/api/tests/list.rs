//! Lists: pages without gaps, filters, and what cannot be asked for.

use super::*;

async fn keys(server: &Server, path: &str) -> Vec<String> {
    let page = server.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let page = page.json();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|it| it["key"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_follow_one_another_by_key_without_a_gap_whatever_is_made_or_deleted_meanwhile() {
    let server = Server::open().await;
    for name in ["b", "d", "a", "c", "e"] {
        server.put(&format!("/v1/layers/{name}"), &json!({})).await;
    }
    let first = server.get("/v1/layers?limit=2").await.json();
    assert_eq!(first["next"], "b");
    server.delete("/v1/layers/b").await;
    server.put("/v1/layers/bb", &json!({})).await;
    assert_eq!(
        keys(&server, "/v1/layers?limit=2&cursor=b").await,
        ["bb", "c"]
    );
    let last = server.get("/v1/layers?limit=2&cursor=c").await.json();
    assert_eq!(last["items"].as_array().unwrap().len(), 2);
    assert_eq!(last.get("next"), None);
}

#[tokio::test]
async fn experiments_are_found_by_what_they_say() {
    let server = Server::filled().await;
    server.put("/v1/layers/other", &json!({})).await;
    let y = json!({
        "layer": "other",
        "services": ["chat"],
        "owner": "ml",
        "unit": {"type": "user", "sources": [{"header": "x-user"}]},
        "variants": [{"key": "a", "weight": 10000, "cluster": "stable"}],
    });
    assert_eq!(
        server.put("/v1/experiments/y", &y).await.status,
        StatusCode::CREATED
    );
    server.post("/v1/experiments/x/start").await;
    for (query, expected) in [
        ("", vec!["x", "y"]),
        ("state=running", vec!["x"]),
        ("state=draft", vec!["y"]),
        ("layer=other", vec!["y"]),
        ("owner=ml", vec!["y"]),
        ("cluster=stable", vec!["y"]),
        ("service=chat", vec!["x", "y"]),
        ("service=No Such", vec![]),
        ("prefix=x", vec!["x"]),
        ("layer=other&state=running", vec![]),
    ] {
        let path = format!("/v1/experiments?{}", query.replace(' ', "%20"));
        assert_eq!(keys(&server, &path).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_page_ends_before_it_gets_too_large() {
    let server = Server::open().await;
    let values: Vec<String> = (0..60_000).map(|n| format!("{n:060}")).collect();
    let segment = json!({"rule": {"header": "x-user", "one_of": values}});
    for name in ["a", "b", "c", "d"] {
        let made = server.put(&format!("/v1/segments/{name}"), &segment).await;
        assert_eq!(
            made.status,
            StatusCode::CREATED,
            "{}",
            &made.text[..made.text.len().min(300)]
        );
    }
    let page = server.get("/v1/segments").await.json();
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["next"]),
        (3, &json!("c"))
    );
    assert_eq!(keys(&server, "/v1/segments?cursor=c").await, ["d"]);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let server = Server::filled().await;
    let long = format!("prefix={}", "x".repeat(257));
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=ten",
        "cursor=A%20B",
        "page=2",
        "state=flying",
        "prefix=a&prefix=b",
        &*long,
    ] {
        server
            .get(&format!("/v1/experiments?{query}"))
            .await
            .problem(400);
    }
    server.get("/v1/layers?state=running").await.problem(400);
}
