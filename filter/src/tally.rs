//! Counts that the host has not been told yet. What lives here: counters by name, and what they have
//! counted since the last time. What does not: telling the host.
//!
//! Why: each count told at once is a call out of the VM, one for each experiment that a request is
//! in. Told every tick, as many counts cost one call. A tick looks only at what has counted: most of
//! the counters of 10,000 experiments rest.

use crate::host::CounterId;
use std::collections::BTreeMap;

/// The counters of a VM. Envoy keeps an entry for each definition, also of a name that it knows, so
/// a counter defined anew with each configuration would leak.
#[derive(Debug)]
pub struct Tally {
    by_name: BTreeMap<Box<str>, CounterId>,
    counters: Vec<Counter>,
    /// Those with something untold, each once.
    counted: Vec<CounterId>,
}

#[derive(Debug)]
struct Counter {
    /// The host's name for it.
    host_id: u32,
    untold: u32,
}

impl Tally {
    /// No counters.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            by_name: BTreeMap::new(),
            counters: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// The counter of this name.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<CounterId> {
        self.by_name.get(name).copied()
    }

    /// Takes a counter that the host has defined as `host_id`.
    pub fn insert(&mut self, name: &str, host_id: u32) -> CounterId {
        // A VM runs out of memory long before.
        let id = CounterId(u32::try_from(self.counters.len()).unwrap_or(u32::MAX));
        self.counters.push(Counter { host_id, untold: 0 });
        self.by_name.insert(name.into(), id);
        id
    }

    /// Counts one.
    pub fn add(&mut self, id: CounterId) {
        if let Some(counter) = self.counters.get_mut(id.0 as usize) {
            if counter.untold == 0 {
                self.counted.push(id);
            }
            counter.untold = counter.untold.saturating_add(1);
        }
    }

    /// What is to be told: the host's counters and what to add to each. Afterwards there is
    /// nothing.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, u32)> {
        let counters = &mut self.counters;
        self.counted.drain(..).filter_map(|id| {
            let counter = counters.get_mut(id.0 as usize)?;
            Some((counter.host_id, std::mem::take(&mut counter.untold)))
        })
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_told_once() {
        let mut tally = Tally::default();
        assert_eq!(tally.known("a"), None);
        let a = tally.insert("a", 12);
        let b = tally.insert("b", 16);
        tally.insert("c", 20);
        assert_eq!(tally.known("b"), Some(b));
        tally.add(b);
        tally.add(a);
        tally.add(b);
        tally.add(CounterId(99));
        assert_eq!(Vec::from_iter(tally.drain()), [(16, 2), (12, 1)]);
        assert_eq!(tally.drain().count(), 0);
        tally.add(b);
        assert_eq!(Vec::from_iter(tally.drain()), [(16, 1)]);
    }
}
