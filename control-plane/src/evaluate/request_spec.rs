//! Requests as people describe them, and their validation. What is not said is as for a plain `GET`
//! of `/`; with an experiment and a unit, the request is one of that experiment's and has that unit.

use super::described::Described;
use crate::model::attribute::Attribute;
use crate::model::source::Source;
use crate::model::unique::Unique;
use crate::model::{Experiment, Faults, Model};
use crate::percent::encode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use watershed_engine::assign::MAX_UNIT_BYTES;

/// A request as it is described.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSpec {
    /// The fleet that serves it; that of the experiment, or the only one, where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
    /// The slice of the fleet that its proxy is in; the first one of the experiment, or none, where not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// The listener that takes it, as `0.0.0.0:10000`; any of the fleet where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The experiment that it is about. It fills in host and path where they are not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The unit: put where the experiment looks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The method; `GET` where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The host, with or without port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path, with or without query; `/` where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Query parameters, added to those of the path.
    #[serde(skip_serializing_if = "Unique::is_empty")]
    pub query: Unique<String>,
    /// Headers.
    #[serde(skip_serializing_if = "Unique::is_empty")]
    pub headers: Unique<String>,
    /// The body: a text as it is, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// The payload of each provider's verified token.
    #[serde(skip_serializing_if = "Unique::is_empty")]
    pub jwt_claims: Unique<Value>,
    /// When the request is made, in RFC 3339; now where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What chance says, from 0 to below 1; one half where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
}

impl RequestSpec {
    /// Validates, noting every fault.
    pub(super) fn describe(
        &self,
        model: &Model,
        experiment: Option<&Experiment>,
        now: Timestamp,
        faults: &mut Faults,
    ) -> Option<Described> {
        let (host, path) = self.place(model, experiment);
        let source_address = match &self.source_address {
            Some(text) => address(text, faults).map(Some),
            None => Some(None),
        };
        let time = match &self.time {
            Some(text) => instant(text, faults),
            None => Some(now),
        };
        let chance = self.chance.unwrap_or(0.5);
        if !(0.0..1.0).contains(&chance) {
            faults.add("/chance", "is out of bounds", "a number from 0 to below 1");
        }
        self.headers(faults);
        self.line(host.as_ref(), &path, faults);
        let mut described = Described {
            time: time?,
            method: self.method.clone().unwrap_or_else(|| "GET".to_owned()),
            host,
            path,
            headers: self.headers.0.clone().into_iter().collect(),
            body: self.body.as_ref().map(bytes),
            source_address: source_address?,
            jwt_claims: self.jwt_claims.0.clone(),
            request_id: None,
            chance,
        };
        for (name, value) in &self.query.0 {
            described.add_query(name, value);
        }
        self.put_unit(experiment, &mut described, faults);
        described.say_length();
        Some(described)
    }

    /// Host and path, filled in from the experiment's first service.
    fn place(&self, model: &Model, experiment: Option<&Experiment>) -> (Option<String>, String) {
        let service = experiment.and_then(|it| it.design.services.first());
        let design = service.and_then(|key| Some(&model.services.get(key)?.design));
        let host = design.and_then(|design| design.hosts.iter().find(|host| *host != "*"));
        let host = host.map(|host| host.replace('*', "any"));
        let path = design.and_then(|design| design.path_prefixes.first().cloned());
        (
            self.host.clone().or(host),
            self.path.clone().or(path).unwrap_or_else(|| "/".to_owned()),
        )
    }

    fn headers(&self, faults: &mut Faults) {
        for (name, value) in &self.headers.0 {
            let at = format!("/headers/{}", crate::model::fault::segment(name));
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                faults.add(&*at, "is not a header's name", "an HTTP token, as `x-plan`");
            }
            if http::HeaderValue::from_str(value).is_err() {
                faults.add(at, "is not a header's value", "visible ASCII and spaces");
            }
        }
    }

    /// Method, host and path are one line each.
    fn line(&self, host: Option<&String>, path: &str, faults: &mut Faults) {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if self.method.as_ref().is_some_and(|method| !plain(method)) {
            faults.add("/method", "is not a method", "a word, as `POST`");
        }
        if host.is_some_and(|host| !plain(host)) {
            faults.add("/host", "is not a host", "a host, as `api.example.com`");
        }
        if !plain(path) || !path.starts_with('/') {
            faults.add("/path", "is not a path", "a path, as `/v1/chat?user=1`");
        }
    }

    fn put_unit(
        &self,
        experiment: Option<&Experiment>,
        described: &mut Described,
        faults: &mut Faults,
    ) {
        let Some(unit) = &self.unit else { return };
        if unit.is_empty() || unit.len() > MAX_UNIT_BYTES {
            let message = format!("has {} bytes", unit.len());
            faults.add("/unit", message, format!("1 to {MAX_UNIT_BYTES} bytes"));
            return;
        }
        let Some(experiment) = experiment else {
            let expected = "an experiment beside it, which says where units are read";
            faults.add("/unit", "is given without an experiment", expected);
            return;
        };
        if let Some(source) = experiment.design.unit.sources.first()
            && let Err(why) = described.put(source, unit)
        {
            let expected = format!("a unit that fits there: {why}");
            faults.add("/unit", format!("cannot be put into {source}"), expected);
        }
    }
}

impl Described {
    /// Puts a unit where `source` reads it first.
    fn put(&mut self, source: &Source, unit: &str) -> Result<(), &'static str> {
        let visible = unit.bytes().all(|byte| byte.is_ascii_graphic());
        match source {
            Source::Attribute(Attribute::Header(name))
                if http::HeaderValue::from_str(unit).is_ok() =>
            {
                self.headers
                    .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                self.headers.push((name.clone(), unit.to_owned()));
            }
            Source::Attribute(Attribute::Header(_)) => return Err("visible ASCII and spaces"),
            Source::Attribute(Attribute::Cookie(name)) if visible && !unit.contains(';') => {
                self.add_cookie(name, unit);
            }
            Source::Generated(generated) if visible && !unit.contains(';') => {
                self.add_cookie(&generated.cookie, unit);
            }
            Source::Attribute(Attribute::Cookie(_)) | Source::Generated(_) => {
                return Err("visible ASCII without `;`");
            }
            Source::Attribute(Attribute::Query(name)) => self.lead_query(name, unit),
            Source::Attribute(Attribute::JwtClaim(claim)) => {
                let payload = self.jwt_claims.entry(claim.provider.clone()).or_default();
                put_below(payload, &claim.path, unit);
            }
            Source::Attribute(Attribute::Body(pointer)) => {
                let body = self.body.as_deref().unwrap_or_default();
                let mut body = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
                let names = pointer.split('/').skip(1);
                let names: Vec<String> = names
                    .map(|name| name.replace("~1", "/").replace("~0", "~"))
                    .collect();
                put_below(&mut body, &names, unit);
                self.body = Some(bytes(&body));
            }
            Source::Attribute(Attribute::SourceAddress) => {
                self.source_address = Some(unit.parse().map_err(|_| "an IP address")?);
            }
            // A unit is never read from the other attributes, see `SourceSpec::validate`.
            Source::Request | Source::Attribute(_) => self.request_id = Some(unit.to_owned()),
        }
        Ok(())
    }

    /// The first cookie of a name counts.
    fn add_cookie(&mut self, name: &str, value: &str) {
        let cookie = format!("{name}={value}");
        self.headers.insert(0, ("cookie".to_owned(), cookie));
    }

    fn add_query(&mut self, name: &str, value: &str) {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path.push(mark);
        self.path.push_str(&pair(name, value));
    }

    /// The first parameter of a name counts.
    fn lead_query(&mut self, name: &str, value: &str) {
        let pair = pair(name, value);
        self.path = match self.path.split_once('?') {
            Some((path, rest)) => format!("{path}?{pair}&{rest}"),
            None => format!("{}?{pair}", self.path),
        };
    }

    /// As a client would.
    fn say_length(&mut self) {
        let said = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-length");
        if let Some(body) = &self.body
            && !self.headers.iter().any(said)
        {
            let length = body.len().to_string();
            self.headers.push(("content-length".to_owned(), length));
        }
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", encode(name), encode(value))
}

/// Puts a text into nested objects; what was no object becomes one.
fn put_below(value: &mut Value, names: &[String], text: &str) {
    let mut place = value;
    for name in names {
        if !place.is_object() {
            *place = json!({});
        }
        let Some(fields) = place.as_object_mut() else {
            return;
        };
        place = fields.entry(name.clone()).or_insert(Value::Null);
    }
    *place = Value::String(text.to_owned());
}

fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

fn address(text: &str, faults: &mut Faults) -> Option<IpAddr> {
    let read = text.parse().ok();
    if read.is_none() {
        let expected = "an IP address, as `10.0.0.7`";
        faults.add("/source_address", "is not an address", expected);
    }
    read
}

fn instant(text: &str, faults: &mut Faults) -> Option<Timestamp> {
    let read = text.parse::<Timestamp>().ok();
    if read.is_none() {
        let expected = "RFC 3339 with an offset, as `2026-01-31T09:00:00Z`";
        faults.add("/time", "is not a time", expected);
    }
    read
}
