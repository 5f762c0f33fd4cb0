//! A whole exchange, headers to response, on a plan that uses everything: any headers, cookies, query,
//! body, metadata and address, with any of the host's calls failing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_fuzz::{Input, everything, exchange};

fuzz_target!(|input: Input| {
    thread_local! {
        static ACTIVE: std::rc::Rc<watershed_filter::request::Active> = everything();
    }
    ACTIVE.with(|active| exchange(active, &input));
});
