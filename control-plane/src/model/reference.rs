//! References: which things of a model name which others, and what is said where the other is not
//! there.

use super::audience::Rule;
use super::entry::Entry;
use super::experiment_spec::ExperimentSpec;
use super::fault::Faults;
use super::holdout::HoldoutSpec;
use super::key::Key;
use super::lifecycle::State;
use super::segment::SegmentSpec;
use super::service::ServiceSpec;
use super::{Experiment, ExperimentDesign, Kind, Model, builtin_metric};

/// Notes a fault for each name in a service that is not in the model.
pub(super) fn of_service(model: &Model, spec: &ServiceSpec, faults: &mut Faults) {
    exists(
        model,
        Kind::Cluster,
        &spec.default_cluster,
        "/default_cluster",
        faults,
    );
    for (index, rule) in spec.routing_rules.iter().enumerate() {
        let at = format!("/routing_rules/{index}");
        let mut segments = Vec::new();
        rule.when.segments(&format!("{at}/when"), &mut segments);
        all_exist(model, segments, faults);
        exists(
            model,
            Kind::Cluster,
            &rule.cluster,
            &format!("{at}/cluster"),
            faults,
        );
    }
}

/// Notes a fault for each name in a segment that is not in the model.
pub(super) fn of_segment(model: &Model, key: &Key, spec: &SegmentSpec, faults: &mut Faults) {
    let mut segments = Vec::new();
    spec.rule.segments("/rule", &mut segments);
    // What names itself is a cycle, and said to be one.
    segments.retain(|(_, name)| *name != key.as_str());
    all_exist(model, segments, faults);
}

/// Notes a fault for each name in a holdout that is not in the model.
pub(super) fn of_holdout(model: &Model, spec: &HoldoutSpec, faults: &mut Faults) {
    if let Some(layer) = &spec.layer {
        exists(model, Kind::Layer, layer, "/layer", faults);
    }
}

/// Notes a fault for each name in an experiment that is not in the model.
pub(super) fn of_experiment(model: &Model, key: &Key, spec: &ExperimentSpec, faults: &mut Faults) {
    exists(model, Kind::Layer, &spec.layer, "/layer", faults);
    for (index, service) in spec.services.iter().enumerate() {
        exists(
            model,
            Kind::Service,
            service,
            &format!("/services/{index}"),
            faults,
        );
    }
    for (at, rule) in [("/audience", &spec.audience), ("/internal", &spec.internal)] {
        let mut segments = Vec::new();
        if let Some(rule) = rule {
            rule.segments(at, &mut segments);
        }
        all_exist(model, segments, faults);
    }
    for (index, variant) in spec.variants.iter().enumerate() {
        if let Some(cluster) = &variant.cluster {
            let at = format!("/variants/{index}/cluster");
            exists(model, Kind::Cluster, cluster, &at, faults);
        }
        for (place, mirror) in variant.mirrors.iter().enumerate() {
            let at = format!("/variants/{index}/mirrors/{place}/cluster");
            exists(model, Kind::Cluster, &mirror.cluster, &at, faults);
        }
        if let Some(fallback) = &variant.fallback {
            let at = format!("/variants/{index}/fallback/cluster");
            exists(model, Kind::Cluster, &fallback.cluster, &at, faults);
        }
    }
    for (index, requirement) in spec.requires.iter().enumerate() {
        let name = requirement.experiment.as_str();
        if name == key.as_str() {
            continue; // a cycle, and said to be one
        }
        let at = format!("/requires/{index}");
        exists(
            model,
            Kind::Experiment,
            name,
            &format!("{at}/experiment"),
            faults,
        );
        if let Some(required) = model.experiments.get(name) {
            variants_exist(
                required,
                &requirement.variants,
                &format!("{at}/variants"),
                faults,
            );
        }
    }
}

/// Notes a fault for each metric that is none. What the experiment named before there were metrics to
/// name, it may go on to name: results then say that nothing is known of it.
pub(super) fn metrics(
    model: &Model,
    current: Option<&Experiment>,
    spec: &ExperimentSpec,
    faults: &mut Faults,
) {
    let primary = spec.primary_metric.iter();
    let primary = primary.map(|name| ("/primary_metric".to_owned(), name));
    let guardrails = spec.guardrails.iter().enumerate();
    let guardrails = guardrails.map(|(index, name)| (format!("/guardrails/{index}"), name));
    for (at, name) in primary.chain(guardrails) {
        let Ok(key) = Key::try_new(name) else {
            continue; // said by validation
        };
        let named_before = current.is_some_and(|it| it.design.metrics().any(|is| *is == key));
        if named_before || model.metric(&key).is_some() {
            continue;
        }
        let put: Vec<&str> = model.names(Kind::Metric).into_iter().take(10).collect();
        let known = [put.as_slice(), &builtin_metric::KEYS].concat().join(", ");
        let expected = format!("a metric that was put, or one that every experiment has: {known}");
        faults.add(at, format!("there is no metric `{name}`"), expected);
    }
}

fn variants_exist(required: &Experiment, names: &[String], at: &str, faults: &mut Faults) {
    let variants = &required.design.variants;
    let known: Vec<&str> = variants
        .iter()
        .map(|variant| variant.key.as_str())
        .collect();
    for (index, name) in names.iter().enumerate() {
        if !known.contains(&name.as_str()) && Key::try_new(name).is_ok() {
            let message = format!("experiment `{}` has no variant `{name}`", required.key);
            let expected = format!("one of {}", known.join(", "));
            faults.add(format!("{at}/{index}"), message, expected);
        }
    }
}

fn all_exist(model: &Model, segments: Vec<(String, &str)>, faults: &mut Faults) {
    for (at, name) in segments {
        exists(model, Kind::Segment, name, &at, faults);
    }
}

fn exists(model: &Model, kind: Kind, name: &str, at: &str, faults: &mut Faults) {
    // What is no key at all is said by validation.
    if model.has(kind, name) || Key::try_new(name).is_err() {
        return;
    }
    let known = model.names(kind);
    let some: Vec<&str> = known.iter().copied().take(10).collect();
    let article = match kind {
        Kind::Experiment => "an",
        _ => "a",
    };
    let expected = match (some.is_empty(), known.len() > some.len()) {
        (true, _) => format!("{article} {kind} that exists; there is none yet"),
        (false, true) => format!("{article} {kind} that exists, as {}, …", some.join(", ")),
        (false, false) => format!("{article} {kind} that exists: {}", some.join(", ")),
    };
    faults.add(at, format!("there is no {kind} `{name}`"), expected);
}

/// What an entry names, with repetitions. An experiment that is over is a record: it keeps nothing
/// from going.
fn named(entry: &Entry) -> Vec<(Kind, &Key)> {
    let of = |kind| move |key| (kind, key);
    match entry {
        Entry::Settings(_) | Entry::Cluster(_) | Entry::Layer(_) | Entry::Metric(_) => Vec::new(),
        Entry::Segment(it) => {
            let segments = it.design.rule.segments().into_iter();
            segments.map(of(Kind::Segment)).collect()
        }
        Entry::Service(it) => {
            let rules = it.design.routing_rules.iter();
            let segments = rules.flat_map(|rule| rule.when.segments());
            let clusters = it.design.clusters().map(of(Kind::Cluster));
            clusters.chain(segments.map(of(Kind::Segment))).collect()
        }
        Entry::Holdout(it) => it.design.layer.iter().map(of(Kind::Layer)).collect(),
        Entry::Experiment(it) if it.state == State::Archived => Vec::new(),
        Entry::Experiment(it) => {
            let design = &it.design;
            let segments = design.rules().flat_map(Rule::segments);
            let required = design.requires.iter().map(|r| &r.experiment);
            [(Kind::Layer, &design.layer)]
                .into_iter()
                .chain(design.services.iter().map(of(Kind::Service)))
                .chain(segments.map(of(Kind::Segment)))
                .chain(design.clusters().map(of(Kind::Cluster)))
                .chain(design.detour_clusters().map(of(Kind::Cluster)))
                .chain(required.map(of(Kind::Experiment)))
                .chain(design.metrics().map(of(Kind::Metric)))
                .collect()
        }
    }
}

/// Who uses the thing of that kind and name, as `service chat`, `experiment chat-model`, …
pub(super) fn users(model: &Model, kind: Kind, key: &Key) -> Vec<String> {
    let entries = Kind::ALL.into_iter().flat_map(|kind| model.entries(kind));
    entries
        .filter(|entry| named(entry).contains(&(kind, key)))
        .filter(|entry| (entry.kind(), entry.key()) != (kind, key))
        .map(|entry| format!("{} `{}`", entry.kind(), entry.key()))
        .collect()
}

/// The first entry that names what is not there, with the faults that it has.
pub(super) fn dangling(model: &Model) -> Option<(Entry, Faults)> {
    let entries = Kind::ALL.into_iter().flat_map(|kind| model.entries(kind));
    let mut wanting = entries.filter(|entry| !is_complete(model, entry));
    wanting.next().map(|entry| {
        let mut faults = Faults::default();
        match &entry {
            Entry::Settings(_) | Entry::Cluster(_) | Entry::Layer(_) | Entry::Metric(_) => {}
            Entry::Segment(it) => of_segment(model, &it.key, &(&it.design).into(), &mut faults),
            Entry::Service(it) => of_service(model, &(&it.design).into(), &mut faults),
            Entry::Holdout(it) => of_holdout(model, &(&it.design).into(), &mut faults),
            Entry::Experiment(it) => {
                of_experiment(model, &it.key, &(&it.design).into(), &mut faults);
            }
        }
        (entry, faults)
    })
}

fn is_complete(model: &Model, entry: &Entry) -> bool {
    // A metric may be one that every experiment has, or none at all: see `metrics`.
    let there =
        |(kind, key): &(Kind, &Key)| *kind == Kind::Metric || model.has(*kind, key.as_str());
    let variants = match entry {
        Entry::Experiment(it) if it.state == State::Archived => true,
        Entry::Experiment(it) => requires_known_variants(model, &it.design),
        _ => true,
    };
    variants && named(entry).iter().all(there)
}

fn requires_known_variants(model: &Model, design: &ExperimentDesign) -> bool {
    design.requires.iter().all(|requirement| {
        let required = model.experiments.get(&requirement.experiment);
        required.is_some_and(|required| {
            let mut names = requirement.variants.iter();
            names.all(|name| required.design.variants.iter().any(|v| v.key == *name))
        })
    })
}
