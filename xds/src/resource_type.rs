//! The resource types this server speaks, and a value per type. What a resource is lives in `resource`.

/// A resource type. The order of the variants is the order in which additions are sent
/// ("Eventual consistency considerations": clusters, then endpoints, listeners, routes); extension
/// configs (the filter's experiments) come after the routes that they lean on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// CDS: `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// EDS: `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    Endpoint,
    /// LDS: `envoy.config.listener.v3.Listener`.
    Listener,
    /// RDS: `envoy.config.route.v3.RouteConfiguration`.
    Route,
    /// ECDS: `envoy.config.core.v3.TypedExtensionConfig`.
    Extension,
}

impl ResourceType {
    /// Every type, in send order.
    pub const ALL: [Self; 5] = [
        Self::Cluster,
        Self::Endpoint,
        Self::Listener,
        Self::Route,
        Self::Extension,
    ];

    /// The types whose resources send traffic to clusters, and so name them.
    pub(crate) const USERS: [Self; 3] = [Self::Listener, Self::Route, Self::Extension];

    /// The URL that names this type in requests, responses and `Any` bodies.
    #[must_use]
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The type with this URL, if it is served here.
    #[must_use]
    pub fn from_type_url(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.type_url() == url)
    }

    /// The short name of the discovery service: `CDS`, `EDS`, `LDS`, `RDS`, `ECDS`.
    #[must_use]
    pub const fn abbreviation(self) -> &'static str {
        match self {
            Self::Cluster => "CDS",
            Self::Endpoint => "EDS",
            Self::Listener => "LDS",
            Self::Route => "RDS",
            Self::Extension => "ECDS",
        }
    }

    /// Whether a state-of-the-world response must hold every subscribed resource
    /// ("Grouping Resources into Responses"); the others may carry only what changed.
    pub(crate) const fn is_full_state(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

/// One value for each resource type.
#[derive(Clone, Debug, Default)]
pub struct PerType<T> {
    cluster: T,
    endpoint: T,
    listener: T,
    route: T,
    extension: T,
}

impl<T> PerType<T> {
    /// Makes each value from its type.
    pub fn from_fn(mut make: impl FnMut(ResourceType) -> T) -> Self {
        Self {
            cluster: make(ResourceType::Cluster),
            endpoint: make(ResourceType::Endpoint),
            listener: make(ResourceType::Listener),
            route: make(ResourceType::Route),
            extension: make(ResourceType::Extension),
        }
    }

    /// The value of `ty`.
    pub const fn get(&self, ty: ResourceType) -> &T {
        match ty {
            ResourceType::Cluster => &self.cluster,
            ResourceType::Endpoint => &self.endpoint,
            ResourceType::Listener => &self.listener,
            ResourceType::Route => &self.route,
            ResourceType::Extension => &self.extension,
        }
    }

    /// The value of `ty`, to change.
    pub const fn get_mut(&mut self, ty: ResourceType) -> &mut T {
        match ty {
            ResourceType::Cluster => &mut self.cluster,
            ResourceType::Endpoint => &mut self.endpoint,
            ResourceType::Listener => &mut self.listener,
            ResourceType::Route => &mut self.route,
            ResourceType::Extension => &mut self.extension,
        }
    }

    /// Each type with its value, in send order.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceType, &T)> {
        ResourceType::ALL.into_iter().map(|ty| (ty, self.get(ty)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::{
        cluster::v3::Cluster, core::v3::TypedExtensionConfig, endpoint::v3::ClusterLoadAssignment,
        listener::v3::Listener, route::v3::RouteConfiguration,
    };
    use prost::Name;

    #[test]
    fn type_urls_are_those_of_the_generated_messages() {
        let generated = [
            Cluster::type_url(),
            ClusterLoadAssignment::type_url(),
            Listener::type_url(),
            RouteConfiguration::type_url(),
            TypedExtensionConfig::type_url(),
        ];
        for (ty, url) in ResourceType::ALL.into_iter().zip(generated) {
            assert_eq!(ty.type_url(), url);
            assert_eq!(ResourceType::from_type_url(&url), Some(ty));
        }
    }

    #[test]
    fn an_unknown_type_url_is_no_type() {
        for url in ["", "cluster", "type.googleapis.com/envoy.api.v2.Cluster"] {
            assert_eq!(ResourceType::from_type_url(url), None);
        }
    }

    #[test]
    fn each_type_has_a_value_of_its_own() {
        let mut names = PerType::from_fn(ResourceType::abbreviation);
        *names.get_mut(ResourceType::Route) = "changed";
        let seen: Vec<_> = names.iter().map(|(_, name)| *name).collect();
        assert_eq!(seen, ["CDS", "EDS", "LDS", "changed", "ECDS"]);
    }
}
