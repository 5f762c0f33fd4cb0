//! The unit as evidence knows it: a key of 16 bytes, the same on every path that joins, and its
//! plain text only where the installation keeps that. What does not live here: reading the unit from
//! a request, which is the engine's.
//!
//! The key is HMAC-SHA256 of `TYPE 0x00 UNIT` under the installation's secret, cut to 16 bytes
//! (RFC 2104; truncation as in its section 5). Without the secret a key tells nothing, not even to
//! somebody who can guess units.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, Serializer};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 16;

/// What is kept of units.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Privacy {
    /// A keyed hash alone.
    #[default]
    Hashed,
    /// The keyed hash to join by, and the text as it came.
    Plain,
}

impl FromStr for Privacy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hashed" => Ok(Self::Hashed),
            "plain" => Ok(Self::Plain),
            other => Err(format!("{other:?} is neither \"hashed\" nor \"plain\"")),
        }
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hashed => "hashed",
            Self::Plain => "plain",
        })
    }
}

/// What a unit is joined by.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnitKey(pub [u8; KEY_BYTES]);

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitKey({self})")
    }
}

impl Serialize for UnitKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A unit.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize)]
pub struct Unit {
    /// What it is joined by, as 32 hexadecimal digits where it is shown.
    #[serde(rename = "unit_key")]
    pub key: UnitKey,
    /// Its text, where the installation keeps that.
    #[serde(rename = "unit", skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
}

/// Makes units of what requests and applications call them.
#[derive(Clone)]
pub struct UnitHasher {
    mac: Hmac<Sha256>,
    privacy: Privacy,
}

impl UnitHasher {
    /// With the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8; 32], privacy: Privacy) -> Self {
        // RFC 2104 fills a shorter key up with zeros.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        Self {
            mac: Hmac::<Sha256>::new(&block.into()),
            privacy,
        }
    }

    /// The unit that is called `unit` among those of a type.
    #[must_use]
    pub fn unit(&self, unit_type: &str, unit: &str) -> Unit {
        Unit {
            key: self.key(unit_type, unit),
            plain: (self.privacy == Privacy::Plain).then(|| unit.to_owned()),
        }
    }

    /// Its key alone.
    #[must_use]
    pub fn key(&self, unit_type: &str, unit: &str) -> UnitKey {
        let mut mac = self.mac.clone();
        mac.update(unit_type.as_bytes());
        // No type has a NUL, so no two pairs read the same.
        mac.update(&[0]);
        mac.update(unit.as_bytes());
        let mut key = [0; KEY_BYTES];
        for (to, from) in key.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        UnitKey(key)
    }

    /// What is kept of units.
    #[must_use]
    pub fn privacy(&self) -> Privacy {
        self.privacy
    }
}

impl fmt::Debug for UnitHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitHasher")
            .field("privacy", &self.privacy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Python's `hmac.new(bytes(range(32)), b"user\0u-1", "sha256").hexdigest()[:32]`.
    const KNOWN: &str = "a010fb2cdfa691cd3fb7891595134515";

    fn secret() -> [u8; 32] {
        std::array::from_fn(|i| u8::try_from(i).unwrap())
    }

    #[test]
    fn the_key_is_the_one_that_another_implementation_makes() {
        let hasher = UnitHasher::new(&secret(), Privacy::Hashed);
        assert_eq!(hasher.key("user", "u-1").to_string(), KNOWN);
    }

    #[test]
    fn the_same_text_of_another_type_or_secret_is_another_unit() {
        let hasher = UnitHasher::new(&secret(), Privacy::Hashed);
        let key = hasher.key("user", "u-1");
        assert_eq!(key, hasher.key("user", "u-1"));
        assert_ne!(key, hasher.key("session", "u-1"));
        assert_ne!(hasher.key("a", "bc"), hasher.key("ab", "c"));
        assert_ne!(
            key,
            UnitHasher::new(&[7; 32], Privacy::Hashed).key("user", "u-1")
        );
    }

    #[test]
    fn the_text_is_kept_only_where_it_is_asked_for_and_joins_alike() {
        let hashed = UnitHasher::new(&secret(), Privacy::Hashed).unit("user", "u-1");
        let plain = UnitHasher::new(&secret(), Privacy::Plain).unit("user", "u-1");
        assert_eq!(hashed.plain, None);
        assert_eq!(plain.plain.as_deref(), Some("u-1"));
        assert_eq!(hashed.key, plain.key);
    }

    #[test]
    fn a_hasher_does_not_show_its_secret() {
        let text = format!("{:?}", UnitHasher::new(&[7; 32], Privacy::Plain));
        assert_eq!(text, "UnitHasher { privacy: Plain, .. }");
    }
}
