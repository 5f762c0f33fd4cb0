//! A host for native tests: keeps what the filter does, fails where told to, and holds headers the
//! way Envoy does (names compared without case, several values for one name).

use crate::header_map::HeaderMap;
use crate::host::{CounterId, Host, HostError, Level};
use prost::Message as _;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use watershed_proto::RECORD_PROPERTY;
use watershed_proto::filter::v1::AssignmentRecord;

type Pair = (Vec<u8>, Vec<u8>);

/// From one random number of the fake to the next: odd, so that all come before one comes again.
const RANDOM_STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

#[derive(Default)]
pub(crate) struct FakeHost {
    configuration: RefCell<Vec<u8>>,
    headers: RefCell<Vec<Pair>>,
    body: RefCell<Vec<u8>>,
    metadata: RefCell<Vec<u8>>,
    source_address: RefCell<Vec<u8>>,
    random: Cell<u128>,
    response: RefCell<Vec<Pair>>,
    record: RefCell<Option<Vec<u8>>>,
    now_ms: Cell<i64>,
    errors: RefCell<Vec<String>>,
    counters: RefCell<Vec<(String, u64)>>,
    calls: RefCell<Vec<&'static str>>,
    failing: RefCell<BTreeSet<&'static str>>,
}

impl FakeHost {
    pub(crate) fn configure(&self, bytes: &[u8]) {
        bytes.clone_into(&mut self.configuration.borrow_mut());
    }

    /// Starts a request at `now_ms`; calls are counted from here.
    pub(crate) fn request(&self, headers: &[Pair], now_ms: i64) {
        headers.clone_into(&mut self.headers.borrow_mut());
        self.record.take();
        self.response.take();
        self.now_ms.set(now_ms);
        self.calls.borrow_mut().clear();
    }

    /// What the host knows of the request beyond its headers.
    pub(crate) fn know(&self, metadata: &[u8], source_address: &[u8]) {
        metadata.clone_into(&mut self.metadata.borrow_mut());
        source_address.clone_into(&mut self.source_address.borrow_mut());
    }

    /// What has come of the body.
    pub(crate) fn buffer(&self, body: &[u8]) {
        body.clone_into(&mut self.body.borrow_mut());
    }

    /// What the upstream answers.
    pub(crate) fn respond(&self, headers: &[Pair]) {
        headers.clone_into(&mut self.response.borrow_mut());
    }

    /// Every value of a response header.
    pub(crate) fn response_values(&self, name: &str) -> Vec<String> {
        values(&self.response.borrow(), name)
    }

    /// From here on, `call` answers with an internal failure.
    pub(crate) fn fail(&self, call: &'static str) {
        self.failing.borrow_mut().insert(call);
    }

    pub(crate) fn headers(&self) -> Vec<Pair> {
        self.headers.borrow().clone()
    }

    /// Every value of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        values(&self.headers.borrow(), name)
    }

    pub(crate) fn record(&self) -> Option<AssignmentRecord> {
        let record = self.record.borrow();
        record
            .as_ref()
            .map(|bytes| AssignmentRecord::decode(&bytes[..]).unwrap())
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.borrow().clone()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.counters.borrow();
        counters
            .iter()
            .find(|(other, _)| other == name)
            .map_or(0, |(_, count)| *count)
    }

    fn call(&self, call: &'static str) -> Result<(), HostError> {
        self.calls.borrow_mut().push(call);
        if self.failing.borrow().contains(call) {
            return Err(HostError { call, status: 10 });
        }
        Ok(())
    }
}

impl Host for FakeHost {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        self.call("configuration")?;
        Ok(self.configuration.borrow().clone())
    }

    fn request_headers(&self) -> Result<HeaderMap, HostError> {
        self.call("request_headers")?;
        Ok(HeaderMap::new(serialise(&self.headers.borrow())))
    }

    fn request_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        self.call("request_body")?;
        let body = self.body.borrow();
        Ok(body[..most.min(body.len())].to_vec())
    }

    fn response_body(&self, most: usize) -> Result<Vec<u8>, HostError> {
        self.call("response_body")?;
        let body = self.body.borrow();
        Ok(body[..most.min(body.len())].to_vec())
    }

    fn metadata(&self) -> Result<Vec<u8>, HostError> {
        self.call("metadata")?;
        Ok(self.metadata.borrow().clone())
    }

    fn source_address(&self) -> Result<Vec<u8>, HostError> {
        self.call("source_address")?;
        Ok(self.source_address.borrow().clone())
    }

    fn random(&self) -> Result<u128, HostError> {
        self.call("random")?;
        self.random.set(self.random.get().wrapping_add(RANDOM_STEP));
        Ok(self.random.get())
    }

    fn set_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call("set_response_header")?;
        let mut headers = self.response.borrow_mut();
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        headers.push((name.as_bytes().to_vec(), value.to_vec()));
        Ok(())
    }

    fn add_response_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call("add_response_header")?;
        let mut headers = self.response.borrow_mut();
        headers.push((name.as_bytes().to_vec(), value.to_vec()));
        Ok(())
    }

    fn set_request_header(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call("set_request_header")?;
        let mut headers = self.headers.borrow_mut();
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        headers.push((name.as_bytes().to_vec(), value.to_vec()));
        Ok(())
    }

    fn remove_request_header(&self, name: &str) -> Result<(), HostError> {
        self.call("remove_request_header")?;
        let mut headers = self.headers.borrow_mut();
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        Ok(())
    }

    fn response_header(&self, name: &str) -> Result<Vec<u8>, HostError> {
        self.call("response_header")?;
        let headers = self.response.borrow();
        let named = |(other, _): &&Pair| other.eq_ignore_ascii_case(name.as_bytes());
        Ok(headers
            .iter()
            .find(named)
            .map(|(_, value)| value.clone())
            .unwrap_or_default())
    }

    fn remove_response_header(&self, name: &str) -> Result<(), HostError> {
        self.call("remove_response_header")?;
        let mut headers = self.response.borrow_mut();
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        Ok(())
    }

    fn filter_state(&self, name: &str) -> Result<Vec<u8>, HostError> {
        self.call("filter_state")?;
        assert_eq!(name, RECORD_PROPERTY);
        Ok(self.record.borrow().clone().unwrap_or_default())
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call("set_filter_state")?;
        assert_eq!(name, RECORD_PROPERTY);
        self.record.replace(Some(value.to_vec()));
        Ok(())
    }

    fn now_ms(&self) -> Result<i64, HostError> {
        self.call("now_ms")?;
        Ok(self.now_ms.get())
    }

    fn log(&self, level: Level, line: &str) {
        if level == Level::Error {
            self.errors.borrow_mut().push(line.to_owned());
        }
    }

    fn counter(&self, name: &str) -> Result<CounterId, HostError> {
        self.call("counter")?;
        let mut counters = self.counters.borrow_mut();
        let known = counters.iter().position(|(other, _)| other == name);
        let place = known.unwrap_or_else(|| {
            counters.push((name.to_owned(), 0));
            counters.len() - 1
        });
        Ok(CounterId(u32::try_from(place).unwrap()))
    }

    fn increment(&self, counter: CounterId) -> Result<(), HostError> {
        self.call("increment")?;
        self.counters.borrow_mut()[counter.0 as usize].1 += 1;
        Ok(())
    }
}

fn values(headers: &[Pair], name: &str) -> Vec<String> {
    let values = headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    values
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// Headers as the host writes them into the VM's memory.
pub(crate) fn serialise(pairs: &[Pair]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}

/// One configuration of the shared vectors and its requests.
pub(crate) struct Case {
    pub(crate) config: Value,
    pub(crate) requests: Vec<Value>,
}

pub(crate) fn vectors() -> Vec<Case> {
    let text = include_str!("../../engine/vectors/assign.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap().iter();
    cases
        .map(|case| Case {
            config: case["config"].clone(),
            requests: case["requests"].as_array().unwrap().clone(),
        })
        .collect()
}

/// Headers from texts.
pub(crate) fn pairs(texts: &[(&str, &str)]) -> Vec<Pair> {
    texts
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}
