//! What a [`Reconciler`] is kept as, to go on with after a restart. Pure: Protobuf, so fields may be added.

use super::{Pending, Proxy, Reconciler};
use crate::Micros;
use crate::loss::{Account, Counter};
use prost::Message;
use std::time::Duration;

#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(sint64, tag = "1")]
    began: Micros,
    #[prost(message, repeated, tag = "2")]
    proxies: Vec<KeptProxy>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptProxy {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(sint64, optional, tag = "2")]
    since: Option<Micros>,
    #[prost(message, repeated, tag = "3")]
    experiments: Vec<KeptExperiment>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptExperiment {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    counters: Vec<KeptCounter>,
    #[prost(message, repeated, tag = "3")]
    told: Vec<At>,
    #[prost(message, repeated, tag = "4")]
    arrived: Vec<At>,
    #[prost(sint64, optional, tag = "5")]
    settled: Option<Micros>,
    #[prost(uint64, tag = "6")]
    told_in_all: u64,
    #[prost(uint64, tag = "7")]
    arrived_in_all: u64,
}

#[derive(Clone, PartialEq, Message)]
struct KeptCounter {
    #[prost(string, tag = "1")]
    variant: String,
    #[prost(uint64, tag = "2")]
    last: u64,
}

/// A count, and when or in which slot.
#[derive(Clone, Copy, PartialEq, Message)]
struct At {
    #[prost(sint64, tag = "1")]
    at: Micros,
    #[prost(uint64, tag = "2")]
    count: u64,
}

impl Reconciler {
    /// All that it knows, to be kept with the entries that it counts as arrived.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        let proxies = self.proxies.iter().map(|(name, proxy)| {
            let experiments = proxy.experiments.iter();
            let experiments = experiments.map(|(experiment, pending)| {
                let account = self.ledger.one(name, experiment);
                pending.keep(experiment, account)
            });
            KeptProxy {
                name: name.clone(),
                since: proxy.since,
                experiments: experiments.collect(),
            }
        });
        let kept = Kept {
            began: self.began,
            proxies: proxies.collect(),
        };
        kept.encode_to_vec()
    }

    /// Goes on from what was kept. What proxies counted since then and what did not arrive of it is
    /// missing: nobody was there to take it in, or whoever was had not kept it.
    ///
    /// # Errors
    /// Bytes that [`Reconciler::keep`] did not write.
    pub fn resumed(bytes: &[u8], settle: Duration) -> Result<Self, prost::DecodeError> {
        let kept = Kept::decode(bytes)?;
        let mut reconciler = Self::new(kept.began, settle);
        for proxy in kept.proxies {
            let mut known = Proxy {
                since: proxy.since,
                ..Proxy::default()
            };
            for it in proxy.experiments {
                reconciler.pairs = reconciler.pairs.saturating_add(1);
                let ledger = &mut reconciler.ledger;
                ledger.told(&proxy.name, &it.name, it.told_in_all);
                ledger.arrived(&proxy.name, &it.name, it.arrived_in_all);
                known.experiments.insert(it.name.clone(), it.into());
            }
            reconciler.proxies.insert(proxy.name, known);
        }
        Ok(reconciler)
    }
}

impl Pending {
    fn keep(&self, experiment: &str, account: Account) -> KeptExperiment {
        let counters = self.counters.iter().map(|(variant, counter)| KeptCounter {
            variant: variant.clone(),
            last: counter.last(),
        });
        let told = self.told.iter().map(|(at, count)| (at, count));
        let at = |(at, count): (&Micros, &u64)| At {
            at: *at,
            count: *count,
        };
        KeptExperiment {
            name: experiment.to_owned(),
            counters: counters.collect(),
            told: told.map(at).collect(),
            arrived: self.arrived.iter().map(at).collect(),
            settled: self.settled,
            told_in_all: account.told,
            arrived_in_all: account.arrived,
        }
    }
}

impl From<KeptExperiment> for Pending {
    fn from(kept: KeptExperiment) -> Self {
        let counters = kept.counters.into_iter();
        let pair = |it: At| (it.at, it.count);
        Self {
            counters: counters
                .map(|it| (it.variant, Counter::from_last(it.last)))
                .collect(),
            told: kept.told.into_iter().map(pair).collect(),
            arrived: kept.arrived.into_iter().map(pair).collect(),
            settled: kept.settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Count, Report};
    use super::*;
    use proptest::prelude::*;

    const SECOND: Micros = 1_000_000;

    fn report(time: Micros, value: u64) -> Report {
        Report {
            time,
            began: Some(1),
            counts: vec![Count {
                experiment: "chat".to_owned(),
                variant: "a".to_owned(),
                value,
            }],
        }
    }

    fn again(it: &Reconciler) -> Reconciler {
        Reconciler::resumed(&it.keep(), Reconciler::SETTLE).unwrap()
    }

    #[test]
    fn what_was_not_kept_when_it_ended_is_missing_and_so_is_what_nobody_was_there_for() {
        let mut it = Reconciler::new(0, Reconciler::SETTLE);
        it.report("p", report(SECOND, 0));
        (0..50).for_each(|request| it.arrived("p", "chat", 2 * SECOND + request));
        let kept = again(&it);
        // Of these the log has nothing.
        (0..7).for_each(|request| it.arrived("p", "chat", 3 * SECOND + request));
        drop(it);
        let mut it = kept;
        (0..40).for_each(|request| it.arrived("p", "chat", 9 * SECOND + request));
        // 50 and 7, 3 meanwhile, and 40.
        it.report("p", report(10 * SECOND, 100));
        it.report("p", report(60 * SECOND, 100));
        let account = it.ledger().all("chat");
        assert_eq!((account.told, account.arrived), (100, 90));
    }

    proptest! {
        #[test]
        fn to_end_and_go_on_changes_nothing(
            steps in proptest::collection::vec((any::<bool>(), 0..100_i64, 0..20_u64, any::<bool>()), 1..60),
        ) {
            let mut whole = Reconciler::new(0, Reconciler::SETTLE);
            let mut parts = Reconciler::new(0, Reconciler::SETTLE);
            for (is_report, seconds, value, ends) in steps {
                for it in [&mut whole, &mut parts] {
                    match is_report {
                        true => it.report("p", report(seconds * SECOND, value)),
                        false => it.arrived("p", "chat", seconds * SECOND),
                    }
                }
                if ends {
                    parts = again(&parts);
                }
                prop_assert_eq!(whole.ledger().all("chat"), parts.ledger().all("chat"));
            }
        }

        #[test]
        fn garbage_is_refused_or_read_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Reconciler::resumed(&bytes, Reconciler::SETTLE).map(|mut it| it.report("p", report(SECOND, 1)));
        }
    }
}
