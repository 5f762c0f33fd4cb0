//! Exchanges that wait for a body in a VM that has never seen one. What lives here: who waits, and
//! for how long. What does not: what becomes of them.
//!
//! Why: Envoy hands a body over before the headers went on only where the plugin has
//! `allow_on_headers_stop_iteration` set, and a filter can't ask whether it has. Without it, a
//! request that waits would wait for ever. So until a VM has seen the first awaited body, a request
//! waits for one to two ticks at most, and then goes on without its body.

use std::collections::BTreeMap;

/// Those who wait, by context id.
#[derive(Debug)]
pub struct Parked<T> {
    waiting: BTreeMap<u32, Parking<T>>,
    is_proven: bool,
}

#[derive(Debug)]
struct Parking<T> {
    of: T,
    ticks: u8,
}

impl<T> Parked<T> {
    /// Nobody waits, and nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            is_proven: false,
        }
    }

    /// Whether a body that was awaited ever came: then there is no need to park.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// An awaited body has come.
    pub fn prove(&mut self) {
        self.is_proven = true;
    }

    /// Parks.
    pub fn park(&mut self, context: u32, of: T) {
        self.waiting.insert(context, Parking { of, ticks: 0 });
    }

    /// Takes one back.
    pub fn leave(&mut self, context: u32) -> Option<T> {
        self.waiting.remove(&context).map(|parking| parking.of)
    }

    /// Counts a tick for everybody; those who have waited through a whole one leave.
    pub fn tick(&mut self) -> Vec<(u32, T)> {
        let waiting = std::mem::take(&mut self.waiting);
        let (late, early): (BTreeMap<_, _>, BTreeMap<_, _>) = waiting
            .into_iter()
            .partition(|(_, parking)| parking.ticks > 0);
        self.waiting = early;
        for parking in self.waiting.values_mut() {
            parking.ticks = 1;
        }
        late.into_iter()
            .map(|(context, parking)| (context, parking.of))
            .collect()
    }
}

impl<T> Default for Parked<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_through_a_whole_tick_leaves() {
        let mut parked = Parked::new();
        parked.park(1, "a");
        parked.park(2, "b");
        assert!(
            parked.tick().is_empty(),
            "nobody knows how long that tick was"
        );
        parked.park(3, "c");
        assert_eq!(parked.leave(2), Some("b"));
        assert_eq!(parked.tick(), [(1, "a")]);
        assert_eq!(parked.tick(), [(3, "c")]);
        assert_eq!(parked.tick(), []);
        assert_eq!(parked.leave(1), None);
    }

    #[test]
    fn one_body_proves_that_bodies_come() {
        let mut parked = Parked::<()>::default();
        assert!(!parked.is_proven());
        parked.prove();
        assert!(parked.is_proven());
    }
}
