//! Route tables. The filter names the chosen cluster in a header; a route matches each cluster that
//! an experiment may choose, and the service's default route takes the rest. A cluster that the proxy
//! does not know therefore never becomes a 503: its header matches no route.
//!
//! The filter takes the first service of its list that matches host and path. So that Envoy always
//! agrees, each host pattern becomes a virtual host that holds, in the same order, the routes of every
//! service whose patterns cover it: whichever virtual host Envoy picks, the first route that matches
//! belongs to the service that the filter picks.

use super::detour::{self, Detour};
use super::service::{Scope, covers};
use super::wire::{millis, yes};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route,
    route_action,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use std::collections::BTreeSet;
use watershed_proto::CLUSTER_HEADER;

/// The route table of the services in `scopes`, which are in the order of the filter's list.
pub(super) fn routes(name: &str, scopes: &[&Scope<'_>]) -> RouteConfiguration {
    let hosts: BTreeSet<&str> = scopes
        .iter()
        .flat_map(|s| &s.service.hosts)
        .map(String::as_str)
        .collect();
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: hosts
            .into_iter()
            .map(|host| virtual_host(host, scopes))
            .collect(),
        request_headers_to_remove: vec![CLUSTER_HEADER.to_owned()],
        ignore_port_in_host_matching: true,
        // Clusters come over the same stream, before the routes that name them.
        validate_clusters: None,
        ..Default::default()
    }
}

fn virtual_host(host: &str, scopes: &[&Scope<'_>]) -> VirtualHost {
    let covering = scopes
        .iter()
        .filter(|s| s.service.hosts.iter().any(|pattern| covers(pattern, host)));
    VirtualHost {
        name: host.to_owned(),
        domains: vec![host.to_owned()],
        routes: covering.flat_map(|scope| service_routes(scope)).collect(),
        ..Default::default()
    }
}

fn service_routes(scope: &Scope<'_>) -> Vec<Route> {
    let any_path = [String::from("/")];
    let prefixes = match scope.service.path_prefixes.as_slice() {
        [] => &any_path[..],
        prefixes => prefixes,
    };
    let mut routes = Vec::new();
    for prefix in prefixes {
        let chosen = scope
            .clusters
            .iter()
            .filter(|c| **c != scope.default_cluster());
        // What asks for more comes first.
        let detours = scope.detours.iter();
        routes.extend(detours.map(|detour| beside(scope, prefix, detour)));
        routes.extend(chosen.map(|cluster| entry(scope, prefix, cluster, vec![chooses(cluster)])));
        routes.push(entry(scope, prefix, scope.default_cluster(), Vec::new()));
    }
    routes
}

/// The route of an experiment's requests that are mirrored or may fall back.
fn beside(scope: &Scope<'_>, prefix: &str, detour: &Detour<'_>) -> Route {
    let headers = vec![
        chooses(detour.cluster.as_str()),
        detour.is_the_experiments(),
    ];
    let mut route = entry(scope, prefix, detour.cluster.as_str(), headers);
    route.name = format!("{}/{}/{}", scope.key, detour.experiment, detour.cluster);
    if let Some(route::Action::Route(action)) = &mut route.action {
        action.request_mirror_policies = detour.mirrors();
        if let Some(composite) = detour.composite() {
            action.cluster_specifier = Some(route_action::ClusterSpecifier::Cluster(composite));
            action.retry_policy = detour.retries();
        }
    }
    route
}

fn entry(scope: &Scope<'_>, prefix: &str, cluster: &str, headers: Vec<HeaderMatcher>) -> Route {
    let action = RouteAction {
        cluster_specifier: Some(route_action::ClusterSpecifier::Cluster(cluster.to_owned())),
        // Always explicit: Envoy's own default would cut a streamed answer after 15 seconds.
        timeout: Some(millis(scope.service.timeout_ms)),
        idle_timeout: Some(millis(scope.service.idle_timeout_ms)),
        retry_policy: scope.service.retries.as_ref().map(detour::retries),
        ..Default::default()
    };
    Route {
        name: format!("{}/{cluster}", scope.key),
        r#match: Some(RouteMatch {
            headers,
            path_specifier: Some(path(prefix)),
            case_sensitive: yes(),
            ..Default::default()
        }),
        action: Some(route::Action::Route(action)),
        ..Default::default()
    }
}

fn path(prefix: &str) -> PathSpecifier {
    if prefix == "/" {
        PathSpecifier::Prefix("/".to_owned())
    } else {
        PathSpecifier::PathSeparatedPrefix(prefix.to_owned())
    }
}

fn chooses(cluster: &str) -> HeaderMatcher {
    let exact = StringMatcher {
        match_pattern: Some(string_matcher::MatchPattern::Exact(cluster.to_owned())),
        ..Default::default()
    };
    HeaderMatcher {
        name: CLUSTER_HEADER.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(exact)),
        ..Default::default()
    }
}
