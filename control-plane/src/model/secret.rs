//! Secrets: what is written and never shown. No `Debug`, answer, log line or audit record has one;
//! the store alone keeps it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// The key of a signature, as text.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever signs with it or keeps it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Written and never shown.",
            "type": "string",
            "writeOnly": true,
        })
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Like a text, but no message tells what was there instead.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        fn other<E: Error>() -> Result<Secret, E> {
            Err(E::custom("invalid type, expected a text"))
        }
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                other()
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                other()
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                other()
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                other()
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_debug_output_and_in_no_fault() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret([hidden])");
        for json in [
            "1234567",
            "-1234567",
            "1234567.5",
            "true",
            "[1234567]",
            "{\"1234567\": 1}",
        ] {
            let fault = serde_json::from_str::<Secret>(json)
                .unwrap_err()
                .to_string();
            assert!(
                !fault.contains("1234567") && !fault.contains("true"),
                "{fault}"
            );
        }
    }
}
