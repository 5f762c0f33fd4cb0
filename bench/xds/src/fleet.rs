//! Many simulated proxies: connecting them, a few at a time or all at once, cutting them off, and counting
//! what they get and when the last of them has it.

use crate::proxy::{Brought, Proxy};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(120);

/// What all proxies together got.
#[derive(Debug, Default)]
pub struct Tally {
    /// Streams that the control plane took.
    opened: AtomicU64,
    /// Connections and streams that failed or ended before they were cut off.
    failed: AtomicU64,
    bytes: AtomicU64,
    responses: AtomicU64,
    resources: AtomicU64,
    repeated: AtomicU64,
    /// Responses of the filter's type that were accepted.
    accepted: AtomicU64,
    awaited: AtomicU64,
    reached: Notify,
    reached_at: Mutex<Option<Instant>>,
    fault: Mutex<Option<String>>,
}

/// What the [`Tally`] stands at.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Counts {
    /// Streams that the control plane took.
    pub opened: u64,
    /// Connections and streams that failed or ended before they were cut off.
    pub failed: u64,
    /// Bytes of the messages, uncompressed, with the five that gRPC puts before each.
    pub bytes: u64,
    /// Messages.
    pub responses: u64,
    /// Resources in them.
    pub resources: u64,
    /// Resources that their proxy had in this very version.
    pub repeated: u64,
}

impl Counts {
    /// What came since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            opened: self.opened - before.opened,
            failed: self.failed - before.failed,
            bytes: self.bytes - before.bytes,
            responses: self.responses - before.responses,
            resources: self.resources - before.resources,
            repeated: self.repeated - before.repeated,
        }
    }
}

impl Tally {
    fn brought(&self, brought: Brought) {
        self.bytes.fetch_add(brought.bytes as u64, Relaxed);
        self.responses.fetch_add(1, Relaxed);
        self.resources.fetch_add(brought.resources as u64, Relaxed);
        self.repeated.fetch_add(brought.repeated as u64, Relaxed);
        if brought.filter && self.accepted.fetch_add(1, Relaxed) + 1 == self.awaited.load(Relaxed) {
            *lock(&self.reached_at) = Some(Instant::now());
            self.reached.notify_one();
        }
    }

    fn failed(&self, fault: &anyhow::Error) {
        self.failed.fetch_add(1, Relaxed);
        lock(&self.fault).get_or_insert_with(|| format!("{fault:#}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The proxies of one control plane.
#[derive(Debug)]
pub struct Fleet {
    address: SocketAddr,
    tally: Arc<Tally>,
    connected: JoinSet<Proxy>,
    cut: CancellationToken,
}

impl Fleet {
    /// So many, that connect a few at a time; returns when all have accepted the filter's configuration.
    ///
    /// # Errors
    /// They have not after two minutes.
    pub async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut fleet = Self {
            address,
            tally: Arc::default(),
            connected: JoinSet::new(),
            cut: CancellationToken::new(),
        };
        fleet.expect(count as u64);
        let at_a_time = Arc::new(Semaphore::new(50));
        for id in 0..count {
            fleet.spawn(Proxy::new(id), Some(Arc::clone(&at_a_time)));
        }
        fleet.until_accepted().await?;
        Ok(fleet)
    }

    /// Cuts every connection, and connects all of them anew at the same moment, with what they have.
    /// Returns that moment, when the control plane has taken up all streams.
    ///
    /// # Errors
    /// It has not after two minutes.
    pub async fn reconnect(&mut self) -> anyhow::Result<Instant> {
        self.cut.cancel();
        let mut proxies = Vec::with_capacity(self.connected.len());
        while let Some(proxy) = self.connected.join_next().await {
            proxies.push(proxy?);
        }
        self.cut = CancellationToken::new();
        let all = self.tally.opened.load(Relaxed) + proxies.len() as u64;
        let began = Instant::now();
        for proxy in proxies {
            self.spawn(proxy, None);
        }
        let taken = async {
            while self.tally.opened.load(Relaxed) + self.tally.failed.load(Relaxed) < all {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let taken = tokio::time::timeout(PATIENCE, taken).await;
        taken.with_context(|| format!("streams were not taken: {}", self.standing()))?;
        Ok(began)
    }

    /// From now on waits for so many acceptances of a filter's configuration.
    pub fn expect(&self, acceptances: u64) {
        let so_far = self.tally.accepted.load(Relaxed);
        *lock(&self.tally.reached_at) = None;
        self.tally.awaited.store(so_far + acceptances, Relaxed);
    }

    /// When the last of them was sent.
    ///
    /// # Errors
    /// It was not after two minutes.
    pub async fn until_accepted(&self) -> anyhow::Result<Instant> {
        let reached = async {
            loop {
                if let Some(at) = *lock(&self.tally.reached_at) {
                    return at;
                }
                self.tally.reached.notified().await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.with_context(|| format!("not all accept: {}", self.standing()))
    }

    /// What they got so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let tally = &self.tally;
        Counts {
            opened: tally.opened.load(Relaxed),
            failed: tally.failed.load(Relaxed),
            bytes: tally.bytes.load(Relaxed),
            responses: tally.responses.load(Relaxed),
            resources: tally.resources.load(Relaxed),
            repeated: tally.repeated.load(Relaxed),
        }
    }

    /// The same for people, with the first fault that there was.
    #[must_use]
    pub fn standing(&self) -> String {
        let fault = lock(&self.tally.fault).clone();
        format!("{:?}, first fault {fault:?}", self.counts())
    }

    fn spawn(&mut self, proxy: Proxy, at_a_time: Option<Arc<Semaphore>>) {
        let (address, tally, cut) = (self.address, Arc::clone(&self.tally), self.cut.clone());
        self.connected
            .spawn(live(proxy, address, tally, cut, at_a_time));
    }
}

/// Connects and takes what comes until it is cut off.
async fn live(
    mut proxy: Proxy,
    address: SocketAddr,
    tally: Arc<Tally>,
    cut: CancellationToken,
    at_a_time: Option<Arc<Semaphore>>,
) -> Proxy {
    let turn = match &at_a_time {
        Some(turns) => turns.acquire().await.ok(),
        None => None,
    };
    let mut stream = match proxy.connect(address).await {
        Ok(stream) => stream,
        Err(fault) => {
            tally.failed(&fault);
            return proxy;
        }
    };
    drop(turn);
    tally.opened.fetch_add(1, Relaxed);
    // To be cut off in the middle of taking a response loses nothing: it is taken at once when it is there.
    while let Some(taken) = cut.run_until_cancelled(proxy.take(&mut stream)).await {
        match taken {
            Ok(brought) => tally.brought(brought),
            Err(fault) => {
                tally.failed(&fault);
                break;
            }
        }
    }
    proxy
}
