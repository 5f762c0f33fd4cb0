//! Holds what proxies counted against what arrived of it, once it has settled. A proxy counts a request
//! when it begins and logs it when it ends, and both come in batches of their own; so a report of its
//! counters is compared only some time after it was made, with the entries of requests that began before
//! it. Pure: both times are the proxy's own, so its clock need not be right.
//!
//! What it knows can be kept and gone on from ([`kept`]): so what a crash cost is known, too.
//!
//! What does not live here: the accounts themselves ([`crate::loss`]), and how counts come in.

mod kept;

use crate::Micros;
use crate::hearsay::Item;
use crate::loss::{Counter, Ledger};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Arrivals are kept by tenths of a second, which is how often the filter tells its counts.
pub(crate) const SLOT: Micros = 100_000;
/// How many slots wait for a report, per proxy and experiment: two hours. A proxy whose clock jumps about
/// makes no more of them; what is let go then counts as missing.
const MAX_SLOTS: usize = 72_000;

/// What a proxy says that its counters stand at. Protobuf, because control planes tell each other.
#[derive(Clone, PartialEq, Message)]
pub struct Report {
    /// When it said so, by its clock.
    #[prost(sint64, tag = "1")]
    pub time: Micros,
    /// When its process began, by its clock, where it says that, too.
    #[prost(sint64, optional, tag = "2")]
    pub began: Option<Micros>,
    /// Assignments since then.
    #[prost(message, repeated, tag = "3")]
    pub counts: Vec<Count>,
}

/// One counter of the filter.
#[derive(Clone, Eq, PartialEq, Message)]
pub struct Count {
    /// The experiment's key.
    #[prost(string, tag = "1")]
    pub experiment: String,
    /// The variant's key.
    #[prost(string, tag = "2")]
    pub variant: String,
    /// What it stands at.
    #[prost(uint64, tag = "3")]
    pub value: u64,
}

/// Accounts of all proxies and experiments, and what is still on its way into them.
#[derive(Debug)]
pub struct Reconciler {
    began: Micros,
    settle: Micros,
    proxies: BTreeMap<String, Proxy>,
    pairs: usize,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct Proxy {
    /// Since when it is followed: what began earlier may have arrived elsewhere. `None` before its
    /// first report.
    since: Option<Micros>,
    experiments: BTreeMap<String, Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    counters: BTreeMap<String, Counter>,
    told: VecDeque<(Micros, u64)>,
    arrived: BTreeMap<Micros, u64>,
    settled: Option<Micros>,
}

impl Reconciler {
    /// How long after a report the entries of its requests may still come, where nobody says otherwise.
    pub const SETTLE: Duration = Duration::from_secs(30);
    /// How many pairs of a proxy and an experiment are followed; more are not, so that no proxy can fill
    /// the memory.
    pub const MAX_PAIRS: usize = 100_000;

    /// Nothing yet. `began` is since when entries could arrive here; `settle` is how long after a report
    /// the entries of its requests may still come: one that lasts longer is missing until it ends.
    #[must_use]
    pub fn new(began: Micros, settle: Duration) -> Self {
        Self {
            began,
            settle: Micros::try_from(settle.as_micros()).unwrap_or(Micros::MAX),
            proxies: BTreeMap::new(),
            pairs: 0,
            ledger: Ledger::default(),
        }
    }

    /// Takes a report. A proxy that ran before anything could arrive here begins with what it stands at.
    pub fn report(&mut self, proxy: &str, report: Report) {
        let since = report.began.filter(|began| *began >= self.began);
        for count in report.counts {
            if !self.follows(proxy, &count.experiment) {
                continue;
            }
            let known = self.proxies.entry(proxy.to_owned()).or_default();
            let is_first = known.since.is_none() && since.is_none();
            let pending = known.experiments.entry(count.experiment).or_default();
            let counter = pending.counters.entry(count.variant).or_default();
            let more = counter.stands_at(count.value);
            if more > 0 && !is_first {
                pending.tell(report.time, more);
            }
        }
        let known = self.proxies.entry(proxy.to_owned()).or_default();
        // What a report says is as old as the filter's last word before it.
        let last_word = report.time.saturating_sub(SLOT);
        let since = *known.since.get_or_insert(since.unwrap_or(last_word));
        for (experiment, pending) in &mut known.experiments {
            let (told, arrived) = pending.settle(report.time.saturating_sub(self.settle), since);
            self.ledger.told(proxy, experiment, told);
            self.ledger.arrived(proxy, experiment, arrived);
        }
    }

    /// Takes an entry of a request that began at `time`.
    pub fn arrived(&mut self, proxy: &str, experiment: &str, time: Micros) {
        self.arrivals(proxy, experiment, time, 1);
    }

    /// Takes what another control plane heard.
    pub fn hear(&mut self, item: Item) {
        match item {
            Item::Arrived {
                proxy,
                experiment,
                time,
                count,
            } => self.arrivals(&proxy, &experiment, time, count),
            Item::Reported { proxy, report } => self.report(&proxy, report),
        }
    }

    fn arrivals(&mut self, proxy: &str, experiment: &str, time: Micros, count: u64) {
        let since = self.proxies.get(proxy).and_then(|it| it.since);
        if since.is_some_and(|since| time < since) {
            return;
        }
        if !self.follows(proxy, experiment) {
            return;
        }
        let settle = self.settle;
        let known = self.proxies.get_mut(proxy);
        let Some(pending) = known.and_then(|it| it.experiments.get_mut(experiment)) else {
            return;
        };
        if pending.settled.is_some_and(|settled| time <= settled) {
            self.ledger.arrived(proxy, experiment, count);
            return;
        }
        let slot = pending.arrived.entry(time.div_euclid(SLOT)).or_default();
        *slot = slot.saturating_add(count);
        if since.is_none() {
            // Without reports nothing is ever held against anything.
            let newest = time.saturating_sub(settle).div_euclid(SLOT);
            pending.arrived = pending.arrived.split_off(&newest);
        }
        if pending.arrived.len() > MAX_SLOTS {
            pending.arrived.pop_first();
        }
    }

    /// What has settled.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether the experiment is followed on the proxy, from now on at the latest.
    fn follows(&mut self, proxy: &str, experiment: &str) -> bool {
        let known = self.proxies.get(proxy);
        if known.is_some_and(|it| it.experiments.contains_key(experiment)) {
            return true;
        }
        if self.pairs >= Self::MAX_PAIRS {
            return false;
        }
        self.pairs = self.pairs.saturating_add(1);
        let known = self.proxies.entry(proxy.to_owned()).or_default();
        known.experiments.entry(experiment.to_owned()).or_default();
        true
    }
}

impl Pending {
    /// The proxy says that there were `more` assignments up to `time`.
    fn tell(&mut self, time: Micros, more: u64) {
        let is_full = self.told.len() >= MAX_SLOTS;
        match self.told.back_mut() {
            Some(newest) if is_full => newest.1 = newest.1.saturating_add(more),
            _ => self.told.push_back((time, more)),
        }
    }

    /// Takes out what was told up to `horizon`, and the arrivals that belong to it.
    fn settle(&mut self, horizon: Micros, since: Micros) -> (u64, u64) {
        let mut told = 0_u64;
        while let Some((time, more)) = self.told.pop_front() {
            if time > horizon {
                self.told.push_front((time, more));
                break;
            }
            told = told.saturating_add(more);
            self.settled = Some(time);
        }
        let Some(settled) = self.settled else {
            return (told, 0);
        };
        let later = self
            .arrived
            .split_off(&settled.div_euclid(SLOT).saturating_add(1));
        let settled = std::mem::replace(&mut self.arrived, later);
        let first = since.div_euclid(SLOT);
        let arrived = settled.range(first..).map(|(_, count)| *count);
        (told, arrived.fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Account;

    const SECOND: Micros = 1_000_000;

    fn report(time: Micros, began: Micros, value: u64) -> Report {
        let count = |variant: &str, value| Count {
            experiment: "chat".to_owned(),
            variant: variant.to_owned(),
            value,
        };
        Report {
            time,
            began: Some(began),
            counts: vec![count("a", value), count("b", 0)],
        }
    }

    fn account(it: &Reconciler) -> Account {
        it.ledger().all("chat")
    }

    #[test]
    fn what_is_lost_is_known_once_it_has_settled_and_not_before() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        it.report("p", report(5 * SECOND, 1, 0));
        for request in 0..90 {
            it.arrived("p", "chat", 6 * SECOND + request);
        }
        it.report("p", report(10 * SECOND, 1, 100));
        it.report("p", report(39 * SECOND, 1, 100));
        assert_eq!(account(&it), Account::default());
        // Of a later report: neither side of it counts yet.
        it.arrived("p", "chat", 20 * SECOND);
        it.report("p", report(40 * SECOND, 1, 101));
        assert_eq!(
            account(&it),
            Account {
                told: 100,
                arrived: 90
            }
        );
        assert!(it.ledger().telemetry_missing("chat", 0.01));
        // A request that took its time.
        it.arrived("p", "chat", 7 * SECOND);
        assert_eq!(account(&it).arrived, 91);
        it.report("p", report(80 * SECOND, 1, 101));
        assert_eq!(
            account(&it),
            Account {
                told: 101,
                arrived: 92
            }
        );
    }

    #[test]
    fn a_proxy_that_ran_before_begins_with_what_it_stands_at() {
        let mut it = Reconciler::new(100 * SECOND, Reconciler::SETTLE);
        it.arrived("p", "chat", 99 * SECOND);
        it.report("p", report(105 * SECOND, 1, 5_000));
        it.arrived("p", "chat", 104 * SECOND);
        it.arrived("p", "chat", 106 * SECOND);
        it.report("p", report(110 * SECOND, 1, 5_002));
        it.report("p", report(150 * SECOND, 1, 5_002));
        assert_eq!(
            account(&it),
            Account {
                told: 2,
                arrived: 1
            }
        );
    }

    #[test]
    fn requests_that_the_filter_had_not_told_of_before_the_first_report_arrived_all_the_same() {
        let mut it = Reconciler::new(100 * SECOND, Reconciler::SETTLE);
        let first = 105 * SECOND;
        for request in 0..300 {
            it.arrived("p", "chat", first - SLOT / 2 + request);
        }
        it.report("p", report(first, 1, 0));
        it.report("p", report(first + SLOT, 1, 300));
        it.report("p", report(150 * SECOND, 1, 300));
        let (told, arrived) = (300, 300);
        assert_eq!(account(&it), Account { told, arrived });
    }

    #[test]
    fn a_proxy_that_starts_anew_goes_on() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        it.report("p", report(5 * SECOND, 1, 10));
        it.report("p", report(20 * SECOND, 15 * SECOND, 4));
        it.report("p", report(90 * SECOND, 15 * SECOND, 4));
        assert_eq!(account(&it).told, 14);
    }

    #[test]
    fn entries_of_a_proxy_that_never_reports_are_not_hoarded() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        for second in 0..1_000 {
            it.arrived("p", "chat", second * SECOND);
        }
        let kept = it.proxies["p"].experiments["chat"].arrived.len();
        assert!(kept <= 31, "{kept}");
        assert_eq!(account(&it), Account::default());
    }

    #[test]
    fn a_proxy_whose_clock_jumps_about_does_not_fill_the_memory() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        it.report("p", report(SECOND, 1, 1));
        for number in 0..MAX_SLOTS + 10 {
            let jump = Micros::try_from(number).unwrap() * 1_000 * SECOND;
            it.arrived("p", "chat", jump);
            it.report("p", report(-jump, 1, u64::try_from(number).unwrap()));
        }
        let pending = &it.proxies["p"].experiments["chat"];
        assert!(pending.arrived.len() <= MAX_SLOTS && pending.told.len() <= MAX_SLOTS);
    }

    #[test]
    fn times_of_a_proxy_without_a_sense_of_time_do_no_harm() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        for time in [Micros::MIN, Micros::MAX, 0, -1] {
            it.arrived("p", "chat", time);
            it.report("p", report(time, time, u64::MAX));
        }
    }
}
