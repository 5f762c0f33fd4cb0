//! What the filter needs from its host, and nothing more. What does not live here: the calls
//! themselves (see `envoy`) and their meaning for a request (see [`request`](crate::request)).
//!
//! Every call speaks bytes and every call may fail; none may panic.

use crate::header_map::HeaderMap;
use thiserror::Error;

/// A host call that was not answered with OK.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("host call {call} answered with status {status}")]
pub struct HostError {
    /// The call.
    pub call: &'static str,
    /// The proxy-wasm status code.
    pub status: u32,
}

/// A counter that the host keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CounterId(pub u32);

/// How loud a log line is; the numbers are those of proxy-wasm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// For those who look for something.
    Debug = 1,
    /// For somebody to act on.
    Error = 4,
}

/// Envoy, as far as the filter knows it.
pub trait Host {
    /// The bytes of the plugin's configuration. Valid while it is being configured.
    ///
    /// # Errors
    /// [`HostError`], as everywhere in this trait.
    fn configuration(&self) -> Result<Vec<u8>, HostError>;

    /// All request headers in one call: one copy is cheaper than a call for each header, and only
    /// this call shows every value of a repeated header.
    ///
    /// # Errors
    /// [`HostError`].
    fn request_headers(&self) -> Result<HeaderMap, HostError>;

    /// What has come of the request's body so far, up to `most` bytes. Valid while its data or its
    /// trailers are handled.
    ///
    /// # Errors
    /// [`HostError`].
    fn request_body(&self, most: usize) -> Result<Vec<u8>, HostError>;

    /// The piece of the response's body that is passing by, up to `most` bytes. Valid while it does.
    ///
    /// # Errors
    /// [`HostError`].
    fn response_body(&self, most: usize) -> Result<Vec<u8>, HostError>;

    /// The request's dynamic metadata, a serialised `envoy.config.core.v3.Metadata`; empty where
    /// there is none.
    ///
    /// # Errors
    /// [`HostError`].
    fn metadata(&self) -> Result<Vec<u8>, HostError>;

    /// The address of the client with its port, as the host determined it.
    ///
    /// # Errors
    /// [`HostError`].
    fn source_address(&self) -> Result<Vec<u8>, HostError>;

    /// 128 bits that nobody can foretell.
    ///
    /// # Errors
    /// [`HostError`].
    fn random(&self) -> Result<u128, HostError>;

    /// Sets a request header, in place of any value that it has. The host looks for the route again
    /// afterwards.
    ///
    /// # Errors
    /// [`HostError`].
    fn set_request_header(&self, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Removes every value of a request header. The host looks for the route again afterwards.
    ///
    /// # Errors
    /// [`HostError`].
    fn remove_request_header(&self, name: &str) -> Result<(), HostError>;

    /// Sets a response header, in place of any value that it has. Valid while the response's headers
    /// are handled.
    ///
    /// # Errors
    /// [`HostError`].
    fn set_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Adds a response header beside those of the same name. Valid as
    /// [`Host::set_response_header`].
    ///
    /// # Errors
    /// [`HostError`].
    fn add_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// The first value of a response header; empty where there is none. Valid as
    /// [`Host::set_response_header`].
    ///
    /// # Errors
    /// [`HostError`].
    fn response_header(&self, name: &str) -> Result<Vec<u8>, HostError>;

    /// Removes every value of a response header. Valid as [`Host::set_response_header`].
    ///
    /// # Errors
    /// [`HostError`].
    fn remove_response_header(&self, name: &str) -> Result<(), HostError>;

    /// What [`Host::set_filter_state`] left under this name; empty where it left nothing.
    ///
    /// # Errors
    /// [`HostError`].
    fn filter_state(&self, name: &str) -> Result<Vec<u8>, HostError>;

    /// Leaves `value` in the request's filter state, under `wasm.{name}`.
    ///
    /// # Errors
    /// [`HostError`].
    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Milliseconds since 1970.
    ///
    /// # Errors
    /// [`HostError`].
    fn now_ms(&self) -> Result<i64, HostError>;

    /// Writes one line to the host's log. There is nowhere to report a failure to.
    fn log(&self, level: Level, line: &str);

    /// The counter of this name, the same one each time it is asked for.
    ///
    /// # Errors
    /// [`HostError`].
    fn counter(&self, name: &str) -> Result<CounterId, HostError>;

    /// Adds one to a counter, now or soon.
    ///
    /// # Errors
    /// [`HostError`].
    fn increment(&self, counter: CounterId) -> Result<(), HostError>;
}
