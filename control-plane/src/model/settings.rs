//! Settings: what is true of the whole installation. There is one document of them.

use super::attribute::{cookie, header, query};
use super::check;
use super::fault::Faults;
use super::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use watershed_engine::compile::limits;
use watershed_engine::token::{MAX_KEYS, MIN_SECRET_BYTES};

/// The key of the one document of settings.
pub const KEY: &str = "settings";
/// The lengths of a secret in bytes: no shorter than its hash (RFC 2104, section 3).
const SECRET_BYTES: RangeInclusive<usize> = MIN_SECRET_BYTES..=limits::SECRET_BYTES;

/// What is believed of the assignments that a request brings along.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing: they are removed.
    #[default]
    Edge,
    /// A trusted hop in front has stripped what clients sent; what it stamped is kept.
    Mesh,
}

/// Settings as they are written. What is not given is as it is without settings.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsSpec {
    /// What is believed of the assignments that a request brings along.
    pub trust: Trust,
    /// Where force tokens are read; nowhere where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<ForceSpec>,
    /// How many bytes of a body may be buffered to read attributes from it; 65536 where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit_bytes: Option<u64>,
    /// The kill switch: nobody is assigned anywhere. It stays as it is where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// The keys of sticky cookies and force tokens: the first signs, each verifies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<SigningKeySpec>,
}

/// Where force tokens are read.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForceSpec {
    /// A request header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
}

/// A signing key as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKeySpec {
    /// Names the key inside what it signed.
    pub id: String,
    /// 32 characters or more. Never shown; not given, it is what it was under this id.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
}

/// What validated settings are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SettingsDesign {
    /// What is believed of the assignments that a request brings along.
    pub trust: Trust,
    /// Where force tokens are read; at least one place.
    pub force: Option<Force>,
    /// How many bytes of a body may be buffered; the filter's own limit where there is none.
    pub body_limit_bytes: Option<u32>,
    /// Whether nobody is assigned anywhere.
    pub disabled: bool,
    /// The first signs, each verifies.
    pub signing_keys: Vec<SigningKey>,
}

/// Where force tokens are read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Force {
    /// A request header, in lower case.
    pub header: Option<String>,
    /// A query parameter.
    pub query: Option<String>,
    /// A cookie.
    pub cookie: Option<String>,
}

/// A key that signs or verifies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// Names the key inside what it signed.
    pub id: String,
    /// What only we and the proxies know.
    pub secret: Secret,
}

impl SettingsSpec {
    /// Validates beside the settings as they are, noting every fault. A key that is known needs no
    /// secret, and cannot get another: what it signed would be signed by two.
    pub fn validate(
        &self,
        current: Option<&SettingsDesign>,
        faults: &mut Faults,
    ) -> Option<SettingsDesign> {
        let force = match &self.force {
            Some(force) => force.validate(faults).map(Some),
            None => Some(None),
        };
        let limit = match self.body_limit_bytes {
            Some(limit) => {
                let bounds = 1..=u64::from(limits::BODY_BYTES);
                check::number(limit, &bounds, "/body_limit_bytes", faults).map(Some)
            }
            None => Some(None),
        };
        let known = current.map_or(&[] as &[_], |settings| &settings.signing_keys);
        let keys = self.signing_keys(known, faults);
        if self.force.is_some() && self.signing_keys.is_empty() {
            let message = "is empty, and force tokens are signed";
            faults.add("/signing_keys", message, "a key at least");
        }
        let was_disabled = current.is_some_and(|settings| settings.disabled);
        Some(SettingsDesign {
            trust: self.trust,
            force: force?,
            body_limit_bytes: limit?,
            disabled: self.disabled.unwrap_or(was_disabled),
            signing_keys: keys?,
        })
    }

    fn signing_keys(&self, known: &[SigningKey], faults: &mut Faults) -> Option<Vec<SigningKey>> {
        let at = "/signing_keys";
        check::length(self.signing_keys.len(), &(0..=MAX_KEYS), at, faults)?;
        let ids: Vec<&str> = self
            .signing_keys
            .iter()
            .map(|key| key.id.as_str())
            .collect();
        let unique = check::unique(&ids, at, faults);
        let keys: Vec<Option<SigningKey>> = self
            .signing_keys
            .iter()
            .enumerate()
            .map(|(index, key)| key.validate(known, &format!("{at}/{index}"), faults))
            .collect();
        unique?;
        keys.into_iter().collect()
    }

    /// The same with the secrets that the store kept beside it.
    pub(super) fn with_secrets(mut self, mut secrets: BTreeMap<String, Secret>) -> Self {
        for key in &mut self.signing_keys {
            key.secret = secrets.remove(&key.id);
        }
        self
    }
}

impl ForceSpec {
    fn validate(&self, faults: &mut Faults) -> Option<Force> {
        if (&self.header, &self.query, &self.cookie) == (&None, &None, &None) {
            faults.add(
                "/force",
                "names no place",
                "one or more of header, query, cookie",
            );
            return None;
        }
        let mut read = |name: &Option<String>, by: Reader, at| match name {
            Some(name) => by(name, at, faults).map(Some),
            None => Some(None),
        };
        let header = read(&self.header, header, "/force/header");
        let query = read(&self.query, query, "/force/query");
        let cookie = read(&self.cookie, cookie, "/force/cookie");
        Some(Force {
            header: header?,
            query: query?,
            cookie: cookie?,
        })
    }
}

type Reader = fn(&str, &str, &mut Faults) -> Option<String>;

impl SigningKeySpec {
    fn validate(&self, known: &[SigningKey], at: &str, faults: &mut Faults) -> Option<SigningKey> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let mut good = true;
        if !(1..=16).contains(&self.id.len()) || !self.id.bytes().all(plain) {
            faults.add(
                format!("{at}/id"),
                "is not a key's id",
                "1 to 16 of a-z and 0-9",
            );
            good = false;
        }
        let known = known.iter().find(|key| key.id == self.id);
        let place = format!("{at}/secret");
        let secret = match (&self.secret, known) {
            (None, None) => {
                let expected =
                    "a text of 32 random characters or more, as `openssl rand -hex 32` prints";
                faults.add(
                    place,
                    "is missing, and no key of this id is known",
                    expected,
                );
                None
            }
            (None, Some(known)) => Some(&known.secret),
            (Some(given), Some(known)) if *given != known.secret => {
                let expected = "the secret as it is, or the new key under a new id";
                faults.add(place, "cannot change under the same id", expected);
                None
            }
            (Some(given), _) => given.validate(&place, faults).then_some(given),
        };
        let secret = secret?.clone();
        let id = self.id.clone();
        good.then_some(SigningKey { id, secret })
    }
}

impl Secret {
    fn validate(&self, at: &str, faults: &mut Faults) -> bool {
        let text = self.reveal();
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let good = plain && SECRET_BYTES.contains(&text.len());
        if !good {
            let (low, high) = (SECRET_BYTES.start(), SECRET_BYTES.end());
            let expected = format!("{low} to {high} printable ASCII characters without spaces");
            faults.add(at, "is too short, too long or not printable", expected);
        }
        good
    }
}

impl SettingsDesign {
    /// What is true where nobody has said anything.
    pub const UNSET: Self = Self {
        trust: Trust::Edge,
        force: None,
        body_limit_bytes: None,
        disabled: false,
        signing_keys: Vec::new(),
    };

    /// The secrets by the ids of their keys, for the store alone.
    pub(super) fn secrets(&self) -> BTreeMap<&str, &str> {
        let keys = self.signing_keys.iter();
        keys.map(|key| (key.id.as_str(), key.secret.reveal()))
            .collect()
    }
}

impl From<&SettingsDesign> for SettingsSpec {
    /// As they are shown: without secrets.
    fn from(design: &SettingsDesign) -> Self {
        let key = |key: &SigningKey| SigningKeySpec {
            id: key.id.clone(),
            secret: None,
        };
        Self {
            trust: design.trust,
            force: design.force.as_ref().map(|force| ForceSpec {
                header: force.header.clone(),
                query: force.query.clone(),
                cookie: force.cookie.clone(),
            }),
            body_limit_bytes: design.body_limit_bytes.map(u64::from),
            disabled: design.disabled.then_some(true),
            signing_keys: design.signing_keys.iter().map(key).collect(),
        }
    }
}
