//! The exposure: one request of one unit in one experiment, and what Envoy did with it. The types
//! alone; [`crate::entry`] makes them of access-log entries.

use crate::Micros;
use crate::unit::{Unit, UnitKey};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// One request of an assigned unit, in one experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exposure {
    /// The experiment's key.
    pub experiment: String,
    /// The variant that the unit was given.
    pub variant: String,
    /// The variant whose cluster answered: another one after a fallback. Nothing where no upstream was
    /// reached, or where no variant of the experiment has the cluster that answered.
    pub served: Option<String>,
    /// Whether another cluster answered than the variant's.
    pub fallback_used: bool,
    /// Why the unit was given the variant.
    pub reason: Reason,
    /// What the unit is: "user", "conversation", …
    pub unit_type: String,
    /// The unit.
    #[serde(flatten)]
    pub unit: Unit,
    /// The probability with which the variant was given; 0 where nothing was left to chance.
    pub probability: f64,
    /// The cluster that got a copy of the request, where the variant has a mirror.
    pub mirror: Option<String>,
    /// What Envoy did with the request.
    #[serde(flatten, serialize_with = "shared")]
    pub execution: Arc<Execution>,
}

fn shared<S: serde::Serializer>(
    execution: &Arc<Execution>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    execution.as_ref().serialize(serializer)
}

impl Exposure {
    /// What makes it this exposure: two that agree in it are one that came twice. A client may send one
    /// request identifier twice, but not to one proxy in the same microsecond.
    #[must_use]
    pub fn identity(&self) -> (&str, Micros, &str, &str, UnitKey) {
        let ran = &self.execution;
        (
            &ran.proxy,
            ran.time,
            &ran.request_id,
            &self.experiment,
            self.unit.key,
        )
    }

    /// Whether an earlier hop chose the variant.
    #[must_use]
    pub fn inherited(&self) -> bool {
        self.reason == Reason::Inherited
    }

    /// Whether a force token chose the variant: kept, and never evidence.
    #[must_use]
    pub fn forced(&self) -> bool {
        self.reason == Reason::Forced
    }

    /// Whether it counts: an upstream was reached, and nobody forced the variant.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.execution.reached_upstream && !self.forced()
    }
}

/// What Envoy did with one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Execution {
    /// When the request began, as the proxy's clock has it.
    #[serde(rename = "time_us")]
    pub time: Micros,
    /// The service's key.
    pub service: String,
    /// The version of the filter's configuration.
    pub config_version: String,
    /// The proxy: the node's identifier.
    pub proxy: String,
    /// Envoy's request identifier; empty where there is none.
    pub request_id: String,
    /// The trace's identifier, from `traceparent`; empty where it was not logged.
    pub trace_id: String,
    /// The cluster that answered, or was last tried.
    pub upstream_cluster: String,
    /// The host in it, `ADDRESS:PORT`.
    pub upstream_host: String,
    /// Whether an upstream got the request. Otherwise it is a failure of the execution: Envoy answered
    /// itself.
    pub reached_upstream: bool,
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// What went wrong, in Envoy's words.
    #[serde(rename = "response_flags")]
    pub flags: ResponseFlags,
    /// How often an upstream was tried.
    pub attempts: u32,
    /// From the request's first byte to the response's last, in microseconds.
    pub duration_us: u64,
    /// To the first byte of the upstream's response, in microseconds; 0 where none came.
    pub ttfb_us: u64,
    /// To the last byte of the upstream's response, in microseconds; 0 where it did not end.
    pub ttlb_us: u64,
    /// The request's headers and body, in bytes.
    pub bytes_in: u64,
    /// The response's headers and body, in bytes.
    pub bytes_out: u64,
    /// What the upstream said came of the request: metric and value.
    pub outcomes: Vec<(String, f64)>,
}

impl Execution {
    /// Whether it failed as a client sees it: no status, or one of 500 and above.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status == 0 || self.status >= 500
    }
}

/// Why a unit was given its variant.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A record that does not say.
    #[default]
    Unknown,
    /// The hash chose.
    Hashed,
    /// The experiment was rolled back.
    RolledBack,
    /// A force token chose.
    Forced,
    /// The sticky cookie kept an earlier variant.
    Stuck,
    /// An earlier hop chose.
    Inherited,
    /// Chance chose, for this request alone.
    Random,
    /// The contextual model chose.
    Model,
    /// The contextual strategy left it to the hash.
    Explored,
}

impl Reason {
    /// All, by the number that the record has for them.
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Hashed,
        Self::RolledBack,
        Self::Forced,
        Self::Stuck,
        Self::Inherited,
        Self::Random,
        Self::Model,
        Self::Explored,
    ];

    /// By the number of `watershed.filter.v1.Reason`; a number of a later version is unknown.
    #[must_use]
    pub fn of_number(number: i32) -> Self {
        let index = usize::try_from(number).ok();
        index
            .and_then(|it| Self::ALL.get(it))
            .copied()
            .unwrap_or_default()
    }

    /// The number of `watershed.filter.v1.Reason`.
    #[must_use]
    pub fn number(self) -> u32 {
        let index = Self::ALL.iter().position(|it| *it == self);
        u32::try_from(index.unwrap_or(0)).unwrap_or(0)
    }
}

/// Envoy's response flags as a set: bit `i` is the `i`th of [`ResponseFlags::NAMES`].
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct ResponseFlags(pub u32);

impl ResponseFlags {
    /// Envoy's short names, in the order of the bits.
    pub const NAMES: [&'static str; 28] = [
        "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE",
        "DC", "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF",
        "DR",
    ];

    /// The short names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |bit: usize| self.0 >> bit & 1 == 1;
        let names = Self::NAMES.iter().enumerate();
        names
            .filter(move |(bit, _)| set(*bit))
            .map(|(_, name)| *name)
    }
}

impl fmt::Display for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseFlags({self})")
    }
}

impl Serialize for ResponseFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watershed_proto::filter::v1 as wire;

    #[test]
    fn reasons_have_the_numbers_of_the_record() {
        for (reason, number) in [
            (Reason::Hashed, wire::Reason::Hashed),
            (Reason::RolledBack, wire::Reason::RolledBack),
            (Reason::Forced, wire::Reason::Forced),
            (Reason::Stuck, wire::Reason::Stuck),
            (Reason::Inherited, wire::Reason::Inherited),
            (Reason::Random, wire::Reason::Random),
            (Reason::Model, wire::Reason::Model),
            (Reason::Explored, wire::Reason::Explored),
        ] {
            assert_eq!(Reason::of_number(number.into()), reason);
            assert_eq!(i64::from(reason.number()), i64::from(i32::from(number)));
        }
        assert_eq!(Reason::of_number(99), Reason::Unknown);
        assert_eq!(Reason::of_number(-1), Reason::Unknown);
    }

    #[test]
    fn flags_are_told_by_their_short_names() {
        assert_eq!(ResponseFlags(0).to_string(), "");
        assert_eq!(ResponseFlags(0b10_0010).to_string(), "UH,UF");
    }
}
