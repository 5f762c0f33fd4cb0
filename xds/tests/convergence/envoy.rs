//! The state of a simulated Envoy and its rules: what warms up, what it subscribes to, what it refuses. How it
//! talks is in `sotw` and `delta`.

use std::collections::{BTreeMap, BTreeSet};

use watershed_xds::ResourceType::{self, Cluster, Endpoint, Extension, Listener, Route};

use crate::world::{Body, World};

/// A resource that sends traffic, and the stream that brought it.
struct Held {
    body: Body,
    stream: u32,
}

pub struct Envoy {
    /// Counts connections.
    pub stream: u32,
    /// A refused response leaves some of its resources behind, as Envoy does for clusters and listeners.
    pub half_taken: bool,
    /// Whether resources of earlier streams must have their clusters too.
    strict: bool,
    active: BTreeMap<String, Body>,
    warming: BTreeMap<String, Body>,
    endpoints: BTreeMap<String, Body>,
    users: BTreeMap<(ResourceType, String), Held>,
}

impl Envoy {
    pub fn new(strict: bool, half_taken: bool) -> Self {
        Self {
            stream: 0,
            half_taken,
            strict,
            active: BTreeMap::new(),
            warming: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// The names it subscribes to, derived from what it has; `None` is everything.
    pub fn names(&self, ty: ResourceType) -> Option<BTreeSet<String>> {
        let listeners = || {
            let users = self.users.iter().filter(|((ty, _), _)| *ty == Listener);
            users.map(|(_, held)| &held.body)
        };
        match ty {
            Cluster | Listener => None,
            Endpoint => {
                let clusters = self.active.values().chain(self.warming.values());
                Some(clusters.filter_map(|body| body.endpoints.clone()).collect())
            }
            Route => Some(listeners().flat_map(|body| body.routes.clone()).collect()),
            Extension => Some(
                listeners()
                    .flat_map(|body| body.extensions.clone())
                    .collect(),
            ),
        }
    }

    fn wants(&self, ty: ResourceType, name: &str) -> bool {
        self.names(ty).is_none_or(|names| names.contains(name))
    }

    /// Whether it has a version of this resource.
    pub fn has(&self, ty: ResourceType, name: &str) -> bool {
        match ty {
            Cluster => self.active.contains_key(name) || self.warming.contains_key(name),
            Endpoint => self.endpoints.contains_key(name),
            _ => self.users.contains_key(&(ty, name.to_owned())),
        }
    }

    pub fn all(&self, ty: ResourceType) -> Vec<String> {
        match ty {
            Cluster => self
                .active
                .keys()
                .chain(self.warming.keys())
                .cloned()
                .collect(),
            Endpoint => self.endpoints.keys().cloned().collect(),
            _ => self
                .users
                .keys()
                .filter(|(it, _)| *it == ty)
                .map(|(_, name)| name.clone())
                .collect(),
        }
    }

    /// Takes a response, or refuses it. Answers whether clusters began to warm up.
    pub fn take(
        &mut self,
        ty: ResourceType,
        bodies: Vec<Body>,
        gone: &[String],
    ) -> Result<bool, String> {
        let names: BTreeSet<_> = bodies.iter().map(|body| body.name.clone()).collect();
        assert_eq!(names.len(), bodies.len(), "a name twice in one response");
        assert!(
            gone.iter().all(|name| !names.contains(name)),
            "a name both sent and gone"
        );
        let bad: Vec<_> = bodies
            .iter()
            .filter(|body| body.bad)
            .map(|body| body.name.clone())
            .collect();
        if !bad.is_empty() && !self.half_taken {
            return Err(format!("bad: {bad:?}"));
        }
        // Clusters and listeners are taken one by one; the others stop at the first fault.
        let one_by_one = matches!(ty, Cluster | Listener);
        let good = bodies
            .into_iter()
            .take_while(|body| one_by_one || !body.bad)
            .filter(|body| !body.bad);
        let mut warmed = false;
        for body in good.collect::<Vec<_>>() {
            warmed |= self.take_one(ty, body);
        }
        if bad.is_empty() || one_by_one {
            for name in gone {
                self.remove(ty, name);
            }
        }
        self.drop_unwanted();
        if bad.is_empty() {
            Ok(warmed)
        } else {
            Err(format!("bad: {bad:?}"))
        }
    }

    fn take_one(&mut self, ty: ResourceType, body: Body) -> bool {
        let name = body.name.clone();
        match ty {
            Cluster => return self.take_cluster(name, body),
            Endpoint => {
                if self.wants(ty, &name) {
                    self.endpoints.insert(name.clone(), body);
                    self.finish_warming(&name);
                }
            }
            _ => {
                if self.wants(ty, &name) {
                    let stream = self.stream;
                    self.users.insert((ty, name), Held { body, stream });
                }
            }
        }
        false
    }

    /// "Resource warming": a cluster with endpoints to discover serves only when they come after it, and the
    /// one it replaces serves until then.
    fn take_cluster(&mut self, name: String, body: Body) -> bool {
        let current = self.warming.get(&name).or_else(|| self.active.get(&name));
        if current == Some(&body) {
            return false;
        }
        if body.endpoints.is_some() {
            self.warming.insert(name, body);
            return true;
        }
        self.warming.remove(&name);
        self.active.insert(name, body);
        false
    }

    fn finish_warming(&mut self, endpoints: &str) {
        let done: Vec<_> = self
            .warming
            .iter()
            .filter(|(_, body)| body.endpoints.as_deref() == Some(endpoints))
            .map(|(name, _)| name.clone())
            .collect();
        for name in done {
            let body = self.warming.remove(&name).unwrap();
            self.active.insert(name, body);
        }
    }

    fn remove(&mut self, ty: ResourceType, name: &str) {
        match ty {
            Cluster => {
                self.active.remove(name);
                self.warming.remove(name);
            }
            // Envoy ignores that endpoints or a route are gone as long as something uses them.
            Endpoint | Route => {}
            Listener | Extension => {
                self.users.remove(&(ty, name.to_owned()));
            }
        }
    }

    /// What nothing points to any more is forgotten.
    fn drop_unwanted(&mut self) {
        let [endpoints, routes, extensions] =
            [Endpoint, Route, Extension].map(|ty| self.names(ty).unwrap());
        self.endpoints.retain(|name, _| endpoints.contains(name));
        self.users.retain(|(ty, name), _| match ty {
            Route => routes.contains(name),
            Extension => extensions.contains(name),
            _ => true,
        });
    }

    /// Nothing it has may send traffic to a cluster it does not have.
    pub fn check_routes(&self) {
        for ((ty, name), held) in &self.users {
            if self.strict || held.stream == self.stream {
                for cluster in &held.body.clusters {
                    assert!(
                        self.active.contains_key(cluster),
                        "{ty:?} {name} names {cluster}, which is not there"
                    );
                }
            }
        }
    }

    /// It has exactly what a snapshot says, as far as it asked.
    pub fn check_equals(&self, world: &World) {
        assert!(self.warming.is_empty(), "still warming: {:?}", self.warming);
        let mut has: BTreeMap<(ResourceType, String), &Body> = BTreeMap::new();
        has.extend(
            self.active
                .iter()
                .map(|(name, body)| ((Cluster, name.clone()), body)),
        );
        has.extend(
            self.endpoints
                .iter()
                .map(|(name, body)| ((Endpoint, name.clone()), body)),
        );
        has.extend(
            self.users
                .iter()
                .map(|(key, held)| (key.clone(), &held.body)),
        );
        let wanted = world
            .0
            .iter()
            .filter(|((ty, name), _)| self.wants(*ty, name));
        let wanted: BTreeMap<_, _> = wanted.map(|(key, body)| (key.clone(), body)).collect();
        assert_eq!(has, wanted);
    }
}
