//! What a fleet should run: an immutable set of resources per type, versioned by content. Building the
//! resources from a model is the control plane's work; deciding when to send them is the session's.

use std::{collections::BTreeMap, sync::Arc};

use crate::{PerType, Resource, ResourceType, Version};

/// The resources of one type, by name.
#[derive(Debug)]
pub struct ResourceSet {
    resources: BTreeMap<Arc<str>, Arc<Resource>>,
    version: Version,
}

impl ResourceSet {
    fn new(resources: BTreeMap<Arc<str>, Arc<Resource>>) -> Self {
        let version = Version::of_named(resources.iter().map(|(name, it)| (&**name, it.version())));
        Self { resources, version }
    }

    /// The resource with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.resources.get(name)
    }

    /// The resources, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// How many resources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The hash over all names and versions.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn version_of(&self, name: &str) -> Option<Version> {
        self.get(name).map(|resource| resource.version())
    }
}

impl Default for ResourceSet {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

/// The immutable resources of one fleet. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Contents>);

#[derive(Debug)]
struct Contents {
    sets: PerType<Arc<ResourceSet>>,
    version: Version,
    duplicates: Vec<(ResourceType, Arc<str>)>,
}

impl Snapshot {
    /// An empty builder.
    #[must_use]
    pub fn builder() -> SnapshotBuilder {
        SnapshotBuilder::default()
    }

    /// The resources of one type.
    #[must_use]
    pub fn get(&self, ty: ResourceType) -> &ResourceSet {
        self.set(ty)
    }

    pub(crate) fn set(&self, ty: ResourceType) -> &Arc<ResourceSet> {
        self.0.sets.get(ty)
    }

    /// The content version of everything in it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Whether every reference can be followed: each referenced cluster and each needed endpoint set is
    /// there, and no name was added twice. A snapshot without clusters serves proxies that take their
    /// clusters from elsewhere, so its references are not checked.
    ///
    /// # Errors
    /// The first fault found, by type and name.
    pub fn check_consistent(&self) -> Result<(), Inconsistency> {
        if let Some((ty, name)) = self.0.duplicates.first() {
            let (ty, name) = (*ty, name.to_string());
            return Err(Inconsistency::DuplicateName { ty, name });
        }
        let clusters = self.set(ResourceType::Cluster);
        if clusters.is_empty() {
            return Ok(());
        }
        for ty in ResourceType::USERS {
            for resource in self.set(ty).iter() {
                let missing = resource
                    .references()
                    .iter()
                    .find(|name| clusters.get(name).is_none());
                if let Some(cluster) = missing {
                    return Err(Inconsistency::UnknownCluster {
                        ty,
                        name: resource.name().to_string(),
                        cluster: cluster.to_string(),
                    });
                }
            }
        }
        let endpoints = self.set(ResourceType::Endpoint);
        for cluster in clusters.iter() {
            if let Some(needed) = cluster
                .endpoints()
                .filter(|name| endpoints.get(name).is_none())
            {
                return Err(Inconsistency::MissingEndpoints {
                    cluster: cluster.name().to_string(),
                    endpoints: needed.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// Why a snapshot must not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// A resource sends traffic to a cluster that the snapshot does not have.
    #[error(
        "{ty:?} `{name}` sends traffic to cluster `{cluster}`, which the snapshot does not have"
    )]
    UnknownCluster {
        /// The type of the resource.
        ty: ResourceType,
        /// The name of the resource.
        name: String,
        /// The cluster that is not there.
        cluster: String,
    },
    /// A cluster of type EDS has no endpoints.
    #[error(
        "cluster `{cluster}` needs the endpoints `{endpoints}`, which the snapshot does not have"
    )]
    MissingEndpoints {
        /// The cluster.
        cluster: String,
        /// The name of the endpoints that are not there.
        endpoints: String,
    },
    /// Two resources of one type have one name; the later one won.
    #[error("{ty:?} `{name}` was added twice")]
    DuplicateName {
        /// The type of the resources.
        ty: ResourceType,
        /// Their name.
        name: String,
    },
}

/// Collects resources for a [`Snapshot`].
#[derive(Debug, Default)]
pub struct SnapshotBuilder {
    sets: PerType<BTreeMap<Arc<str>, Resource>>,
    duplicates: Vec<(ResourceType, Arc<str>)>,
    previous: Option<Snapshot>,
}

impl SnapshotBuilder {
    /// Adds a resource.
    pub fn add(&mut self, ty: ResourceType, resource: Resource) -> &mut Self {
        let name = Arc::clone(resource.name());
        if self
            .sets
            .get_mut(ty)
            .insert(Arc::clone(&name), resource)
            .is_some()
        {
            self.duplicates.push((ty, name));
        }
        self
    }

    /// Shares every resource and set that did not change with an earlier snapshot, so that the streams
    /// which still hold the earlier one cost no second copy.
    pub fn reusing(&mut self, previous: &Snapshot) -> &mut Self {
        self.previous = Some(previous.clone());
        self
    }

    /// The snapshot. What it holds is not checked; see [`Snapshot::check_consistent`].
    #[must_use]
    pub fn build(mut self) -> Snapshot {
        self.bind_endpoints_to_clusters();
        let Self {
            mut sets,
            duplicates,
            previous,
        } = self;
        let sets = PerType::from_fn(|ty| {
            let old = previous.as_ref().map(|snapshot| snapshot.set(ty));
            share(std::mem::take(sets.get_mut(ty)), old)
        });
        let version =
            Version::of_named(sets.iter().map(|(ty, set)| (ty.type_url(), set.version())));
        Snapshot(Arc::new(Contents {
            sets,
            version,
            duplicates,
        }))
    }

    /// "Resource warming": an updated cluster warms up again and completes only when its endpoints are
    /// supplied again, even if unchanged. So the version of endpoints covers the clusters that use them:
    /// a changed cluster makes them new, on every stream and after every reconnect.
    fn bind_endpoints_to_clusters(&mut self) {
        let mut users: BTreeMap<Arc<str>, Vec<(&str, Version)>> = BTreeMap::new();
        for (name, cluster) in self.sets.get(ResourceType::Cluster) {
            if let Some(endpoints) = cluster.endpoints() {
                let user = (&**name, cluster.version());
                users.entry(Arc::clone(endpoints)).or_default().push(user);
            }
        }
        let versions: Vec<_> = users
            .into_iter()
            .map(|(endpoints, clusters)| (endpoints, Version::of_named(clusters)))
            .collect();
        let sets = self.sets.get_mut(ResourceType::Endpoint);
        for (name, clusters) in versions {
            if let Some(resource) = sets.remove(&name) {
                let version =
                    Version::of_named([("endpoints", resource.version()), ("clusters", clusters)]);
                sets.insert(name, resource.with_version(version));
            }
        }
    }
}

/// Makes a set, taking from `old` whatever is equal.
fn share(
    resources: BTreeMap<Arc<str>, Resource>,
    old: Option<&Arc<ResourceSet>>,
) -> Arc<ResourceSet> {
    let shared = resources.into_iter().map(|(name, resource)| {
        let kept = old
            .and_then(|set| set.get(&name))
            .filter(|kept| ***kept == resource);
        match kept {
            Some(kept) => (Arc::clone(kept.name()), Arc::clone(kept)),
            None => (name, Arc::new(resource)),
        }
    });
    let set = ResourceSet::new(shared.collect());
    let unchanged = old.filter(|old| {
        old.len() == set.len() && old.iter().zip(set.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
    });
    unchanged.map_or_else(|| Arc::new(set), Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cluster, eds_cluster, endpoints, route, snapshot};
    use ResourceType::{Cluster, Endpoint, Route};

    #[test]
    fn equal_content_makes_an_equal_snapshot_version_in_any_order_of_adding() {
        let one = snapshot([cluster("a", 1), cluster("b", 1)]);
        let two = snapshot([cluster("b", 1), cluster("a", 1)]);
        assert_eq!(one.version(), two.version());
        assert_ne!(one.version(), snapshot([cluster("a", 1)]).version());
    }

    #[test]
    fn a_change_of_one_type_leaves_the_versions_of_the_others() {
        let one = snapshot([cluster("a", 1), route("r", 1, &["a"])]);
        let two = snapshot([cluster("a", 1), route("r", 2, &["a"])]);
        assert_eq!(one.get(Cluster).version(), two.get(Cluster).version());
        assert_ne!(one.get(Route).version(), two.get(Route).version());
    }

    #[test]
    fn endpoints_are_new_when_their_cluster_changes() {
        let before = snapshot([eds_cluster("a", 1), endpoints("a", 1)]);
        let after = snapshot([eds_cluster("a", 2), endpoints("a", 1)]);
        assert_ne!(
            before.get(Endpoint).version_of("a"),
            after.get(Endpoint).version_of("a")
        );
    }

    #[test]
    fn unchanged_resources_are_shared_with_the_previous_snapshot() {
        let old = snapshot([cluster("a", 1), route("r", 1, &["a"])]);
        let mut builder = Snapshot::builder();
        builder.reusing(&old);
        for (ty, resource) in [cluster("a", 1), route("r", 2, &["a"])] {
            builder.add(ty, resource);
        }
        let new = builder.build();
        assert!(Arc::ptr_eq(old.set(Cluster), new.set(Cluster)));
        assert!(!Arc::ptr_eq(old.set(Route), new.set(Route)));
    }

    #[test]
    fn a_reference_to_a_missing_cluster_is_inconsistent() {
        let faulty = snapshot([cluster("a", 1), route("r", 1, &["b"])]);
        let fault = faulty.check_consistent().unwrap_err();
        let text = "Route `r` sends traffic to cluster `b`, which the snapshot does not have";
        assert_eq!(fault.to_string(), text);
    }

    #[test]
    fn an_eds_cluster_without_endpoints_is_inconsistent() {
        let fault = snapshot([eds_cluster("a", 1)])
            .check_consistent()
            .unwrap_err();
        assert!(matches!(fault, Inconsistency::MissingEndpoints { .. }));
    }

    #[test]
    fn a_name_added_twice_is_inconsistent() {
        let fault = snapshot([cluster("a", 1), cluster("a", 2)])
            .check_consistent()
            .unwrap_err();
        assert!(matches!(fault, Inconsistency::DuplicateName { .. }));
    }

    #[test]
    fn references_are_free_when_the_clusters_are_served_elsewhere() {
        assert_eq!(snapshot([route("r", 1, &["b"])]).check_consistent(), Ok(()));
    }
}
