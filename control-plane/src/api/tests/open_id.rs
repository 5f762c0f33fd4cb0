//! Tokens of an OpenID provider, whose keys come from a server of the test: they let in beside keys, the
//! audit names their subject, and a provider that is gone or has new keys is lived with.

use super::*;
use crate::api::{KeySource, OpenId};
use crate::auth::oidc::Provider;
use crate::auth::oidc::testing::{ISSUER, claims, key_set, token};
use axum::routing::get;
use jsonwebtoken::Algorithm;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// A provider that serves its keys, counts how often it is asked, and can be told to fail.
#[derive(Clone, Default)]
struct Keys {
    set: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Keys {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let keys = self.clone();
        let answer = move || async move {
            keys.asked.fetch_add(1, Ordering::Relaxed);
            let set = keys.set.lock().unwrap().clone();
            set.map(axum::Json).ok_or(StatusCode::BAD_GATEWAY)
        };
        let router = Router::new().route("/keys", get(answer));
        tokio::spawn(async { axum::serve(listener, router).await });
        url
    }
}

async fn server(source: KeySource) -> Server {
    let provider = Provider {
        issuer: ISSUER.to_owned(),
        audience: "watershed".to_owned(),
        role_claim: "/roles".to_owned(),
        roles: BTreeMap::new(),
    };
    let auth = Auth::Keys {
        command_line: Some(KeyHash::of(KEY.as_bytes())),
        rate: None,
        open_id: Some(Box::new(OpenId { provider, source })),
    };
    Server::with(auth).await
}

/// A token that counts at the server's clock.
fn ada(kid: &str, alg: Algorithm) -> String {
    let mut claims = claims();
    claims["exp"] = (clock().as_second() + 600).into();
    token(kid, alg, &claims)
}

#[tokio::test]
async fn a_token_lets_in_beside_keys_and_the_audit_names_its_subject() {
    let keys = Keys::default();
    *keys.set.lock().unwrap() = Some(key_set("k1", Algorithm::RS256));
    let server = server(KeySource::url(&keys.serve().await).unwrap()).await;
    let ada = ada("k1", Algorithm::RS256);
    let made = server.with_key(&ada, "PUT", "/v1/layers/a", "{}").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    server
        .with_key(&ada, "GET", "/v1/keys", "")
        .await
        .problem(403);
    let audit = server.with_key(KEY, "GET", "/v1/audit", "").await;
    assert_eq!(audit.json()["items"][0]["actor"], "oidc:ada");
    assert_eq!(
        keys.asked.load(Ordering::Relaxed),
        1,
        "read once for many requests"
    );
}

#[tokio::test]
async fn a_provider_that_fails_keeps_keys_working_and_is_not_asked_at_every_request() {
    let keys = Keys::default();
    let server = server(KeySource::url(&keys.serve().await).unwrap()).await;
    let ada = ada("k1", Algorithm::RS256);
    for _ in 0..5 {
        server
            .with_key(&ada, "GET", "/v1/layers", "")
            .await
            .problem(401);
    }
    assert_eq!(keys.asked.load(Ordering::Relaxed), 1);
    assert_eq!(
        server.with_key(KEY, "GET", "/v1/layers", "").await.status,
        StatusCode::OK
    );
    let metrics = server.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"api_refused_total{reason="unknown"} 5"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn keys_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set("k1", Algorithm::EdDSA).to_string()).unwrap();
    let server = server(KeySource::File(file)).await;
    let ada = ada("k1", Algorithm::EdDSA);
    assert_eq!(
        server.with_key(&ada, "GET", "/v1/layers", "").await.status,
        StatusCode::OK
    );
    let mut late = claims();
    late["exp"] = (clock().as_second() - 61).into();
    let late = token("k1", Algorithm::EdDSA, &late);
    let refused = server.with_key(&late, "GET", "/v1/layers", "").await;
    refused.problem(401);
    assert_eq!(refused.json()["detail"], "the key has expired");
}
