//! Who makes a request, and why somebody is not let in.

use super::Role;
use thiserror::Error;

/// Who makes a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// What the audit calls them: `key:NAME`, `oidc:SUBJECT`, `api-key` for the one of the command
    /// line, `anonymous` where nobody was asked.
    pub actor: String,
    /// What they may do.
    pub role: Role,
}

/// Why a request is not let in. That a key was revoked or has expired is told only to who has it.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum Refused {
    /// It brings nothing.
    #[error("there is no key")]
    Missing,
    /// It brings what is neither a key nor a token.
    #[error("it is no key")]
    Malformed,
    /// It brings a key that is not one of ours.
    #[error("the key is not known")]
    Unknown,
    /// It brings a key that was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// It brings a token that gives no role.
    #[error("the token gives no role")]
    Roleless,
    /// It brings a key whose time is over.
    #[error("the key has expired")]
    Expired,
}

impl Refused {
    /// The word for it, for counters.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Roleless => "roleless",
        }
    }
}
