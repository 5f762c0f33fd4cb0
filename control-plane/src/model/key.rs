//! Keys: the names of clusters, services, layers, experiments and variants. They become header
//! values, cluster names and parts of metric names, so their alphabet is small.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::{Borrow, Cow};
use std::fmt;
use thiserror::Error;

/// The most bytes of a key.
pub const MAX_KEY: usize = 64;

/// What a key looks like, for messages.
pub const KEY_RULE: &str =
    "1 to 64 of a-z, 0-9, `.`, `_` and `-`, with a letter or digit first and last";

/// A valid name: `[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Key(String);

/// A name that is not a key.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("`{shown}` is not a key (expected {KEY_RULE})")]
pub struct BadKey {
    /// The start of the name, with control characters escaped.
    pub shown: String,
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// [`BadKey`] where `name` does not follow [`KEY_RULE`].
    pub fn try_new(name: &str) -> Result<Self, BadKey> {
        if is_key(name.as_bytes()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadKey {
                shown: name.escape_debug().take(MAX_KEY).collect(),
            })
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_key(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: &u8| plain(byte) || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= MAX_KEY
        && name.iter().all(inner)
        && name.first().is_some_and(plain)
        && name.last().is_some_and(plain)
}

impl TryFrom<String> for Key {
    type Error = BadKey;

    fn try_from(name: String) -> Result<Self, BadKey> {
        Self::try_new(&name)
    }
}

impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": format!("A name: {KEY_RULE}."),
            "type": "string",
            "pattern": "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$",
        })
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_for_headers_and_clusters_are_keys() {
        for good in ["a", "0", "chat-model", "gpt_4.1", &"a".repeat(64)] {
            assert_eq!(Key::try_new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn other_names_are_not() {
        let long = "a".repeat(65);
        for bad in [
            "", "-a", "a-", ".", "..", "../etc", "A", "a b", "a,b", "é", "a\n", "a/b", &long,
        ] {
            assert!(Key::try_new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_shows_the_name_without_control_characters() {
        assert_eq!(Key::try_new("a\n").unwrap_err().shown, "a\\n");
    }

    proptest! {
        #[test]
        fn a_key_is_what_the_pattern_says(name in "[a-zA-Z0-9._/ é-]{0,70}") {
            let characters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let expected = name.chars().all(|c| characters(c) || "._-".contains(c))
                && name.starts_with(characters)
                && name.ends_with(characters)
                && name.len() <= MAX_KEY;
            prop_assert_eq!(Key::try_new(&name).is_ok(), expected);
        }
    }
}
