//! Which service a request belongs to, which experiments are in scope there, and what of a request
//! they need. What lives here: host and path patterns, and the index that finds a service. What does
//! not: faults in their wire form (see [`compile`](crate::compile)).

use crate::audience::Rule;
use crate::hash::State;
use crate::hash::lanes::States;
use crate::scope::Scope;

/// A set of hosts and paths, with the experiments whose requests it serves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Service {
    pub(crate) key: Box<str>,
    /// Its place among the services.
    pub(crate) place: u32,
    pub(crate) hosts: Box<[HostPattern]>,
    pub(crate) paths: Box<[PathPrefix]>,
    pub(crate) default_cluster: Option<Box<str>>,
    pub(crate) routing_rules: Box<[RoutingRule]>,
    /// The limit in bytes.
    pub(crate) usage: Option<usize>,
    pub(crate) scopes: Box<[Scope]>,
    /// See [`abreast`](crate::walk::abreast).
    pub(crate) abreast: Box<[Option<States>]>,
    /// See [`straight`](crate::walk::straight).
    pub(crate) straight: Option<State>,
    pub(crate) needs: Needs,
}

/// What a service needs of a request before anything is decided, and of its response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Needs {
    pub(crate) time: bool,
    /// The limit in bytes.
    pub(crate) body: Option<usize>,
    pub(crate) response: bool,
    pub(crate) request_headers: Box<[Box<str>]>,
    pub(crate) sticky_cookies: Box<[Box<str>]>,
}

impl Service {
    /// The service's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cluster for requests that no experiment and no routing rule routes; `None` leaves it to
    /// the route table.
    #[must_use]
    pub fn default_cluster(&self) -> Option<&str> {
        self.default_cluster.as_deref()
    }

    /// Whether any experiment is in scope.
    #[must_use]
    pub fn has_experiments(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The rules for requests that no experiment routes, in order.
    #[must_use]
    pub fn routing_rules(&self) -> &[RoutingRule] {
        &self.routing_rules
    }

    /// Whether the answer depends on the time: an experiment in scope has a start or an end, or
    /// something in scope reads the time.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.needs.time
    }

    /// How many bytes of the body to buffer before anything is decided; `None` where nothing in
    /// scope reads the body.
    #[must_use]
    pub fn needs_body(&self) -> Option<usize> {
        self.needs.body
    }

    /// How many bytes of an answer may be read for what it says of its usage, where anything is in scope that
    /// it can count to; `None` where answers are not read.
    #[must_use]
    pub fn reads_usage(&self) -> Option<usize> {
        self.usage.filter(|_| self.has_experiments())
    }

    /// Whether the response may have to be written to: an experiment in scope is sticky, makes its
    /// own unit, or has variants with response headers.
    #[must_use]
    pub fn needs_response(&self) -> bool {
        self.needs.response
    }

    /// The request headers that variants in scope set, each once, in lower case. What a client
    /// sends under these names must not pass for a variant's.
    #[must_use]
    pub fn request_headers(&self) -> &[Box<str>] {
        &self.needs.request_headers
    }

    /// The sticky cookies of experiments in scope, each once.
    #[must_use]
    pub fn sticky_cookies(&self) -> &[Box<str>] {
        &self.needs.sticky_cookies
    }

    fn matches_path(&self, path: Option<&[u8]>) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|prefix| prefix.matches(path))
    }
}

/// Sends requests to a cluster by their attributes alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoutingRule {
    pub(crate) key: Box<str>,
    pub(crate) when: Rule,
    pub(crate) cluster: Box<str>,
}

impl RoutingRule {
    /// The rule's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

/// Names in ascending order, each with the places of its services.
type ByName = Box<[(Box<str>, Box<[u32]>)]>;

/// Finds the first service for a host and a path without asking each one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ServiceIndex {
    /// By whole host name.
    exact: ByName,
    /// By domain with its leading dot.
    families: ByName,
    /// The services of any host.
    any: Box<[u32]>,
}

impl ServiceIndex {
    pub(crate) fn new(services: &[Service]) -> Self {
        let mut exact: Vec<(&str, u32)> = Vec::new();
        let mut families: Vec<(&str, u32)> = Vec::new();
        let mut any = Vec::new();
        for service in services {
            if service.hosts.is_empty() {
                any.push(service.place);
            }
            for pattern in &service.hosts {
                match pattern {
                    HostPattern::Any => any.push(service.place),
                    HostPattern::Exact(name) => exact.push((name, service.place)),
                    HostPattern::Suffix(domain) => families.push((domain, service.place)),
                }
            }
        }
        any.dedup();
        Self {
            exact: grouped(exact),
            families: grouped(families),
            any: any.into(),
        }
    }

    pub(crate) fn find<'p>(
        &self,
        services: &'p [Service],
        host: Option<&[u8]>,
        path: Option<&[u8]>,
    ) -> Option<&'p Service> {
        let first = |places: &[u32]| {
            let candidates = places
                .iter()
                .filter_map(|place| services.get(*place as usize));
            candidates
                .into_iter()
                .find(|service| service.matches_path(path))
        };
        let of_any = first(&self.any);
        let Some(host) = host else {
            return of_any;
        };
        let of_exact = look_up(&self.exact, host).and_then(first);
        let of_families = self
            .domains(host)
            .filter_map(|domain| look_up(&self.families, domain).and_then(first));
        of_families
            .chain(of_any)
            .chain(of_exact)
            .min_by_key(|service| service.place)
    }

    /// Whether it matters which host a request is for.
    pub(crate) fn asks_for_host(&self) -> bool {
        !self.exact.is_empty() || !self.families.is_empty()
    }

    /// What follows each dot of `host` but one at its start, with the dot: the families that it may
    /// belong to.
    fn domains<'h>(&self, host: &'h [u8]) -> impl Iterator<Item = &'h [u8]> {
        let host = if self.families.is_empty() { &[] } else { host };
        let dots = (1..host.len()).filter_map(|at| host.get(at..));
        dots.filter(|rest| rest.starts_with(b"."))
    }
}

fn grouped(mut pairs: Vec<(&str, u32)>) -> ByName {
    pairs.sort_unstable();
    pairs.dedup();
    pairs
        .chunk_by(|left, right| left.0 == right.0)
        .filter_map(|group| {
            let (name, _) = group.first()?;
            Some((
                (*name).into(),
                group.iter().map(|(_, place)| *place).collect(),
            ))
        })
        .collect()
}

fn look_up<'i>(index: &'i ByName, name: &[u8]) -> Option<&'i [u32]> {
    let place = index
        .binary_search_by(|(other, _)| other.as_bytes().cmp(name))
        .ok()?;
    index.get(place).map(|(_, places)| &**places)
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

/// A path prefix that ends at a segment's boundary, kept without a slash at its end. A path's query or
/// fragment ends a segment, too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathPrefix(pub(crate) Box<str>);

impl PathPrefix {
    fn matches(&self, path: Option<&[u8]>) -> bool {
        path.and_then(|path| path.strip_prefix(self.0.as_bytes()))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?' | b'#')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_matches_at_segment_boundaries_only() {
        let matches =
            |prefix: &str, path: &str| PathPrefix(prefix.into()).matches(Some(path.as_bytes()));
        assert!(matches("/v1", "/v1"));
        assert!(matches("/v1", "/v1/chat"));
        assert!(!matches("/v1", "/v10"));
        assert!(!matches("/v1", "/V1"));
        assert!(matches("/v1", "/v1?q=/v2") && matches("/v1", "/v1#a"));
        assert!(!matches("/v1", "/?q=/v1"));
        assert!(matches("", "/anything"));
        assert!(!PathPrefix("/v1".into()).matches(None));
    }

    fn service(place: u32, hosts: &[HostPattern], path: &str) -> Service {
        Service {
            place,
            hosts: hosts.into(),
            paths: [PathPrefix(path.into())].into(),
            ..Service::default()
        }
    }

    fn find(services: &[Service], host: Option<&str>, path: &str) -> Option<u32> {
        let index = ServiceIndex::new(services);
        let host = host.map(str::as_bytes);
        let found = index.find(services, host, Some(path.as_bytes()));
        found.map(|service| service.place)
    }

    #[test]
    fn a_star_covers_sub_domains_but_not_the_domain() {
        let star = [service(
            0,
            &[HostPattern::Suffix(".example.com".into())],
            "",
        )];
        let matches = |host| find(&star, host, "/").is_some();
        assert!(matches(Some("a.example.com")));
        assert!(matches(Some("a.b.example.com")));
        assert!(!matches(Some("example.com")));
        assert!(!matches(Some(".example.com")));
        assert!(!matches(Some("badexample.com")));
        assert!(!matches(Some("a.example.com.")));
        assert!(!matches(None));
        assert_eq!(
            find(&[service(0, &[HostPattern::Any], "")], None, "/"),
            Some(0)
        );
        let literal = [service(0, &[HostPattern::Exact("[::1]".into())], "")];
        assert_eq!(find(&literal, Some("[::1]"), "/"), Some(0));
    }

    #[test]
    fn the_first_service_in_the_list_wins() {
        let exact = HostPattern::Exact("a.example.com".into());
        let family = HostPattern::Suffix(".example.com".into());
        let services = [
            service(0, std::slice::from_ref(&exact), "/only"),
            service(1, std::slice::from_ref(&family), "/v1"),
            service(2, &[exact, HostPattern::Any], ""),
            service(3, &[family], ""),
            service(4, &[], ""),
        ];
        assert_eq!(find(&services, Some("a.example.com"), "/only"), Some(0));
        assert_eq!(find(&services, Some("a.example.com"), "/v1"), Some(1));
        assert_eq!(find(&services, Some("a.example.com"), "/"), Some(2));
        assert_eq!(find(&services, Some("b.example.com"), "/"), Some(2));
        assert_eq!(find(&services, None, "/only"), Some(2));
    }

    proptest! {
        /// The index finds what asking each service in turn would.
        #[test]
        fn the_index_agrees_with_the_list(
            specs in prop::collection::vec((prop::collection::vec(0..7_u8, 0..3), 0..3_u8), 0..12),
            host in prop::option::of("(a\\.|b\\.){0,3}(c|\\.c)?"), path in "(/a|/b){0,2}",
        ) {
            let pattern = |kind: &u8| match kind {
                0 => HostPattern::Any,
                1 => HostPattern::Exact("a.c".into()),
                2 => HostPattern::Exact("a.b.c".into()),
                3 => HostPattern::Exact("c".into()),
                4 => HostPattern::Suffix(".c".into()),
                5 => HostPattern::Suffix(".b.c".into()),
                _ => HostPattern::Suffix(".a.b.c".into()),
            };
            let services: Vec<Service> = (0..).zip(&specs).map(|(place, (hosts, path))| {
                let hosts: Vec<_> = hosts.iter().map(pattern).collect();
                service(place, &hosts, ["", "/a", "/a/b"][usize::from(*path)])
            }).collect();
            let matches = |pattern: &HostPattern| match (pattern, &host) {
                (HostPattern::Any, _) => true,
                (_, None) => false,
                (HostPattern::Exact(name), Some(host)) => **name == *host,
                (HostPattern::Suffix(domain), Some(host)) => host.len() > domain.len() && host.ends_with(&**domain),
            };
            let expected = services.iter().find(|service| {
                (service.hosts.is_empty() || service.hosts.iter().any(matches))
                    && service.matches_path(Some(path.as_bytes()))
            });
            prop_assert_eq!(find(&services, host.as_deref(), &path), expected.map(|one| one.place));
        }
    }
}
