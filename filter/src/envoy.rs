//! Envoy as the host, and the filter's entry points in proxy-wasm's terms. What does not live here:
//! anything that a native test could reach.

use crate::abi;
use crate::header_map::HeaderMap;
use crate::host::{CounterId, Host, HostError, Level};
use crate::request::Active;
use crate::root::Root;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

thread_local! {
    /// Counters by name, for the life of the VM. Envoy keeps an entry for each definition, also of
    /// a name that it knows, so a counter defined anew with each configuration would leak.
    static COUNTERS: RefCell<BTreeMap<Box<str>, CounterId>> = const { RefCell::new(BTreeMap::new()) };
}

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

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_property(name, value)
    }

    fn clear_route_cache(&self) -> Result<(), HostError> {
        abi::call_foreign_function("clear_route_cache")
    }

    fn now_ms(&self) -> Result<i64, HostError> {
        let now = abi::now_nanoseconds()?;
        Ok(i64::try_from(now / NANOSECONDS_PER_MILLISECOND).unwrap_or(i64::MAX))
    }

    fn log(&self, level: Level, line: &str) {
        abi::log(level as u32, line);
    }

    fn counter(&self, name: &str) -> Result<CounterId, HostError> {
        COUNTERS.with_borrow_mut(|counters| {
            if let Some(known) = counters.get(name) {
                return Ok(*known);
            }
            let counter = CounterId(abi::define_counter(name)?);
            counters.insert(name.into(), counter);
            Ok(counter)
        })
    }

    fn increment(&self, counter: CounterId) -> Result<(), HostError> {
        abi::increment(counter.0)
    }
}

#[derive(Default)]
struct Plugin(Root);

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        self.0.on_configure(&Envoy)
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(self.0.active())))
    }
}

struct Stream(Rc<Active>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.0.on_request_headers(&Envoy);
        Action::Continue
    }
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
