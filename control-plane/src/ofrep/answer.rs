//! What is answered, in the shapes of the OpenFeature Remote Evaluation Protocol (OFREP) 0.3.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The answer for one flag.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// It was evaluated.
    Evaluated(Evaluated),
    /// It was not.
    Failed(Failed),
}

/// A flag that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Evaluated {
    /// The flag: the experiment's key.
    pub key: String,
    /// The variant's payload, or its key where it has none. Absent where there is no variant: the code's
    /// own default counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why.
    pub reason: Reason,
    /// The variant's key. Empty where there is none; providers want it to be there.
    pub variant: String,
    /// What else is known: texts and numbers.
    pub metadata: BTreeMap<&'static str, Value>,
}

/// A flag that was not evaluated.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// The flag.
    pub key: String,
    /// What is wrong.
    pub error_code: ErrorCode,
    /// The same for a person.
    pub error_details: String,
}

/// Every flag.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Flags {
    /// One answer a flag, by key.
    pub flags: Vec<Answer>,
}

/// Nothing was evaluated.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// What is wrong.
    pub error_code: ErrorCode,
    /// The same for a person.
    pub error_details: String,
}

/// OpenFeature's words for why (specification, section "Resolution reason").
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The same for everybody.
    Static,
    /// A hash or chance chose among several.
    Split,
    /// What is known of whom it is for chose.
    TargetingMatch,
    /// The fallback, or nothing: whom it is for is not in the experiment.
    Default,
    /// The experiment assigns nobody.
    Disabled,
}

/// OpenFeature's words for what is wrong (specification, section "Error code").
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The request is not what the protocol says.
    ParseError,
    /// The experiment needs a unit, and the context has none.
    TargetingKeyMissing,
    /// The context has something that cannot be.
    InvalidContext,
    /// There is no such flag.
    FlagNotFound,
    /// Something of ours does not work.
    General,
}
