//! Values inside a JSON body. What lives here: [`Pointer`] (RFC 6901) and the scan that finds what
//! it names. The scan builds no tree: prompts are big, and one short value is wanted. What does not:
//! how a body is buffered and how large it may be.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use thiserror::Error as ThisError;

/// How many names a pointer may have.
pub const MAX_DEPTH: usize = 16;

/// A JSON pointer: the names from the document's root to a value, unescaped.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Pointer(Box<[Box<str>]>);

/// Why a text is no JSON pointer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
pub enum PointerError {
    /// It is neither empty nor starts with `/`.
    #[error("a JSON pointer starts with \"/\"")]
    Start,
    /// `~` is followed by something else than `0` or `1`.
    #[error("in a JSON pointer \"~\" is followed by 0 or 1")]
    Escape,
    /// It has more than [`MAX_DEPTH`] names.
    #[error("a JSON pointer may be {MAX_DEPTH} names deep")]
    TooDeep,
}

impl Pointer {
    /// Reads a pointer (RFC 6901, section 3).
    ///
    /// # Errors
    /// [`PointerError`].
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let names = text.strip_prefix('/').ok_or(PointerError::Start)?;
        let names: Result<Box<[_]>, _> = names.split('/').map(unescape).collect();
        let names = names?;
        if names.len() > MAX_DEPTH {
            return Err(PointerError::TooDeep);
        }
        Ok(Self(names))
    }

    /// The string, number or boolean that the pointer names in `body`, as text: a string without
    /// its escapes, a number as it is written. `None` where there is none, or where `body` as a
    /// whole is not JSON. Of a name that an object has twice the last one counts, as most readers
    /// of JSON have it.
    #[must_use]
    pub fn read<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let found = Seek(&self.0).deserialize(&mut json).ok()?;
        json.end().ok()?;
        scalar(found?.get())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

fn unescape(name: &str) -> Result<Box<str>, PointerError> {
    let legal = name
        .split('~')
        .skip(1)
        .all(|after| after.starts_with(['0', '1']));
    if !legal {
        return Err(PointerError::Escape);
    }
    // ~1 first: "~01" is "~1", not "/" (RFC 6901, section 4).
    Ok(name.replace("~1", "/").replace("~0", "~").into())
}

fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => {
            let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
            if inner.contains('\\') {
                serde_json::from_str(raw).ok().map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(inner))
            }
        }
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// Looks for the value that the names lead to, and reads over everything else.
struct Seek<'p>(&'p [Box<str>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        match self.0.split_first() {
            None => <&RawValue as serde::Deserialize>::deserialize(json).map(Some),
            Some((name, rest)) => json.deserialize_any(Step { name, rest }),
        }
    }
}

/// One level of the search: `name` is wanted, `rest` is below it.
struct Step<'p> {
    name: &'p str,
    rest: &'p [Box<str>],
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(IsName(self.name))? {
            if is_wanted {
                found = map.next_value_seed(Seek(self.rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let wanted = place(self.name);
        let mut found = None;
        for at in 0_usize.. {
            if Some(at) == wanted {
                match seq.next_element_seed(Seek(self.rest))? {
                    Some(value) => found = value,
                    None => break,
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    // A scalar has nothing below it.

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A place in an array: digits without leading zeros (RFC 6901, section 4).
fn place(name: &str) -> Option<usize> {
    let is_padded = name.len() > 1 && name.starts_with('0');
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !is_padded)
        .then(|| name.parse().ok())
        .flatten()
}

/// Compares a name with the wanted one without copying it.
struct IsName<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(body: &str, pointer: &str) -> Option<String> {
        let pointer = Pointer::parse(pointer).unwrap();
        pointer.read(body.as_bytes()).map(Cow::into_owned)
    }

    const CHAT: &str = r#"{
        "model": "m", "user": "u-1", "n": 1.50, "big": 123456789012345678901234567890,
        "stream": true, "none": null, "messages": [{"role": "user", "content": "a\"\u00e9\n"}],
        "a/b": "slash", "m~n": "tilde", "": "empty", "twice": 1, "twice": 2
    }"#;

    #[test]
    fn scalars_are_read_as_text() {
        let expected = [
            ("/user", "u-1"),
            ("/n", "1.50"),
            ("/big", "123456789012345678901234567890"),
            ("/stream", "true"),
            ("/messages/0/role", "user"),
            ("/messages/0/content", "a\"é\n"),
            ("/a~1b", "slash"),
            ("/m~0n", "tilde"),
            ("/", "empty"),
            ("/twice", "2"),
        ];
        for (pointer, value) in expected {
            assert_eq!(read(CHAT, pointer).as_deref(), Some(value), "{pointer}");
        }
        assert_eq!(read("\"alone\"", "").as_deref(), Some("alone"));
        assert_eq!(read(" 7 ", "").as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_scalar_or_not_there_is_none() {
        for pointer in [
            "",
            "/none",
            "/messages",
            "/messages/0",
            "/messages/1/role",
            "/messages/00/role",
            "/messages/-",
            "/messages/x",
            "/user/x",
            "/n/0",
            "/stream/x",
            "/none/x",
            "/User",
            "/messages/99999999999999999999999",
        ] {
            assert_eq!(read(CHAT, pointer), None, "{pointer}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_to_its_end_has_nothing() {
        for body in [
            "",
            "{",
            "{\"user\": \"u\"",
            "{\"user\": \"u\"} x",
            "{\"user\": \"u\",}",
            "user=u",
            "{\"user\": \"\\ud800\"}",
            "{\"user\": \"u\", \"x\": 01}",
            "\u{feff}{\"user\": \"u\"}",
        ] {
            assert_eq!(read(body, "/user"), None, "{body}");
        }
        let pointer = Pointer::parse("/user").unwrap();
        assert_eq!(pointer.read(b"{\"user\": \"\xff\"}"), None);
    }

    #[test]
    fn depth_without_end_does_not_exhaust_the_stack() {
        let deep = format!("{{\"x\": {}, \"user\": \"u\"}}", "[".repeat(60_000));
        assert_eq!(read(&deep, "/user"), None);
        let deep = format!(
            "{{\"x\": {}{}, \"user\": \"u\"}}",
            "[".repeat(30_000),
            "]".repeat(30_000)
        );
        assert_eq!(read(&deep, "/user").as_deref(), Some("u"));
    }

    #[test]
    fn a_pointer_is_checked() {
        assert_eq!(Pointer::parse("user"), Err(PointerError::Start));
        assert_eq!(Pointer::parse("/~2"), Err(PointerError::Escape));
        assert_eq!(Pointer::parse("/a~"), Err(PointerError::Escape));
        assert_eq!(Pointer::parse(&"/a".repeat(17)), Err(PointerError::TooDeep));
        assert_eq!(Pointer::parse("/~01").unwrap().to_string(), "/~01");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab/~0]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn text(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn the_scan_finds_what_a_tree_would(
            json in any_json(), names in prop::collection::vec("[ab/~0]{0,2}", 0..4),
        ) {
            let pointer: String = names
                .iter()
                .map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
                .collect();
            let expected = json.pointer(&pointer).and_then(text);
            prop_assert_eq!(read(&json.to_string(), &pointer), expected);
        }

        #[test]
        fn any_bytes_are_scanned_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80), pointer in "(/[a-z0-9~]{0,3}){0,4}",
        ) {
            if let Ok(pointer) = Pointer::parse(&pointer) {
                let _ = pointer.read(&bytes);
                let _ = pointer.read(&[b"{\"a\":", &bytes[..], b"}"].concat());
            }
        }
    }
}
