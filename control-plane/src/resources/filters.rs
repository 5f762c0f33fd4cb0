//! The filter's configuration as a resource, for a whole fleet and for each of its listeners. Where several
//! have the same services, as with the only listener of a fleet, it is made and checked once.

use super::Settings;
use super::extension::extension;
use super::filter_config::filter_config;
use super::service::Scope;
use super::wire;
use crate::model::{Key, Model};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use watershed_engine::{CompileError, Plan};
use watershed_proto::filter::v1::FilterConfig;
use watershed_xds::Resource;

/// The configurations of one fleet, or of one slice of it.
pub(super) struct Filters<'a> {
    model: &'a Model,
    slice: Option<&'a Key>,
    settings: &'a Settings,
    /// By services, in their order.
    made: BTreeMap<Vec<&'a Key>, FilterConfig>,
}

impl<'a> Filters<'a> {
    /// None yet.
    pub(super) fn new(model: &'a Model, slice: Option<&'a Key>, settings: &'a Settings) -> Self {
        Self {
            model,
            slice,
            settings,
            made: BTreeMap::new(),
        }
    }

    /// The resource `name`, with the configuration for the services of `scopes`.
    ///
    /// # Errors
    /// What the filter would say.
    pub(super) fn filter(
        &mut self,
        name: &str,
        scopes: &[&Scope<'a>],
    ) -> Result<Resource, CompileError> {
        let services = scopes.iter().map(|scope| scope.key).collect();
        let config = match self.made.entry(services) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => {
                let config = filter_config(self.model, scopes, self.slice);
                Plan::compile(&config)?;
                free.insert(config)
            }
        };
        let body = wire::any(&extension(name, &self.settings.wasm_path, config));
        Ok(Resource::new(name, body, chosen(config)))
    }
}

/// The clusters that the filter may choose.
fn chosen(config: &FilterConfig) -> BTreeSet<String> {
    let experiments = config.experiments.iter();
    let variants = experiments.flat_map(|experiment| &experiment.variants);
    let services = config.services.iter();
    let rules = services.flat_map(|service| &service.routing_rules);
    variants
        .map(|variant| &variant.cluster)
        .chain(rules.map(|rule| &rule.cluster))
        .filter(|cluster| !cluster.is_empty())
        .cloned()
        .collect()
}
