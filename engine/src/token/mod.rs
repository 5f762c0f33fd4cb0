//! Signed texts that travel with a request. What lives here: the [`Keys`], and the envelope that
//! [`sticky`] cookies and [`force`] tokens share: `v1.{key}.{payload}.{mac}`, payload and MAC in
//! base64url without padding, the MAC HMAC-SHA256 over the kind of the token and everything in
//! front of it. What does not: where the texts come from and go to.
//!
//! Whatever is not whole, not ours or too old is refused with a [`TokenError`] and then ignored.

pub mod force;
pub mod sticky;

pub use force::Force;
pub use sticky::{Entry, Sticky};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use thiserror::Error;

/// The longest token, in bytes: what browsers keep of a cookie.
pub const MAX_BYTES: usize = 4_096;
/// The shortest secret, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;
/// How many keys there may be at once.
pub const MAX_KEYS: usize = 4;

const VERSION: &str = "v1";

/// Why a token is ignored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
pub enum TokenError {
    /// It is longer than [`MAX_BYTES`].
    #[error("the token is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It does not have the form of a token.
    #[error("this is no token")]
    Garbage,
    /// It is of a version that this build does not know.
    #[error("the token's version is unknown")]
    UnknownVersion,
    /// It names a key that is not there, perhaps not any more.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// Its MAC is not that of its content.
    #[error("the token was changed")]
    Tampered,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// The keys that sign and verify: the first signs, each verifies.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Keys(Box<[Key]>);

#[derive(Clone, Eq, PartialEq)]
struct Key {
    id: Box<str>,
    secret: Box<[u8]>,
}

/// What a token is for. It goes into the MAC, so that one kind can't pass for the other.
#[derive(Clone, Copy)]
enum Kind {
    Sticky,
    Force,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Sticky => b"watershed sticky\0",
            Self::Force => b"watershed force\0",
        }
    }
}

/// Why keys can't be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
pub enum KeyError {
    /// There are more than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// An identifier is not 1 to 16 of a-z and 0-9.
    #[error("a key's id is not 1 to 16 of a-z and 0-9")]
    Id,
    /// Two keys have one identifier.
    #[error("two keys have one id")]
    Duplicate,
    /// A secret is shorter than [`MIN_SECRET_BYTES`].
    #[error("a secret is shorter than {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
}

impl Keys {
    /// The keys of `(id, secret)`, in the order given.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn try_new<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        for (id, secret) in pairs {
            let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            if !(1..=16).contains(&id.len()) || !id.bytes().all(is_legal) {
                return Err(KeyError::Id);
            }
            if secret.len() < MIN_SECRET_BYTES {
                return Err(KeyError::ShortSecret);
            }
            if keys.iter().any(|key| *key.id == *id) {
                return Err(KeyError::Duplicate);
            }
            keys.push(Key {
                id: id.into(),
                secret: secret.into(),
            });
        }
        if keys.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        Ok(Self(keys.into()))
    }

    /// Whether there is none: then nothing is signed and nothing believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token of `payload`, `None` where there is no key to sign with.
    fn seal(&self, kind: Kind, payload: &str) -> Option<String> {
        let key = self.0.first()?;
        let mut token = format!("{VERSION}.{}.", key.id);
        BASE64URL.encode_string(payload, &mut token);
        let mac = key.mac(kind, &token)?.finalize().into_bytes();
        token.push('.');
        BASE64URL.encode_string(mac, &mut token);
        Some(token)
    }

    /// The payload of a token that one of the keys has signed.
    fn open(&self, kind: Kind, token: &[u8]) -> Result<String, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::TooLong);
        }
        let token = str::from_utf8(token).map_err(|_| TokenError::Garbage)?;
        let (signed, mac) = token.rsplit_once('.').ok_or(TokenError::Garbage)?;
        let mut parts = signed.split('.');
        if parts.next() != Some(VERSION) {
            return Err(TokenError::UnknownVersion);
        }
        let (Some(id), Some(payload), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Garbage);
        };
        let key = self.0.iter().find(|key| *key.id == *id);
        let key = key.ok_or(TokenError::UnknownKey)?;
        let mac = BASE64URL.decode(mac).map_err(|_| TokenError::Garbage)?;
        key.mac(kind, signed)
            .ok_or(TokenError::UnknownKey)?
            .verify_slice(&mac)
            .map_err(|_| TokenError::Tampered)?;
        let payload = BASE64URL.decode(payload).map_err(|_| TokenError::Garbage)?;
        String::from_utf8(payload).map_err(|_| TokenError::Garbage)
    }
}

impl Key {
    /// HMAC takes a secret of any length, so this is always there.
    fn mac(&self, kind: Kind, signed: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(kind.label());
        mac.update(signed.as_bytes());
        Some(mac)
    }
}

/// The identifiers alone: secrets belong in no log.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}

/// The longest payload whose token is not longer than [`MAX_BYTES`] whatever the key's id.
const MAX_PAYLOAD_BYTES: usize = {
    let around = VERSION.len() + 16 + 3 + 43;
    (MAX_BYTES - around) / 4 * 3
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn keys(ids: &[&str]) -> Keys {
        let secret = |id: &str| format!("{id:-<32}").into_bytes();
        let secrets: Vec<_> = ids.iter().map(|id| secret(id)).collect();
        let pairs = ids.iter().zip(&secrets);
        Keys::try_new(pairs.map(|(id, secret)| (*id, secret.as_slice()))).unwrap()
    }

    /// From Python's `hmac` and `base64`.
    #[test]
    fn a_token_is_what_another_implementation_makes_of_it() {
        let token = keys(&["k1"]).seal(Kind::Sticky, "hello").unwrap();
        assert_eq!(token, include_str!("../../vectors/token.txt").trim());
    }

    #[test]
    fn the_first_key_signs_and_each_verifies() {
        let old = keys(&["a"]).seal(Kind::Force, "x").unwrap();
        let both = keys(&["b", "a"]);
        assert_eq!(both.open(Kind::Force, old.as_bytes()), Ok("x".to_owned()));
        let new = both.seal(Kind::Force, "x").unwrap();
        assert!(new.starts_with("v1.b."), "{new}");
        assert_eq!(
            keys(&["a"]).open(Kind::Force, new.as_bytes()),
            Err(TokenError::UnknownKey)
        );
        assert_eq!(keys(&[]).seal(Kind::Force, "x"), None);
    }

    #[test]
    fn one_kind_does_not_pass_for_the_other() {
        let keys = keys(&["a"]);
        let token = keys.seal(Kind::Sticky, "x").unwrap();
        assert_eq!(
            keys.open(Kind::Force, token.as_bytes()),
            Err(TokenError::Tampered)
        );
    }

    #[test]
    fn a_reason_is_given() {
        let keys = keys(&["a"]);
        let token = keys.seal(Kind::Force, "x").unwrap();
        let open = |token: &str| keys.open(Kind::Force, token.as_bytes()).unwrap_err();
        assert_eq!(
            open(&token.replace("v1.", "v2.")),
            TokenError::UnknownVersion
        );
        assert_eq!(open(&token.replace(".a.", ".b.")), TokenError::UnknownKey);
        assert_eq!(open(&token.replace(".eA.", ".eQ.")), TokenError::Tampered);
        assert_eq!(open("v1.a.x"), TokenError::Garbage);
        assert_eq!(open(""), TokenError::Garbage);
        assert_eq!(open(&"x".repeat(MAX_BYTES + 1)), TokenError::TooLong);
    }

    #[test]
    fn keys_are_checked() {
        let secret = [7; 32];
        let keys = |pairs: &[(&'static str, usize)]| {
            let pairs = pairs.iter().map(|(id, length)| (*id, &secret[..*length]));
            Keys::try_new(pairs).map(|_| ()).unwrap_err()
        };
        assert_eq!(keys(&[("", 32)]), KeyError::Id);
        assert_eq!(keys(&[("A", 32)]), KeyError::Id);
        assert_eq!(keys(&[("abcdefghijklmnopq", 32)]), KeyError::Id);
        assert_eq!(keys(&[("a", 31)]), KeyError::ShortSecret);
        assert_eq!(keys(&[("a", 32), ("a", 32)]), KeyError::Duplicate);
        let five = [("a", 32), ("b", 32), ("c", 32), ("d", 32), ("e", 32)];
        assert_eq!(keys(&five), KeyError::TooMany);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let printed = format!("{:?}", keys(&["a"]));
        assert_eq!(printed, "[\"a\"]");
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(payload in "\\PC{0,60}") {
            let keys = keys(&["a", "b"]);
            let token = keys.seal(Kind::Sticky, &payload).unwrap();
            prop_assert_eq!(keys.open(Kind::Sticky, token.as_bytes()), Ok(payload));
        }

        #[test]
        fn any_flipped_bit_is_refused(payload in ".{0,30}", at: prop::sample::Index, bit in 0..8_u8) {
            let keys = keys(&["a", "b"]);
            let mut token = keys.seal(Kind::Sticky, &payload).unwrap().into_bytes();
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            prop_assert!(keys.open(Kind::Sticky, &token).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(v1)?[.a-z0-9_-]{0,80}") {
            let keys = keys(&["a"]);
            prop_assert!(keys.open(Kind::Sticky, &bytes).is_err());
            prop_assert!(keys.open(Kind::Force, text.as_bytes()).is_err());
        }

        #[test]
        fn a_token_of_the_longest_payload_is_not_too_long(id in "[a-z]{1,16}") {
            let keys = keys(&[&id]);
            let token = keys.seal(Kind::Sticky, &"x".repeat(MAX_PAYLOAD_BYTES)).unwrap();
            prop_assert!(token.len() <= MAX_BYTES);
        }
    }
}
