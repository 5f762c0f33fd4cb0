//! The gate: who is let in, how often, and what is known of keys. The decisions are [`crate::auth`]'s;
//! here are the clock, the store and the memory that they need.

use super::error::Problem;
use super::key_set::{KeyCache, KeySource};
use crate::auth::limit::{Limiter, Rate};
use crate::auth::oidc::Provider;
use crate::auth::{KeyHash, KeyRing, Principal, Refused, Role};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;
use http::{HeaderMap, header};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long the keys that were read count as the keys that there are. Another replica's revocation
/// reaches this one within it.
const FRESH: Duration = Duration::from_secs(1);
/// How often one address may fail before it is no longer listened to.
const FAILURES: Rate = Rate {
    per_second: 1.0,
    burst: 60.0,
};
/// The most keys, and the most addresses, that are counted at the same time.
const MOST: usize = 10_000;

/// Whom the API listens to.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Everybody who reaches it, as if they were admins.
    Open,
    /// Who has a key.
    Keys {
        /// The admin key of the command line.
        command_line: Option<KeyHash>,
        /// How often one key may ask; nothing for no limit.
        rate: Option<Rate>,
        /// Whose tokens count beside keys.
        open_id: Option<Box<OpenId>>,
    },
}

/// An OpenID provider whose tokens count.
#[derive(Clone, Debug)]
pub struct OpenId {
    /// What is expected of a token.
    pub provider: Provider,
    /// Where the keys are that it signs with.
    pub source: KeySource,
}

/// The gate of one API.
pub struct Gate {
    auth: Auth,
    store: Store,
    metrics: Arc<Metrics>,
    clock: Clock,
    ring: RwLock<Ring>,
    refreshing: tokio::sync::Mutex<()>,
    /// The moment that the limits count time from.
    opened: Instant,
    requests: Option<Mutex<Limiter>>,
    failures: Mutex<Limiter>,
    open_id: Option<(Provider, KeyCache)>,
}

struct Ring {
    keys: Arc<KeyRing>,
    read: Instant,
}

impl Gate {
    /// Reads the keys, and opens.
    ///
    /// # Errors
    /// They cannot be read, or the system's certificates cannot.
    pub async fn open(
        auth: Auth,
        store: Store,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> anyhow::Result<Arc<Self>> {
        let keys = Arc::new(store.keys().await?.into_iter().collect());
        let opened = Instant::now();
        let (rate, open_id) = match &auth {
            Auth::Open => (None, None),
            Auth::Keys { rate, open_id, .. } => (*rate, open_id.clone()),
        };
        let open_id = open_id.map(|open_id| {
            let OpenId { provider, source } = *open_id;
            KeyCache::new(source).map(|keys| (provider, keys))
        });
        Ok(Arc::new(Self {
            auth,
            store,
            metrics,
            clock,
            ring: RwLock::new(Ring { keys, read: opened }),
            refreshing: tokio::sync::Mutex::new(()),
            opened,
            requests: rate.map(|rate| Mutex::new(Limiter::new(rate, MOST))),
            failures: Mutex::new(Limiter::new(FAILURES, MOST)),
            open_id: open_id.transpose()?,
        }))
    }

    /// Who makes a request with these headers, from this address.
    ///
    /// # Errors
    /// 401 where it is nobody, 429 where they ask too often.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Principal, Problem> {
        let principal = match self.verify(headers).await {
            Ok(principal) => principal,
            Err(refused) => return Err(self.failed(&refused, peer)),
        };
        if let Some(limits) = &self.requests
            && let Err(wait) = self.take(limits, &principal.actor)
        {
            self.metrics.api_refused("rate");
            return Err(Problem::too_many("this key asks too often", wait));
        }
        Ok(principal)
    }

    /// That `principal` may do what needs `role`.
    ///
    /// # Errors
    /// 403 where they may not.
    pub(super) fn permit(&self, principal: &Principal, needed: Role) -> Result<(), Problem> {
        if principal.role.may(needed) {
            return Ok(());
        }
        self.metrics.api_refused("role");
        Err(Problem::forbidden(principal.role, needed))
    }

    /// Reads the keys anew, after one was made or revoked.
    pub(super) async fn reload(&self) {
        let _refreshing = self.refreshing.lock().await;
        self.read_keys().await;
    }

    async fn verify(&self, headers: &HeaderMap) -> Result<Principal, Refused> {
        let Auth::Keys { command_line, .. } = &self.auth else {
            return Ok(Principal {
                actor: "anonymous".to_owned(),
                role: Role::Admin,
            });
        };
        let token = bearer(headers).ok_or(Refused::Missing)?;
        if command_line.is_some_and(|known| known == KeyHash::of(token)) {
            return Ok(Principal {
                actor: "api-key".to_owned(),
                role: Role::Admin,
            });
        }
        let now = (self.clock)();
        if let Some((provider, keys)) = &self.open_id
            && Provider::is_token(token)
        {
            return provider.verify(&*keys.keys_for(token).await, token, now);
        }
        self.keys().await.verify(token, now)
    }

    /// The keys, read anew where they are no longer fresh. One request reads, the others go on with what
    /// is there; where the store does not answer, all do.
    async fn keys(&self) -> Arc<KeyRing> {
        let (keys, read) = {
            let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&ring.keys), ring.read)
        };
        if read.elapsed() < FRESH {
            return keys;
        }
        match self.refreshing.try_lock() {
            Ok(_refreshing) => self.read_keys().await,
            Err(_) => keys,
        }
    }

    async fn read_keys(&self) -> Arc<KeyRing> {
        let read = self.store.keys().await;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.read = Instant::now();
        match read {
            Ok(keys) => ring.keys = Arc::new(keys.into_iter().collect()),
            Err(fault) => tracing::warn!(%fault, "the API keys could not be read again"),
        }
        Arc::clone(&ring.keys)
    }

    /// Counts and tells a failure. Who fails too often is told so and not written down any more; a right
    /// key is never kept out by somebody else's wrong ones.
    fn failed(&self, refused: &Refused, peer: Option<IpAddr>) -> Problem {
        let peer = peer.map_or_else(|| "unknown".to_owned(), network);
        if let Err(wait) = self.take(&self.failures, &peer) {
            self.metrics.api_refused("failures");
            return Problem::too_many("too many requests without a key that counts", wait);
        }
        self.metrics.api_refused(refused.as_str());
        tracing::info!(peer, reason = refused.as_str(), "a request was not let in");
        Problem::unauthorized(refused)
    }

    fn take(&self, limits: &Mutex<Limiter>, subject: &str) -> Result<(), Duration> {
        let mut limits = limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.take(subject, self.opened.elapsed())
    }
}

/// An address, and of IPv6 the /64 that one customer has.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
    }
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750); the scheme has no case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_who_has_it() {
        for (address, expected) in [
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected);
        }
    }
}
