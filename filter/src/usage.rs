//! What an LLM's answer says of its own cost, for services that ask for it: the numbers in `usage` of a
//! JSON answer, as OpenAI's and Anthropic's APIs write them. What lives here: which answers are read, a
//! copy of one up to a limit while it passes by, and what is found in it. What does not: holding anything
//! back. A streamed answer (`text/event-stream`) is not read.

use crate::body::{is_json, length};
use crate::host::{Host, HostError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Each metric and what APIs call it: chat completions, then responses and messages.
const METRICS: [(&str, &[&str]); 3] = [
    ("input_tokens", &["prompt_tokens", "input_tokens"]),
    ("output_tokens", &["completion_tokens", "output_tokens"]),
    ("total_tokens", &["total_tokens"]),
];

/// An answer that is copied while it passes by.
#[derive(Debug)]
pub struct Reading {
    /// The most that is copied, in bytes.
    limit: usize,
    copy: Vec<u8>,
    /// What the header `x-experiment-outcome` told, which the record has already.
    told: Vec<u8>,
}

/// What became of a piece of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Taken {
    /// It was copied.
    All,
    /// The answer is beyond the limit, and is not read.
    TooLarge,
}

impl Reading {
    /// Begins where the answer's headers say that it is JSON that may fit; `told` is what the header
    /// `x-experiment-outcome` did.
    ///
    /// # Errors
    /// A host call failed.
    pub fn begin(host: &impl Host, limit: usize, told: Vec<u8>) -> Result<Option<Self>, HostError> {
        if !is_json(&host.response_header("content-type")?) {
            return Ok(None);
        }
        let coding = host.response_header("content-encoding")?;
        let coding = coding.trim_ascii();
        if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
            return Ok(None);
        }
        let declared = length(&host.response_header("content-length")?);
        let fits = declared.is_none_or(|length| length <= limit);
        Ok(fits.then(|| Self {
            limit,
            copy: Vec::with_capacity(declared.unwrap_or(0)),
            told,
        }))
    }

    /// Takes the next piece, of `size` bytes.
    ///
    /// # Errors
    /// A host call failed.
    pub fn take(&mut self, host: &impl Host, size: usize) -> Result<Taken, HostError> {
        if size > self.limit.saturating_sub(self.copy.len()) {
            return Ok(Taken::TooLarge);
        }
        if size > 0 {
            self.copy.extend_from_slice(&host.response_body(size)?);
        }
        Ok(Taken::All)
    }

    /// What the answer told, after what its header did, as that header would have; nothing where the
    /// answer told nothing.
    #[must_use]
    pub fn outcome(self) -> Option<Vec<u8>> {
        let found = tokens(&self.copy);
        if found.is_empty() {
            return None;
        }
        let mut text = self.told;
        for (metric, count) in found {
            let comma = if text.is_empty() { "" } else { ", " };
            text.extend_from_slice(format!("{comma}{metric}={count}").as_bytes());
        }
        Some(text)
    }
}

fn tokens(answer: &[u8]) -> Vec<(&'static str, u64)> {
    let usage = usage(answer).unwrap_or_default();
    let count = |names: &[&str]| names.iter().find_map(|name| usage.get(*name)?.as_u64());
    let found = |(metric, names): (&'static str, &[&str])| Some((metric, count(names)?));
    METRICS.into_iter().filter_map(found).collect()
}

fn usage(answer: &[u8]) -> Option<Map<String, Value>> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(answer).ok()?;
    serde_json::from_str(fields.get("usage")?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_found_under_the_names_that_apis_give_them() {
        let chat = br#"{"id": "x", "choices": [{"message": {"content": "\u00e9"}}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 16, "total_tokens": 18,
                "prompt_tokens_details": {"cached_tokens": 0}}}"#;
        let all = [
            ("input_tokens", 2),
            ("output_tokens", 16),
            ("total_tokens", 18),
        ];
        assert_eq!(tokens(chat), all);
        let messages = br#"{"usage": {"input_tokens": 2, "output_tokens": 16}}"#;
        assert_eq!(tokens(messages), all[..2]);
    }

    #[test]
    fn what_tells_nothing_that_makes_sense_has_no_tokens() {
        for answer in [
            "",
            "7",
            "[]",
            "{}",
            "{\"usage\": null}",
            "{\"usage\": [1]}",
            "{\"usage\": {\"prompt_tokens\": -1, \"completion_tokens\": 1.5, \"total_tokens\": \"9\"}}",
            "{\"usage\": {\"total_tokens\": 9}",
            "data: {\"usage\": {\"total_tokens\": 9}}",
        ] {
            assert_eq!(tokens(answer.as_bytes()), [], "{answer}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert_eq!(tokens(deep.as_bytes()), []);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(answer in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = tokens(&answer);
        }

        #[test]
        fn no_text_in_usage_panics(inside in "[\\PC]{0,40}") {
            let _ = tokens(format!("{{\"usage\": {{\"total_tokens\": {inside}}}}}").as_bytes());
        }
    }
}
