//! The context of an evaluation as the engine asks for it: which of its attributes stands for which
//! part of a request. The table is in `docs/openfeature.md`.

use serde_json::{Map, Value};
use std::borrow::Cow;
use thiserror::Error;
use watershed_engine::Attribute;
use watershed_engine::assign::MAX_UNIT_BYTES;

const TARGETING_KEY: &str = "targetingKey";

/// What is known of whom a flag is evaluated for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Map<String, Value>);

/// A context that cannot be one.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum BadContext {
    /// The targeting key is no text.
    #[error("targetingKey is {0}, expected a string")]
    KeyType(&'static str),
    /// The targeting key is too long to be a unit.
    #[error("targetingKey has {0} bytes, expected at most {MAX_UNIT_BYTES}")]
    KeyLength(usize),
}

impl Context {
    /// A context of these attributes.
    ///
    /// # Errors
    /// [`BadContext`] where its targeting key cannot be a unit.
    pub fn try_new(attributes: Map<String, Value>) -> Result<Self, BadContext> {
        match attributes.get(TARGETING_KEY) {
            None | Some(Value::Null) => {}
            Some(Value::String(key)) if key.len() > MAX_UNIT_BYTES => {
                return Err(BadContext::KeyLength(key.len()));
            }
            Some(Value::String(_)) => {}
            Some(other) => return Err(BadContext::KeyType(kind(other))),
        }
        Ok(Self(attributes))
    }

    /// The unit, where one is named; an empty one is none.
    #[must_use]
    pub fn targeting_key(&self) -> Option<&str> {
        let key = self.0.get(TARGETING_KEY).and_then(Value::as_str);
        key.filter(|key| !key.is_empty())
    }

    /// What a request with this context has for `attribute`, at a time in milliseconds since 1970.
    pub(super) fn read(&self, attribute: &Attribute, now_ms: i64) -> Option<Cow<'_, [u8]>> {
        let own = |text: String| Some(Cow::Owned(text.into_bytes()));
        match attribute {
            Attribute::Header(name) => self.header(name),
            Attribute::Cookie(name) => self.named("cookies", name),
            Attribute::Query(name) => self.named("query", name),
            Attribute::Generated(generated) => self.named("cookies", &generated.cookie),
            Attribute::JwtClaim { provider, path } => {
                let claims = self.0.get("claims").and_then(|all| all.get(&**provider));
                let given = claims.and_then(|claims| below(claims, path));
                given.or_else(|| self.plain(path)).and_then(scalar)
            }
            Attribute::Body(pointer) => {
                let pointer = pointer.to_string();
                let given = self.0.get("body").and_then(|body| body.pointer(&pointer));
                let path: Vec<String> = pointer
                    .split('/')
                    .skip(1)
                    .map(|name| name.replace("~1", "/").replace("~0", "~"))
                    .collect();
                given.or_else(|| self.plain(&path)).and_then(scalar)
            }
            Attribute::Path => self.field("path"),
            Attribute::Method => self.field("method"),
            Attribute::Host => {
                let host = self.0.get("host").and_then(Value::as_str)?;
                own(host.to_ascii_lowercase())
            }
            Attribute::SourceAddress => self.field("source_address"),
            Attribute::BodySize => self.field("body_size"),
            Attribute::TimeOfDay(offset) => own(offset.time_of_day(now_ms)),
            Attribute::DayOfWeek(offset) => own(offset.day_of_week(now_ms).to_owned()),
            Attribute::Date(offset) => own(offset.date(now_ms)),
            Attribute::Request => None,
        }
    }

    /// A header by name in any case: of `headers`, else an attribute of that name.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let is = |pair: &(&String, &Value)| pair.0.eq_ignore_ascii_case(name);
        let headers = self.0.get("headers").and_then(Value::as_object);
        let given = headers.and_then(|headers| headers.iter().find(is));
        let found = given.or_else(|| self.0.iter().find(is));
        found.and_then(|(_, value)| scalar(value))
    }

    /// A value of a group, else an attribute of that name.
    pub(super) fn named(&self, group: &str, name: &str) -> Option<Cow<'_, [u8]>> {
        let given = self.0.get(group).and_then(|group| group.get(name));
        given.or_else(|| self.0.get(name)).and_then(scalar)
    }

    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.get(name).and_then(scalar)
    }

    /// An attribute by a path: its name with dots, or objects within objects.
    fn plain<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        let names: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        let (first, rest) = names.split_first()?;
        let dotted = self.0.get(&names.join("."));
        dotted.or_else(|| self.0.get(*first).and_then(|value| below(value, rest)))
    }
}

fn below<'a, S: AsRef<str>>(value: &'a Value, path: &[S]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |value, name| value.get(name.as_ref()))
}

/// As a request would carry it. Lists and objects are nothing that a test is about.
fn scalar(value: &Value) -> Option<Cow<'_, [u8]>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Number(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        Value::Bool(true) => Some(Cow::Borrowed(b"true")),
        Value::Bool(false) => Some(Cow::Borrowed(b"false")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watershed_engine::Pointer;

    fn context(value: &Value) -> Result<Context, BadContext> {
        Context::try_new(value.as_object().unwrap().clone())
    }

    fn read(context: &Value, attribute: &Attribute) -> Option<String> {
        let context = self::context(context).unwrap();
        let value = context.read(attribute, 0)?;
        Some(String::from_utf8(value.into_owned()).unwrap())
    }

    #[test]
    fn an_attribute_stands_for_the_part_of_a_request_that_has_its_name() {
        let claim = |path: &[&str]| Attribute::JwtClaim {
            provider: "idp".into(),
            path: path.iter().map(|name| (*name).into()).collect(),
        };
        let body = |pointer| Attribute::Body(Pointer::parse(pointer).unwrap());
        for (attribute, of_group, of_name) in [
            (
                Attribute::Header("x-plan".into()),
                json!({"headers": {"X-Plan": "pro"}, "x-plan": "free"}),
                json!({"X-PLAN": "pro"}),
            ),
            (
                Attribute::Cookie("plan".into()),
                json!({"cookies": {"plan": "pro"}, "plan": "free"}),
                json!({"plan": "pro"}),
            ),
            (
                Attribute::Query("plan".into()),
                json!({"query": {"plan": "pro"}}),
                json!({"plan": "pro", "query": {}}),
            ),
            (
                claim(&["org", "plan"]),
                json!({"claims": {"idp": {"org": {"plan": "pro"}}}, "org.plan": "free"}),
                json!({"org": {"plan": "pro"}, "claims": {"other": {"org": {"plan": "free"}}}}),
            ),
            (
                body("/user/plan"),
                json!({"body": {"user": {"plan": "pro"}}}),
                json!({"user.plan": "pro"}),
            ),
            (
                Attribute::Host,
                json!({"host": "PRO"}),
                json!({"host": "pro"}),
            ),
            (
                Attribute::Path,
                json!({"path": "pro"}),
                json!({"path": "pro"}),
            ),
            (
                Attribute::SourceAddress,
                json!({"source_address": "pro"}),
                json!({"source_address": "pro"}),
            ),
        ] {
            for given in [of_group, of_name] {
                assert_eq!(
                    read(&given, &attribute).as_deref(),
                    Some("pro"),
                    "{attribute} {given}"
                );
            }
            assert_eq!(read(&json!({}), &attribute), None, "{attribute}");
        }
    }

    #[test]
    fn values_are_read_as_a_request_would_carry_them() {
        let header = Attribute::Header("a".into());
        let of = |value: Value| read(&json!({"a": value}), &header);
        assert_eq!(of(json!("x")).as_deref(), Some("x"));
        assert_eq!(of(json!(3)).as_deref(), Some("3"));
        assert_eq!(of(json!(0.5)).as_deref(), Some("0.5"));
        assert_eq!(of(json!(true)).as_deref(), Some("true"));
        for nothing in [json!(null), json!([1]), json!({"b": 1})] {
            assert_eq!(of(nothing), None);
        }
    }

    #[test]
    fn a_targeting_key_that_can_be_no_unit_is_refused() {
        let of = |key: Value| {
            let context = context(&json!({ "targetingKey": key }))?;
            Ok::<_, BadContext>(context.targeting_key().map(str::to_owned))
        };
        assert_eq!(of(json!("u-1")), Ok(Some("u-1".to_owned())));
        assert_eq!(of(json!("")), Ok(None));
        assert_eq!(of(json!(null)), Ok(None));
        assert_eq!(of(json!(7)), Err(BadContext::KeyType("a number")));
        let long = "u".repeat(MAX_UNIT_BYTES + 1);
        assert_eq!(of(json!(long)), Err(BadContext::KeyLength(257)));
    }
}
