//! What the schema can say and this build does not do: refused by name, never ignored.

use super::fault::{At, CompileError, EntryKind, Fault};
use watershed_proto::filter::v1::{Experiment, FilterConfig, Layer, Service, Trust};

pub(super) fn unsupported(what: &'static str) -> Fault {
    Fault::Unsupported { what }
}

/// Refuses the first entry that asks for something this build does not do.
pub(super) fn refuse(config: &FilterConfig) -> Result<(), CompileError> {
    let asked = [
        ("trust", config.trust == i32::from(Trust::Mesh)),
        ("segments", !config.segments.is_empty()),
        ("holdouts", !config.holdouts.is_empty()),
        ("disabled", config.disabled),
        ("signing_keys", !config.signing_keys.is_empty()),
        ("force", config.force.is_some()),
        ("body_limit_bytes", config.body_limit_bytes != 0),
    ];
    first(At::config(), &asked)?;
    for (index, service) in config.services.iter().enumerate() {
        refuse_service(At::new(EntryKind::Service, index, &service.key), service)?;
    }
    for (index, layer) in config.layers.iter().enumerate() {
        refuse_layer(At::new(EntryKind::Layer, index, &layer.key), layer)?;
    }
    for (index, experiment) in config.experiments.iter().enumerate() {
        let at = At::new(EntryKind::Experiment, index, &experiment.key);
        refuse_experiment(at, experiment)?;
    }
    Ok(())
}

fn refuse_service(at: At<'_>, spec: &Service) -> Result<(), CompileError> {
    first(at, &[("routing_rules", !spec.routing_rules.is_empty())])
}

fn refuse_layer(at: At<'_>, spec: &Layer) -> Result<(), CompileError> {
    first(
        at,
        &[("buckets", spec.buckets != 0), ("disabled", spec.disabled)],
    )
}

fn refuse_experiment(at: At<'_>, spec: &Experiment) -> Result<(), CompileError> {
    let extra = spec.variants.iter().any(|variant| {
        !variant.request_headers.is_empty()
            || !variant.response_headers.is_empty()
            || !variant.baggage.is_empty()
    });
    let asked = [
        ("disabled", spec.disabled),
        ("hash", spec.hash > 1),
        ("buckets", spec.buckets != 0),
        ("requires", !spec.requires.is_empty()),
        ("strategy", spec.strategy.is_some()),
        ("sticky", spec.sticky.is_some()),
        ("variants", extra),
    ];
    first(at, &asked)
}

fn first(at: At<'_>, asked: &[(&'static str, bool)]) -> Result<(), CompileError> {
    match asked.iter().find(|(_, is_asked)| *is_asked) {
        Some((what, _)) => Err(at.fault(what, unsupported(what))),
        None => Ok(()),
    }
}
