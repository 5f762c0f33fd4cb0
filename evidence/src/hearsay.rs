//! What one of several control planes heard of proxies, for the others. A proxy's access log and its
//! counters may reach different ones, so each tells all, and every one of them can hold one against the
//! other ([`crate::reconcile`]). The types and their bytes alone; how they get there is the control plane's.

use crate::Micros;
use crate::reconcile::{Report, SLOT};
use prost::Message;
use std::collections::BTreeMap;

/// How many slots of arrivals may wait to be told. What is let go then counts as missing elsewhere, as it
/// would if the log had lost it.
const MAX_SLOTS: usize = 1_000_000;

/// What was heard and is not told yet.
#[derive(Debug, Default)]
pub struct Gathered {
    /// By proxy, experiment and slot.
    arrivals: BTreeMap<String, BTreeMap<String, BTreeMap<Micros, u64>>>,
    slots: usize,
    reports: Vec<Told>,
}

/// What was heard, as it travels.
#[derive(Clone, PartialEq, Message)]
pub struct Hearsay {
    #[prost(message, repeated, tag = "1")]
    arrivals: Vec<Arrivals>,
    #[prost(message, repeated, tag = "2")]
    reports: Vec<Told>,
}

#[derive(Clone, PartialEq, Message)]
struct Arrivals {
    #[prost(string, tag = "1")]
    proxy: String,
    #[prost(string, tag = "2")]
    experiment: String,
    /// Slots of time, each less the one before.
    #[prost(sint64, repeated, tag = "3")]
    slots: Vec<Micros>,
    /// How many arrived in each.
    #[prost(uint64, repeated, tag = "4")]
    counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(string, tag = "1")]
    proxy: String,
    #[prost(message, required, tag = "2")]
    report: Report,
}

/// One thing that was heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Entries of requests that began about `time`.
    Arrived {
        /// The proxy that sent them.
        proxy: String,
        /// Their experiment.
        experiment: String,
        /// The end of the slot that they began in.
        time: Micros,
        /// How many.
        count: u64,
    },
    /// A proxy told what its counters stand at.
    Reported {
        /// The proxy.
        proxy: String,
        /// What it told.
        report: Report,
    },
}

impl Gathered {
    /// An entry of a request that began at `time` arrived.
    pub fn arrived(&mut self, proxy: &str, experiment: &str, time: Micros) {
        let slot = time.div_euclid(SLOT);
        let known = self.arrivals.get_mut(proxy);
        let slots = known.and_then(|it| it.get_mut(experiment));
        if let Some(count) = slots.and_then(|it| it.get_mut(&slot)) {
            *count = count.saturating_add(1);
        } else if self.slots < MAX_SLOTS {
            self.slots = self.slots.saturating_add(1);
            let of_proxy = self.arrivals.entry(proxy.to_owned()).or_default();
            let slots = of_proxy.entry(experiment.to_owned()).or_default();
            slots.insert(slot, 1);
        }
    }

    /// A proxy told what its counters stand at.
    pub fn reported(&mut self, proxy: &str, report: &Report) {
        self.reports.push(Told {
            proxy: proxy.to_owned(),
            report: report.clone(),
        });
    }

    /// What was gathered, to be told; nothing where nothing was.
    #[must_use]
    pub fn take(&mut self) -> Option<Hearsay> {
        let Self {
            arrivals, reports, ..
        } = std::mem::take(self);
        if arrivals.is_empty() && reports.is_empty() {
            return None;
        }
        let arrivals = arrivals.into_iter().flat_map(|(proxy, experiments)| {
            let of_proxy = move |(experiment, slots)| Arrivals::of(&proxy, experiment, &slots);
            experiments.into_iter().map(of_proxy)
        });
        Some(Hearsay {
            arrivals: arrivals.collect(),
            reports,
        })
    }
}

impl Hearsay {
    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// From bytes.
    ///
    /// # Errors
    /// Where they are none of ours.
    pub fn of(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }

    /// All of it: arrivals first, so that no report waits for what came with it.
    pub fn items(self) -> impl Iterator<Item = Item> {
        let arrivals = self.arrivals.into_iter().flat_map(Arrivals::items);
        let reported = |Told { proxy, report }| Item::Reported { proxy, report };
        arrivals.chain(self.reports.into_iter().map(reported))
    }
}

impl Arrivals {
    fn of(proxy: &str, experiment: String, slots: &BTreeMap<Micros, u64>) -> Self {
        let before = std::iter::once(0).chain(slots.keys().copied());
        let less = |(slot, before): (&Micros, Micros)| slot.saturating_sub(before);
        Self {
            proxy: proxy.to_owned(),
            experiment,
            slots: slots.keys().zip(before).map(less).collect(),
            counts: slots.values().copied().collect(),
        }
    }

    fn items(self) -> impl Iterator<Item = Item> {
        let Self {
            proxy, experiment, ..
        } = self;
        let slots = self.slots.into_iter().scan(0_i64, |slot, more| {
            *slot = slot.saturating_add(more);
            Some(*slot)
        });
        slots.zip(self.counts).map(move |(slot, count)| {
            let next = slot.saturating_add(1).saturating_mul(SLOT);
            Item::Arrived {
                proxy: proxy.clone(),
                experiment: experiment.clone(),
                time: next.saturating_sub(1),
                count,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Count, Reconciler};
    use proptest::prelude::*;

    const SECOND: Micros = 1_000_000;

    fn report(time: Micros, value: u64) -> Report {
        let count = Count {
            experiment: "chat".to_owned(),
            variant: "a".to_owned(),
            value,
        };
        Report {
            time,
            began: Some(1),
            counts: vec![count],
        }
    }

    fn told(gathered: &mut Gathered, reconciler: &mut Reconciler) {
        let told = gathered.take().map(|it| it.bytes());
        if let Some(bytes) = told {
            let items = Hearsay::of(&bytes).unwrap().items();
            items.for_each(|item| reconciler.hear(item));
        }
    }

    #[test]
    fn what_two_heard_apart_settles_on_both_as_if_one_had_heard_all() {
        let mut logs = (Reconciler::new(0, Reconciler::SETTLE), Gathered::default());
        let mut counters = (Reconciler::new(0, Reconciler::SETTLE), Gathered::default());
        let mut one = Reconciler::new(0, Reconciler::SETTLE);
        for second in 0..100 {
            let time = second * SECOND + 30_000;
            for within in 0..7 {
                let time = time + within * 40_000;
                logs.0.arrived("p", "chat", time);
                logs.1.arrived("p", "chat", time);
                one.arrived("p", "chat", time);
            }
            let standing = u64::try_from(second + 1).unwrap() * 10;
            let report = report(second * SECOND + 900_000, standing);
            counters.1.reported("p", &report);
            counters.0.report("p", report.clone());
            one.report("p", report);
            told(&mut logs.1, &mut counters.0);
            told(&mut counters.1, &mut logs.0);
        }
        let account = one.ledger().all("chat");
        assert!(account.told >= 600, "{account:?}");
        assert_eq!(counters.0.ledger().all("chat"), account);
        assert_eq!(logs.0.ledger().all("chat"), account);
    }

    #[test]
    fn nothing_that_was_heard_is_nothing_to_tell() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.take(), None);
        gathered.arrived("p", "chat", 5);
        assert!(gathered.take().is_some());
        assert_eq!(gathered.take(), None);
    }

    #[test]
    fn a_proxy_whose_clock_jumps_about_does_not_fill_the_memory() {
        let mut gathered = Gathered::default();
        for number in 0..Micros::try_from(MAX_SLOTS).unwrap() + 10 {
            gathered.arrived("p", "chat", number * SLOT);
        }
        assert_eq!(gathered.take().unwrap().items().count(), MAX_SLOTS);
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_was_heard(
            times in prop::collection::vec(any::<Micros>(), 0..50),
            time: Micros, began: Option<Micros>, value: u64,
        ) {
            let mut gathered = Gathered::default();
            let mut slots = BTreeMap::<Micros, u64>::new();
            for time in &times {
                gathered.arrived("p", "chat", *time);
                *slots.entry(time.div_euclid(SLOT)).or_default() += 1;
            }
            let report = Report { began, ..report(time, value) };
            gathered.reported("p", &report);
            let hearsay = gathered.take().unwrap();
            let hearsay = Hearsay::of(&hearsay.bytes()).unwrap();
            let mut items: Vec<_> = hearsay.items().collect();
            prop_assert_eq!(items.pop(), Some(Item::Reported { proxy: "p".to_owned(), report }));
            let back = items.into_iter().map(|item| match item {
                Item::Arrived { time, count, .. } => (time.div_euclid(SLOT), count),
                Item::Reported { .. } => (0, 0),
            });
            prop_assert_eq!(back.collect::<BTreeMap<_, _>>(), slots);
        }

        #[test]
        fn no_bytes_do_any_harm(bytes: Vec<u8>) {
            let mut reconciler = Reconciler::new(0, Reconciler::SETTLE);
            if let Ok(hearsay) = Hearsay::of(&bytes) {
                hearsay.items().for_each(|item| reconciler.hear(item));
            }
        }
    }
}
