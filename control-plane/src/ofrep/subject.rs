//! A context as a subject of the engine, and what its walk came to.

use super::context::Context;
use crate::model::attribute::Attribute as Modelled;
use crate::model::source::Source;
use std::borrow::Cow;
use std::collections::BTreeMap;
use watershed_engine::{
    Attribute, AttributeId, Force, Pin, PinnedBy, Plan, Service, Step, Subject as Asked, Verdict,
    Visitor,
};
use watershed_proto::filter::v1::Reason;

/// What a plan asks, answered beforehand.
pub(super) struct Subject<'c> {
    values: Vec<Option<Cow<'c, [u8]>>>,
    pins: Vec<Pin>,
    chance: u64,
}

impl<'c> Subject<'c> {
    /// The context with its targeting key at `unit`.
    pub(super) fn new(
        plan: &Plan,
        context: &'c Context,
        unit: &Source,
        now_ms: i64,
        chance: u64,
    ) -> Self {
        let key = context.targeting_key();
        let value = |attribute: &Attribute| match key {
            Some(key) if is(unit, attribute) => Some(Cow::Borrowed(key.as_bytes())),
            _ => context.read(attribute, now_ms),
        };
        Self {
            values: plan.attributes().iter().map(value).collect(),
            pins: forced(plan, context, now_ms),
            chance,
        }
    }

    pub(super) fn walk<'p>(&self, plan: &'p Plan, service: &Service, now_ms: i64) -> Outcome<'p> {
        let mut verdicts = Verdicts::default();
        // The service is one of the plan's; what is kept of a decision is the plan's too.
        let service = plan.services().iter().find(|it| it.key() == service.key());
        let mut given = BTreeMap::new();
        if let Some(service) = service {
            for decision in plan.assign(service, self, now_ms, &mut verdicts) {
                let variant = decision.variant.key();
                let why = decision.reason;
                given.insert(decision.experiment.key(), Given { variant, why });
            }
        }
        let has = |attribute: &&Attribute| {
            let place = plan.attributes().iter().position(|it| it == *attribute);
            let value = place.and_then(|place| self.values.get(place)?.as_deref());
            value.is_some_and(|value| !value.is_empty())
        };
        Outcome {
            given,
            verdicts: verdicts.0,
            present: plan.attributes().iter().filter(has).collect(),
        }
    }
}

impl Asked for Subject<'_> {
    fn get(&self, attribute: AttributeId) -> Option<&[u8]> {
        self.values.get(attribute.index())?.as_deref()
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

/// The variants that force tokens of the context are for; what is no good token is no token.
fn forced(plan: &Plan, context: &Context, now_ms: i64) -> Vec<Pin> {
    let places = plan.force();
    let header = places.header.as_deref();
    let query = places.query.as_deref();
    let cookie = places.cookie.as_deref();
    let values = [
        header.and_then(|name| context.header(name)),
        query.and_then(|name| context.named("query", name)),
        cookie.and_then(|name| context.named("cookies", name)),
    ];
    let mut pins = Vec::new();
    for value in values.iter().flatten() {
        for token in value.split(|byte| *byte == b',') {
            let force = Force::open(token.trim_ascii(), plan.keys(), now_ms).ok();
            let pin = |force: Force| plan.pin(&force.experiment, &force.variant, PinnedBy::Forced);
            pins.extend(force.and_then(pin));
        }
    }
    pins
}

/// What a walk came to, by the experiments' keys.
pub(super) struct Outcome<'p> {
    given: BTreeMap<&'p str, Given<'p>>,
    verdicts: BTreeMap<String, Verdict>,
    /// The attributes that have a value.
    present: Vec<&'p Attribute>,
}

/// A variant that was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'p> {
    pub(super) variant: &'p str,
    pub(super) why: Reason,
}

impl<'p> Outcome<'p> {
    pub(super) fn given(&self, experiment: &str) -> Option<&Given<'p>> {
        self.given.get(experiment)
    }

    /// What became of an experiment that reads its unit at `sources`. The walk turns only to those
    /// whose buckets the unit is in.
    pub(super) fn verdict(&self, experiment: &str, sources: &[Source]) -> Verdict {
        let has_unit = || {
            let mut present = self.present.iter();
            present.any(|attribute| sources.iter().any(|source| is(source, attribute)))
        };
        if self.given.contains_key(experiment) {
            return Verdict::Assigned;
        }
        match self.verdicts.get(experiment) {
            // It would have been given, but the layer gave another.
            Some(Verdict::Assigned) => Verdict::Displaced,
            Some(verdict) => *verdict,
            None if has_unit() => Verdict::NotAllocated,
            None => Verdict::NoUnit,
        }
    }
}

#[derive(Default)]
struct Verdicts(BTreeMap<String, Verdict>);

impl Visitor for Verdicts {
    const THOROUGH: bool = false;

    fn visit(&mut self, step: Step<'_, '_>) {
        if let Step::Verdict {
            experiment,
            verdict,
        } = step
        {
            self.0.insert(experiment.key().to_owned(), verdict);
        }
    }
}

/// Whether a source of the model is this attribute of the engine.
fn is(source: &Source, attribute: &Attribute) -> bool {
    match (source, attribute) {
        (Source::Request, Attribute::Request) => true,
        (Source::Generated(ours), Attribute::Generated(theirs)) => *ours.cookie == *theirs.cookie,
        (Source::Attribute(ours), theirs) => match (ours, theirs) {
            (Modelled::Header(ours), Attribute::Header(theirs))
            | (Modelled::Cookie(ours), Attribute::Cookie(theirs))
            | (Modelled::Query(ours), Attribute::Query(theirs)) => **ours == **theirs,
            (Modelled::JwtClaim(claim), Attribute::JwtClaim { provider, path }) => {
                *claim.provider == **provider && claim.path.iter().eq(path.iter().map(|it| &**it))
            }
            (Modelled::Body(ours), Attribute::Body(theirs)) => *ours == theirs.to_string(),
            (Modelled::SourceAddress, Attribute::SourceAddress) => true,
            _ => false,
        },
        _ => false,
    }
}
