use super::*;
use crate::batch::BatchBuilder;
use crate::exposure::Execution;
use crate::outcome::{Outcome, Value};
use crate::recent::Recent;
use crate::store::laws::{exposure, units};
use crate::unit::UnitKey;
use proptest::prelude::*;
use std::sync::Arc;

/// A unit, a variant, a time, and whether it is an outcome.
type Event = (u8, bool, u8, bool);

fn outcome(unit: u8, time: i64) -> Outcome {
    Outcome {
        experiment: (unit.is_multiple_of(2)).then(|| "chat".to_owned()),
        unit_type: "user".to_owned(),
        unit: units().unit("user", &unit.to_string()),
        metric: "revenue".to_owned(),
        value: Value::new(f64::from(unit) + 1.0).unwrap(),
        time,
        idempotency_key: None,
    }
}

#[derive(Default)]
struct Folded {
    names: Names,
    states: BTreeMap<(UnitKey, u32), UnitState>,
    histories: HashMap<UnitKey, History>,
    sums: BTreeMap<(u32, u32, i32, u32), Sums>,
}

impl Folded {
    fn fold(&mut self, layout: &mut Layout, events: &[Event]) {
        let (mut builder, mut recent) = (BatchBuilder::default(), Recent::new(10_000));
        let mut deltas = Deltas::default();
        for (index, (unit, b, time, is_outcome)) in events.iter().enumerate() {
            let time = i64::from(*time) * 6 * 60 * 60 * 1_000_000;
            if *is_outcome {
                deltas.outcome(&outcome(*unit, time), layout, &mut self.names);
                continue;
            }
            let mut it = exposure(&unit.to_string(), if *b { "b" } else { "a" }, time);
            let execution: &mut Execution = Arc::make_mut(&mut it.execution);
            execution.request_id = index.to_string();
            execution.outcomes = vec![("tokens".to_owned(), 3.0)];
            it.fallback_used = index % 7 == 0;
            builder.push(&it, &mut recent);
        }
        for block in builder.seal() {
            let open = block.open().unwrap();
            deltas.block(&block.experiment, &open, layout, &mut self.names);
        }
        let known = Known {
            units: self.states.clone(),
            histories: self.histories.clone(),
        };
        let mut after = None;
        for piece in deltas.pieces(1) {
            let known = Known {
                units: known.units.clone(),
                histories: known.histories.clone(),
            };
            let changes = apply(piece, known, layout, &self.names);
            let (first, last) = (changes.units.keys().next(), changes.units.keys().last());
            assert!(
                first.is_none() || after < first.copied(),
                "in the order of keys"
            );
            after = last.copied().or(after);
            self.states.extend(changes.units);
            self.histories.extend(changes.histories);
            for (key, it) in &changes.sums {
                self.sums.entry(*key).or_default().add(it);
            }
        }
        self.sums.retain(|_, it| !it.is_nothing());
    }

    fn of_all_units(&self, layout: &Layout) -> BTreeMap<(u32, u32, i32, u32), Sums> {
        let mut sums: BTreeMap<_, Sums> = BTreeMap::new();
        for ((_, experiment), state) in &self.states {
            layout.contribution(state, |measure, it| {
                let key = (*experiment, state.variant, state.day(), measure);
                sums.entry(key).or_default().add(&it);
            });
        }
        sums.retain(|_, it| !it.is_nothing());
        sums
    }
}

fn measures() -> Measures {
    let revenue = Source::Outcome("revenue".to_owned());
    let windowed = Measure {
        window: Some(24 * 60 * 60 * 1_000_000),
        cap: Some(4.0),
        ..Measure::of(revenue.clone())
    };
    let ratio = Measure::ratio(revenue, Source::Requests);
    Measures(
        [
            ("early_revenue".to_owned(), windowed),
            ("per_request".to_owned(), ratio),
        ]
        .into(),
    )
}

proptest! {
    #[test]
    fn the_sums_are_what_all_units_together_give_however_the_log_is_cut(
        events in proptest::collection::vec((0..5_u8, any::<bool>(), 0..20_u8, any::<bool>()), 1..60),
        cut in 1..20_usize,
    ) {
        let mut folded = Folded::default();
        let mut layout = Layout::of(&measures(), &mut folded.names);
        for part in events.chunks(cut) {
            folded.fold(&mut layout, part);
            prop_assert_eq!(&folded.sums, &folded.of_all_units(&layout));
        }
        let exposures = events.iter().filter(|it| !it.3).count() as f64;
        let requests = folded.names.find("measure:requests").unwrap();
        let counted: f64 = folded.sums.iter().filter(|(it, _)| it.3 == requests).map(|(_, it)| it.x).sum();
        prop_assert_eq!(counted, exposures);
    }

    #[test]
    fn what_is_kept_of_a_unit_comes_back(
        first in any::<i64>(), variant in any::<u32>(), contaminated in any::<bool>(),
        slots in proptest::collection::vec((0..9_u32, -1e9..1e9_f64, -1e9..1e9_f64), 0..9),
    ) {
        let mut state = UnitState::new(first, variant);
        state.contaminated = contaminated;
        for (slot, within, before) in slots {
            state.add(slot, within, before);
        }
        prop_assert_eq!(UnitState::kept(first, variant, contaminated, &state.slot_bytes()), state);
    }
}

#[test]
fn names_keep_their_numbers_and_are_bounded() {
    let mut names = Names::of(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(
        (names.number("b"), names.number("c"), names.number("a")),
        (Some(1), Some(2), Some(0))
    );
    assert_eq!(
        (names.find("d"), names.text(2), names.text(9)),
        (None, "c", "")
    );
    for number in 3..MAX_NAMES {
        names.number(&format!("name-{number}"));
    }
    assert_eq!(names.number("one too many"), None);
    assert_eq!(names.number("c"), Some(2));
}
