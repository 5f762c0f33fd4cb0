//! What can be wrong with a configuration, in words that name the place.

use crate::ranges::RangeError;
use crate::token::KeyError;
use std::fmt::{self, Display};
use thiserror::Error;
use watershed_proto::CONFIG_SCHEMA;

/// The entry, the field and the fault: `experiment "x": variants[1].ranges overlap variant "y" at
/// bucket 120`.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{entry}: {field} {fault}")]
pub struct CompileError {
    /// The service, layer, experiment or other entry.
    pub entry: Entry,
    /// The field inside it: `variants[1].ranges`.
    pub field: String,
    /// What is wrong with the field.
    pub fault: Box<Fault>,
}

/// Why bytes are no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DecodeError {
    /// They are no Protobuf of this schema.
    #[error("Protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// They can be read, but not be done.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// One entry of a configuration's lists, or the configuration itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its place in its list.
    pub index: usize,
    /// Its key as written, cut to a readable length; it need not be a legal key.
    pub key: String,
}

/// The kinds of entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// The configuration as a whole.
    Config,
    /// One of `services`.
    Service,
    /// One of `layers`.
    Layer,
    /// One of `experiments`.
    Experiment,
    /// One of `segments`.
    Segment,
    /// One of `holdouts`.
    Holdout,
}

impl Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "configuration",
            Self::Service => "service",
            Self::Layer => "layer",
            Self::Experiment => "experiment",
            Self::Segment => "segment",
            Self::Holdout => "holdout",
        })
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EntryKind::Config => self.kind.fmt(f),
            kind if self.key.is_empty() => write!(f, "{kind}s[{}]", self.index),
            kind => write!(f, "{kind} {:?}", self.key),
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Fault {
    /// The configuration is of a newer schema.
    #[error("is {found}, and this build understands up to {CONFIG_SCHEMA}")]
    Schema {
        /// The schema asked for.
        found: u32,
    },
    /// A list is too long.
    #[error("has {count} entries, and the limit is {limit}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A text is too long.
    #[error("has {bytes} bytes, and the limit is {limit}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Rules are nested too deeply.
    #[error("is nested deeper than {limit}")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// Something needed is absent or empty.
    #[error("is missing or empty")]
    Missing,
    /// A text has a form that it may not have.
    #[error("is {value:?}, and {expected} was expected")]
    Illegal {
        /// The text, cut to a readable length.
        value: String,
        /// What it must look like.
        expected: &'static str,
    },
    /// Two entries of one list have the same name.
    #[error("is used before in the same list")]
    Duplicate,
    /// A reference leads nowhere.
    #[error("names {value:?}, which is not there")]
    Dangling {
        /// The name, cut to a readable length.
        value: String,
    },
    /// An enum has a number that this build does not know.
    #[error("has the unknown value {value}")]
    UnknownValue {
        /// The number.
        value: i32,
    },
    /// Ranges are no set of buckets.
    #[error("can't be taken: {0}")]
    Ranges(#[from] RangeError),
    /// Two owners claim the same bucket.
    #[error("overlap {kind} {key:?} at bucket {bucket}")]
    Overlap {
        /// `variant` or `experiment`.
        kind: &'static str,
        /// The other owner.
        key: String,
        /// The lowest shared bucket that was found.
        bucket: u16,
    },
    /// A bucket belongs to no variant.
    #[error("leave bucket {bucket} to nobody")]
    Uncovered {
        /// The lowest such bucket.
        bucket: u16,
    },
    /// The end does not come after the start.
    #[error("is not after start_ms")]
    Window,
    /// Some variants name a cluster and this one does not.
    #[error("is empty, but another variant of the experiment names a cluster: all do or none does")]
    MissingCluster,
    /// Experiments of different layers would both choose the cluster of one request.
    #[error("has {service:?}, which experiment {other:?} of layer {layer:?} routes already")]
    RoutedTwice {
        /// The service.
        service: String,
        /// The experiment that came first.
        other: String,
        /// Its layer.
        layer: String,
    },
    /// An experiment is in no service and in some.
    #[error("are named, though the experiment is elsewhere")]
    Elsewhere,
    /// An experiment that routes doesn't say whose traffic.
    #[error("is empty, and an experiment with clusters must name the services that it routes")]
    RoutesUnnamed,
    /// Experiments of one layer would hash different units of one request, and then the layer
    /// could not keep them apart.
    #[error(
        "differ from those of experiment {other:?}, with which it shares layer and service {service:?}"
    )]
    UnitsDiffer {
        /// The experiment that came first.
        other: String,
        /// The service that both are in.
        service: String,
    },
    /// A reference leads back to where it started.
    #[error("leads back to itself through {}", .through.join(", "))]
    Cycle {
        /// The keys on the way, the first one again at the end.
        through: Vec<String>,
    },
    /// One rule or experiment draws in too many others.
    #[error("draws in more than {limit} {what}")]
    DrawsInTooMuch {
        /// `rules` or `experiments`.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The attribute only makes sense as a unit.
    #[error("can be a unit source only")]
    UnitSourceOnly,
    /// The hash is not folded into so many buckets.
    #[error("is {buckets}, which the hash is not folded into")]
    Buckets {
        /// How many were asked for.
        buckets: u32,
    },
    /// A range names a bucket that the hash doesn't have.
    #[error("names bucket {bucket}, and there are {buckets}")]
    BeyondBuckets {
        /// The bucket.
        bucket: u16,
        /// How many there are.
        buckets: u16,
    },
    /// A number is not finite or out of its bounds.
    #[error("is {value}, and {expected} was expected")]
    Number {
        /// The number.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// A list must have a certain length.
    #[error("has {count} entries, and {expected} are needed")]
    Count {
        /// How many there are.
        count: usize,
        /// How many there must be.
        expected: usize,
    },
    /// Something signed can't be without keys.
    #[error("needs signing_keys")]
    NeedsKeys,
    /// The keys can't be taken.
    #[error("can't be taken: {0}")]
    Keys(#[from] KeyError),
    /// A regular expression can't be taken.
    #[error("can't be taken: {reason}")]
    Pattern {
        /// What is wrong with it.
        reason: String,
    },
    /// A header that the filter or Envoy itself writes can be neither read nor set.
    #[error("is {name:?}, which the filter strips and writes itself")]
    Reserved {
        /// The header.
        name: String,
    },
    /// A header that says how a message travels is not a variant's to set.
    #[error("is {name:?}, which is not a variant's to set")]
    NotSettable {
        /// The header.
        name: String,
    },
}

/// Where the compilation is; becomes an [`Entry`] only when there is something to say.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    kind: EntryKind,
    index: usize,
    key: &'a str,
}

impl<'a> At<'a> {
    pub(super) fn config() -> Self {
        Self::new(EntryKind::Config, 0, "")
    }

    pub(super) fn new(kind: EntryKind, index: usize, key: &'a str) -> Self {
        Self { kind, index, key }
    }

    pub(super) fn fault(self, field: impl Display, fault: Fault) -> CompileError {
        CompileError {
            entry: Entry {
                kind: self.kind,
                index: self.index,
                key: readable(self.key),
            },
            field: field.to_string(),
            fault: Box::new(fault),
        }
    }
}

/// A text short enough for a log line.
pub(super) fn readable(text: &str) -> String {
    const LONGEST: usize = 80;
    text.chars().take(LONGEST).collect()
}
