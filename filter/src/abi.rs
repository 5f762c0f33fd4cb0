//! The proxy-wasm ABI 0.2.1, as far as the filter calls it: the only unsafe code in the workspace. In
//! `entry`, what Envoy calls.
//!
//! Why not the SDK's `hostcalls`: its functions panic on every status that they don't expect, and
//! decode the answer into an enum for which another number is undefined behaviour. A panic here
//! takes the VM down. These wrappers hand every status back as a number.
//!
//! Safety, for all of them: pointer and length of each argument come from one live slice, which the
//! host reads before it returns. A buffer that the host returns was allocated through
//! [`entry::proxy_on_memory_allocate`] with exactly that length, so it is ours to free as a `Vec` of
//! that length and capacity.
#![allow(unsafe_code)]

use crate::host::HostError;
use std::ptr::null_mut;

mod entry;

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const PLUGIN_CONFIGURATION: u32 = 7;
const REQUEST: u32 = 0;
const COUNTER: u32 = 0;
/// Status code for something that is not there.
const NOT_FOUND: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, length: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, length: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, length: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(bytes: *mut u8, length: usize) -> u32;
}

fn ok(call: &'static str, status: u32) -> Result<(), HostError> {
    match status {
        0 => Ok(()),
        status => Err(HostError { call, status }),
    }
}

/// A buffer that the host has allocated in our memory, as a `Vec`.
fn owned(data: *mut u8, length: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: see the top of this file.
    unsafe { Vec::from_raw_parts(data, length, length) }
}

pub(crate) fn log(level: u32, line: &str) {
    // SAFETY: see the top of this file.
    let _ = unsafe { proxy_log(level, line.as_ptr(), line.len()) };
}

pub(crate) fn now_nanoseconds() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: `time` lives until the call is over.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    ok("get_current_time_nanoseconds", status).map(|()| time)
}

pub(crate) fn plugin_configuration() -> Result<Vec<u8>, HostError> {
    buffer(PLUGIN_CONFIGURATION, usize::MAX)
}

pub(crate) fn request_body(most: usize) -> Result<Vec<u8>, HostError> {
    buffer(REQUEST_BODY, most)
}

pub(crate) fn response_body(most: usize) -> Result<Vec<u8>, HostError> {
    buffer(RESPONSE_BODY, most)
}

/// The first bytes of a buffer; one that is not there is empty.
fn buffer(kind: u32, most: usize) -> Result<Vec<u8>, HostError> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: both out-pointers live until the call is over.
    let status = unsafe { proxy_get_buffer_bytes(kind, 0, most, &raw mut data, &raw mut length) };
    let bytes = owned(data, length);
    match status {
        NOT_FOUND => Ok(Vec::new()),
        status => ok("get_buffer_bytes", status).map(|()| bytes),
    }
}

/// A property by its path, whose segments are parted by a zero byte; one that is not there is empty.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, HostError> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: see the top of this file; both out-pointers live until the call is over.
    let status =
        unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut length) };
    let bytes = owned(data, length);
    match status {
        NOT_FOUND => Ok(Vec::new()),
        status => ok("get_property", status).map(|()| bytes),
    }
}

pub(crate) fn random() -> Result<u128, HostError> {
    let mut bytes = [0; 16];
    // SAFETY: the host writes as many bytes as the array has.
    let status = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    ok("random_get", status).map(|()| u128::from_le_bytes(bytes))
}

pub(crate) fn request_headers() -> Result<Vec<u8>, HostError> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: both out-pointers live until the call is over.
    let status =
        unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, &raw mut data, &raw mut length) };
    let bytes = owned(data, length);
    ok("get_header_map_pairs", status).map(|()| bytes)
}

/// The first value of a response header; one that is not there is empty.
pub(crate) fn response_header(name: &str) -> Result<Vec<u8>, HostError> {
    let (mut data, mut length) = (null_mut(), 0);
    let (name, name_length) = (name.as_ptr(), name.len());
    // SAFETY: see the top of this file; both out-pointers live until the call is over.
    let status = unsafe {
        proxy_get_header_map_value(
            RESPONSE_HEADERS,
            name,
            name_length,
            &raw mut data,
            &raw mut length,
        )
    };
    let bytes = owned(data, length);
    match status {
        NOT_FOUND => Ok(Vec::new()),
        status => ok("get_header_map_value", status).map(|()| bytes),
    }
}

pub(crate) fn set_request_header(name: &str, value: &[u8]) -> Result<(), HostError> {
    set_header(REQUEST_HEADERS, name, value)
}

pub(crate) fn set_response_header(name: &str, value: &[u8]) -> Result<(), HostError> {
    set_header(RESPONSE_HEADERS, name, value)
}

fn set_header(map: u32, name: &str, value: &[u8]) -> Result<(), HostError> {
    let (name, name_length) = (name.as_ptr(), name.len());
    // SAFETY: see the top of this file.
    let status = unsafe {
        proxy_replace_header_map_value(map, name, name_length, value.as_ptr(), value.len())
    };
    ok("replace_header_map_value", status)
}

pub(crate) fn add_response_header(name: &str, value: &[u8]) -> Result<(), HostError> {
    let (name, name_length) = (name.as_ptr(), name.len());
    // SAFETY: see the top of this file.
    let status = unsafe {
        proxy_add_header_map_value(
            RESPONSE_HEADERS,
            name,
            name_length,
            value.as_ptr(),
            value.len(),
        )
    };
    ok("add_header_map_value", status)
}

pub(crate) fn remove_request_header(name: &str) -> Result<(), HostError> {
    remove_header(REQUEST_HEADERS, name)
}

pub(crate) fn remove_response_header(name: &str) -> Result<(), HostError> {
    remove_header(RESPONSE_HEADERS, name)
}

fn remove_header(map: u32, name: &str) -> Result<(), HostError> {
    // SAFETY: see the top of this file.
    let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
    ok("remove_header_map_value", status)
}

pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: see the top of this file.
    let status =
        unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    ok("set_property", status)
}

pub(crate) fn define_counter(name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: see the top of this file; `id` lives until the call is over.
    let status = unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
    ok("define_metric", status).map(|()| id)
}

pub(crate) fn increment(counter: u32, by: i64) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { proxy_increment_metric(counter, by) };
    ok("increment_metric", status)
}

/// Asks for a call of `on_tick` each so many milliseconds; 0 ends that.
pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { proxy_set_tick_period_milliseconds(milliseconds) };
    ok("set_tick_period_milliseconds", status)
}

/// Lets the calls from here on be about another stream.
pub(crate) fn set_effective_context(context: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    ok("set_effective_context", unsafe {
        proxy_set_effective_context(context)
    })
}

/// Lets a request go on that was held back.
pub(crate) fn continue_request() -> Result<(), HostError> {
    // SAFETY: no pointers.
    ok("continue_stream", unsafe { proxy_continue_stream(REQUEST) })
}
