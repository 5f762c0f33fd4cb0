//! Which service a request belongs to and which experiments are in scope there. What lives here:
//! host and path patterns and the per-service index from layer bucket to experiment. What does
//! not: faults in their wire form (see [`compile`](crate::compile)).

use crate::attribute::AttributeId;
use crate::plan::{ExperimentId, LayerId};

/// A set of hosts and paths, with the experiments whose requests it serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    pub(crate) key: Box<str>,
    pub(crate) hosts: Box<[HostPattern]>,
    pub(crate) paths: Box<[PathPrefix]>,
    pub(crate) default_cluster: Option<Box<str>>,
    pub(crate) scopes: Box<[Scope]>,
    pub(crate) timed: bool,
}

impl Service {
    /// The service's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cluster for requests that no experiment routes; `None` leaves it to the route table.
    #[must_use]
    pub fn default_cluster(&self) -> Option<&str> {
        self.default_cluster.as_deref()
    }

    /// Whether any experiment is in scope.
    #[must_use]
    pub fn has_experiments(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Whether the answer depends on the time: an experiment in scope has a start or an end.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Whether a request to `host` (lower case, no port) and `path` (no query) is the service's.
    #[must_use]
    pub fn matches(&self, host: Option<&[u8]>, path: Option<&[u8]>) -> bool {
        let any_host = self.hosts.is_empty();
        let any_path = self.paths.is_empty();
        (any_host || self.hosts.iter().any(|pattern| pattern.matches(host)))
            && (any_path || self.paths.iter().any(|prefix| prefix.matches(path)))
    }
}

/// One layer as a service sees it: the experiments in scope there, by layer bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub(crate) layer: LayerId,
    /// Where the unit is read, in order; the same for every experiment of the scope.
    pub(crate) unit: Box<[AttributeId]>,
    /// Disjoint and in ascending order.
    pub(crate) slots: Box<[Slot]>,
}

/// Layer buckets `start..=end` belong to the experiment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Slot {
    pub(crate) start: u16,
    pub(crate) end: u16,
    pub(crate) experiment: ExperimentId,
}

impl Scope {
    /// The experiment that owns `bucket`.
    pub(crate) fn experiment(&self, bucket: u16) -> Option<ExperimentId> {
        let slot = self
            .slots
            .get(self.slots.partition_point(|slot| slot.end < bucket))?;
        (slot.start <= bucket).then_some(slot.experiment)
    }
}

/// A host name or a family of them, in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum HostPattern {
    /// `*`
    Any,
    /// `api.example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `.example.com`: any sub-domain at any depth, not the domain itself.
    Suffix(Box<str>),
}

impl HostPattern {
    fn matches(&self, host: Option<&[u8]>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Exact(name), Some(host)) => name.as_bytes() == host,
            (Self::Suffix(suffix), Some(host)) => {
                host.len() > suffix.len() && host.ends_with(suffix.as_bytes())
            }
        }
    }
}

/// A path prefix that ends at a segment's boundary, kept without a slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathPrefix(pub(crate) Box<str>);

impl PathPrefix {
    fn matches(&self, path: Option<&[u8]>) -> bool {
        path.and_then(|path| path.strip_prefix(self.0.as_bytes()))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_at_segment_boundaries_only() {
        let matches =
            |prefix: &str, path: &str| PathPrefix(prefix.into()).matches(Some(path.as_bytes()));
        assert!(matches("/v1", "/v1"));
        assert!(matches("/v1", "/v1/chat"));
        assert!(!matches("/v1", "/v10"));
        assert!(!matches("/v1", "/V1"));
        assert!(matches("", "/anything"));
        assert!(!PathPrefix("/v1".into()).matches(None));
    }

    #[test]
    fn a_star_covers_sub_domains_but_not_the_domain() {
        let star = HostPattern::Suffix(".example.com".into());
        assert!(star.matches(Some(b"a.example.com")));
        assert!(star.matches(Some(b"a.b.example.com")));
        assert!(!star.matches(Some(b"example.com")));
        assert!(!star.matches(Some(b".example.com")));
        assert!(!star.matches(Some(b"badexample.com")));
        assert!(!star.matches(None));
        assert!(HostPattern::Any.matches(None));
        assert!(HostPattern::Exact("[::1]".into()).matches(Some(b"[::1]")));
    }

    #[test]
    fn a_bucket_between_slots_belongs_to_nobody() {
        let slot = |start, end, id| Slot {
            start,
            end,
            experiment: ExperimentId(id),
        };
        let scope = Scope {
            layer: LayerId(0),
            unit: [].into(),
            slots: [slot(10, 19, 0), slot(30, 30, 1), slot(31, 9_999, 0)].into(),
        };
        let owner = |bucket| scope.experiment(bucket).map(|id| id.0);
        assert_eq!(owner(9), None);
        assert_eq!(owner(10), Some(0));
        assert_eq!(owner(19), Some(0));
        assert_eq!(owner(20), None);
        assert_eq!(owner(30), Some(1));
        assert_eq!(owner(9_999), Some(0));
    }
}
