//! What the client gets beside the upstream's own response. What lives here: a header to come, kept
//! from the request until its response. What does not: which there are.

use crate::host::{Host, HostError};
use watershed_engine::experiment::Header;

/// A response header to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResponseHeader {
    /// One more `Set-Cookie`.
    Cookie(String),
    /// In place of what the upstream has set.
    Set(Header),
}

impl ResponseHeader {
    /// A `Set-Cookie` header of this value.
    #[must_use]
    pub fn cookie(value: String) -> Self {
        Self::Cookie(value)
    }

    /// A variant's header.
    #[must_use]
    pub fn set(header: &Header) -> Self {
        Self::Set(header.clone())
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn write(&self, host: &impl Host) -> Result<(), HostError> {
        match self {
            Self::Cookie(value) => host.add_response_header("set-cookie", value.as_bytes()),
            Self::Set(header) => host.set_response_header(&header.name, header.value.as_bytes()),
        }
    }
}
