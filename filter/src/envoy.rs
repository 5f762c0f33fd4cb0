//! Envoy as the host, and the filter's entry points in proxy-wasm's terms. What does not live here:
//! anything that a native test could reach.

use self::Held::{Own, Shared};
use crate::abi;
use crate::exchange::{Exchange, Flow};
use crate::header_map::HeaderMap;
use crate::host::{CounterId, Host, HostError, Level};
use crate::parked::Parked;
use crate::root::Root;
use crate::tally::Tally;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::RefCell;
use std::rc::Rc;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

thread_local! {
    /// For the life of the VM: configurations come and go.
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
    /// Requests that wait for a body, until it is known that bodies come.
    static PARKED: RefCell<Parked<Rc<RefCell<Exchange>>>> = const { RefCell::new(Parked::new()) };
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

#[derive(Default)]
struct Plugin(Root);

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        // Each root context has ticks of its own, and an old one's end with it.
        if let Err(error) = abi::set_tick_period(TICK_MS) {
            let line = format!("watershed: counts will not be told: {error}");
            Envoy.log(Level::Error, &line);
        }
        self.0.on_configure(&Envoy)
    }

    fn on_tick(&mut self) {
        tell_counts();
        release_the_late();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let exchange = Exchange::new(self.0.active());
        Some(Box::new(Stream {
            id,
            exchange: Own(exchange),
        }))
    }
}

struct Stream {
    id: u32,
    exchange: Held,
}

enum Held {
    /// Ours alone.
    Own(Exchange),
    /// Also in [`PARKED`].
    Shared(Rc<RefCell<Exchange>>),
}

impl Stream {
    /// `None` only where the exchange is in use, which no call of Envoy's makes happen.
    fn with<T>(&mut self, act: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
        match &mut self.exchange {
            Own(exchange) => Some(act(exchange)),
            Shared(exchange) => Some(act(&mut *exchange.try_borrow_mut().ok()?)),
        }
    }

    /// Sees to it that a request which waits does not wait for ever.
    fn park(&mut self) {
        PARKED.with_borrow_mut(|parked| {
            if parked.is_proven() {
                return;
            }
            let taken = std::mem::replace(&mut self.exchange, Own(Exchange::default()));
            let exchange = match taken {
                Own(exchange) => Rc::new(RefCell::new(exchange)),
                Shared(exchange) => exchange,
            };
            parked.park(self.id, Rc::clone(&exchange));
            self.exchange = Shared(exchange);
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Shared(_) = self.exchange {
            PARKED.with_borrow_mut(|parked| parked.leave(self.id));
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let flow = self.with(|exchange| exchange.on_request_headers(&Envoy, end_of_stream));
        if flow == Some(Flow::Wait) {
            self.park();
        }
        action(flow)
    }

    fn on_http_request_body(&mut self, buffered: usize, end_of_stream: bool) -> Action {
        let flow = self.with(|exchange| {
            if exchange.is_waiting() {
                PARKED.with_borrow_mut(Parked::prove);
            }
            exchange.on_request_body(&Envoy, buffered, end_of_stream)
        });
        action(flow)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.with(|exchange| exchange.on_request_trailers(&Envoy));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.with(|exchange| exchange.on_response_headers(&Envoy));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|exchange| exchange.on_response_body(&Envoy, size, end_of_stream));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.with(|exchange| exchange.on_response_trailers(&Envoy));
        Action::Continue
    }
}

fn action(flow: Option<Flow>) -> Action {
    match flow {
        Some(Flow::Wait) => Action::Pause,
        Some(Flow::Continue) | None => Action::Continue,
    }
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

/// The one symbol that Envoy looks for first.
#[allow(unsafe_code, missing_docs)]
mod entry {
    use super::{LogLevel, Plugin};

    proxy_wasm::main! {{
        // Also puts the message of a panic into Envoy's log, should there ever be one.
        proxy_wasm::set_log_level(LogLevel::Warn);
        proxy_wasm::set_root_context(|_| Box::<Plugin>::default());
    }}
}
