//! Envoy as the host, and what it asks of the filter in proxy-wasm's terms: contexts by their numbers.
//! What does not live here: anything that a native test could reach, and the symbols that Envoy calls
//! (see [`abi`]).

use crate::abi;
use crate::exchange::{Exchange, Flow};
use crate::header_map::HeaderMap;
use crate::host::{CounterId, Host, HostError, Level};
use crate::parked::Parked;
use crate::root::Root;
use crate::tally::Tally;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

thread_local! {
    /// For the life of the VM: configurations come and go.
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
    /// Requests that wait for a body, until it is known that bodies come.
    static PARKED: RefCell<Parked<Stream>> = const { RefCell::new(Parked::new()) };
    /// One for each plugin configuration that is in use.
    static ROOTS: RefCell<BTreeMap<u32, Root>> = const { RefCell::new(BTreeMap::new()) };
    static STREAMS: RefCell<HashMap<u32, Stream, BuildHasherDefault<Spread>>> =
        const { RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())) };
}

/// A request and its response. Shared, so that nothing is lent out while the filter calls Envoy, which
/// may call the filter in turn.
type Stream = Rc<RefCell<Exchange>>;

/// Spreads numbers that Envoy counts up.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        /// 2^64 over the golden ratio.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(GOLDEN);
    }
}

/// How often counts are told, and how often it is looked for requests whose body does not come.
const TICK_MS: u32 = 100;

const LATE: &str = "watershed: a request goes on without its body, which did not come; \
    is allow_on_headers_stop_iteration set for this plugin?";

struct Envoy;

impl Host for Envoy {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        abi::plugin_configuration()
    }

    fn request_headers(&self) -> Result<HeaderMap, HostError> {
        abi::request_headers().map(HeaderMap::new)
    }

    fn request_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        abi::request_body(most)
    }

    fn response_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        abi::response_body(most)
    }

    fn metadata(&self) -> Result<Vec<u8>, HostError> {
        abi::property("metadata")
    }

    fn source_address(&self) -> Result<Vec<u8>, HostError> {
        abi::property("source\0address")
    }

    fn random(&self) -> Result<u128, HostError> {
        abi::random()
    }

    fn set_request_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_request_header(name, value)
    }

    fn remove_request_header(&self, name: &str) -> Result<(), HostError> {
        abi::remove_request_header(name)
    }

    fn set_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_response_header(name, value)
    }

    fn add_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::add_response_header(name, value)
    }

    fn response_header(&self, name: &str) -> Result<Vec<u8>, HostError> {
        abi::response_header(name)
    }

    fn remove_response_header(&self, name: &str) -> Result<(), HostError> {
        abi::remove_response_header(name)
    }

    fn filter_state(&self, name: &str) -> Result<Vec<u8>, HostError> {
        // What we left is found by its bare name.
        abi::property(name)
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_property(name, value)
    }

    fn now_ms(&self) -> Result<i64, HostError> {
        let now = abi::now_nanoseconds()?;
        Ok(i64::try_from(now / NANOSECONDS_PER_MILLISECOND).unwrap_or(i64::MAX))
    }

    fn log(&self, level: Level, line: &str) {
        abi::log(level as u32, line);
    }

    fn counter(&self, name: &str) -> Result<CounterId, HostError> {
        TALLY.with_borrow_mut(|tally| match tally.known(name) {
            Some(known) => Ok(known),
            None => Ok(tally.insert(name, abi::define_counter(name)?)),
        })
    }

    fn increment(&self, counter: CounterId) -> Result<(), HostError> {
        TALLY.with_borrow_mut(|tally| tally.add(counter));
        Ok(())
    }
}

/// A context begins: a request of the root, or a root itself, which has none.
pub(crate) fn create(context: u32, root: u32) {
    if root == 0 {
        ROOTS.with_borrow_mut(|roots| roots.insert(context, Root::default()));
        return;
    }
    let active = ROOTS.with_borrow(|roots| roots.get(&root).map(Root::active));
    let exchange = Exchange::new(active.unwrap_or_default());
    let stream = Rc::new(RefCell::new(exchange));
    STREAMS.with_borrow_mut(|streams| streams.insert(context, stream));
}

/// A context ends.
pub(crate) fn delete(context: u32) {
    let stream = STREAMS.with_borrow_mut(|streams| streams.remove(&context));
    match stream {
        // Only one that waits is known to somebody else.
        Some(stream) if Rc::strong_count(&stream) > 1 => {
            PARKED.with_borrow_mut(|parked| parked.leave(context));
        }
        Some(_) => {}
        None => {
            ROOTS.with_borrow_mut(|roots| roots.remove(&context));
        }
    }
}

/// Takes the configuration of a root.
pub(crate) fn configure(root: u32) -> bool {
    // Each root context has ticks of its own, and an old one's end with it.
    if let Err(error) = abi::set_tick_period(TICK_MS) {
        let line = format!("watershed: counts will not be told: {error}");
        Envoy.log(Level::Error, &line);
    }
    ROOTS.with_borrow_mut(|roots| {
        let root = roots.entry(root).or_default();
        root.on_configure(&Envoy)
    })
}

/// It is time.
pub(crate) fn tick() {
    tell_counts();
    release_the_late();
}

pub(crate) fn request_headers(context: u32, end_of_stream: bool) -> Flow {
    let Some(stream) = stream(context) else {
        return Flow::Continue;
    };
    let flow = with(&stream, |exchange| {
        exchange.on_request_headers(&Envoy, end_of_stream)
    });
    if flow == Some(Flow::Wait) {
        park(context, stream);
    }
    flow.unwrap_or(Flow::Continue)
}

pub(crate) fn request_body(context: u32, buffered: usize, end_of_stream: bool) -> Flow {
    let flow = with_stream(context, |exchange| {
        if exchange.is_waiting() {
            PARKED.with_borrow_mut(Parked::prove);
        }
        exchange.on_request_body(&Envoy, buffered, end_of_stream)
    });
    flow.unwrap_or(Flow::Continue)
}

pub(crate) fn request_trailers(context: u32) {
    with_stream(context, |exchange| exchange.on_request_trailers(&Envoy));
}

pub(crate) fn response_headers(context: u32) {
    with_stream(context, |exchange| exchange.on_response_headers(&Envoy));
}

pub(crate) fn response_body(context: u32, size: usize, end_of_stream: bool) {
    with_stream(context, |exchange| {
        exchange.on_response_body(&Envoy, size, end_of_stream);
    });
}

pub(crate) fn response_trailers(context: u32) {
    with_stream(context, |exchange| exchange.on_response_trailers(&Envoy));
}

fn stream(context: u32) -> Option<Stream> {
    STREAMS.with_borrow(|streams| streams.get(&context).cloned())
}

/// `None` where there is no such stream, or where it is in use: where Envoy calls the filter while the
/// filter calls Envoy about the same stream.
fn with_stream<T>(context: u32, act: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
    with(&stream(context)?, act)
}

fn with<T>(stream: &Stream, act: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
    Some(act(&mut *stream.try_borrow_mut().ok()?))
}

/// Sees to it that a request which waits does not wait for ever.
fn park(context: u32, stream: Stream) {
    PARKED.with_borrow_mut(|parked| {
        if !parked.is_proven() {
            parked.park(context, stream);
        }
    });
}

/// Lets those go on whose body did not come; see [`parked`](crate::parked).
fn release_the_late() {
    let late = PARKED.with_borrow_mut(Parked::tick);
    for (id, exchange) in late {
        let Ok(mut exchange) = exchange.try_borrow_mut() else {
            continue;
        };
        if !exchange.is_waiting() || abi::set_effective_context(id).is_err() {
            continue;
        }
        Envoy.log(Level::Error, LATE);
        exchange.on_timeout(&Envoy);
        drop(exchange);
        let _ = abi::continue_request();
    }
}

fn tell_counts() {
    TALLY.with_borrow_mut(|tally| {
        for (counter, count) in tally.drain() {
            // Where telling fails, there is nobody left to tell that.
            let _ = abi::increment(counter, count.into());
        }
    });
}
