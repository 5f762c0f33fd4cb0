//! What did not arrive: what proxies counted, which is lossless, beside what came as access-log entries,
//! which is not. Pure; whoever receives counters feeds it.

use serde::Serialize;
use std::collections::BTreeMap;

/// The share that may be missing before an experiment's telemetry counts as missing.
pub const DEFAULT_THRESHOLD: f64 = 0.01;

/// Counts of one proxy and one experiment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Account {
    /// Assignments that the proxy counted.
    pub told: u64,
    /// Entries that arrived and were kept.
    pub arrived: u64,
}

impl Account {
    /// The share of what was told that did not arrive: 0 to 1, nothing where nothing was told. More may
    /// arrive than was told, because counters come less often than entries: then nothing is missing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn missing(&self) -> Option<f64> {
        let missing = self.told.saturating_sub(self.arrived);
        (self.told > 0).then(|| missing as f64 / self.told as f64)
    }

    fn add(&mut self, other: Self) {
        self.told = self.told.saturating_add(other.told);
        self.arrived = self.arrived.saturating_add(other.arrived);
    }
}

/// A counter that only grows while its process lives, and begins anew with the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counter {
    last: u64,
    total: u64,
}

impl Counter {
    /// Takes what it stands at, and returns by how much that is more than before. A lower number is that
    /// of a new process.
    pub fn stands_at(&mut self, value: u64) -> u64 {
        let more = value.checked_sub(self.last).unwrap_or(value);
        self.last = value;
        self.total = self.total.saturating_add(more);
        more
    }

    /// One that stood at `last` when it was last heard of.
    #[must_use]
    pub fn from_last(last: u64) -> Self {
        Self { last, total: last }
    }

    /// What it stood at when it was last heard of.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What it counted over all its processes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// The accounts of all proxies and experiments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    accounts: BTreeMap<(String, String), Account>,
}

impl Ledger {
    /// The proxy told of `count` more assignments.
    pub fn told(&mut self, proxy: &str, experiment: &str, count: u64) {
        self.enter(
            proxy,
            experiment,
            Account {
                told: count,
                arrived: 0,
            },
        );
    }

    /// So many more of its entries arrived.
    pub fn arrived(&mut self, proxy: &str, experiment: &str, count: u64) {
        self.enter(
            proxy,
            experiment,
            Account {
                told: 0,
                arrived: count,
            },
        );
    }

    /// The experiment's account with each proxy.
    pub fn of<'a>(&'a self, experiment: &'a str) -> impl Iterator<Item = (&'a str, Account)> {
        let accounts = self.accounts.iter();
        accounts
            .filter(move |((_, of), _)| of == experiment)
            .map(|((proxy, _), account)| (proxy.as_str(), *account))
    }

    /// The account with one proxy.
    #[must_use]
    pub fn one(&self, proxy: &str, experiment: &str) -> Account {
        let key = (proxy.to_owned(), experiment.to_owned());
        self.accounts.get(&key).copied().unwrap_or_default()
    }

    /// The experiment's account over all proxies.
    #[must_use]
    pub fn all(&self, experiment: &str) -> Account {
        let mut all = Account::default();
        self.of(experiment)
            .for_each(|(_, account)| all.add(account));
        all
    }

    /// Whether a larger share than `threshold` of the experiment is missing.
    #[must_use]
    pub fn telemetry_missing(&self, experiment: &str, threshold: f64) -> bool {
        let missing = self.all(experiment).missing();
        missing.is_some_and(|share| share > threshold)
    }

    fn enter(&mut self, proxy: &str, experiment: &str, more: Account) {
        let key = (proxy.to_owned(), experiment.to_owned());
        self.accounts.entry(key).or_default().add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_and_did_not_arrive_is_missing() {
        let mut ledger = Ledger::default();
        ledger.told("a", "chat", 100);
        ledger.arrived("a", "chat", 97);
        ledger.told("b", "chat", 100);
        ledger.arrived("b", "chat", 100);
        ledger.told("b", "other", 5);
        let shares: Vec<_> = ledger
            .of("chat")
            .map(|(proxy, it)| (proxy, it.missing()))
            .collect();
        assert_eq!(shares, [("a", Some(0.03)), ("b", Some(0.0))]);
        assert_eq!(
            ledger.all("chat"),
            Account {
                told: 200,
                arrived: 197
            }
        );
        assert!(ledger.telemetry_missing("chat", DEFAULT_THRESHOLD));
        assert!(!ledger.telemetry_missing("chat", 0.02));
    }

    #[test]
    fn more_than_was_told_is_nothing_missing_and_nothing_told_is_nothing_known() {
        assert_eq!(
            Account {
                told: 5,
                arrived: 9
            }
            .missing(),
            Some(0.0)
        );
        assert_eq!(
            Account {
                told: 0,
                arrived: 9
            }
            .missing(),
            None
        );
        assert!(!Ledger::default().telemetry_missing("chat", 0.0));
    }

    #[test]
    fn a_counter_that_begins_anew_goes_on_from_what_it_had() {
        let mut counter = Counter::default();
        let more: Vec<_> = [5, 9, 9, 3, 4].map(|it| counter.stands_at(it)).into();
        assert_eq!(more, [5, 4, 0, 3, 1]);
        assert_eq!(counter.total(), 13);
    }
}
