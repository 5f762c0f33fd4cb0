//! A described request as the engine asks for it.

use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use watershed_engine::{Generated, Pin, Plan, Surroundings};

/// A described request.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) time: Timestamp,
    pub(super) method: String,
    pub(super) host: Option<String>,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) source_address: Option<IpAddr>,
    /// What jwt_authn would have put into its metadata, by provider.
    pub(super) jwt_claims: BTreeMap<String, Value>,
    /// The request's own identifier.
    pub(super) request_id: Option<String>,
    /// 0 to 1, not 1 itself.
    pub(super) chance: f64,
}

impl Described {
    /// The headers, with the pseudo-headers of HTTP/2 before them.
    pub(super) fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        let pseudo = [
            (":method", Some(&self.method)),
            (":authority", self.host.as_ref()),
            (":path", Some(&self.path)),
        ];
        let pseudo = pseudo
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)));
        let headers = self.headers.iter();
        pseudo
            .chain(headers.map(|(name, value)| (name.as_str(), value)))
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect()
    }

    /// What its headers do not tell, for a plan.
    pub(super) fn around<'a>(&'a self, plan: &Plan, pins: &'a [Pin]) -> Around<'a> {
        Around {
            described: self,
            pins,
            body_limit: plan.body_limit(),
            minted: Cell::default(),
            left_to_chance: Cell::default(),
            too_large: Cell::default(),
        }
    }
}

/// What the headers of a described request do not tell.
pub(super) struct Around<'a> {
    described: &'a Described,
    pins: &'a [Pin],
    body_limit: usize,
    minted: Cell<bool>,
    left_to_chance: Cell<bool>,
    too_large: Cell<bool>,
}

impl Around<'_> {
    /// What was made up on the way.
    pub(super) fn notes(&self) -> Vec<String> {
        let limit = self.body_limit;
        [
            (
                self.minted.get(),
                "a unit is generated: a real request gets another one each time".to_owned(),
            ),
            (
                self.left_to_chance.get(),
                format!(
                    "chance decides: it was {}; a real request has its own",
                    self.described.chance
                ),
            ),
            (
                self.too_large.get(),
                format!("the body has more than {limit} bytes and is not read"),
            ),
        ]
        .into_iter()
        .filter_map(|(is_so, note)| is_so.then_some(note))
        .collect()
    }
}

impl Surroundings for Around<'_> {
    fn now_ms(&self) -> i64 {
        self.described.time.as_millisecond()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "chance is below 1, and its last bits do not matter"
    )]
    fn chance(&self) -> u64 {
        self.left_to_chance.set(true);
        (self.described.chance * u64::MAX as f64) as u64
    }

    fn body(&self) -> Option<&[u8]> {
        let body = self.described.body.as_deref()?;
        self.too_large.set(body.len() > self.body_limit);
        (body.len() <= self.body_limit).then_some(body)
    }

    fn source_address(&self) -> Option<Cow<'_, [u8]>> {
        let address = self.described.source_address?;
        Some(Cow::Owned(address.to_string().into_bytes()))
    }

    fn jwt_claim(&self, provider: &str, path: &[Box<str>]) -> Option<Cow<'_, [u8]>> {
        let payload = self.described.jwt_claims.get(provider)?;
        let claim = path
            .iter()
            .try_fold(payload, |claim, name| claim.get(&**name))?;
        let text = match claim {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(bool) => bool.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(Cow::Owned(text.into_bytes()))
    }

    fn mint(&self, _: &Generated) -> Option<Cow<'_, str>> {
        self.minted.set(true);
        Some(Cow::Borrowed("generated"))
    }

    fn request_id(&self) -> Option<Cow<'_, str>> {
        let said = self.described.request_id.as_deref();
        self.minted.set(said.is_none());
        Some(Cow::Borrowed(said.unwrap_or("generated")))
    }

    fn pins(&self) -> &[Pin] {
        self.pins
    }
}
