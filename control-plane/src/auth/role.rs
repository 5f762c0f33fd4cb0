//! Roles: four steps, each of which may do what the one below may, and one beside them for programs that
//! report. Which role a change of the model
//! needs is the model's to say, see [`crate::model::role`]; the least that an endpoint asks for is said
//! where the endpoint is, see `api::router`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What somebody may do. From [`Role::Viewer`] on, each role may do what the earlier ones may; only the
/// last two of these may report.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reports outcomes, and may do nothing else.
    Reporter,
    /// Reads the model, the status of proxies, and what would become of a request.
    Viewer,
    /// Writes what no request depends on yet, stops experiments, and signs force tokens.
    Editor,
    /// Changes what requests get. Reads the audit.
    Operator,
    /// Changes the settings, and who may do what.
    Admin,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Whoever reaches it.
    Open,
    /// Whoever has this role, or a later one.
    Role(Role),
}

/// A word that is no role.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("is not a role (expected one of reporter, viewer, editor, operator, admin)")]
pub struct BadRole;

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 5] = [
        Self::Reporter,
        Self::Viewer,
        Self::Editor,
        Self::Operator,
        Self::Admin,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reporter => "reporter",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether who has this role may do what asks for `needed`.
    #[must_use]
    pub fn may(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Reporter, needed) => needed == Self::Reporter,
            // Outcomes decide what is found to be better.
            (role, Self::Reporter) => role >= Self::Operator,
            (role, needed) => role >= needed,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(word: &str) -> Result<Self, BadRole> {
        let mut roles = Self::ALL.into_iter();
        roles.find(|role| role.as_str() == word).ok_or(BadRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_earlier_ones_may() {
        for (index, role) in Role::ALL.iter().enumerate() {
            for (other, needed) in Role::ALL.iter().enumerate() {
                let reports = matches!(role, Role::Reporter | Role::Operator | Role::Admin);
                let may = match needed {
                    Role::Reporter => reports,
                    _ => *role != Role::Reporter && other <= index,
                };
                assert_eq!(role.may(*needed), may, "{role} {needed}");
            }
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written_and_nothing_else_is_one() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for word in ["", "Admin", "root", "viewer ", "owner"] {
            assert_eq!(word.parse::<Role>(), Err(BadRole));
        }
    }
}
