//! Retries: which outcomes of an attempt are tried again, of a service's requests on the same cluster
//! and of a variant's on its fallback.

use super::check;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An outcome of an attempt, by Envoy's definitions.
#[derive(
    Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No connection could be made.
    ConnectFailure,
    /// The upstream refused the stream before it looked at the request.
    RefusedStream,
    /// 502, 503 or 504, or no answer at all.
    GatewayError,
    /// Any 5xx, or no answer at all.
    ServerError,
    /// The upstream broke off before it answered.
    Reset,
}

/// The outcomes after which a request may be sent again without harm, whatever it does: nobody has
/// looked at it.
pub const UNTOUCHED: [Outcome; 2] = [Outcome::ConnectFailure, Outcome::RefusedStream];
/// The outcomes after which a fallback answers where nothing else is said.
pub const FAILED: [Outcome; 4] = [
    Outcome::ConnectFailure,
    Outcome::RefusedStream,
    Outcome::GatewayError,
    Outcome::Reset,
];

/// Retries of a service as they are written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetriesSpec {
    /// After which outcomes; `connect_failure` and `refused_stream` where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Outcome>,
    /// After which statuses, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u64>,
    /// How many retries, at most; 1 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u64>,
    /// How long an attempt may take in all, in milliseconds; not bounded where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout_ms: Option<u64>,
    /// How long an attempt may be silent, in milliseconds; not bounded where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_idle_timeout_ms: Option<u64>,
}

/// Validated retries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retries {
    /// After which outcomes; each once.
    pub on: Vec<Outcome>,
    /// After which statuses, too.
    pub statuses: Vec<u32>,
    /// How many retries, at most.
    pub attempts: u32,
    /// How long an attempt may take in all, in milliseconds.
    pub attempt_timeout_ms: Option<u32>,
    /// How long an attempt may be silent, in milliseconds.
    pub attempt_idle_timeout_ms: Option<u32>,
}

impl RetriesSpec {
    /// Validates below the JSON pointer `at`, noting every fault.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<Retries> {
        let on = outcomes(&self.on, &UNTOUCHED, &format!("{at}/on"), faults);
        let place = format!("{at}/statuses");
        check::length(self.statuses.len(), &(0..=32), &place, faults);
        check::unique(&self.statuses, &place, faults);
        let statuses: Vec<Option<u32>> = self
            .statuses
            .iter()
            .enumerate()
            .map(|(index, status)| {
                check::number(*status, &(400..=599), &format!("{place}/{index}"), faults)
            })
            .collect();
        let attempts = self.attempts.unwrap_or(1);
        let attempts = check::number(attempts, &(1..=10), &format!("{at}/attempts"), faults);
        let mut time =
            |value, field| check::given(value, &(1..=86_400_000), &format!("{at}/{field}"), faults);
        let whole = time(self.attempt_timeout_ms, "attempt_timeout_ms");
        let idle = time(self.attempt_idle_timeout_ms, "attempt_idle_timeout_ms");
        Some(Retries {
            on: on?,
            statuses: statuses.into_iter().collect::<Option<_>>()?,
            attempts: attempts?,
            attempt_timeout_ms: whole?,
            attempt_idle_timeout_ms: idle?,
        })
    }
}

/// Outcomes, each once; `usual` where none is given.
pub(super) fn outcomes(
    given: &[Outcome],
    usual: &[Outcome],
    at: &str,
    faults: &mut Faults,
) -> Option<Vec<Outcome>> {
    check::unique(given, at, faults)?;
    let said = if given.is_empty() { usual } else { given };
    Some(said.to_vec())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectFailure => "connect_failure",
            Self::RefusedStream => "refused_stream",
            Self::GatewayError => "gateway_error",
            Self::ServerError => "server_error",
            Self::Reset => "reset",
        })
    }
}

impl From<&Retries> for RetriesSpec {
    fn from(retries: &Retries) -> Self {
        Self {
            on: retries.on.clone(),
            statuses: retries.statuses.iter().map(|it| (*it).into()).collect(),
            attempts: Some(retries.attempts.into()),
            attempt_timeout_ms: retries.attempt_timeout_ms.map(u64::from),
            attempt_idle_timeout_ms: retries.attempt_idle_timeout_ms.map(u64::from),
        }
    }
}
