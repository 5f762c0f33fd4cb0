//! Experiments as OpenFeature's flags: a context becomes a subject of the engine, and the engine's
//! decision an answer of the protocol. Pure. Here is the way through the plans that the proxies have;
//! which part of a request an attribute stands for is in `context`, what answers look like in
//! `answer`, and reading requests is the API's.

mod answer;
mod context;
mod subject;
#[cfg(test)]
mod tests;

pub use answer::{Answer, ErrorCode, Evaluated, Failed, Flags, Reason, Refused};
pub use context::{BadContext, Context};

use crate::model::lifecycle::State;
use crate::model::source::Source;
use crate::model::{Experiment, Key, Model};
use crate::resources;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use subject::{Given, Outcome, Subject};
use watershed_engine::{CompileError, Plan, Service, Verdict};
use watershed_proto::filter::v1::Reason as Why;

/// The plans of a model's fleets, ready to evaluate with.
#[derive(Debug)]
pub struct Evaluator {
    model: Arc<Model>,
    plans: BTreeMap<Key, Plan>,
}

/// What an evaluation takes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// A number that every `u64` is as likely to be as any other.
    pub chance: u64,
}

/// Where an experiment is evaluated: experiments that share it share a walk.
type Place<'a> = (&'a Key, &'a Key, &'a Source);

impl Evaluator {
    /// Compiles what the proxies of every fleet of `model` get.
    ///
    /// # Errors
    /// A configuration that is none: a fault of ours, since a model is checked before it is kept.
    pub fn compile(model: Arc<Model>) -> Result<Self, CompileError> {
        let plan = |fleet: &Key| {
            let config = resources::filter_config_of(&model, (fleet, None), None);
            Ok((fleet.clone(), Plan::compile(&config)?))
        };
        let plans: Result<_, CompileError> = model.fleets().into_iter().map(plan).collect();
        let plans = plans?;
        Ok(Self { model, plans })
    }

    /// The model that it is of.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// One flag.
    #[must_use]
    pub fn one(&self, key: &str, context: &Context, at: Moment) -> Answer {
        let Some(experiment) = self.model.experiments.get(key) else {
            let shown: String = key.escape_debug().take(64).collect();
            return Answer::Failed(Failed {
                key: key.to_owned(),
                error_code: ErrorCode::FlagNotFound,
                error_details: format!("there is no experiment `{shown}`"),
            });
        };
        let outcome = self
            .place(experiment)
            .and_then(|place| self.walk(place, context, at));
        self.answer(experiment, context, outcome.as_ref())
    }

    /// Every flag.
    #[must_use]
    pub fn all(&self, context: &Context, at: Moment) -> Flags {
        let mut walks: BTreeMap<Place<'_>, Option<Outcome<'_>>> = BTreeMap::new();
        let flags = self.model.experiments.values().map(|experiment| {
            let place = self.place(experiment);
            let outcome = place.and_then(|place| {
                let walk = walks.entry(place);
                walk.or_insert_with(|| self.walk(place, context, at))
                    .as_ref()
            });
            self.answer(experiment, context, outcome)
        });
        Flags {
            flags: flags.collect(),
        }
    }

    /// The experiment's first service, or any where it is in all, and the first fleet of that.
    fn place<'a>(&'a self, experiment: &'a Experiment) -> Option<Place<'a>> {
        let first = experiment.design.services.first();
        let service = match first {
            Some(key) => self.model.services.get(key),
            None => self.model.services.values().next(),
        }?;
        let fleet = service.design.fleets.first()?;
        let unit = experiment.design.unit.sources.first()?;
        Some((fleet, &service.key, unit))
    }

    fn walk(
        &self,
        (fleet, service, unit): Place<'_>,
        context: &Context,
        at: Moment,
    ) -> Option<Outcome<'_>> {
        let plan = self.plans.get(fleet)?;
        let is = |it: &&Service| it.key() == service.as_str();
        let service = plan.services().iter().find(is)?;
        let now_ms = at.now.as_millisecond();
        let subject = Subject::new(plan, context, unit, now_ms, at.chance);
        Some(subject.walk(plan, service, now_ms))
    }

    fn answer(
        &self,
        experiment: &Experiment,
        context: &Context,
        outcome: Option<&Outcome<'_>>,
    ) -> Answer {
        let key = experiment.key.as_str();
        let mut evaluated = Evaluated {
            key: key.to_owned(),
            value: None,
            reason: Reason::Default,
            variant: String::new(),
            metadata: BTreeMap::from([
                ("layer", experiment.design.layer.as_str().into()),
                ("revision", experiment.meta.revision.into()),
                ("state", experiment.state.to_string().into()),
            ]),
        };
        let verdict = match outcome {
            _ if self.is_off(experiment) => Verdict::Off,
            Some(outcome) => outcome.verdict(key, &experiment.design.unit.sources),
            None => Verdict::NotAllocated,
        };
        evaluated.metadata.insert("verdict", json!(verdict));
        match (verdict, outcome.and_then(|outcome| outcome.given(key))) {
            (Verdict::Off, _) => evaluated.reason = Reason::Disabled,
            (Verdict::NoUnit, _) => return no_unit(experiment, context),
            (_, Some(given)) => evaluated.give(experiment, given),
            (_, None) => {}
        }
        Answer::Evaluated(evaluated)
    }

    /// Whether nobody is assigned, whoever asks.
    fn is_off(&self, experiment: &Experiment) -> bool {
        let design = &experiment.design;
        let layer = self.model.layers.get(&design.layer);
        let switches = [
            design.disabled,
            layer.is_some_and(|layer| layer.design.disabled),
            self.model.settings().disabled,
        ];
        !experiment.state.is_served() || switches.contains(&true)
    }
}

impl Evaluated {
    fn give(&mut self, experiment: &Experiment, given: &Given<'_>) {
        let mut variants = experiment.design.variants.iter();
        let payload = variants.find(|variant| variant.key.as_str() == given.variant);
        let payload = payload.and_then(|variant| variant.payload.clone());
        self.value = Some(payload.unwrap_or_else(|| Value::from(given.variant)));
        given.variant.clone_into(&mut self.variant);
        self.reason = reason(experiment, given.why);
        let why = given.why.as_str_name().to_ascii_lowercase();
        self.metadata.insert("assignment", why.into());
    }
}

/// Why a variant was given, in OpenFeature's words.
fn reason(experiment: &Experiment, why: Why) -> Reason {
    let design = &experiment.design;
    match why {
        Why::RolledBack if experiment.state == State::Decided => Reason::Static,
        Why::RolledBack => Reason::Default,
        Why::Forced | Why::Inherited | Why::Stuck | Why::Model => Reason::TargetingMatch,
        Why::Unspecified | Why::Hashed | Why::Random | Why::Explored => {
            let is_split = design.variants.iter().filter(|it| it.weight > 0).count() > 1;
            match (is_split, &design.audience) {
                (true, _) => Reason::Split,
                (false, Some(_)) => Reason::TargetingMatch,
                (false, None) => Reason::Static,
            }
        }
    }
}

fn no_unit(experiment: &Experiment, context: &Context) -> Answer {
    let sources = experiment.design.unit.sources.iter();
    let sources: Vec<String> = sources.map(ToString::to_string).collect();
    let error_code = match context.targeting_key() {
        None => ErrorCode::TargetingKeyMissing,
        Some(_) => ErrorCode::InvalidContext,
    };
    Answer::Failed(Failed {
        key: experiment.key.to_string(),
        error_code,
        error_details: format!(
            "the context has no {}: give a targetingKey, or what stands for {}",
            experiment.design.unit.kind,
            sources.join(" or "),
        ),
    })
}
