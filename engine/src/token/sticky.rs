//! The sticky cookie: which unit was given which variant of which experiments. One cookie may serve
//! several experiments. Its payload is a list `{experiment}={variant}={unit}={expiry}` joined by
//! `,`, oldest first; the unit as the eight hex digits of its [`Stickiness::fingerprint`](crate::Stickiness::fingerprint), the expiry in
//! seconds since 1970.

use super::{Keys, Kind, MAX_PAYLOAD_BYTES, TokenError};
use std::fmt::Write as _;

/// One experiment's memory of one unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The experiment's key.
    pub experiment: String,
    /// The key of the variant that was given.
    pub variant: String,
    /// The [`Stickiness::fingerprint`](crate::Stickiness::fingerprint) of the unit that it was given to.
    pub unit: u32,
    /// The first second since 1970 in which it no longer counts.
    pub expires_s: i64,
}

/// What a sticky cookie says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sticky(Vec<Entry>);

impl Sticky {
    /// What `cookie` says, without what has expired.
    ///
    /// # Errors
    /// Why it is to be ignored; [`TokenError::Expired`] where nothing of it is left.
    pub fn open(cookie: &[u8], keys: &Keys, now_ms: i64) -> Result<Self, TokenError> {
        let payload = keys.open(Kind::Sticky, cookie)?;
        let entries: Option<Vec<Entry>> = payload.split(',').map(entry).collect();
        let mut entries = entries.ok_or(TokenError::Garbage)?;
        let now_s = now_ms.div_euclid(1_000);
        entries.retain(|entry| entry.expires_s > now_s);
        if entries.is_empty() {
            return Err(TokenError::Expired);
        }
        Ok(Self(entries))
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Remembers that the unit of this fingerprint was given `variant` of `experiment`, for `max_age_s` from now. Whether
    /// that changes anything: what is remembered already is renewed only when half its time is
    /// over, so that not every answer sets a cookie.
    pub fn keep(
        &mut self,
        experiment: &str,
        variant: &str,
        unit: u32,
        max_age_s: u32,
        now_ms: i64,
    ) -> bool {
        let now_s = now_ms.div_euclid(1_000);
        let known = self.0.iter().position(|one| one.experiment == experiment);
        let is_fresh = |entry: &Entry| {
            let left = entry.expires_s.saturating_sub(now_s);
            entry.variant == variant && entry.unit == unit && left > i64::from(max_age_s / 2)
        };
        if let Some(known) = known {
            if self.0.get(known).is_some_and(is_fresh) {
                return false;
            }
            self.0.remove(known);
        }
        self.0.push(Entry {
            experiment: experiment.to_owned(),
            variant: variant.to_owned(),
            unit,
            expires_s: now_s.saturating_add(max_age_s.into()),
        });
        true
    }

    /// The cookie's value; the oldest entries are dropped where it would be too long. `None` where
    /// there is nothing to say or no key to sign with.
    #[must_use]
    pub fn seal(&self, keys: &Keys) -> Option<String> {
        let texts: Vec<String> = self.0.iter().map(text).collect();
        let mut left = MAX_PAYLOAD_BYTES;
        let fitting = texts.iter().rev().take_while(|text| {
            // One more for the comma; the last entry's is not needed and not missed.
            let needed = text.len().saturating_add(1);
            let fits = needed <= left;
            left = left.saturating_sub(needed);
            fits
        });
        let dropped = texts.len().saturating_sub(fitting.count());
        let kept = texts.get(dropped..).filter(|kept| !kept.is_empty())?;
        keys.seal(Kind::Sticky, &kept.join(","))
    }
}

fn text(entry: &Entry) -> String {
    let mut text = format!("{}={}=", entry.experiment, entry.variant);
    // Writing to a String does not fail.
    let _ = write!(text, "{:08x}={}", entry.unit, entry.expires_s);
    text
}

fn entry(text: &str) -> Option<Entry> {
    let mut parts = text.split('=');
    Some(Entry {
        experiment: parts.next()?.to_owned(),
        variant: parts.next()?.to_owned(),
        unit: u32::from_str_radix(parts.next()?, 16).ok()?,
        expires_s: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::MAX_BYTES;
    use super::super::tests::keys;
    use super::*;
    use proptest::prelude::*;

    const U: u32 = 7;
    const V: u32 = 8;

    fn remembered(sticky: &Sticky) -> Vec<(&str, &str)> {
        let entries = sticky.entries().iter();
        entries
            .map(|one| (one.experiment.as_str(), one.variant.as_str()))
            .collect()
    }

    #[test]
    fn a_cookie_is_written_only_when_it_changes() {
        let mut sticky = Sticky::default();
        assert!(sticky.keep("e", "a", U, 100, 0));
        assert!(!sticky.keep("e", "a", U, 100, 49_999));
        assert!(
            sticky.keep("e", "a", U, 100, 50_000),
            "half its time is over"
        );
        assert!(sticky.keep("e", "b", U, 100, 50_000), "another variant");
        assert!(sticky.keep("e", "b", V, 100, 50_000), "another unit");
        assert!(sticky.keep("f", "a", V, 100, 50_000), "another experiment");
        assert_eq!(remembered(&sticky), [("e", "b"), ("f", "a")]);
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let keys = keys(&["a"]);
        let mut sticky = Sticky::default();
        sticky.keep("short", "a", U, 10, 0);
        sticky.keep("long", "a", U, 20, 0);
        let cookie = sticky.seal(&keys).unwrap();
        let open = |now_ms| Sticky::open(cookie.as_bytes(), &keys, now_ms);
        assert_eq!(open(9_999).unwrap(), sticky);
        assert_eq!(remembered(&open(10_000).unwrap()), [("long", "a")]);
        assert_eq!(open(20_000), Err(TokenError::Expired));
    }

    #[test]
    fn the_oldest_are_dropped_where_the_cookie_would_be_too_long() {
        let keys = keys(&["abcdefghijklmnop"]);
        let mut sticky = Sticky::default();
        for number in 0..200 {
            sticky.keep(&format!("experiment-{number}"), "variant", U, 100, 0);
        }
        let cookie = sticky.seal(&keys).unwrap();
        assert!(cookie.len() <= MAX_BYTES);
        let opened = Sticky::open(cookie.as_bytes(), &keys, 0).unwrap();
        let kept = opened.entries().len();
        assert!(kept > 50, "{kept}");
        assert_eq!(opened.entries(), &sticky.entries()[200 - kept..]);
    }

    #[test]
    fn a_signed_text_that_is_no_list_is_garbage() {
        let keys = keys(&["a"]);
        for payload in [
            "",
            "e",
            "e=a",
            "e=a=zz=9",
            "e=a=00000000=never",
            "e=a=00000000=9,",
        ] {
            let cookie = keys.seal(Kind::Sticky, payload).unwrap();
            let opened = Sticky::open(cookie.as_bytes(), &keys, 0);
            assert_eq!(opened, Err(TokenError::Garbage), "{payload}");
        }
        assert_eq!(Sticky::default().seal(&keys), None);
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(
            kept in prop::collection::vec(("[a-z0-9._-]{1,9}", "[a-z0-9._-]{1,9}", any::<u32>(), 1..u32::MAX), 1..20),
        ) {
            let keys = keys(&["a"]);
            let mut sticky = Sticky::default();
            for (experiment, variant, unit, max_age_s) in &kept {
                sticky.keep(experiment, variant, *unit, *max_age_s, 0);
            }
            let cookie = sticky.seal(&keys).unwrap();
            prop_assert_eq!(Sticky::open(cookie.as_bytes(), &keys, 0), Ok(sticky));
        }
    }
}
