//! Make before break, seen from the wire: what is sent when, in both protocols.

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;

use crate::{
    ResourceType::{self, Cluster, Endpoint, Extension, Listener, Route},
    SotwStream, XdsStream,
    testing::{
        Typed, ack, ask, cluster, eds_cluster, endpoints, extension, lines, listener, nack, route,
        snapshot,
    },
};

/// A proxy that answers responses when told to, in the state-of-the-world protocol.
struct Proxy {
    stream: SotwStream,
    waiting: Vec<DiscoveryResponse>,
}

const NAMES: [(ResourceType, &[&str]); 5] = [
    (Cluster, &[]),
    (Endpoint, &["a", "b"]),
    (Listener, &[]),
    (Route, &["r"]),
    (Extension, &["e"]),
];

fn names(ty: ResourceType) -> &'static [&'static str] {
    NAMES.iter().find(|(it, _)| *it == ty).unwrap().1
}

impl Proxy {
    /// Subscribed to everything, with everything accepted.
    fn in_step(resources: impl IntoIterator<Item = Typed>) -> Self {
        let mut proxy = Self {
            stream: SotwStream::new(),
            waiting: Vec::new(),
        };
        proxy.push(resources);
        for (ty, names) in NAMES {
            let responses = proxy.stream.on_request(ask(ty, names)).unwrap();
            proxy.waiting.extend(responses);
        }
        while let Some(response) = proxy.waiting.first().cloned() {
            proxy.accept(ResourceType::from_type_url(&response.type_url).unwrap());
        }
        proxy
    }

    fn push(&mut self, resources: impl IntoIterator<Item = Typed>) -> Vec<String> {
        let responses = self.stream.on_snapshot(&snapshot(resources));
        self.take(responses)
    }

    fn accept(&mut self, ty: ResourceType) -> Vec<String> {
        let response = self.next(ty);
        let responses = self.stream.on_request(ack(&response, names(ty))).unwrap();
        self.take(responses)
    }

    fn refuse(&mut self, ty: ResourceType) -> Vec<String> {
        let response = self.next(ty);
        let responses = self.stream.on_request(nack(&response, names(ty))).unwrap();
        self.take(responses)
    }

    fn next(&mut self, ty: ResourceType) -> DiscoveryResponse {
        let position = self
            .waiting
            .iter()
            .position(|it| it.type_url == ty.type_url())
            .unwrap();
        self.waiting.remove(position)
    }

    fn take(&mut self, responses: Vec<DiscoveryResponse>) -> Vec<String> {
        let lines = lines(&responses);
        self.waiting.extend(responses);
        lines
    }

    fn all_in_sync(&self) -> bool {
        ResourceType::ALL
            .into_iter()
            .all(|ty| self.stream.status(ty).in_sync)
    }
}

const NONE: [&str; 0] = [];

#[test]
fn a_route_follows_its_cluster_and_the_old_cluster_follows_the_route() {
    let mut proxy = Proxy::in_step([cluster("a", 1), route("r", 1, &["a"])]);
    let sent = proxy.push([cluster("b", 1), route("r", 2, &["b"])]);
    assert_eq!(
        sent,
        ["CDS a@1 b@1"],
        "the old cluster stays while the route names it"
    );
    assert_eq!(proxy.accept(Cluster), ["RDS r@2"]);
    assert_eq!(proxy.accept(Route), ["CDS b@1"]);
    assert_eq!(proxy.accept(Cluster), NONE);
    assert!(proxy.all_in_sync());
}

#[test]
fn an_eds_cluster_is_known_when_its_endpoints_are() {
    let mut proxy = Proxy::in_step([cluster("a", 1), route("r", 1, &["a"])]);
    let target = [
        cluster("a", 1),
        eds_cluster("b", 1),
        endpoints("b", 1),
        route("r", 2, &["b"]),
    ];
    assert_eq!(proxy.push(target), ["CDS a@1 b@1", "EDS b@1"]);
    assert_eq!(proxy.accept(Cluster), NONE);
    assert_eq!(proxy.accept(Endpoint), ["RDS r@2"]);
}

#[test]
fn a_new_cluster_is_known_when_endpoints_it_shares_came_after_it() {
    let start = [
        eds_cluster("a", 1),
        endpoints("a", 1),
        route("r", 1, &["a"]),
    ];
    let mut proxy = Proxy::in_step(start);
    let (ty, sharing) = cluster("b", 1);
    let target = [
        eds_cluster("a", 1),
        (ty, sharing.with_endpoints("a")),
        endpoints("a", 1),
        route("r", 2, &["b"]),
    ];
    assert_eq!(proxy.push(target), ["CDS a@1 b@1", "EDS a@1"]);
    assert_eq!(proxy.accept(Cluster), NONE);
    assert_eq!(proxy.accept(Endpoint), ["RDS r@2"]);
}

#[test]
fn a_listener_held_back_stays_as_it_was_beside_one_that_changes() {
    let mut proxy = Proxy::in_step([
        cluster("a", 1),
        listener("l1", 1, &["a"]),
        listener("l2", 1, &["a"]),
    ]);
    let target = || {
        [
            cluster("a", 1),
            cluster("b", 1),
            listener("l1", 2, &["b"]),
            listener("l2", 2, &["a"]),
        ]
    };
    assert_eq!(proxy.push(target()), ["CDS a@1 b@1", "LDS l1@1 l2@2"]);
    assert_eq!(proxy.accept(Listener), NONE);
    assert_eq!(proxy.accept(Cluster), ["LDS l1@2 l2@2"]);
    assert_eq!(proxy.accept(Listener), NONE);
    assert!(proxy.all_in_sync());
}

#[test]
fn a_refused_cluster_holds_back_only_what_names_it() {
    let start = || {
        [
            cluster("a", 1),
            route("r", 1, &["a"]),
            extension("e", 1, &["a"]),
        ]
    };
    let mut proxy = Proxy::in_step(start());
    let [a, _, e] = start();
    proxy.push([a, cluster("bad", 1), route("r", 2, &["a", "bad"]), e]);
    assert_eq!(proxy.refuse(Cluster), NONE);
    // A roll-back of something else goes through.
    let [a, _, _] = start();
    let sent = proxy.push([
        a,
        cluster("bad", 1),
        route("r", 2, &["a", "bad"]),
        extension("e", 2, &["a"]),
    ]);
    assert_eq!(sent, ["ECDS e@2"]);
    proxy.accept(Extension);
    let [a, r, _] = start();
    // Another cluster goes through too, beside the refused one.
    let sent = proxy.push([
        a,
        cluster("bad", 1),
        cluster("good", 1),
        r,
        extension("e", 2, &["a"]),
    ]);
    assert_eq!(sent, ["CDS a@1 good@1"]);
}

#[test]
fn an_extension_that_names_something_new_waits_for_the_route() {
    let mut proxy = Proxy::in_step([
        cluster("a", 1),
        cluster("b", 1),
        route("r", 1, &["a"]),
        extension("e", 1, &["a"]),
    ]);
    let target = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 2, &["a", "b"]),
        extension("e", 2, &["a", "b"]),
    ];
    assert_eq!(proxy.push(target), ["RDS r@2"]);
    assert_eq!(proxy.accept(Route), ["ECDS e@2"]);
}

#[test]
fn a_refused_route_releases_the_extension() {
    let mut proxy = Proxy::in_step([
        cluster("a", 1),
        cluster("b", 1),
        route("r", 1, &["a"]),
        extension("e", 1, &["a"]),
    ]);
    let target = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 2, &["a", "b"]),
        extension("e", 2, &["a", "b"]),
    ];
    assert_eq!(proxy.push(target), ["RDS r@2"]);
    assert_eq!(proxy.refuse(Route), ["ECDS e@2"]);
}

#[test]
fn an_extension_that_stops_naming_something_goes_first() {
    let start = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 1, &["a", "b"]),
        extension("e", 1, &["a", "b"]),
    ];
    let mut proxy = Proxy::in_step(start);
    let sent = proxy.push([
        cluster("a", 1),
        route("r", 2, &["a"]),
        extension("e", 2, &["a"]),
    ]);
    assert_eq!(sent, ["ECDS e@2", "RDS r@2"]);
    assert_eq!(proxy.accept(Extension), NONE, "the route may still name b");
    assert_eq!(proxy.accept(Route), ["CDS a@1"]);
}

#[test]
fn a_change_of_weights_waits_for_no_route() {
    let start = [
        cluster("a", 1),
        route("r", 1, &["a"]),
        extension("e", 1, &["a"]),
    ];
    let mut proxy = Proxy::in_step(start);
    let sent = proxy.push([
        cluster("a", 1),
        route("r", 2, &["a"]),
        extension("e", 2, &["a"]),
    ]);
    assert_eq!(sent, ["ECDS e@2", "RDS r@2"]);
}

#[test]
fn a_route_drops_nothing_before_an_extension_that_could_not_go_first() {
    let start = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 1, &["a", "b"]),
        extension("e", 1, &["a", "b"]),
    ];
    let mut proxy = Proxy::in_step(start);
    let weights = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 1, &["a", "b"]),
        extension("e", 2, &["a", "b"]),
    ];
    assert_eq!(proxy.push(weights), ["ECDS e@2"]);
    let target = [
        cluster("a", 1),
        cluster("b", 1),
        route("r", 2, &["a"]),
        extension("e", 3, &["a"]),
    ];
    assert_eq!(proxy.push(target), NONE);
    assert_eq!(proxy.accept(Extension), ["ECDS e@3", "RDS r@2"]);
}

#[test]
fn a_refused_route_keeps_the_cluster_that_the_old_one_names() {
    let mut proxy = Proxy::in_step([cluster("a", 1), route("r", 1, &["a"])]);
    proxy.push([cluster("b", 1), route("r", 2, &["b"])]);
    assert_eq!(proxy.accept(Cluster), ["RDS r@2"]);
    assert_eq!(proxy.refuse(Route), NONE);
    let sent = proxy.push([cluster("b", 1), route("r", 3, &["b"])]);
    assert_eq!(sent, ["RDS r@3"]);
    assert_eq!(proxy.accept(Route), ["CDS b@1"]);
}

#[test]
fn a_sidecar_that_has_its_clusters_from_elsewhere_waits_for_nothing() {
    let mut stream = SotwStream::new();
    stream.on_snapshot(&snapshot([extension("e", 1, &["unseen"])]));
    let responses = stream.on_request(ask(Extension, &["e"])).unwrap();
    assert_eq!(lines(&responses), ["ECDS e@1"]);
}

#[test]
fn a_route_to_a_cluster_that_nobody_serves_is_never_sent() {
    let mut proxy = Proxy::in_step([cluster("a", 1), route("r", 1, &["nowhere"])]);
    assert!(!proxy.stream.status(Route).in_sync);
    assert_eq!(
        proxy.push([cluster("a", 1), route("r", 2, &["a"])]),
        ["RDS r@2"]
    );
}

#[test]
fn everything_changed_at_once_goes_out_in_order() {
    let target = |n| {
        [
            eds_cluster("a", n),
            endpoints("a", n),
            listener("l", n, &[]),
            route("r", n, &["a"]),
            extension("e", n, &["a"]),
        ]
    };
    let mut proxy = Proxy::in_step(target(1));
    let sent = proxy.push(target(2));
    assert_eq!(
        sent,
        ["ECDS e@2", "CDS a@2", "EDS a@2", "LDS l@2", "RDS r@2"]
    );
    for ty in ResourceType::ALL {
        assert_eq!(proxy.accept(ty), NONE);
    }
    assert!(proxy.all_in_sync());
}
