//! A proxy-wasm filter that makes one host call so many times for each request, as its
//! configuration says: `replace 20`. The difference to `nothing 0` is what the call costs. What
//! does not live here: anything that a real filter should copy.
#![cfg(target_arch = "wasm32")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType, Status};

const REQUEST: MapType = MapType::HttpRequestHeaders;
/// As long as the record of ten assignments.
const RECORD: [u8; 600] = [7; 600];

#[derive(Clone, Default)]
struct Probe {
    call: String,
    count: u32,
    counter: u32,
}

impl Probe {
    fn once(&self) -> Result<(), Status> {
        match self.call.as_str() {
            "all headers" => hostcalls::get_map_bytes(REQUEST).map(drop),
            "one header" => hostcalls::get_map_value_bytes(REQUEST, "x-user-id").map(drop),
            "replace header" => {
                hostcalls::set_map_value_bytes(REQUEST, "x-variant", Some(b"candidate"))
            }
            "remove header" => hostcalls::remove_map_value(REQUEST, "x-variant"),
            "filter state" => hostcalls::set_property(vec!["watershed.probe"], Some(&RECORD)),
            "clear route cache" => {
                hostcalls::call_foreign_function("clear_route_cache", None).map(drop)
            }
            "counter" => hostcalls::increment_metric(self.counter, 1),
            "time" => hostcalls::get_current_time().map(drop),
            _ => Ok(()),
        }
    }
}

impl Context for Probe {}

impl RootContext for Probe {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let Some((call, count)) = text.rsplit_once(' ') else {
            return false;
        };
        self.call = call.to_owned();
        self.count = count.parse().unwrap_or(0);
        let counter = hostcalls::define_metric(MetricType::Counter, "watershed.probe");
        self.counter = counter.unwrap_or(0);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(self.clone()))
    }
}

impl HttpContext for Probe {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        for _ in 0..self.count {
            // A call that fails is not the one that was to be measured: answer nothing.
            if self.once().is_err() {
                return Action::Pause;
            }
        }
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::<Probe>::default());
}}
