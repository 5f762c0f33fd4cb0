//! The variants that a request brings along. What lives here: where they travel (force tokens,
//! the stamp of a trusted hop, sticky cookies) and what the client is to remember. What does not:
//! their form, which is the engine's, and when they count.
//!
//! All of it stays in the request: a force token in header, query or cookie is signed and expires,
//! and the next hop may have an experiment of its own that it names.

use crate::set_cookie::SetCookie;
use crate::stamp::Stamp;
use std::borrow::Cow;
use watershed_engine::attribute::SameSite;
use watershed_engine::pin::{Pin, PinnedBy};
use watershed_engine::plan::{ForceSources, Plan};
use watershed_engine::token::{Force, Keys, Sticky, TokenError};
use watershed_engine::{Decision, Headers};

/// How many tokens are looked at in one place: each costs a MAC.
const MAX_TOKENS: usize = 8;

/// Every value that may hold force tokens, in the order in which they count.
pub fn force_tokens<'a>(
    places: &ForceSources,
    headers: Headers<'a>,
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let header = places
        .header
        .as_deref()
        .and_then(|name| headers.joined(name));
    let query = places.query.as_deref().and_then(|name| headers.query(name));
    let cookie = places
        .cookie
        .as_deref()
        .and_then(|name| headers.cookie(name));
    [header, query, cookie.map(Cow::Borrowed)]
        .into_iter()
        .flatten()
}

/// The pins of the tokens in `value`, separated by commas. A token for an experiment or variant
/// that this proxy doesn't know is none of its business.
///
/// # Errors
/// The first token's that is to be ignored; the others count.
pub fn forced(
    value: &[u8],
    plan: &Plan,
    now_ms: i64,
    pins: &mut Vec<Pin>,
) -> Result<(), TokenError> {
    let mut outcome = Ok(());
    for token in value.split(|&byte| byte == b',').take(MAX_TOKENS) {
        match Force::open(token, plan.keys(), now_ms) {
            Ok(force) => {
                pins.extend(plan.pin(&force.experiment, &force.variant, PinnedBy::Forced));
            }
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

/// The pins of what a hop in front has stamped.
pub fn inherited<'a>(stamp: &'a Stamp, plan: &'a Plan) -> impl Iterator<Item = Pin> + 'a {
    stamp
        .pairs()
        .filter_map(|(experiment, variant)| plan.pin(experiment, variant, PinnedBy::Inherited))
}

/// One sticky cookie of a request.
#[derive(Debug)]
pub struct Jar<'a> {
    name: &'a str,
    remembered: Sticky,
    max_age_seconds: u32,
    has_changed: bool,
}

impl<'a> Jar<'a> {
    /// The cookie `name` as the request has it; empty where it has none.
    ///
    /// # Errors
    /// Beside the empty jar, why the cookie's value is to be ignored.
    pub fn open(
        name: &'a str,
        headers: Headers<'_>,
        keys: &Keys,
        now_ms: i64,
    ) -> (Self, Result<(), TokenError>) {
        let opened = match headers.cookie(name) {
            Some(value) => Sticky::open(value, keys, now_ms),
            None => Ok(Sticky::default()),
        };
        let (remembered, outcome) = match opened {
            Ok(remembered) => (remembered, Ok(())),
            Err(error) => (Sticky::default(), Err(error)),
        };
        let jar = Self {
            name,
            remembered,
            max_age_seconds: 0,
            has_changed: false,
        };
        (jar, outcome)
    }

    /// The pins of what it remembers.
    pub fn pins(&self, plan: &Plan) -> impl Iterator<Item = Pin> {
        self.remembered.entries().iter().filter_map(|entry| {
            let by = PinnedBy::Stuck { unit: entry.unit };
            plan.pin(&entry.experiment, &entry.variant, by)
        })
    }

    /// Remembers a decision where that is to stick in this cookie.
    pub fn keep(&mut self, decision: &Decision<'_, '_>, now_ms: i64) {
        let sticky = decision.experiment.sticky();
        let Some(sticky) = sticky.filter(|sticky| *sticky.cookie == *self.name) else {
            return;
        };
        if !decision.sticks() {
            return;
        }
        // The cookie lives as long as the longest-lived experiment in it.
        self.max_age_seconds = self.max_age_seconds.max(sticky.max_age_seconds);
        self.has_changed |= self.remembered.keep(
            decision.experiment.key(),
            decision.variant.key(),
            sticky.fingerprint(decision.unit),
            sticky.max_age_seconds,
            now_ms,
        );
    }

    /// The `Set-Cookie` header, where there is something new to remember.
    #[must_use]
    pub fn set_cookie(&self, keys: &Keys, is_secure: bool) -> Option<String> {
        if !self.has_changed {
            return None;
        }
        let value = self.remembered.seal(keys)?;
        let set_cookie = SetCookie {
            name: self.name,
            value: &value,
            path: "/",
            max_age_seconds: self.max_age_seconds,
            secure: is_secure,
            http_only: true,
            same_site: Some(SameSite::Lax),
        };
        Some(set_cookie.header())
    }
}

/// Whether the client came over TLS, as Envoy says in `:scheme`: on plain HTTP a browser would not
/// keep a cookie that is marked `Secure`.
#[must_use]
pub fn is_secure(headers: Headers<'_>) -> bool {
    headers.all(":scheme").next() == Some(b"https")
}
