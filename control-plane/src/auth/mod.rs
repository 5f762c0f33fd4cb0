//! Who makes a request, and whether they may: pure. Reading requests, keeping keys and fetching key
//! sets is [`crate::api`]'s and [`crate::store`]'s.

pub mod key;
pub mod limit;
pub mod oidc;
mod principal;
mod ring;
mod role;

pub use key::{KeyHash, KeyRecord, NewKey};
pub use principal::{Principal, Refused};
pub use ring::KeyRing;
pub use role::{Access, BadRole, Role};
