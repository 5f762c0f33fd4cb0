//! Sticky experiments: a signed cookie keeps a unit in the variant that it was given.

use super::attribute::cookie;
use super::duration::Seconds;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where and how long a unit's variant is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sticky {
    /// The cookie; several experiments may share one.
    pub cookie: String,
    /// How long it is kept.
    pub max_age: Seconds,
}

/// Stickiness as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StickySpec {
    /// The cookie; several experiments may share one.
    pub cookie: String,
    /// How long it is kept, as `30d`; that long where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
}

impl StickySpec {
    /// Validates, noting every fault.
    pub(super) fn validate(&self, faults: &mut Faults) -> Option<Sticky> {
        let cookie = cookie(&self.cookie, "/sticky/cookie", faults);
        let bounds = Seconds::new(1)..=Seconds::days(400);
        let max_age = match &self.max_age {
            Some(text) => Seconds::within(text, &bounds, "/sticky/max_age", faults),
            None => Some(Seconds::days(30)),
        };
        Some(Sticky {
            cookie: cookie?,
            max_age: max_age?,
        })
    }
}

impl From<&Sticky> for StickySpec {
    fn from(sticky: &Sticky) -> Self {
        Self {
            cookie: sticky.cookie.clone(),
            max_age: Some(sticky.max_age.to_string()),
        }
    }
}
