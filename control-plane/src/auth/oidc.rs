//! Tokens of an OpenID provider: whether one counts, and what role it gives. Pure: where the provider's
//! keys come from is [`crate::api`]'s.

use super::{Principal, Refused, Role};
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// The longest token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;
/// The most keys of a set that are looked at.
const MAX_KEYS: usize = 100;
/// How far the clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
/// The longest subject.
const MAX_SUBJECT: usize = 200;

/// What is expected of a token.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its `iss`.
    pub issuer: String,
    /// One of its `aud`.
    pub audience: String,
    /// Where its roles are, as a JSON pointer: a text or a list of them.
    pub role_claim: String,
    /// Words of the provider that stand for a role, beside the roles' own.
    pub roles: BTreeMap<String, Role>,
}

/// The keys that the provider signs with.
#[derive(Clone, Default)]
pub struct KeySet(Vec<(Option<String>, DecodingKey)>);

/// A set of keys that cannot be used.
#[derive(Debug, Error)]
pub enum BadKeySet {
    /// It is no JWK set.
    #[error("it is no JWK set: {0}")]
    Json(#[from] serde_json::Error),
    /// It has no public key that can verify.
    #[error("it has no key that verifies RS, PS, ES or EdDSA signatures")]
    Empty,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517). Keys of other kinds are passed over; a secret one is never used,
    /// because whoever can read it could sign.
    ///
    /// # Errors
    /// [`BadKeySet`] where no key is left.
    pub fn read(json: &[u8]) -> Result<Self, BadKeySet> {
        let set: Value = serde_json::from_slice(json)?;
        // Key by key, so that one of a kind that is not known does not spoil the others.
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.into_iter().flatten().take(MAX_KEYS);
        let read = keys.filter_map(|key| {
            let set = serde_json::json!({"keys": [key]});
            let set: JwkSet = serde_json::from_value(set).ok()?;
            let jwk = set.keys.into_iter().next()?;
            let key = DecodingKey::from_jwk(&jwk).ok()?;
            let public = key.family() != AlgorithmFamily::Hmac;
            public.then_some((jwk.common.key_id, key))
        });
        let keys: Vec<_> = read.collect();
        if keys.is_empty() {
            return Err(BadKeySet::Empty);
        }
        Ok(Self(keys))
    }

    /// Whether there is a key that could have signed `token`; true for what is no token.
    #[must_use]
    pub fn knows(&self, token: &[u8]) -> bool {
        let header = decode_header(token);
        header.map_or(true, |header| self.named(header.kid.as_deref()).is_some())
    }

    /// The key of that name; the only one where none is named.
    fn named(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        match (kid, self.0.as_slice()) {
            (Some(kid), keys) => {
                let mut keys = keys.iter();
                let found = keys.find(|(name, _)| name.as_deref() == Some(kid));
                found.map(|(_, key)| key)
            }
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Provider {
    /// Whether `token` has the shape of one; whether it counts is another question.
    #[must_use]
    pub fn is_token(token: &[u8]) -> bool {
        token.iter().filter(|byte| **byte == b'.').count() == 2
    }

    /// Who has `token`, at the time `now`.
    ///
    /// # Errors
    /// [`Refused`] where it does not count.
    pub fn verify(
        &self,
        keys: &KeySet,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Principal, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Malformed);
        }
        let header = decode_header(token).map_err(|_| Refused::Malformed)?;
        let key = keys.named(header.kid.as_deref()).ok_or(Refused::Unknown)?;
        let claims = decode::<Value>(token, key, &self.validation(key));
        let claims = claims.map_err(|_| Refused::Unknown)?.claims;
        // The library would read the clock itself.
        let second = |name| claims.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
        let (early, late) = (
            (now.as_second() - LEEWAY) as f64,
            (now.as_second() + LEEWAY) as f64,
        );
        if second("exp").is_none_or(|end| end <= early) {
            return Err(Refused::Expired);
        }
        if second("nbf").is_some_and(|start| start > late) {
            return Err(Refused::Expired);
        }
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|it| {
            (1..=MAX_SUBJECT).contains(&it.len()) && !it.chars().any(char::is_control)
        });
        Ok(Principal {
            actor: format!("oidc:{}", subject.ok_or(Refused::Malformed)?),
            role: self.role(&claims).ok_or(Refused::Roleless)?,
        })
    }

    fn validation(&self, key: &DecodingKey) -> Validation {
        // Of the key's own family only: a token does not choose how it is verified.
        let mut validation = Validation::new_for_family(key.family());
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        validation
    }

    /// The highest role that the claim gives.
    fn role(&self, claims: &Value) -> Option<Role> {
        let role = |word: &str| self.roles.get(word).copied().or_else(|| word.parse().ok());
        match claims.pointer(&self.role_claim)? {
            Value::String(word) => role(word),
            Value::Array(words) => words
                .iter()
                .filter_map(Value::as_str)
                .filter_map(role)
                .max(),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
