//! Tests of tokens: which counts, and what it gives; and garbage.

use super::testing::{ISSUER, claims, key_set, token};
use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::json;

fn provider() -> Provider {
    Provider {
        issuer: ISSUER.to_owned(),
        audience: "watershed".to_owned(),
        role_claim: "/roles".to_owned(),
        roles: BTreeMap::from([("oncall".to_owned(), Role::Operator)]),
    }
}

fn keys() -> KeySet {
    KeySet::read(key_set("k1", Algorithm::EdDSA).to_string().as_bytes()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn verify(claims: &Value) -> Result<Principal, Refused> {
    let token = token("k1", Algorithm::EdDSA, claims);
    provider().verify(&keys(), token.as_bytes(), at(500))
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_good_token_lets_its_subject_in_with_the_highest_role_that_it_names() {
    let ada = verify(&claims()).unwrap();
    assert_eq!((&*ada.actor, ada.role), ("oidc:ada", Role::Editor));
    let oncall = verify(&with("roles", json!(["viewer", "oncall", 7]))).unwrap();
    assert_eq!(oncall.role, Role::Operator);
    assert_eq!(
        verify(&with("roles", json!("admin"))).unwrap().role,
        Role::Admin
    );
}

#[test]
fn rsa_is_verified_too() {
    for alg in [Algorithm::RS256, Algorithm::PS384] {
        let keys = KeySet::read(key_set("r", alg).to_string().as_bytes()).unwrap();
        let token = token("r", alg, &claims());
        assert!(
            provider().verify(&keys, token.as_bytes(), at(500)).is_ok(),
            "{alg:?}"
        );
    }
}

#[test]
fn a_token_that_is_not_for_us_or_not_of_now_does_not_count() {
    for (name, value, refused) in [
        ("iss", json!("https://evil.example.com"), Refused::Unknown),
        ("iss", Value::Null, Refused::Unknown),
        ("aud", json!("other"), Refused::Unknown),
        ("aud", json!([]), Refused::Unknown),
        ("exp", json!(439), Refused::Expired),
        ("exp", json!("1000"), Refused::Unknown),
        ("nbf", json!(561), Refused::Expired),
        ("sub", json!(""), Refused::Malformed),
        ("sub", json!("a\nb"), Refused::Malformed),
        ("sub", json!("x".repeat(201)), Refused::Malformed),
        ("roles", json!([]), Refused::Roleless),
        ("roles", json!({"admin": true}), Refused::Roleless),
        ("roles", json!("Admin"), Refused::Roleless),
    ] {
        assert_eq!(
            verify(&with(name, value.clone())),
            Err(refused),
            "{name}: {value}"
        );
    }
    for missing in ["iss", "aud", "exp", "sub", "roles"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert!(verify(&claims).is_err(), "{missing}");
    }
}

#[test]
fn a_token_does_not_choose_how_it_is_verified() {
    let good = token("k1", Algorithm::EdDSA, &claims());
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let none = r#"{"alg":"none","kid":"k1"}"#;
    let hmac = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k1".to_owned());
        let public = key_set("k1", Algorithm::EdDSA)["keys"][0]["x"].to_string();
        encode(
            &header,
            &claims(),
            &EncodingKey::from_secret(public.as_bytes()),
        )
        .unwrap()
    };
    let other_key = token("k1", Algorithm::RS256, &claims());
    for bad in [
        format!("{rest}."),
        format!("{rest}.{}", signature.chars().rev().collect::<String>()),
        format!("{none}.{}.", rest.split('.').nth(1).unwrap()),
        hmac,
        other_key,
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}{}", "x".repeat(MAX_TOKEN)),
    ] {
        assert!(
            provider().verify(&keys(), bad.as_bytes(), at(500)).is_err(),
            "{bad}"
        );
    }
    let unknown = token("k2", Algorithm::EdDSA, &claims());
    assert!(!keys().knows(unknown.as_bytes()) && keys().knows(good.as_bytes()));
    assert_eq!(
        provider().verify(&keys(), unknown.as_bytes(), at(500)),
        Err(Refused::Unknown)
    );
}

#[test]
fn a_set_without_a_public_key_is_none_and_what_is_not_known_is_passed_over() {
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"keys": []}"#,
        r#"{"keys": [{"kty": "oct", "k": "AAAA"}]}"#,
        r#"{"keys": 7}"#,
    ] {
        assert!(KeySet::read(bad.as_bytes()).is_err(), "{bad}");
    }
    let mut set = key_set("k1", Algorithm::EdDSA);
    set["keys"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"kty": "new", "kid": "q"}));
    let keys = KeySet::read(set.to_string().as_bytes()).unwrap();
    let token = token("k1", Algorithm::EdDSA, &claims());
    assert!(provider().verify(&keys, token.as_bytes(), at(500)).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_harm(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
        prop_assert!(provider().verify(&keys(), &bytes, at(500)).is_err());
        prop_assert!(provider().verify(&keys(), text.as_bytes(), at(500)).is_err());
        let _ = KeySet::read(&bytes);
    }
}
