//! Recognises what comes twice: a bounded memory of the fingerprints of what was seen. Pure. Two
//! generations, each of half the capacity: what is older than both is forgotten.
//!
//! A fingerprint is 64 bits of what makes an entry that entry (proxy, start in microseconds, request
//! identifier, experiment), so a client that sends one request identifier twice makes no duplicate. The
//! chance that one of 10 million is taken for another is below 10^-5.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The fingerprints that were seen lately.
#[derive(Debug)]
pub struct Recent {
    half: usize,
    young: HashSet<u64, BuildHasherDefault<Already>>,
    old: HashSet<u64, BuildHasherDefault<Already>>,
}

impl Recent {
    /// Remembers at least the last `capacity / 2`, at most `capacity`.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            half: (capacity / 2).max(1),
            young: HashSet::default(),
            old: HashSet::default(),
        }
    }

    /// Whether it is new. It is remembered from now on.
    pub fn is_new(&mut self, fingerprint: u64) -> bool {
        if self.old.contains(&fingerprint) || !self.young.insert(fingerprint) {
            return false;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        true
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Hashes what is a hash: takes it as it is.
#[derive(Debug, Default)]
pub struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The fingerprint of `parts`.
#[must_use]
pub fn fingerprint(parts: impl Hash) -> u64 {
    // Its keys are constants: the same in every process of this build.
    let mut hasher = std::hash::DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_recognised_until_it_is_forgotten() {
        let mut recent = Recent::new(8);
        assert!(recent.is_empty());
        assert!(recent.is_new(1));
        assert!(!recent.is_new(1));
        for other in 2..=5 {
            assert!(recent.is_new(other));
        }
        assert!(!recent.is_new(1), "still among the last four and more");
        for other in 6..=20 {
            assert!(recent.is_new(other));
            assert!(recent.len() <= 8);
        }
        assert!(recent.is_new(1), "forgotten");
    }

    #[test]
    fn fingerprints_tell_parts_apart() {
        assert_eq!(fingerprint(("a", 1_u64)), fingerprint(("a", 1_u64)));
        assert_ne!(fingerprint(("ab", "c")), fingerprint(("a", "bc")));
    }
}
