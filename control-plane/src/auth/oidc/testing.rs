//! A provider for tests: its keys, and tokens that it signs.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const ED25519: &[u8] = include_bytes!("../../../fixtures/oidc-ed25519.der");
const RSA: &[u8] = include_bytes!("../../../fixtures/oidc-rsa.der");

pub(crate) const ISSUER: &str = "https://id.example.com";

fn key(alg: Algorithm) -> EncodingKey {
    match alg {
        Algorithm::EdDSA => EncodingKey::from_ed_der(ED25519),
        _ => EncodingKey::from_rsa_der(RSA),
    }
}

/// A JWK set of one key.
pub(crate) fn key_set(kid: &str, alg: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(&key(alg), alg).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    json!({"keys": [jwk]})
}

/// Claims that are right until the time 1,000.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["watershed", "other"], "sub": "ada", "exp": 1_000,
        "roles": ["staff", "editor"],
    })
}

/// A token.
pub(crate) fn token(kid: &str, alg: Algorithm, claims: &Value) -> String {
    let mut header = Header::new(alg);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &key(alg)).unwrap()
}
