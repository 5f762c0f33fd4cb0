//! What a request can be asked for. What lives here: [`Attribute`] and the [`Subject`] that
//! answers. What does not: how a value is cut out of a request (see [`request`](crate::request)).

/// Where a value is read from a request.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Attribute {
    /// A request header, by its name in lower case. Several values are joined with `,`.
    Header(Box<str>),
    /// A cookie, by its name.
    Cookie(Box<str>),
    /// A query parameter, by its name, percent-decoded; the first one wins.
    Query(Box<str>),
    /// The path without its query.
    Path,
    /// The request method.
    Method,
    /// The authority without its port, in lower case.
    Host,
}

/// An attribute by its place in [`Plan::attributes`](crate::plan::Plan::attributes).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct AttributeId(pub(crate) u32);

impl AttributeId {
    /// The place in the plan's table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One request, as far as a plan wants to know it.
///
/// The plan asks by [`AttributeId`], so a subject can keep what it has read and need not read what
/// nobody asks for.
pub trait Subject {
    /// The attribute's bytes, `None` where the request has no such thing.
    fn get(&self, attribute: AttributeId) -> Option<&[u8]>;
}
