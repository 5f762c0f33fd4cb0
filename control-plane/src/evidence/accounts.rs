//! The account of what arrived, shared by those who receive access logs, those who receive counters and
//! those who are asked. What does not live here: how they are held against each other
//! ([`watershed_evidence::reconcile`]).

use crate::metrics::Metrics;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use watershed_evidence::Micros;
use watershed_evidence::hearsay::{Gathered, Hearsay, Item};
use watershed_evidence::loss::Account;
use watershed_evidence::reconcile::{Reconciler, Report};

/// The most proxies that are shown of an experiment.
const MAX_SHOWN: usize = 100;

/// Accounts of all proxies and experiments since this process began.
#[derive(Debug)]
pub struct Accounts {
    reconciler: Mutex<Reconciler>,
    /// What other replicas are to be told, where there may be any.
    gathered: OnceLock<Mutex<Gathered>>,
    threshold: f64,
    metrics: Arc<Metrics>,
}

/// What is known of an experiment's access-log entries.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Telemetry {
    /// Assignments that proxies counted, as far as settled.
    counted: u64,
    /// Access-log entries of these that arrived.
    arrived: u64,
    /// The share of the counted that did not arrive; nothing where no proxy tells its counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<f64>,
    /// Whether so much is missing that the evidence is not to be relied on.
    telemetry_missing: bool,
    /// By proxy, at most 100, those that miss most first.
    proxies: Vec<ProxyTelemetry>,
}

/// The same of one proxy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ProxyTelemetry {
    node: String,
    counted: u64,
    arrived: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<f64>,
}

impl Accounts {
    /// Empty accounts, in which a share of more than `threshold` is too much to miss.
    #[must_use]
    pub fn new(reconciler: Reconciler, threshold: f64, metrics: Arc<Metrics>) -> Self {
        Self {
            reconciler: Mutex::new(reconciler),
            gathered: OnceLock::new(),
            threshold,
            metrics,
        }
    }

    /// Accounts of nobody, for tests of what only passes them on.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Arc<Self> {
        let reconciler = Reconciler::new(0, Reconciler::SETTLE);
        let threshold = watershed_evidence::loss::DEFAULT_THRESHOLD;
        Arc::new(Self::new(reconciler, threshold, Arc::default()))
    }

    /// All of it, to be kept with the entries that it says arrived.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        lock(&self.reconciler).keep()
    }

    /// An entry of a request that began at `time` arrived.
    pub fn arrived(&self, proxy: &str, experiment: &str, time: Micros) {
        lock(&self.reconciler).arrived(proxy, experiment, time);
        if let Some(gathered) = self.gathered.get() {
            lock(gathered).arrived(proxy, experiment, time);
        }
    }

    /// A proxy told what its counters stand at.
    pub fn report(&self, proxy: &str, report: Report) {
        if let Some(gathered) = self.gathered.get() {
            lock(gathered).reported(proxy, &report);
        }
        self.enter(proxy, report);
    }

    /// From now on, what is heard here is gathered for others; see [`Accounts::heard_here`].
    pub fn share(&self) {
        self.gathered.get_or_init(Mutex::default);
    }

    /// What was heard here since the last time; nothing where nothing was, or nobody is to be told.
    #[must_use]
    pub fn heard_here(&self) -> Option<Hearsay> {
        self.gathered.get().and_then(|it| lock(it).take())
    }

    /// What another replica heard.
    pub fn hear(&self, hearsay: Hearsay) {
        for item in hearsay.items() {
            match item {
                Item::Reported { proxy, report } => self.enter(&proxy, report),
                arrived @ Item::Arrived { .. } => lock(&self.reconciler).hear(arrived),
            }
        }
    }

    fn enter(&self, proxy: &str, report: Report) {
        let mut experiments: Vec<_> = report
            .counts
            .iter()
            .map(|it| it.experiment.clone())
            .collect();
        experiments.dedup();
        let mut reconciler = lock(&self.reconciler);
        reconciler.report(proxy, report);
        for experiment in experiments {
            let account = reconciler.ledger().all(&experiment);
            let telemetry = self.metrics.telemetry();
            telemetry.stands_at(&experiment, account.told, account.arrived);
        }
    }

    /// What proxies counted of an experiment and what of it arrived; nothing where none counted any.
    #[must_use]
    pub fn settled(&self, experiment: &str) -> Option<Account> {
        let account = lock(&self.reconciler).ledger().all(experiment);
        (account.told > 0).then_some(account)
    }

    /// The share that may be missing.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// What is known of an experiment.
    #[must_use]
    pub fn telemetry(&self, experiment: &str) -> Telemetry {
        let reconciler = lock(&self.reconciler);
        let ledger = reconciler.ledger();
        let Account { told, arrived } = ledger.all(experiment);
        let of_proxy = |(node, account): (&str, Account)| ProxyTelemetry {
            node: node.to_owned(),
            counted: account.told,
            arrived: account.arrived,
            missing: account.missing(),
        };
        let mut proxies: Vec<_> = ledger.of(experiment).map(of_proxy).collect();
        proxies.sort_by(|a, b| {
            let share = |it: &ProxyTelemetry| it.missing.unwrap_or(0.0);
            share(b).total_cmp(&share(a))
        });
        proxies.truncate(MAX_SHOWN);
        Telemetry {
            counted: told,
            arrived,
            missing: ledger.all(experiment).missing(),
            telemetry_missing: ledger.telemetry_missing(experiment, self.threshold),
            proxies,
        }
    }
}

/// Counts cannot be left half-made by a panic elsewhere.
fn lock<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watershed_evidence::reconcile::Count;

    #[test]
    fn an_experiment_is_told_over_all_proxies_those_that_miss_most_first() {
        let accounts = Accounts::of_nobody();
        for (proxy, arrived) in [("whole", 4), ("lossy", 3)] {
            (0..arrived).for_each(|time| accounts.arrived(proxy, "chat", time));
            for seconds in [1, 60] {
                let count = Count {
                    experiment: "chat".to_owned(),
                    variant: "a".to_owned(),
                    value: 4,
                };
                accounts.report(
                    proxy,
                    Report {
                        time: seconds * 1_000_000,
                        began: Some(0),
                        counts: vec![count],
                    },
                );
            }
        }
        let told = accounts.telemetry("chat");
        assert_eq!((told.counted, told.arrived), (8, 7));
        assert_eq!(told.missing, Some(0.125));
        assert!(told.telemetry_missing);
        let nodes: Vec<_> = told.proxies.iter().map(|it| it.node.as_str()).collect();
        assert_eq!(nodes, ["lossy", "whole"]);
        assert_eq!(accounts.telemetry("other").missing, None);
        let settled = accounts.settled("chat").unwrap();
        assert_eq!((settled.told, settled.arrived), (8, 7));
        assert_eq!(accounts.settled("other"), None);
    }
}
