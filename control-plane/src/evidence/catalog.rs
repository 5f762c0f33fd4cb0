//! What evidence has to know of the model. Pure.

use crate::model::Model;
use watershed_evidence::catalog::{Catalog, Variant};

/// The variants of all experiments, whatever state they are in: entries come when a request is over.
#[must_use]
pub fn of(model: &Model) -> Catalog {
    let mut catalog = Catalog::default();
    for (key, experiment) in &model.experiments {
        let variants = experiment.design.variants.iter();
        let variants = variants.map(|it| Variant {
            key: it.key.to_string(),
            cluster: it.cluster.as_ref().map(ToString::to_string),
            mirror: it.detours.mirrors.first().map(|it| it.cluster.to_string()),
        });
        catalog.insert(key.to_string(), variants.collect());
    }
    catalog
}
