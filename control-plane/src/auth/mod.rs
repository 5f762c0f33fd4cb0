//! Who may do what: pure. Reading requests, keeping keys and fetching key sets is [`crate::api`]'s and
//! [`crate::store`]'s.

mod role;

pub use role::{Access, BadRole, Role};
