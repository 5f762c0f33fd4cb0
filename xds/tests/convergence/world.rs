//! Small random snapshots and the text that stands for a resource's body. What a proxy does with them is in
//! `envoy`.

use std::{collections::BTreeMap, fmt};

use envoy_types::pb::google::protobuf::Any;
use proptest::prelude::*;
use watershed_xds::{
    Resource,
    ResourceType::{self, Cluster, Endpoint, Extension, Listener, Route},
    Snapshot,
};

/// What a body says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    pub name: String,
    revision: u8,
    pub bad: bool,
    pub endpoints: Option<String>,
    pub clusters: Vec<String>,
    pub routes: Vec<String>,
    pub extensions: Vec<String>,
}

/// `c0@1 needs e0`, `r0@2 BAD names c0,c1`: short, because failures print many.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)?;
        if self.bad {
            write!(f, " BAD")?;
        }
        if let Some(endpoints) = &self.endpoints {
            write!(f, " needs {endpoints}")?;
        }
        let lists = [
            ("names", &self.clusters),
            ("routes", &self.routes),
            ("extensions", &self.extensions),
        ];
        for (word, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, " {word} {}", list.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self
            .0
            .iter()
            .map(|((ty, _), body)| format!("{ty:?} {body:?}"));
        write!(f, "[{}]", resources.collect::<Vec<_>>().join("; "))
    }
}

impl Body {
    fn pack(&self, ty: ResourceType) -> Any {
        let Self {
            name,
            revision,
            bad,
            endpoints,
            clusters,
            routes,
            extensions,
        } = self;
        let endpoints = endpoints.as_deref().unwrap_or_default();
        let lists = [clusters, routes, extensions].map(|list| list.join(","));
        let [clusters, routes, extensions] = lists;
        Any {
            type_url: ty.type_url().to_owned(),
            value: format!("{name};{revision};{bad};{endpoints};{clusters};{routes};{extensions}")
                .into(),
        }
    }

    pub fn unpack(any: &Any) -> Self {
        let text = std::str::from_utf8(&any.value).unwrap();
        let fields: Vec<&str> = text.split(';').collect();
        let list = |text: &str| {
            text.split(',')
                .filter(|it| !it.is_empty())
                .map(String::from)
                .collect()
        };
        Self {
            name: fields[0].to_owned(),
            revision: fields[1].parse().unwrap(),
            bad: fields[2] == "true",
            endpoints: (!fields[3].is_empty()).then(|| fields[3].to_owned()),
            clusters: list(fields[4]),
            routes: list(fields[5]),
            extensions: list(fields[6]),
        }
    }
}

/// The bodies of one snapshot, by type and name.
#[derive(Clone, Default)]
pub struct World(pub BTreeMap<(ResourceType, String), Body>);

impl World {
    pub fn snapshot(&self, previous: Option<&Snapshot>) -> Snapshot {
        let mut builder = Snapshot::builder();
        if let Some(previous) = previous {
            builder.reusing(previous);
        }
        for ((ty, name), body) in &self.0 {
            let mut resource = Resource::new(name.as_str(), body.pack(*ty), body.clusters.clone());
            if let Some(endpoints) = &body.endpoints {
                resource = resource.with_endpoints(endpoints.as_str());
            }
            builder.add(*ty, resource);
        }
        builder.build()
    }

    fn add(&mut self, ty: ResourceType, body: Body) {
        self.0.insert((ty, body.name.clone()), body);
    }

    fn names(&self, ty: ResourceType, mask: u8) -> Vec<String> {
        let all = self.0.keys().filter(|(it, _)| *it == ty).enumerate();
        let chosen = all.filter(|(index, _)| mask & (1 << index) != 0);
        chosen.map(|(_, (_, name))| name.clone()).collect()
    }
}

/// The random numbers that one resource is made of.
#[derive(Clone, Debug)]
struct Seed {
    present: bool,
    revision: u8,
    bad: bool,
    endpoints: u8,
    masks: [u8; 3],
}

fn seed(bad: f64) -> impl Strategy<Value = Seed> {
    let parts = (
        prop::bool::weighted(0.7),
        0..3_u8,
        prop::bool::weighted(bad),
        0..4_u8,
        prop::array::uniform3(prop::num::u8::ANY),
    );
    parts.prop_map(|(present, revision, bad, endpoints, masks)| Seed {
        present,
        revision,
        bad,
        endpoints,
        masks,
    })
}

fn seeds(count: usize, bad: f64) -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec(seed(bad), count)
}

/// A consistent snapshot; some of its resources may be such that a proxy refuses them.
pub fn any() -> impl Strategy<Value = World> {
    prop_oneof![2 => world(0.0), 1 => world(0.15)]
}

/// A consistent snapshot that a proxy accepts.
pub fn good() -> impl Strategy<Value = World> {
    world(0.0)
}

fn world(bad: f64) -> impl Strategy<Value = World> {
    let parts = (
        seeds(4, bad),
        seeds(5, 0.0),
        seeds(2, bad),
        seeds(2, bad),
        seeds(2, bad),
    );
    parts.prop_map(|(clusters, endpoints, routes, extensions, listeners)| {
        let mut world = World::default();
        for (index, seed) in present(&clusters) {
            world.add(Cluster, cluster(index, seed));
        }
        let needed: Vec<_> = world
            .0
            .values()
            .filter_map(|body| body.endpoints.clone())
            .collect();
        for (name, seed) in needed.iter().zip(endpoints.iter().cycle()) {
            world.add(
                Endpoint,
                Body {
                    name: name.clone(),
                    revision: seed.revision,
                    ..Body::default()
                },
            );
        }
        for (ty, prefix, seeds) in [(Route, 'r', &routes), (Extension, 'x', &extensions)] {
            for (index, seed) in present(seeds) {
                let clusters = world.names(Cluster, seed.masks[0]);
                let name = format!("{prefix}{index}");
                let body = Body {
                    name,
                    revision: seed.revision,
                    bad: seed.bad,
                    clusters,
                    ..Body::default()
                };
                world.add(ty, body);
            }
        }
        for (index, seed) in present(&listeners) {
            let listener = Body {
                name: format!("l{index}"),
                revision: seed.revision,
                bad: seed.bad,
                endpoints: None,
                clusters: world.names(Cluster, seed.masks[0] & seed.masks[1]),
                routes: world.names(Route, seed.masks[1]),
                extensions: world.names(Extension, seed.masks[2]),
            };
            world.add(Listener, listener);
        }
        world
    })
}

fn present(seeds: &[Seed]) -> impl Iterator<Item = (usize, &Seed)> {
    seeds.iter().enumerate().filter(|(_, seed)| seed.present)
}

fn cluster(index: usize, seed: &Seed) -> Body {
    let endpoints = match seed.endpoints {
        0 => None,
        1 => Some("shared".to_owned()),
        _ => Some(format!("e{index}")),
    };
    Body {
        name: format!("c{index}"),
        revision: seed.revision,
        bad: seed.bad,
        endpoints,
        ..Body::default()
    }
}
