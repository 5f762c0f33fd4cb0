//! One xDS resource and its content-hash version. Sets of resources live in `snapshot`.

use std::{fmt, sync::Arc};

use envoy_types::pb::google::protobuf::Any;
use sha2::{Digest, Sha256};

/// A content version: the first 8 bytes of a SHA-256, written as 16 hex digits. Equal content has an equal
/// version on every replica and after every restart, so a proxy that comes back is sent nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// Hashes parts; each is prefixed with its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let head = digest.iter().take(8);
        Self(head.fold(0, |hash, byte| (hash << 8) | u64::from(*byte)))
    }

    /// The version of a set of named things, given in the order of their names.
    pub(crate) fn of_named<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(name, version)| (name, version.0.to_be_bytes()))
            .collect();
        Self::of(
            entries
                .iter()
                .flat_map(|(name, version)| [name.as_bytes(), version.as_slice()]),
        )
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An immutable named resource. Streams share it by `Arc`; its body is copied only into a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    name: Arc<str>,
    version: Version,
    body: Any,
    references: Box<[Arc<str>]>,
    endpoints: Option<Arc<str>>,
}

impl Resource {
    /// A resource with its body and the names of the clusters it sends traffic to. Name only clusters that
    /// the same snapshot serves: a resource waits until the proxy has each cluster that it references.
    pub fn new(
        name: impl Into<Arc<str>>,
        body: Any,
        references: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut references: Vec<Arc<str>> = references.into_iter().map(Arc::from).collect();
        references.sort_unstable();
        references.dedup();
        Self {
            name: name.into(),
            version: Version::of([body.type_url.as_bytes(), body.value.as_slice()]),
            body,
            references: references.into(),
            endpoints: None,
        }
    }

    /// For a cluster of type EDS: the name of its `ClusterLoadAssignment` (the `service_name` of its
    /// `eds_cluster_config`, or else the cluster's name), served on the same stream. Such a cluster counts
    /// as known to a proxy only when the proxy has confirmed these endpoints too.
    #[must_use]
    pub fn with_endpoints(mut self, name: impl Into<Arc<str>>) -> Self {
        self.endpoints = Some(name.into());
        self
    }

    /// The name it is subscribed by.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hash of its content. For endpoints in a [`Snapshot`](crate::Snapshot) it covers the clusters
    /// that use them as well: a changed cluster warms up again and needs its endpoints again.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The message, packed.
    #[must_use]
    pub const fn body(&self) -> &Any {
        &self.body
    }

    /// The clusters it sends traffic to, sorted, each once.
    #[must_use]
    pub const fn references(&self) -> &[Arc<str>] {
        &self.references
    }

    /// The endpoints a cluster of type EDS needs.
    #[must_use]
    pub const fn endpoints(&self) -> Option<&Arc<str>> {
        self.endpoints.as_ref()
    }

    /// Whether it sends traffic to no cluster that `older` did not.
    pub(crate) fn adds_no_reference_to(&self, older: &Self) -> bool {
        let known = &older.references;
        self.references
            .iter()
            .all(|name| known.binary_search(name).is_ok())
    }

    pub(crate) fn with_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: &str) -> Any {
        Any {
            type_url: "t".to_owned(),
            value: value.into(),
        }
    }

    #[test]
    fn equal_content_has_an_equal_version_and_other_content_another() {
        let one = Resource::new("a", body("x"), []);
        assert_eq!(one.version(), Resource::new("b", body("x"), []).version());
        assert_ne!(one.version(), Resource::new("a", body("y"), []).version());
    }

    #[test]
    fn a_version_is_the_head_of_a_sha256_in_sixteen_hex_digits() {
        assert_eq!(Version::of([]).to_string(), "e3b0c44298fc1c14");
        assert_eq!(Version(10).to_string(), "000000000000000a");
    }

    #[test]
    fn where_one_part_ends_is_part_of_the_version() {
        assert_ne!(
            Version::of([&b"ab"[..], b"c"]),
            Version::of([&b"a"[..], b"bc"])
        );
    }

    #[test]
    fn references_are_sorted_and_each_is_kept_once() {
        let resource = Resource::new("r", body(""), ["b", "a", "b"].map(String::from));
        let names: Vec<_> = resource.references().iter().map(|name| &**name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn dropping_a_reference_adds_none() {
        let both = Resource::new("r", body("1"), ["a", "b"].map(String::from));
        let one = Resource::new("r", body("2"), ["b"].map(String::from));
        assert!(one.adds_no_reference_to(&both));
        assert!(both.adds_no_reference_to(&both));
        assert!(!both.adds_no_reference_to(&one));
    }
}
