//! The symbols that Envoy calls. What does not live here: what is done then (see
//! [`envoy`](crate::envoy)).
//!
//! Why not the SDK's: it exports every event there is, and Envoy calls each export at each event. A
//! request would pay for being told that it is done, logged and so on, where the filter has nothing to do;
//! and its contexts are lent out while the filter calls Envoy, so that being called in turn would be a
//! trap.
#![allow(missing_docs)]

use crate::envoy;
use crate::exchange::Flow;
use crate::host::Level;
use std::alloc::{Layout, alloc};
use std::panic::set_hook;
use std::ptr::null_mut;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// The version of the ABI, told by its name.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Called once, before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: nothing has run before.
    unsafe { __wasm_call_ctors() };
    // Puts the message of a panic into Envoy's log, should there ever be one.
    set_hook(Box::new(|panic| {
        super::log(Level::Error as u32, &format!("watershed: {panic}"));
    }));
}

/// Memory for what a call to Envoy returns; null where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not 0.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> bool {
    true
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(root: u32, _size: usize) -> bool {
    envoy::configure(root)
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_tick(_root: u32) {
    envoy::tick();
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    envoy::create(context, root);
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(context: u32) {
    envoy::delete(context);
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(context: u32, _count: u32, end_of_stream: u32) -> u32 {
    action(envoy::request_headers(context, end_of_stream != 0))
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    action(envoy::request_body(context, size, end_of_stream != 0))
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_trailers(context: u32, _count: u32) -> u32 {
    envoy::request_trailers(context);
    CONTINUE
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_headers(context: u32, _count: u32, _end_of_stream: u32) -> u32 {
    envoy::response_headers(context);
    CONTINUE
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    envoy::response_body(context, size, end_of_stream != 0);
    CONTINUE
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_trailers(context: u32, _count: u32) -> u32 {
    envoy::response_trailers(context);
    CONTINUE
}

fn action(flow: Flow) -> u32 {
    match flow {
        Flow::Wait => PAUSE,
        Flow::Continue => CONTINUE,
    }
}
