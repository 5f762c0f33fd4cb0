//! Joins what is new of units with what was known of them.

use super::deltas::{Delta, Deltas, MinuteDelta};
use super::state::{History, Past, UnitState};
use super::{Layout, Names};
use crate::Micros;
use crate::attribution::{Attribution, attribute};
use crate::measure::Source;
use crate::sketch::Sketch;
use crate::store::Counts;
use crate::sums::Sums;
use crate::unit::UnitKey;
use std::collections::{BTreeMap, HashMap};

/// What was known of the units that something is new of.
#[derive(Debug, Default)]
pub struct Known {
    /// In each experiment: those of [`Deltas::units`], and all of the units of [`Deltas::reported`].
    pub units: BTreeMap<(UnitKey, u32), UnitState>,
    /// Their past: of both.
    pub histories: HashMap<UnitKey, History>,
}

/// What is to be kept.
#[derive(Debug, Default)]
pub struct Changes {
    /// Units, whole, in order.
    pub units: BTreeMap<(UnitKey, u32), UnitState>,
    /// Histories, whole, in order.
    pub histories: BTreeMap<UnitKey, History>,
    /// To add, by experiment, variant, day and measure.
    pub sums: BTreeMap<(u32, u32, i32, u32), Sums>,
    /// To merge, by experiment, variant and source.
    pub values: BTreeMap<(u32, u32, u32), Sketch>,
    /// To merge, by experiment, minute and variant.
    pub minutes: BTreeMap<(u32, Micros, u32), MinuteDelta>,
    /// To add, by experiment.
    pub counts: BTreeMap<u32, Counts>,
    /// To take off an experiment's orphans: outcomes whose unit was exposed after all.
    pub adopted: BTreeMap<u32, u64>,
}

/// What follows from `deltas` for what is `known`.
#[must_use]
pub fn apply(deltas: Deltas, known: Known, layout: &Layout, names: &Names) -> Changes {
    let built_in = Source::BUILT_IN.map(|it| names.find(&it.name()).unwrap_or(0));
    let mut work = Work {
        layout,
        built_in,
        known,
        changes: Changes {
            minutes: deltas.minutes,
            counts: deltas.counts,
            values: deltas.values,
            ..Changes::default()
        },
    };
    for ((unit, experiment), delta) in deltas.units {
        work.exposed(unit, experiment, &delta);
    }
    for (unit, outcomes) in deltas.reported {
        for outcome in outcomes {
            work.reported(unit, outcome);
        }
    }
    work.finish()
}

struct Work<'a> {
    layout: &'a Layout,
    built_in: [u32; 4],
    known: Known,
    changes: Changes,
}

impl Work<'_> {
    fn exposed(&mut self, unit: UnitKey, experiment: u32, delta: &Delta) {
        let before = self.known.units.get(&(unit, experiment)).cloned();
        let mut state = match &before {
            Some(state) => {
                let mut state = state.clone();
                state.contaminated |= delta.other_variant || delta.variant != state.variant;
                if delta.first < state.first {
                    (state.first, state.variant) = (delta.first, delta.variant);
                }
                state
            }
            None => {
                let mut state = UnitState::new(delta.first, delta.variant);
                state.contaminated = delta.other_variant;
                self.adopt(unit, experiment, &mut state);
                state
            }
        };
        let [requests, errors, latency, ttfb] = self.built_in;
        for (source, value) in [
            (requests, delta.requests),
            (errors, delta.errors),
            (latency, delta.latency),
            (ttfb, delta.ttfb),
        ] {
            for slot in self.layout.slots(source) {
                state.add(slot.number, value, 0.0);
            }
        }
        state.add(self.layout.strayed_slot(), delta.strayed, 0.0);
        for (source, time, value) in &delta.values {
            self.value(experiment, &mut state, (*source, *time, *value));
        }
        self.changes.units.insert((unit, experiment), state);
    }

    /// The outcomes that waited for this unit.
    fn adopt(&mut self, unit: UnitKey, experiment: u32, state: &mut UnitState) {
        let Some(history) = self.known.histories.get_mut(&unit) else {
            return;
        };
        let named = experiment + 1;
        let past = history.outcomes.clone();
        history.outcomes.retain(|it| it.experiment != named);
        let waited = past.len() - history.outcomes.len();
        if waited > 0 {
            *self.changes.adopted.entry(experiment).or_default() +=
                u64::try_from(waited).unwrap_or(0);
            self.changes.histories.insert(unit, history.clone());
        }
        for it in past
            .iter()
            .filter(|it| it.experiment == 0 || it.experiment == named)
        {
            self.value(experiment, state, (it.source, it.time, it.value));
        }
    }

    /// Adds a value to a unit's slots, and counts where it belongs: within the widest window it counts
    /// as attributed.
    fn value(
        &mut self,
        experiment: u32,
        state: &mut UnitState,
        (source, time, value): (u32, Micros, f64),
    ) {
        let counts = self.changes.counts.entry(experiment).or_default();
        let slots = self.layout.slots(source);
        let places = slots
            .iter()
            .map(|it| attribute(time, Some(state.first), it.window));
        let places: Vec<_> = places.collect();
        for (slot, place) in slots.iter().zip(&places) {
            match place {
                Attribution::Within => state.add(slot.number, value, 0.0),
                Attribution::Early => state.add(slot.number, 0.0, value),
                Attribution::Late | Attribution::Orphan => {}
            }
        }
        let age = self.layout.age_slot(source, time - state.first);
        age.into_iter().for_each(|slot| state.add(slot, value, 0.0));
        if places.contains(&Attribution::Early) {
            counts.early += 1;
        } else if places.contains(&Attribution::Late) {
            counts.late += 1;
        } else {
            counts.attributed += 1;
        }
        if places.contains(&Attribution::Within) {
            let values = self
                .changes
                .values
                .entry((experiment, state.variant, source));
            values.or_default().add(value);
        }
    }

    fn reported(
        &mut self,
        unit: UnitKey,
        (experiment, source, time, value): (Option<u32>, u32, Micros, f64),
    ) {
        let of_unit: Vec<u32> = match experiment {
            Some(experiment) => vec![experiment],
            None => self.experiments_of(unit),
        };
        let mut exposed = false;
        for experiment in of_unit {
            let key = (unit, experiment);
            let now = self
                .changes
                .units
                .get(&key)
                .or_else(|| self.known.units.get(&key));
            if let Some(mut state) = now.cloned() {
                exposed = true;
                self.value(experiment, &mut state, (source, time, value));
                self.changes.units.insert(key, state);
            }
        }
        if let (Some(experiment), false) = (experiment, exposed) {
            self.changes.counts.entry(experiment).or_default().orphans += 1;
        }
        // What names an experiment waits for it alone; the rest is also the past of those to come.
        if experiment.is_none() || !exposed {
            let history = self.known.histories.entry(unit).or_default();
            history.push(Past {
                experiment: experiment.map_or(0, |it| it + 1),
                source,
                time,
                value,
            });
            self.changes.histories.insert(unit, history.clone());
        }
    }

    fn experiments_of(&self, unit: UnitKey) -> Vec<u32> {
        let range = (unit, 0)..=(unit, u32::MAX);
        let known = self.known.units.range(range.clone()).map(|(it, _)| it.1);
        let new = self.changes.units.range(range).map(|(it, _)| it.1);
        let mut all: Vec<_> = known.chain(new).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The difference that changed units make to their variants' sums.
    fn finish(mut self) -> Changes {
        // By variant and day first: a unit changes all measures of one of these.
        let mut groups: BTreeMap<(u32, u32, i32), BTreeMap<u32, Sums>> = BTreeMap::new();
        for ((unit, experiment), state) in &self.changes.units {
            if let Some(before) = self.known.units.get(&(*unit, *experiment)) {
                let group = groups.entry((*experiment, before.variant, before.day()));
                let group = group.or_default();
                self.layout.contribution(before, |measure, it| {
                    group.entry(measure).or_default().subtract(&it);
                });
            }
            let group = groups.entry((*experiment, state.variant, state.day()));
            let group = group.or_default();
            self.layout.contribution(state, |measure, it| {
                group.entry(measure).or_default().add(&it);
            });
        }
        for ((experiment, variant, day), group) in groups {
            let changed = group.into_iter().filter(|(_, it)| !it.is_nothing());
            let keyed = changed.map(|(measure, it)| ((experiment, variant, day, measure), it));
            self.changes.sums.extend(keyed);
        }
        self.changes
    }
}
