//! One exchange over time: request headers, perhaps a body, then the response. What lives here: what
//! is done in which of Envoy's calls, and what is kept between them. What does not: what is decided.

use crate::body::Expected;
use crate::header_map::HeaderMap;
use crate::hidden;
use crate::host::{Host, HostError};
use crate::request::Active;
use crate::response::ResponseHeader;
use crate::usage::{Reading, Taken};
use std::rc::Rc;
use watershed_engine::{Headers, Service};

/// Whether the request goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Flow {
    /// It does.
    Continue,
    /// It is held back until more of its body has come.
    Wait,
}

/// One request and its response. Requests under way keep the plan that they began with.
#[derive(Debug, Default)]
pub struct Exchange {
    active: Rc<Active>,
    phase: Phase,
    reading: Option<Reading>,
}

#[derive(Debug)]
enum Phase {
    /// The headers are held back until the body is there.
    Awaiting {
        headers: HeaderMap,
        body: Expected,
        limit: usize,
    },
    /// The request goes on, and these are for its response.
    Decided(Answer),
}

/// What is to become of the response.
#[derive(Debug, Default)]
struct Answer {
    headers: Vec<ResponseHeader>,
    hides_outcome: bool,
    /// The most that may be read of it for its usage, in bytes.
    reads_usage: Option<usize>,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Decided(Answer::default())
    }
}

impl Exchange {
    /// An exchange that begins under this plan.
    #[must_use]
    pub fn new(active: Rc<Active>) -> Self {
        Self {
            active,
            phase: Phase::default(),
            reading: None,
        }
    }

    /// Takes the request's headers.
    pub fn on_request_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        let phase = self.begin(host, end_of_stream);
        self.phase = self.or_undecided(host, phase);
        self.flow()
    }

    /// Takes the news that `buffered` bytes of the body are there.
    pub fn on_request_body(
        &mut self,
        host: &impl Host,
        buffered: usize,
        end_of_stream: bool,
    ) -> Flow {
        if let Phase::Awaiting { body, limit, .. } = self.phase
            && body.is_reached(buffered, end_of_stream, limit)
        {
            self.on_body_end(host, buffered);
        }
        self.flow()
    }

    /// Takes the request's trailers: nothing of the body comes any more.
    pub fn on_request_trailers(&mut self, host: &impl Host) {
        self.on_body_end(host, 0);
    }

    /// Gives the body up that was awaited.
    pub fn on_timeout(&mut self, host: &impl Host) {
        self.active.counters().body_late(host);
        self.resume(host, None);
    }

    /// Takes the response's headers.
    pub fn on_response_headers(&mut self, host: &impl Host) {
        let Phase::Decided(answer) = &mut self.phase else {
            // Somebody else has answered before the body was there.
            return;
        };
        let answer = std::mem::take(answer);
        for header in answer.headers {
            if header.write(host).is_err() {
                self.active.counters().host_failed(host);
            }
        }
        let told = if answer.hides_outcome {
            let told = hidden::hide(host);
            self.or_failed(host, told)
        } else {
            Vec::new()
        };
        if let Some(limit) = answer.reads_usage {
            let reading = Reading::begin(host, limit, told);
            self.reading = self.or_failed(host, reading);
        }
    }

    /// Takes the next piece of the response's body, which passes by.
    pub fn on_response_body(&mut self, host: &impl Host, size: usize, end_of_stream: bool) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        match reading.take(host, size) {
            Ok(Taken::All) => {}
            Ok(Taken::TooLarge) => {
                self.active.counters().usage_too_large(host);
                self.reading = None;
            }
            Err(_) => {
                self.active.counters().host_failed(host);
                self.reading = None;
            }
        }
        if end_of_stream {
            self.on_response_trailers(host);
        }
    }

    /// The response has ended.
    pub fn on_response_trailers(&mut self, host: &impl Host) {
        if let Some(outcome) = self.reading.take().and_then(Reading::outcome) {
            let kept = hidden::keep(host, &outcome);
            self.or_failed(host, kept);
        }
    }

    /// Whether the request is held back.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Awaiting { .. })
    }

    fn flow(&self) -> Flow {
        if self.is_waiting() {
            Flow::Wait
        } else {
            Flow::Continue
        }
    }

    fn begin(&self, host: &impl Host, end_of_stream: bool) -> Result<Phase, HostError> {
        let map = host.request_headers()?;
        let pairs = map.pairs()?;
        let headers = Headers::new(&pairs);
        let service = self.active.plan().service_of(headers);
        if let Some(limit) = service.and_then(Service::needs_body) {
            match Expected::after(headers, end_of_stream, limit) {
                Expected::Nothing => {}
                Expected::TooLarge => self.active.counters().body_too_large(host),
                body @ Expected::Length(_) => {
                    return Ok(Phase::Awaiting {
                        headers: map,
                        body,
                        limit,
                    });
                }
            }
        }
        let response = self.active.decide(host, headers, service, None)?;
        Ok(self.decided(response, service))
    }

    fn on_body_end(&mut self, host: &impl Host, buffered: usize) {
        let Phase::Awaiting { limit, .. } = self.phase else {
            return;
        };
        if buffered > limit {
            self.active.counters().body_too_large(host);
            return self.resume(host, None);
        }
        match host.request_body(limit.saturating_add(1)) {
            Ok(body) => self.resume(host, Some(&body)),
            Err(_) => {
                self.active.counters().host_failed(host);
                self.resume(host, None);
            }
        }
    }

    /// Decides what was put off.
    fn resume(&mut self, host: &impl Host, body: Option<&[u8]>) {
        if let Phase::Awaiting { headers, .. } = std::mem::take(&mut self.phase) {
            let phase = self.finish(host, &headers, body);
            self.phase = self.or_undecided(host, phase);
        }
    }

    fn finish(
        &self,
        host: &impl Host,
        map: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<Phase, HostError> {
        let pairs = map.pairs()?;
        let headers = Headers::new(&pairs);
        let service = self.active.plan().service_of(headers);
        let response = self.active.decide(host, headers, service, body)?;
        Ok(self.decided(response, service))
    }

    fn decided(&self, headers: Vec<ResponseHeader>, service: Option<&Service>) -> Phase {
        Phase::Decided(Answer {
            headers,
            hides_outcome: self.active.hides_outcomes(service),
            reads_usage: service.and_then(Service::reads_usage),
        })
    }

    /// Whatever fails, the response goes on.
    fn or_failed<T: Default>(&self, host: &impl Host, result: Result<T, HostError>) -> T {
        result.unwrap_or_else(|_| {
            self.active.counters().host_failed(host);
            T::default()
        })
    }

    /// Whatever fails, the request goes on.
    fn or_undecided(&self, host: &impl Host, phase: Result<Phase, HostError>) -> Phase {
        phase.unwrap_or_else(|_| {
            self.active.counters().host_failed(host);
            Phase::default()
        })
    }
}

#[cfg(test)]
mod tests;
