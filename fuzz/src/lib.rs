//! What the fuzz targets share: a host whose every answer is made by the fuzzer and may fail, a plan
//! that uses everything the filter can do, and one whole exchange against both.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use prost::Message as _;
use std::cell::Cell;
use std::rc::Rc;
use watershed_engine::Plan;
use watershed_filter::config;
use watershed_filter::exchange::{Exchange, Flow};
use watershed_filter::header_map::HeaderMap;
use watershed_filter::host::{CounterId, Host, HostError, Level};
use watershed_filter::request::Active;
use watershed_proto::filter::v1::FilterConfig;

/// One request as the fuzzer makes it up.
#[derive(Debug, Default, Arbitrary)]
pub struct Input {
    headers: Headers,
    body: Vec<u8>,
    /// How much of the body is there at each call.
    arrivals: Vec<u16>,
    has_trailers: bool,
    metadata: Vec<u8>,
    source: Vec<u8>,
    random: u128,
    now_ms: i64,
    /// Which of the host's calls fail, bit by bit and round again.
    failing: u64,
}

#[derive(Debug, Arbitrary)]
enum Headers {
    /// Serialised as Envoy does, whatever they hold.
    Pairs(Vec<(Name, Vec<u8>)>),
    /// Not even that.
    Raw(Vec<u8>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}

/// Names that the plan reads come up more often than chance would have it.
#[derive(Debug, Arbitrary)]
enum Name {
    Authority,
    Path,
    Method,
    Cookie,
    User,
    Force,
    Baggage,
    ExperimentId,
    Variant,
    Version,
    ContentLength,
    ContentType,
    Other(Vec<u8>),
}

impl Name {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Authority => b":authority",
            Self::Path => b":path",
            Self::Method => b":method",
            Self::Cookie => b"cookie",
            Self::User => b"x-user",
            Self::Force => b"x-force",
            Self::Baggage => b"baggage",
            Self::ExperimentId => b"x-experiment-id",
            Self::Variant => b"x-variant",
            Self::Version => b"x-version",
            Self::ContentLength => b"content-length",
            Self::ContentType => b"content-type",
            Self::Other(name) => name,
        }
    }
}

impl Headers {
    fn serialised(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Pairs(pairs) => serialised(pairs),
        }
    }
}

fn serialised(pairs: &[(Name, Vec<u8>)]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend(length(name.bytes()));
        out.extend(length(value));
    }
    for (name, value) in pairs {
        out.extend(name.bytes());
        out.push(0);
        // Envoy refuses requests with these in a header before any filter sees them.
        out.extend(value.iter().map(|byte| if ends_a_header(*byte) { b'.' } else { *byte }));
        out.push(0);
    }
    out
}

fn ends_a_header(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// A host that answers what the fuzzer wants.
pub struct Chaos<'a> {
    input: &'a Input,
    calls: Cell<u32>,
}

impl<'a> Chaos<'a> {
    /// A host for one exchange.
    #[must_use]
    pub fn new(input: &'a Input) -> Self {
        Self { input, calls: Cell::new(0) }
    }

    fn call<T>(&self, call: &'static str, answer: T) -> Result<T, HostError> {
        let number = self.calls.get();
        self.calls.set(number.wrapping_add(1));
        let fails = self.input.failing.rotate_right(number) & 1 == 1;
        if fails { Err(HostError { call, status: 10 }) } else { Ok(answer) }
    }

    /// A header that would end early and begin another is a fault, wherever its bytes come from:
    /// query, body, claim or cookie.
    fn must_be_sendable(&self, name: &str, value: &[u8]) {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
        let is_honest = matches!(self.input.headers, Headers::Pairs(_));
        assert!(!is_honest || !value.iter().copied().any(ends_a_header), "{name}: {value:?}");
    }
}

impl Host for Chaos<'_> {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        self.call("configuration", self.input.body.clone())
    }
    fn request_headers(&self) -> Result<HeaderMap, HostError> {
        self.call("request_headers", HeaderMap::new(self.input.headers.serialised()))
    }
    fn request_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        self.call("request_body", self.input.body.iter().copied().take(most).collect())
    }
    fn response_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        self.call("response_body", self.input.body.iter().copied().take(most).collect())
    }
    fn metadata(&self) -> Result<Vec<u8>, HostError> {
        self.call("metadata", self.input.metadata.clone())
    }
    fn source_address(&self) -> Result<Vec<u8>, HostError> {
        self.call("source_address", self.input.source.clone())
    }
    fn random(&self) -> Result<u128, HostError> {
        self.call("random", self.input.random)
    }
    fn set_request_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.must_be_sendable(name, value);
        self.call("set_request_header", ())
    }
    fn remove_request_header(&self, _: &str) -> Result<(), HostError> {
        self.call("remove_request_header", ())
    }
    fn set_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.must_be_sendable(name, value);
        self.call("set_response_header", ())
    }
    fn add_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.must_be_sendable(name, value);
        self.call("add_response_header", ())
    }
    // What an upstream answers and what is found in the filter state can be any bytes, too.
    fn response_header(&self, _: &str) -> Result<Vec<u8>, HostError> {
        self.call("response_header", self.input.body.clone())
    }
    fn remove_response_header(&self, _: &str) -> Result<(), HostError> {
        self.call("remove_response_header", ())
    }
    fn filter_state(&self, _: &str) -> Result<Vec<u8>, HostError> {
        self.call("filter_state", self.input.metadata.clone())
    }
    fn set_filter_state(&self, _: &str, _: &[u8]) -> Result<(), HostError> {
        self.call("set_filter_state", ())
    }
    fn now_ms(&self) -> Result<i64, HostError> {
        self.call("now_ms", self.input.now_ms)
    }
    fn log(&self, _: Level, _: &str) {}
    fn counter(&self, _: &str) -> Result<CounterId, HostError> {
        self.call("counter", CounterId(1))
    }
    fn increment(&self, _: CounterId) -> Result<(), HostError> {
        self.call("increment", ())
    }
}


/// One exchange under `active`, as Envoy would call it.
pub fn exchange(active: &Rc<Active>, input: &Input) {
    let host = Chaos::new(input);
    let mut exchange = Exchange::new(Rc::clone(active));
    let mut flow = exchange.on_request_headers(&host, input.body.is_empty());
    for arrived in &input.arrivals {
        if flow == Flow::Continue {
            break;
        }
        flow = exchange.on_request_body(&host, usize::from(*arrived).min(input.body.len()), false);
    }
    if flow == Flow::Wait && input.has_trailers {
        exchange.on_request_trailers(&host);
    } else if flow == Flow::Wait {
        let _ = exchange.on_request_body(&host, input.body.len(), true);
    }
    exchange.on_response_headers(&host);
    exchange.on_response_body(&host, input.body.len(), true);
}

/// Reads `bytes` as a configuration by the short way, and by decoding every word and then compiling it.
pub fn read_both_ways(bytes: &[u8]) {
    let long = FilterConfig::decode(bytes).ok();
    let long = long.and_then(|config| Plan::compile(&config).ok());
    assert!(Plan::decode(bytes).ok() == long, "{bytes:?}");
}

/// Takes `bytes` as a configuration; where it compiles, asks with it.
pub fn configure_and_ask(bytes: &[u8]) {
    let Ok(plan) = config::load(bytes) else { return };
    let tail = bytes.get(bytes.len() / 2..).unwrap_or_default().to_vec();
    let input = Input {
        headers: Headers::Pairs(vec![
            (Name::Authority, b"example.com".to_vec()),
            (Name::Path, b"/v1/x?user=1".to_vec()),
            (Name::Method, b"POST".to_vec()),
            (Name::User, b"alice".to_vec()),
            (Name::Cookie, tail.clone()),
        ]),
        body: tail,
        ..Input::default()
    };
    let quiet = Input::default();
    let active = Rc::new(Active::new(plan, &Chaos::new(&quiet)));
    exchange(&active, &input);
}

/// A plan that uses everything that a request can reach.
#[must_use]
pub fn everything() -> Rc<Active> {
    let plan = config::load(include_bytes!("everything.json")).expect("everything.json compiles");
    let quiet = Input::default();
    Rc::new(Active::new(plan, &Chaos::new(&quiet)))
}
