//! Variants as people write them: a share of the units, the cluster that serves it, and what the
//! upstream and the client are told.

use super::attribute::is_token;
use super::check;
use super::detour::{Detours, FallbackSpec, MirrorSpec};
use super::experiment_spec::WHOLE;
use super::fault::{Faults, segment};
use super::key::Key;
use super::unique::Unique;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use watershed_engine::compile::limits;
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// What one variant says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VariantDesign {
    /// Its name.
    pub key: Key,
    /// How many buckets of the variant hash it has; of 10000 where the experiment says no other
    /// number.
    pub weight: u32,
    /// The cluster that serves it; on all variants or on none.
    pub cluster: Option<Key>,
    /// Where its requests go beside or after that; none without a cluster.
    pub detours: Detours,
    /// Headers for the upstream, by name in lower case.
    pub request_headers: BTreeMap<String, String>,
    /// Headers for the client, by name in lower case.
    pub response_headers: BTreeMap<String, String>,
    /// W3C baggage entries for the upstream and what is behind it.
    pub baggage: BTreeMap<String, String>,
    /// What application code gets that asks for its variant; never null.
    pub payload: Option<Value>,
}

/// A variant as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantSpec {
    /// Its name.
    pub key: String,
    /// Its share of the experiment's units, in basis points, or in buckets where the experiment has
    /// another number of them.
    pub weight: u64,
    /// The cluster that serves it: on all variants (the experiment routes) or on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Clusters that get copies of its requests; their answers go to nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorSpec>,
    /// The cluster that answers where its own has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// Headers that the upstream gets.
    #[serde(default, skip_serializing_if = "Unique::is_empty")]
    pub request_headers: Unique<String>,
    /// Headers that the client gets.
    #[serde(default, skip_serializing_if = "Unique::is_empty")]
    pub response_headers: Unique<String>,
    /// W3C baggage that the upstream and what is behind it get.
    #[serde(default, skip_serializing_if = "Unique::is_empty")]
    pub baggage: Unique<String>,
    /// What application code gets that asks for its variant through OpenFeature: any JSON but null, at
    /// most 16384 bytes of it. Proxies do not get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// The most bytes of a payload, as JSON.
pub const PAYLOAD_BYTES: usize = 16 * 1024;

/// Headers that belong to the connection, to Envoy or to us.
const RESERVED: [&str; 16] = [
    EXPERIMENT_HEADER,
    VARIANT_HEADER,
    CLUSTER_HEADER,
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl VariantSpec {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<VariantDesign> {
        let key = check::key(&self.key, &format!("{at}/key"), faults);
        let bounds = 0..=u64::from(WHOLE);
        let weight = check::number(self.weight, &bounds, &format!("{at}/weight"), faults);
        let cluster = match &self.cluster {
            Some(name) => check::key(name, &format!("{at}/cluster"), faults).map(Some),
            None => Some(None),
        };
        let detours = Detours::read(self, at, faults);
        let request = format!("{at}/request_headers");
        let request_headers = headers(&self.request_headers, &request, faults);
        let response = format!("{at}/response_headers");
        let response_headers = headers(&self.response_headers, &response, faults);
        let baggage = baggage(&self.baggage, &format!("{at}/baggage"), faults);
        let payload = payload(self.payload.as_ref(), &format!("{at}/payload"), faults);
        Some(VariantDesign {
            key: key?,
            weight: weight?,
            cluster: cluster?,
            detours: detours?,
            request_headers: request_headers?,
            response_headers: response_headers?,
            baggage: baggage?,
            payload: payload?,
        })
    }
}

fn headers(
    given: &Unique<String>,
    at: &str,
    faults: &mut Faults,
) -> Option<BTreeMap<String, String>> {
    check::length(given.0.len(), &(0..=limits::HEADERS), at, faults)?;
    let mut found = Some(BTreeMap::new());
    for (name, value) in &given.0 {
        let place = format!("{at}/{}", segment(name));
        let lower = name.to_ascii_lowercase();
        if !is_token(name) {
            let expected = "a name of an HTTP token's characters, as `x-prompt-version`";
            faults.add(&*place, "is not a header's name", expected);
            found = None;
        } else if RESERVED.contains(&lower.as_str()) {
            let expected = "a header that is neither the proxy's nor ours";
            faults.add(&*place, format!("`{lower}` is not for variants"), expected);
            found = None;
        }
        if !is_header_value(value) {
            faults.add(&*place, "is not a header's value", value_rule());
            found = None;
        }
        let twice = found
            .as_mut()
            .is_some_and(|found| found.insert(lower, value.clone()).is_some());
        if twice {
            faults.add(place, "is given twice, in other case", "each header once");
            found = None;
        }
    }
    found
}

fn value_rule() -> String {
    let most = limits::HEADER_VALUE_BYTES;
    format!("at most {most} printable ASCII characters, no space at the ends")
}

/// A field value of RFC 9110, section 5.5, without obsolete bytes.
fn is_header_value(value: &str) -> bool {
    let plain = |byte: u8| matches!(byte, 0x20..=0x7e);
    value.len() <= limits::HEADER_VALUE_BYTES
        && value.bytes().all(plain)
        && value.trim_ascii().len() == value.len()
}

fn baggage(
    given: &Unique<String>,
    at: &str,
    faults: &mut Faults,
) -> Option<BTreeMap<String, String>> {
    check::length(given.0.len(), &(0..=limits::HEADERS), at, faults)?;
    let mut good = true;
    for (name, value) in &given.0 {
        let place = format!("{at}/{}", segment(name));
        if !is_token(name) {
            let expected = "a key of an HTTP token's characters, as `prompt.version`";
            faults.add(&*place, "is not a baggage key", expected);
            good = false;
        }
        if !is_header_value(value) {
            faults.add(place, "is not a baggage value", value_rule());
            good = false;
        }
    }
    good.then(|| given.0.clone())
}

fn payload(given: Option<&Value>, at: &str, faults: &mut Faults) -> Option<Option<Value>> {
    let length = given.map_or(0, |value| value.to_string().len());
    if length > PAYLOAD_BYTES {
        let message = format!("has {length} bytes as JSON");
        faults.add(at, message, format!("at most {PAYLOAD_BYTES} bytes"));
        return None;
    }
    Some(given.cloned())
}

impl From<&VariantDesign> for VariantSpec {
    fn from(variant: &VariantDesign) -> Self {
        Self {
            key: variant.key.to_string(),
            weight: variant.weight.into(),
            cluster: variant.cluster.as_ref().map(Key::to_string),
            mirrors: variant
                .detours
                .mirrors
                .iter()
                .map(MirrorSpec::from)
                .collect(),
            fallback: variant.detours.fallback.as_ref().map(FallbackSpec::from),
            request_headers: Unique(variant.request_headers.clone()),
            response_headers: Unique(variant.response_headers.clone()),
            baggage: Unique(variant.baggage.clone()),
            payload: variant.payload.clone(),
        }
    }
}
