//! Documents: the things of a model as they are shown to people and kept by the store, and how a
//! kept one is read back. A document is `{kind, key, revision, created_at, updated_at}` and a body:
//! the `spec`, and for an experiment its state and buckets.

use super::change::UNBORN;
use super::cluster::ClusterSpec;
use super::decision::Decision;
use super::entry::Entry;
use super::experiment_spec::ExperimentSpec;
use super::holdout::HoldoutSpec;
use super::layer::LayerSpec;
use super::lifecycle::State;
use super::metric::MetricSpec;
use super::placement::{Kept, Placement, PlacementError};
use super::secret::Secret;
use super::segment::SegmentSpec;
use super::service::ServiceSpec;
use super::settings::{self, SettingsDesign, SettingsSpec};
use super::{Experiment, ExperimentDesign, Faults, Key, Kind, Meta, Named, key};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;
use watershed_engine::{RangeError, Ranges};

/// An entry as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{B}Document")]
pub struct Document<B = Body> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub key: Key,
    /// The model's revision that last changed it; its ETag.
    pub revision: u64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The rest.
    #[serde(flatten)]
    pub body: B,
}

/// The part of a document that is not the same for every kind. It has no secrets.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// The settings'.
    Settings(SpecBody<SettingsSpec>),
    /// A cluster's.
    Cluster(SpecBody<ClusterSpec>),
    /// A segment's.
    Segment(Box<SpecBody<SegmentSpec>>),
    /// A service's.
    Service(SpecBody<ServiceSpec>),
    /// A layer's.
    Layer(SpecBody<LayerSpec>),
    /// A holdout's.
    Holdout(SpecBody<HoldoutSpec>),
    /// A metric's.
    Metric(Box<SpecBody<MetricSpec>>),
    /// An experiment's.
    Experiment(Box<ExperimentBody>),
}

/// A body that is only what people wrote, with defaults filled in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "{S}")]
pub struct SpecBody<S> {
    /// What people wrote.
    pub spec: S,
}

/// An experiment's body.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Experiment")]
pub struct ExperimentBody {
    /// What people wrote, with defaults filled in.
    pub spec: ExperimentSpec,
    /// Where it is in its life.
    pub state: State,
    /// The stage that `resume` leads to, where the state has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<State>,
    /// What was decided, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The buckets of the layer it owns, as `[first, last]` pairs.
    pub allocation: Vec<(u16, u16)>,
    /// Those of them that a canary has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Vec<(u16, u16)>>,
    /// The buckets of the variant hash that each variant owns.
    pub variants: Vec<VariantBody>,
}

/// The buckets of one variant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantBody {
    /// The variant.
    pub key: String,
    /// `[first, last]` pairs.
    pub buckets: Vec<(u16, u16)>,
}

/// Settings as the store keeps them: what is shown, and the secrets beside it.
#[derive(Serialize)]
struct KeptSettings<'a> {
    spec: SettingsSpec,
    secrets: BTreeMap<&'a str, &'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoredSettings {
    spec: SettingsSpec,
    #[serde(default)]
    secrets: BTreeMap<String, Secret>,
}

/// Why a kept document cannot be read back.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The name is not one.
    #[error(transparent)]
    Key(#[from] key::BadKey),
    /// The body is not JSON, or not of its kind's shape.
    #[error("the body cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The body's spec is not valid.
    #[error("the spec is not valid: {0}")]
    Invalid(#[from] Faults),
    /// The buckets are not sets of buckets.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The buckets do not fit the spec.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// State, stage and decision do not fit one another.
    #[error("the state cannot be: {0}")]
    Life(&'static str),
    /// There is one document of settings, and it has another name.
    #[error("settings are kept under `{}`", settings::KEY)]
    Settings,
}

impl Entry {
    /// What is shown of it beside name, revision and times.
    #[must_use]
    pub fn body(&self) -> Body {
        match self {
            Self::Settings(it) => Body::Settings(spec(&it.design)),
            Self::Cluster(it) => Body::Cluster(spec(&it.design)),
            Self::Segment(it) => Body::Segment(Box::new(spec(&it.design))),
            Self::Service(it) => Body::Service(spec(&it.design)),
            Self::Layer(it) => Body::Layer(spec(&it.design)),
            Self::Holdout(it) => Body::Holdout(spec(&it.design)),
            Self::Metric(it) => Body::Metric(Box::new(spec(&it.design))),
            Self::Experiment(it) => Body::Experiment(Box::new(ExperimentBody::from(&**it))),
        }
    }

    /// How it is shown.
    #[must_use]
    pub fn document(&self) -> Document {
        let meta = self.meta();
        Document {
            kind: self.kind(),
            key: self.key().clone(),
            revision: meta.revision,
            created_at: meta.created_at,
            updated_at: meta.updated_at,
            body: self.body(),
        }
    }

    /// The text that the store keeps: the body, and the secrets that it does not show.
    ///
    /// # Errors
    /// None in practice: every body is JSON.
    pub fn kept(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Settings(it) => serde_json::to_string(&KeptSettings {
                spec: (&it.design).into(),
                secrets: it.design.secrets(),
            }),
            other => serde_json::to_string(&other.body()),
        }
    }

    /// Reads a kept text back.
    ///
    /// # Errors
    /// [`RestoreError`] for whatever [`Entry::kept`] did not write.
    pub fn restore(kind: Kind, key: &str, meta: Meta, kept: &str) -> Result<Self, RestoreError> {
        let key = Key::try_new(key)?;
        let mut faults = Faults::default();
        Ok(match kind {
            Kind::Settings => Self::Settings(named(restored_key(key)?, meta, settings(kept)?)),
            Kind::Cluster => {
                let design = read::<ClusterSpec>(kept)?.validate(&mut faults);
                Self::Cluster(named(key, meta, faults.or(design)?))
            }
            Kind::Segment => {
                let design = read::<SegmentSpec>(kept)?.validate(&mut faults);
                Self::Segment(named(key, meta, faults.or(design)?))
            }
            Kind::Service => {
                let design = read::<ServiceSpec>(kept)?.validate(&mut faults);
                Self::Service(named(key, meta, faults.or(design)?))
            }
            Kind::Layer => {
                let design = read::<LayerSpec>(kept)?.validate(&key, &mut faults);
                Self::Layer(named(key, meta, faults.or(design)?))
            }
            Kind::Holdout => {
                let design = read::<HoldoutSpec>(kept)?.validate(&key, &mut faults);
                Self::Holdout(named(key, meta, faults.or(design)?))
            }
            Kind::Metric => {
                let design = read::<MetricSpec>(kept)?.validate(&key, &mut faults);
                Self::Metric(named(key, meta, faults.or(design)?))
            }
            Kind::Experiment => Self::Experiment(Arc::new(experiment(key, meta, kept)?)),
        })
    }
}

fn spec<'a, D, S: From<&'a D>>(design: &'a D) -> SpecBody<S> {
    SpecBody {
        spec: design.into(),
    }
}

fn read<S: for<'de> Deserialize<'de>>(kept: &str) -> Result<S, serde_json::Error> {
    serde_json::from_str::<SpecBody<S>>(kept).map(|body| body.spec)
}

fn restored_key(key: Key) -> Result<Key, RestoreError> {
    if key == *settings::KEY {
        Ok(key)
    } else {
        Err(RestoreError::Settings)
    }
}

fn settings(kept: &str) -> Result<SettingsDesign, RestoreError> {
    let RestoredSettings { spec, secrets } = serde_json::from_str(kept)?;
    let mut faults = Faults::default();
    let design = spec.with_secrets(secrets).validate(None, &mut faults);
    Ok(faults.or(design)?)
}

impl Entry {
    /// Settings that nobody has said; never in a model.
    #[must_use]
    pub fn unset_settings(key: Key) -> Self {
        Self::Settings(named(key, UNBORN, SettingsDesign::UNSET))
    }
}

/// A design under its name.
pub(super) fn named<D>(key: Key, meta: Meta, design: D) -> Arc<Named<D>> {
    Arc::new(Named { key, meta, design })
}

fn experiment(key: Key, meta: Meta, kept: &str) -> Result<Experiment, RestoreError> {
    let body: ExperimentBody = serde_json::from_str(kept)?;
    let mut faults = Faults::default();
    let design = body.spec.validate(&mut faults);
    let design = faults.or(design)?;
    let allocation = Ranges::try_new(body.allocation)?;
    let canary = body.canary.map(Ranges::try_new).transpose()?;
    let mut split = Vec::with_capacity(body.variants.len());
    for variant in body.variants {
        split.push((variant.key, Ranges::try_new(variant.buckets)?));
    }
    let kept = Kept {
        allocation,
        canary,
        split,
        freed: body.state == State::Archived,
    };
    let placement = Placement::restore(&design, kept)?;
    life(&design, &body.decision, (body.state, body.stage))?;
    Ok(Experiment {
        key,
        meta,
        design,
        state: body.state,
        stage: body.stage,
        decision: body.decision,
        placement,
    })
}

/// Stage and decision are what steps make of them.
fn life(
    design: &ExperimentDesign,
    decision: &Option<Decision>,
    (state, stage): (State, Option<State>),
) -> Result<(), RestoreError> {
    if stage.is_some_and(|stage| !stage.is_stage()) {
        return Err(RestoreError::Life("the stage is none"));
    }
    match decision {
        None if state == State::Decided => Err(RestoreError::Life("there is no decision")),
        Some(decision) if !design.has_variant(&decision.variant) => {
            Err(RestoreError::Life("the decided variant is not there"))
        }
        _ => Ok(()),
    }
}

impl From<&Experiment> for ExperimentBody {
    fn from(experiment: &Experiment) -> Self {
        let variant = |(key, ranges): &(String, Ranges)| VariantBody {
            key: key.clone(),
            buckets: ranges.iter().collect(),
        };
        Self {
            spec: (&experiment.design).into(),
            state: experiment.state,
            stage: experiment.stage,
            decision: experiment.decision.clone(),
            allocation: experiment.allocation().iter().collect(),
            canary: experiment.placement.canary().map(|it| it.iter().collect()),
            variants: experiment.placement.split().iter().map(variant).collect(),
        }
    }
}
