//! Claims of a JWT, as Envoy's `jwt_authn` leaves them in the request's dynamic metadata. What lives
//! here: finding one claim in the bytes of an `envoy.config.core.v3.Metadata`. What does not:
//! verification, which Envoy has done.
//!
//! Why the whole message and not `get_property` down to the claim: that answer has no type, and the
//! text `"12345678"` can't be told from the eight bytes of a number. The message is walked where it
//! lies; nothing is copied but a number's digits.

use prost::encoding::decode_varint;
use std::borrow::Cow;

/// The name under which `jwt_authn` keeps payloads.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// The claim at `path` of `provider`'s payload: a string as it is, a number in decimal digits, a
/// boolean as `true` or `false`. `None` for what is not there or is anything else, and for bytes
/// that are no metadata.
///
/// Envoy keeps every number as a double, so an integer beyond 2^53 has lost its last digits before
/// it comes here.
#[must_use]
pub fn claim<'a>(
    metadata: &'a [u8],
    provider: &str,
    path: &[impl AsRef<str>],
) -> Option<Cow<'a, [u8]>> {
    // Metadata.filter_metadata = 1, Struct.fields = 1: both maps.
    let payloads = entry(metadata, NAMESPACE)?;
    let mut value = entry(payloads, provider)?;
    for name in path {
        value = entry(structure(value)?, name.as_ref())?;
    }
    scalar(value)
}

/// One field of a Protobuf message.
enum Field<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message in order; ends early where the bytes are no message.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        field
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Field<'a>)> {
        if self.0.is_empty() {
            return None;
        }
        let key = decode_varint(&mut self.0).ok()?;
        let field = match key & 7 {
            0 => Field::Number(decode_varint(&mut self.0).ok()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Field::Double(f64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(decode_varint(&mut self.0).ok()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => {
                let (_, rest) = self.0.split_first_chunk::<4>()?;
                self.0 = rest;
                Field::Other
            }
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

/// The value under `key` in the map that is field 1 of `message`.
fn entry<'a>(message: &'a [u8], key: &str) -> Option<&'a [u8]> {
    Fields(message)
        .filter(|(tag, _)| *tag == 1)
        .find_map(|(_, field)| match field {
            Field::Bytes(entry) if bytes(entry, 1) == Some(key.as_bytes()) => bytes(entry, 2),
            _ => None,
        })
}

fn bytes(message: &[u8], tag: u64) -> Option<&[u8]> {
    Fields(message).find_map(|(other, field)| match field {
        Field::Bytes(bytes) if other == tag => Some(bytes),
        _ => None,
    })
}

/// Value.struct_value = 5
fn structure(value: &[u8]) -> Option<&[u8]> {
    bytes(value, 5)
}

/// Value.number_value = 2, string_value = 3, bool_value = 4
fn scalar(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    match Fields(value).next()? {
        (2, Field::Double(number)) if number.is_finite() => {
            Some(Cow::Owned(number.to_string().into_bytes()))
        }
        (3, Field::Bytes(text)) => Some(Cow::Borrowed(text)),
        (4, Field::Number(truth)) => {
            let word: &[u8] = if truth == 0 { b"false" } else { b"true" };
            Some(Cow::Borrowed(word))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn length_delimited(tag: u64, bytes: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        prost::encoding::encode_varint(tag << 3 | 2, &mut field);
        prost::encode_length_delimiter(bytes.len(), &mut field).unwrap();
        field.extend_from_slice(bytes);
        field
    }

    fn map_entry(key: &str, value: &[u8]) -> Vec<u8> {
        let key = length_delimited(1, key.as_bytes());
        length_delimited(1, &[key, length_delimited(2, value)].concat())
    }

    fn structure(fields: &Value) -> Vec<u8> {
        let fields = fields.as_object().unwrap().iter();
        fields
            .flat_map(|(key, value)| map_entry(key, &self::value(value)))
            .collect()
    }

    fn value(value: &Value) -> Vec<u8> {
        match value {
            Value::Null => vec![0x08, 0],
            Value::Number(number) => {
                [&[0x11][..], &number.as_f64().unwrap().to_le_bytes()].concat()
            }
            Value::String(text) => length_delimited(3, text.as_bytes()),
            Value::Bool(truth) => vec![0x20, u8::from(*truth)],
            Value::Object(_) => length_delimited(5, &structure(value)),
            Value::Array(_) => length_delimited(6, &[]),
        }
    }

    /// What Envoy would answer for `["metadata"]` after `jwt_authn` has verified these payloads.
    pub(crate) fn metadata(payloads: &Value) -> Vec<u8> {
        [
            map_entry("other.filter", &structure(&json!({"p": {"sub": "wrong"}}))),
            map_entry(NAMESPACE, &structure(payloads)),
        ]
        .concat()
    }

    fn read(payloads: &Value, path: &[&str]) -> Option<String> {
        let metadata = metadata(payloads);
        let found = claim(&metadata, "p", path)?;
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    #[test]
    fn a_claim_keeps_its_type_and_becomes_text() {
        let payloads = json!({"q": {"sub": "wrong"}, "p": {
            "sub": "12345678", "n": 42, "f": -1.5, "big": 1e21, "yes": true, "no": false,
            "org": {"team": {"id": "t"}}, "list": ["a"], "null": null, "empty": "",
        }});
        for (path, expected) in [
            (&["sub"][..], "12345678"),
            (&["n"], "42"),
            (&["f"], "-1.5"),
            (&["big"], "1000000000000000000000"),
            (&["yes"], "true"),
            (&["no"], "false"),
            (&["org", "team", "id"], "t"),
            (&["empty"], ""),
        ] {
            assert_eq!(read(&payloads, path).as_deref(), Some(expected), "{path:?}");
        }
        for path in [
            &["nope"][..],
            &["org"],
            &["org", "team"],
            &["list"],
            &["null"],
            &["sub", "x"],
            &["org", "nope", "id"],
            &[],
        ] {
            assert_eq!(read(&payloads, path), None, "{path:?}");
        }
    }

    #[test]
    fn the_bytes_that_envoy_gave_for_a_real_token_are_read() {
        // What Envoy 1.40 answered for a verified token with
        // {"iss": "me", "list": ["a", "b"], "b": true, "n": 42, "sub": "12345678",
        //  "exp": 4102444800, "o": {"deep": "x", "f": 1.5}}.
        let captured =
            b"\x0a\xb4\x01\x0a\x1cenvoy.filters.http.jwt_authn\x12\x93\x01\x0a\x90\x01\x0a\x01p\
            \x12\x8a\x01*\x87\x01\x0a\x0b\x0a\x03iss\x12\x04\x1a\x02me\x0a\x14\x0a\x04list\x12\
            \x0c2\x0a\x0a\x03\x1a\x01a\x0a\x03\x1a\x01b\x0a\x07\x0a\x01b\x12\x02\x20\x01\x0a\x0e\
            \x0a\x01n\x12\x09\x11\x00\x00\x00\x00\x00\x00E@\x0a\x11\x0a\x03sub\x12\x0a\x1a\x0812\
            345678\x0a\x10\x0a\x03exp\x12\x09\x11\x00\x00\x00\xe0\xca\x90\xeeA\x0a$\x0a\x01o\x12\
            \x1f*\x1d\x0a\x0b\x0a\x04deep\x12\x03\x1a\x01x\x0a\x0e\x0a\x01f\x12\x09\x11\x00\x00\
            \x00\x00\x00\x00\xf8?";
        let read = |path: &[&str]| claim(captured, "p", path).map(Cow::into_owned);
        assert_eq!(read(&["sub"]).unwrap(), b"12345678");
        assert_eq!(read(&["n"]).unwrap(), b"42");
        assert_eq!(read(&["exp"]).unwrap(), b"4102444800");
        assert_eq!(read(&["b"]).unwrap(), b"true");
        assert_eq!(read(&["o", "deep"]).unwrap(), b"x");
        assert_eq!(read(&["o", "f"]).unwrap(), b"1.5");
        assert_eq!(read(&["list"]), None);
        assert_eq!(read(&["aud"]), None);
    }

    #[test]
    fn a_number_that_is_none_is_no_claim() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let value = [&[0x11][..], &number.to_le_bytes()].concat();
            let payload = length_delimited(5, &map_entry("n", &value));
            let metadata = map_entry(NAMESPACE, &map_entry("p", &payload));
            assert_eq!(claim(&metadata, "p", &["n"]), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = claim(&bytes, "p", &["sub"]);
            let inside = map_entry(NAMESPACE, &map_entry("p", &bytes));
            let _ = claim(&inside, "p", &["sub"]);
        }

        #[test]
        fn damaged_metadata_is_walked_without_a_panic(at in 0..1_000_usize, byte: u8) {
            let mut bytes = metadata(&json!({"p": {"sub": "u", "org": {"id": 7}}}));
            let place = at % bytes.len();
            bytes[place] = byte;
            let _ = claim(&bytes, "p", &["org", "id"]);
        }
    }
}
