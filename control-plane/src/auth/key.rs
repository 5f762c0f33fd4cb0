//! API keys: their text, their hash, and what is known of each. A key is `wsk_`, 16 hexadecimal digits
//! that name it, `_`, and 64 that nobody can guess, so that a plain SHA-256 of it can be kept: there is
//! nothing to stretch. The prefix lets scanners for leaked secrets find it.

use super::Role;
use crate::model::Key;
use crate::model::secret::Secret;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

const PREFIX: &str = "wsk_";
const ID_BYTES: usize = 8;
/// The random bytes that a key is made of: its id's, and 256 bits of secret.
pub const RANDOM_BYTES: usize = ID_BYTES + 32;

/// The SHA-256 of a key. Compared in constant time.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

/// A key that was just made: the only time that its text is known.
pub struct NewKey {
    /// What names it.
    pub id: String,
    /// What is kept of it.
    pub hash: KeyHash,
    /// The key itself.
    pub text: Secret,
}

/// What is known of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRecord {
    /// What names it in its own text.
    pub id: String,
    /// What people call it. Never given twice.
    pub name: Key,
    /// What its bearer may do.
    pub role: Role,
    /// What is kept of it.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From when on it counts no more.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl KeyHash {
    /// The hash of a key's text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        Some(Self(hash))
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash([hidden])")
    }
}

impl NewKey {
    /// The key of these random bytes.
    #[must_use]
    pub fn from_random(random: &[u8; RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        let id = hex::encode(id);
        let text = format!("{PREFIX}{id}_{}", hex::encode(secret));
        Self {
            hash: KeyHash::of(text.as_bytes()),
            text: Secret::new(text),
            id,
        }
    }
}

/// The id that a text names, where it has the shape of a key.
#[must_use]
pub fn id_of(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str| {
        let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        text.bytes().all(digit)
    };
    let long = id.len() == 2 * ID_BYTES && secret.len() == 2 * (RANDOM_BYTES - ID_BYTES);
    (long && is_hex(id) && is_hex(secret)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(random: [u8; RANDOM_BYTES]) -> NewKey {
        NewKey::from_random(&random)
    }

    #[test]
    fn a_key_names_itself_and_has_256_bits_more() {
        let made = key([0xab; RANDOM_BYTES]);
        assert_eq!(made.id, "ab".repeat(8));
        let text = made.text.reveal();
        assert_eq!(text, format!("wsk_{}_{}", "ab".repeat(8), "ab".repeat(32)));
        assert_eq!(id_of(text.as_bytes()), Some(&*made.id));
        assert_eq!(KeyHash::of(text.as_bytes()), made.hash);
        assert_ne!(key([0xac; RANDOM_BYTES]).hash, made.hash);
    }

    #[test]
    fn a_hash_is_the_same_after_it_is_written_and_shown_to_nobody() {
        let hash = key([7; RANDOM_BYTES]).hash;
        assert_eq!(KeyHash::read(&hash.to_string()), Some(hash));
        assert_eq!(format!("{hash:?}"), "KeyHash([hidden])");
        for garbage in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            assert_eq!(KeyHash::read(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_key_is_none() {
        let good = key([1; RANDOM_BYTES]).text.reveal().to_owned();
        for bad in [
            String::new(),
            "wsk_".to_owned(),
            good.to_uppercase(),
            format!("{good}0"),
            format!(" {good}"),
            good.replace("wsk_", "wsk-"),
            good.replacen('1', "x", 1),
            good.replacen('0', "é", 1),
        ] {
            assert_eq!(id_of(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(id_of(b"wsk_\xff\xfe"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes: Vec<u8>) {
            let _ = id_of(&bytes);
        }
    }
}
