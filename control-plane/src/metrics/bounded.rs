//! Label values that come from proxies, kept to so many. Each label set is a time series for as long as
//! the process lives, so no proxy may make as many as it likes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What all values beyond the limit are called.
pub const OTHER: &str = "other";

/// The label values seen so far.
#[derive(Debug)]
pub struct Bounded {
    most: usize,
    seen: Mutex<BTreeSet<String>>,
}

impl Bounded {
    /// At most `most` values beside [`OTHER`].
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            seen: Mutex::default(),
        }
    }

    /// The value itself while there is room, else [`OTHER`].
    #[must_use]
    pub fn admit<'a>(&self, value: &'a str) -> &'a str {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(value) {
            return value;
        }
        if seen.len() >= self.most {
            return OTHER;
        }
        seen.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_stays_and_what_is_beyond_the_limit_is_other() {
        let labels = Bounded::new(2);
        let admitted = ["a", "b", "c", "a", "d"].map(|value| labels.admit(value));
        assert_eq!(admitted, ["a", "b", OTHER, "a", OTHER]);
    }
}
