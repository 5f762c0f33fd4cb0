//! The way through a service's layers, one by one. What lives here: looking ahead at up to [`LANES`]
//! layers, whose hashes are computed side by side. What does not: what one layer gives (see
//! [`walk`](super)), which comes out the same whether or not it was looked at ahead.

use super::Walk;
use crate::assign::{Decision, Visitor};
use crate::attribute::Subject;
use crate::bucketer::of_ten_thousand;
use crate::experiment::Experiment;
use crate::hash::State;
use crate::hash::lanes::{Blocks, LANES, Lanes, States, each};
use crate::plan::{Plan, UnitId};
use crate::scope::Scope;

/// From so many on, hashes side by side cost less than one after the other.
const WORTH_IT: usize = 2;

/// The layers that a request has still to go through.
pub(super) struct Layers<'p, 's, 'v, S, V> {
    walk: Walk<'p, 's, 'v, S, V>,
    /// What is left of the service's scopes.
    scopes: &'p [Scope],
    /// What is left of [`Service::abreast`](crate::service::Service).
    abreast: &'p [Option<States>],
    /// The place of the next scope in what was seen ahead.
    lane: usize,
    ahead: Option<Ahead<'p, 's>>,
    /// Whose blocks these are.
    blocks_of: Option<UnitId>,
    /// The unit's blocks, where it is worth it.
    blocks: Option<Blocks>,
}

/// What is known of layers before they are walked.
struct Ahead<'p, 's> {
    unit: &'s [u8],
    buckets: Lanes<u16>,
    owners: Lanes<Option<&'p Experiment>>,
    /// The unit's buckets among the owners' variants, for those owners that have a
    /// [`Experiment::plain_state`].
    variant_buckets: Option<Lanes<u16>>,
}

impl<'p, 's, 'v, S: Subject, V: Visitor> Layers<'p, 's, 'v, S, V> {
    #[inline]
    pub(crate) fn new(walk: Walk<'p, 's, 'v, S, V>) -> Self {
        let service = walk.service;
        // What a request brings along is looked at first, and whoever watches all looks at all.
        let is_straight = !V::THOROUGH && walk.pins.is_empty();
        Self {
            walk,
            scopes: &service.scopes,
            abreast: if is_straight { &service.abreast } else { &[] },
            lane: LANES,
            ahead: None,
            blocks_of: None,
            blocks: None,
        }
    }

    #[inline(always)]
    fn look_ahead(&mut self) {
        let Some((states, rest)) = self.abreast.split_first() else {
            return;
        };
        self.lane = 0;
        self.abreast = rest;
        self.ahead = None;
        if let (Some(states), Some(scope)) = (states, self.scopes.first())
            && let Some(unit) = self.walk.unit(scope.unit)
        {
            if self.blocks_of != Some(scope.unit) {
                self.blocks_of = Some(scope.unit);
                self.blocks = Blocks::new(unit);
            }
            if let Some(blocks) = &self.blocks {
                self.ahead = Some(foresee(self.walk.plan, self.scopes, unit, blocks, states));
            }
        }
    }

    /// As [`Walk::scope`], without computing again what is known.
    #[inline(always)]
    fn lane(&mut self, scope: &'p Scope) -> Option<Decision<'p, 's>> {
        let Some(ahead) = &self.ahead else {
            return self.walk.scope(scope);
        };
        let owner = (*ahead.owners.get(self.lane)?)?;
        let bucket = *ahead.buckets.get(self.lane)?;
        let variant_bucket = match &ahead.variant_buckets {
            Some(buckets) => buckets.get(self.lane).copied(),
            None => None,
        };
        self.walk.owner(owner, ahead.unit, bucket, variant_bucket)
    }
}

impl<'p, 's, S: Subject, V: Visitor> Iterator for Layers<'p, 's, '_, S, V> {
    type Item = Decision<'p, 's>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while let Some((scope, rest)) = self.scopes.split_first() {
            if self.lane >= LANES {
                self.look_ahead();
            }
            let given = self.lane(scope);
            self.lane = self.lane.wrapping_add(1);
            self.scopes = rest;
            if given.is_some() {
                return given;
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.scopes.len()))
    }
}

/// Looks ahead at the layers of the first scopes, whose salts have been absorbed in `states`.
#[inline(never)]
fn foresee<'p, 's>(
    plan: &'p Plan,
    scopes: &[Scope],
    unit: &'s [u8],
    blocks: &Blocks,
    states: &States,
) -> Ahead<'p, 's> {
    let buckets = blocks.finish(states).map(of_ten_thousand);
    let owners = each(buckets, places(), |bucket, lane| {
        plan.at(scopes.get(lane)?.experiment(bucket)?)
    });
    let mut salted = 0;
    let states = owners.map(|owner| match owner.and_then(Experiment::plain_state) {
        Some(state) => {
            salted = usize::wrapping_add(salted, 1);
            *state
        }
        None => State::new(0),
    });
    let variant_buckets =
        (salted >= WORTH_IT).then(|| blocks.finish(&states.into()).map(of_ten_thousand));
    Ahead {
        unit,
        buckets,
        owners,
        variant_buckets,
    }
}

/// The states of layers' salts in groups of [`LANES`], in the order of the scopes; `None` for a group
/// that has no use for them, because it is one layer, has another hash in it, or another unit.
pub(crate) fn abreast(
    scopes: &[Scope],
    salted: impl Fn(&Scope) -> Option<State>,
) -> Box<[Option<States>]> {
    let group = |scopes: &[Scope]| {
        let unit = scopes.first()?.unit;
        if scopes.len() < WORTH_IT || scopes.iter().any(|scope| scope.unit != unit) {
            return None;
        }
        let mut states = [State::new(0); LANES];
        for (state, scope) in states.iter_mut().zip(scopes) {
            *state = salted(scope)?;
        }
        Some(States::from(states))
    };
    let groups: Box<[_]> = scopes.chunks(LANES).map(group).collect();
    if groups.iter().all(Option::is_none) {
        return Box::default();
    }
    groups
}

fn places() -> Lanes<usize> {
    std::array::from_fn(|place| place)
}
