//! What the engine asks beyond the headers, answered by the host. What lives here: one request's
//! [`Surroundings`], each call made at most once and only when a plan asks. What does not: which
//! variants the request brings along (see [`pins`](crate::pins)).

use crate::claims;
use crate::host::{Host, HostError};
use crate::set_cookie::SetCookie;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use watershed_engine::attribute::Generated;
use watershed_engine::pin::Pin;
use watershed_engine::surroundings::Surroundings;

/// What surrounds one request.
#[derive(Debug)]
pub struct Around<'a, H> {
    host: &'a H,
    body: Option<&'a [u8]>,
    pins: Vec<Pin>,
    now_ms: OnceCell<i64>,
    metadata: OnceCell<Vec<u8>>,
    minted: RefCell<Vec<Minted>>,
    failure: Cell<Option<HostError>>,
}

/// A unit that was made for this request.
#[derive(Clone, Debug)]
pub struct Minted {
    /// `name=value`, for the upstream.
    pub pair: String,
    /// The `Set-Cookie` header, for the client.
    pub set_cookie: String,
}

impl<'a, H: Host> Around<'a, H> {
    /// Surroundings with the body where one was awaited.
    #[must_use]
    pub fn new(host: &'a H, body: Option<&'a [u8]>) -> Self {
        Self {
            host,
            body,
            pins: Vec::new(),
            now_ms: OnceCell::new(),
            metadata: OnceCell::new(),
            minted: RefCell::default(),
            failure: Cell::new(None),
        }
    }

    /// Brings variants along.
    pub fn pin(&mut self, pins: impl IntoIterator<Item = Pin>) {
        self.pins.extend(pins);
    }

    /// The units that had to be made.
    ///
    /// # Errors
    /// The last host call that failed: then nothing that was answered is to be relied on.
    pub fn finish(&self) -> Result<Vec<Minted>, HostError> {
        match self.failure.get() {
            Some(failure) => Err(failure),
            None => Ok(self.minted.take()),
        }
    }

    fn try_call<T>(&self, result: Result<T, HostError>) -> Option<T> {
        result
            .inspect_err(|failure| self.failure.set(Some(*failure)))
            .ok()
    }

    fn random(&self) -> Option<u128> {
        self.try_call(self.host.random())
    }
}

impl<H: Host> Surroundings for Around<'_, H> {
    fn now_ms(&self) -> i64 {
        let now = || self.try_call(self.host.now_ms()).unwrap_or_default();
        *self.now_ms.get_or_init(now)
    }

    fn chance(&self) -> u64 {
        let [number, ..] = halves(self.random().unwrap_or_default());
        number
    }

    fn body(&self) -> Option<&[u8]> {
        self.body
    }

    fn source_address(&self) -> Option<Cow<'_, [u8]>> {
        let address = self.try_call(self.host.source_address())?;
        without_port(&address).map(|host| Cow::Owned(host.to_vec()))
    }

    fn jwt_claim(&self, provider: &str, path: &[Box<str>]) -> Option<Cow<'_, [u8]>> {
        let read = || self.try_call(self.host.metadata()).unwrap_or_default();
        claims::claim(self.metadata.get_or_init(read), provider, path)
    }

    fn mint(&self, cookie: &Generated) -> Option<Cow<'_, str>> {
        let unit = identifier(self.random()?);
        let set_cookie = SetCookie {
            name: &cookie.cookie,
            value: &unit,
            path: &cookie.path,
            max_age_seconds: cookie.max_age_seconds,
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: cookie.same_site,
        };
        self.minted.borrow_mut().push(Minted {
            pair: format!("{}={unit}", cookie.cookie),
            set_cookie: set_cookie.header(),
        });
        Some(Cow::Owned(unit))
    }

    fn request_id(&self) -> Option<Cow<'_, str>> {
        self.random().map(identifier).map(Cow::Owned)
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

/// 32 hexadecimal digits.
fn identifier(bits: u128) -> String {
    format!("{bits:032x}")
}

fn halves(bits: u128) -> [u64; 2] {
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
    [bits as u64, (bits >> 64) as u64]
}

/// An address as Envoy writes it, without its port and without the brackets of IPv6: `192.0.2.1:80`,
/// `[2001:db8::1]:80`. `None` where there is none, as for a Unix socket.
fn without_port(address: &[u8]) -> Option<&[u8]> {
    let colon = address.iter().rposition(|&byte| byte == b':')?;
    let (host, _) = address.split_at_checked(colon)?;
    let host = match host {
        [b'[', inner @ .., b']'] => inner,
        host => host,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::tests::metadata;
    use crate::fake::FakeHost;
    use serde_json::json;

    fn generated() -> Generated {
        Generated {
            cookie: "uid".into(),
            path: "/".into(),
            max_age_seconds: 60,
            secure: true,
            http_only: false,
            same_site: None,
        }
    }

    #[test]
    fn an_address_loses_its_port_and_brackets() {
        for (address, expected) in [
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("/run/socket", None),
            ("", None),
            (":80", None),
        ] {
            let host = without_port(address.as_bytes());
            assert_eq!(host, expected.map(str::as_bytes), "{address}");
        }
    }

    #[test]
    fn each_call_is_made_once_and_only_when_it_is_needed() {
        let host = FakeHost::default();
        host.know(&metadata(&json!({"p": {"sub": "u"}})), b"192.0.2.1:1");
        let around = Around::new(&host, None);
        assert!(host.calls().is_empty());
        for _ in 0..2 {
            assert_eq!(around.now_ms(), 0);
            let claim = around.jwt_claim("p", &["sub".into()]);
            assert_eq!(claim.as_deref(), Some(&b"u"[..]));
        }
        assert_eq!(host.calls(), ["now_ms", "metadata"]);
        assert_eq!(around.source_address().as_deref(), Some(&b"192.0.2.1"[..]));
    }

    #[test]
    fn what_is_minted_is_fresh_and_leaves_its_cookie() {
        let host = FakeHost::default();
        let around = Around::new(&host, None);
        let unit = around.mint(&generated()).unwrap().into_owned();
        assert!(unit.len() == 32 && unit.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(around.request_id().unwrap(), unit);
        let minted = around.finish().unwrap();
        assert_eq!(minted[0].pair, format!("uid={unit}"));
        let expected = format!("uid={unit}; Path=/; Max-Age=60; Secure");
        assert_eq!(minted[0].set_cookie, expected);
    }

    #[test]
    fn a_host_that_fails_is_remembered() {
        type Ask = fn(&Around<'_, FakeHost>) -> bool;
        let calls: [(&str, Ask); 5] = [
            ("now_ms", |around| around.now_ms() == 0),
            ("random", |around| around.request_id().is_none()),
            ("random", |around| around.mint(&generated()).is_none()),
            ("metadata", |around| around.jwt_claim("p", &[]).is_none()),
            ("source_address", |around| around.source_address().is_none()),
        ];
        for (call, ask) in calls {
            let host = FakeHost::default();
            host.fail(call);
            let around = Around::new(&host, None);
            assert!(ask(&around), "{call}");
            assert_eq!(around.finish().unwrap_err().call, call);
        }
    }
}
