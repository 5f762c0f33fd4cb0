//! Small resources for the unit tests of this crate.

use envoy_types::pb::google::protobuf::Any;

use crate::{Resource, ResourceType, Snapshot};

pub(crate) type Typed = (ResourceType, Resource);

fn resource(ty: ResourceType, name: &str, revision: u32, references: &[&str]) -> Typed {
    let body = Any {
        type_url: ty.type_url().to_owned(),
        value: format!("{name}@{revision}").into(),
    };
    (
        ty,
        Resource::new(name, body, references.iter().map(ToString::to_string)),
    )
}

pub(crate) fn cluster(name: &str, revision: u32) -> Typed {
    resource(ResourceType::Cluster, name, revision, &[])
}

pub(crate) fn eds_cluster(name: &str, revision: u32) -> Typed {
    let (ty, cluster) = cluster(name, revision);
    (ty, cluster.with_endpoints(name))
}

pub(crate) fn endpoints(name: &str, revision: u32) -> Typed {
    resource(ResourceType::Endpoint, name, revision, &[])
}

pub(crate) fn listener(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Listener, name, revision, references)
}

pub(crate) fn route(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Route, name, revision, references)
}

pub(crate) fn extension(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Extension, name, revision, references)
}

pub(crate) fn snapshot(resources: impl IntoIterator<Item = Typed>) -> Snapshot {
    let mut builder = Snapshot::builder();
    for (ty, resource) in resources {
        builder.add(ty, resource);
    }
    builder.build()
}
