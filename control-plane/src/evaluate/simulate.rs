//! Many made-up units through the plan that proxies have, or would have if the experiment ran: how
//! many get which variant, beside how many should.

use super::brought::Brought;
use super::described::Described;
use super::request_spec::RequestSpec;
use super::{EvaluateError, experiment, fleet, listener, slice};
use crate::goodness::{Fit, fit};
use crate::model::key::Key;
use crate::model::lifecycle::State;
use crate::model::strategy::Strategy;
use crate::model::variant::VariantDesign;
use crate::model::{Experiment, Faults, Model};
use crate::resources;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use watershed_engine::hash::murmur3_x86_32;
use watershed_engine::{Headers, Plan, Request, Step, Verdict, Visitor};

/// The most units of one simulation.
pub const MAX_UNITS: u64 = 200_000;
const UNITS: u64 = 100_000;
/// The seed of what chance says, which no hash of a configuration has.
const CHANCE: u32 = 0x6368_616e;
const TWO_32: f64 = 4_294_967_296.0;
/// The longest beginning of a unit's name; its number comes behind.
const MAX_PREFIX: usize = 128;

/// A simulation as it is asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulationSpec {
    /// How many units to make up; 100000 where not given.
    #[serde(default = "units")]
    #[schemars(range(min = 1, max = 200_000))]
    units: u64,
    /// What their names begin with; another text is another crowd.
    #[serde(default = "prefix")]
    prefix: String,
    /// The request that each of them makes. It names the experiment, and no unit.
    request: RequestSpec,
}

fn units() -> u64 {
    UNITS
}

fn prefix() -> String {
    "unit-".to_owned()
}

/// What became of the units.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Simulation {
    /// The experiment.
    pub experiment: Key,
    /// Where it is in its life.
    pub state: State,
    /// How many units there were.
    pub units: u64,
    /// How many of them got a variant.
    pub assigned: u64,
    /// How many got which.
    pub variants: Vec<Share>,
    /// Why the others got none.
    pub outside: Vec<Outside>,
    /// The chi-squared statistic over the variants, where the hash or chance decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chi_squared: Option<f64>,
    /// How likely a split is that is as far from the expected one, where the hash or chance decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What a variant got.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Share {
    /// The variant.
    pub key: Key,
    /// Its share by weight, 0 to 1.
    pub expected: f64,
    /// Its share of the assigned units, 0 to 1.
    pub observed: f64,
    /// Its units.
    pub units: u64,
}

/// Units without a variant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Outside {
    /// Why, as in an explanation.
    pub verdict: String,
    /// How many.
    pub units: u64,
}

/// Simulates what `spec` asks for, at the time `now` where it names no other.
///
/// # Errors
/// [`EvaluateError`], with every fault of the description.
pub fn simulate(
    model: &Model,
    spec: &SimulationSpec,
    now: Timestamp,
) -> Result<Simulation, EvaluateError> {
    spec.bounded()?;
    let at = |faults: Faults| faults.below("/request");
    let mut faults = Faults::default();
    let request = &spec.request;
    if request.experiment.is_none() {
        faults.add("/experiment", "is missing", "the experiment to simulate");
    }
    if request.unit.is_some() {
        faults.add("/unit", "is given", "no unit: they are made up");
    }
    let found = experiment(model, request, &mut faults);
    let fleet = fleet(model, request, found, &mut faults);
    let slice = slice(request, found, &mut faults);
    let listener = listener(request, &mut faults);
    // One is described beforehand, so that what is wrong with all of them is said of one.
    let first = spec.request(0).describe(model, found, now, &mut faults);
    let place = fleet.zip(slice).zip(listener);
    let found = faults.or(found.zip(place).zip(first)).map_err(at)?;
    let ((found, ((fleet, slice), listener)), first) = found;
    let running = as_if_running(model, found);
    let config = resources::filter_config_of(&running, (fleet, slice.as_ref()), listener.as_ref());
    let plan = Plan::compile(&config)?;
    let mut count = Count::default();
    let crowd = Crowd {
        model,
        spec,
        experiment: found,
        now,
    };
    crowd.walk(&plan, &first, &mut count).map_err(at)?;
    Ok(count.simulation(found, spec.units))
}

/// The units, and what they are asked about.
struct Crowd<'a> {
    model: &'a Model,
    spec: &'a SimulationSpec,
    experiment: &'a Experiment,
    now: Timestamp,
}

impl Crowd<'_> {
    /// Takes every unit through the plan; `first` is the request of the first.
    fn walk(&self, plan: &Plan, first: &Described, count: &mut Count) -> Result<(), Faults> {
        let now_ms = first.time.as_millisecond();
        let pairs = first.pairs();
        let headers = Headers::new(&pairs);
        let Some(service) = plan.service(headers.host().as_deref(), headers.path()) else {
            count.add_outside(Verdict::NotAllocated, self.spec.units);
            return Ok(());
        };
        let brought = Brought::read(plan, service, headers, now_ms);
        let key = self.experiment.key.as_str();
        for index in 0..self.spec.units {
            let mut faults = Faults::default();
            let request = self.spec.request(index);
            let described =
                request.describe(self.model, Some(self.experiment), self.now, &mut faults);
            let described = faults.or(described)?;
            let around = described.around(plan, &brought.pins);
            let pairs = described.pairs();
            let request = Request::within(Headers::new(&pairs), plan.attributes(), &around);
            let mut watch = Watch {
                key,
                verdict: Verdict::NotAllocated,
            };
            let given = plan
                .assign(service, &request, now_ms, &mut watch)
                .find(|it| it.experiment.key() == key)
                .map(|it| it.variant.key());
            match given {
                Some(variant) => count.add(variant),
                None => count.add_outside(watch.verdict, 1),
            }
        }
        Ok(())
    }
}

impl SimulationSpec {
    fn bounded(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if !(1..=MAX_UNITS).contains(&self.units) {
            let message = format!("is {}", self.units);
            faults.add("/units", message, format!("1 to {MAX_UNITS}"));
        }
        if self.prefix.len() > MAX_PREFIX {
            let message = format!("has {} bytes", self.prefix.len());
            faults.add("/prefix", message, format!("at most {MAX_PREFIX} bytes"));
        }
        faults.or(Some(()))
    }

    /// The request of one unit. What chance says to it is a hash of its name, so that a simulation can be
    /// repeated and is still no more even than chance.
    fn request(&self, index: u64) -> RequestSpec {
        let unit = format!("{}{index}", self.prefix);
        let chance = f64::from(murmur3_x86_32(unit.as_bytes(), CHANCE)) / TWO_32;
        RequestSpec {
            unit: Some(unit),
            chance: self.request.chance.or(Some(chance)),
            ..self.request.clone()
        }
    }
}

/// The model with the experiment running, where it is at no stage.
fn as_if_running(model: &Model, experiment: &Experiment) -> Model {
    let mut model = model.clone();
    if let Some(found) = model.experiments.get_mut(&experiment.key)
        && !found.state.is_stage()
    {
        Arc::make_mut(found).state = State::Running;
    }
    model
}

/// Keeps what became of one experiment.
struct Watch<'a> {
    key: &'a str,
    verdict: Verdict,
}

impl Visitor for Watch<'_> {
    const THOROUGH: bool = false;

    fn visit(&mut self, step: Step<'_, '_>) {
        if let Step::Verdict {
            experiment,
            verdict,
        } = step
            && experiment.key() == self.key
        {
            self.verdict = verdict;
        }
    }
}

#[derive(Default)]
struct Count {
    variants: BTreeMap<String, u64>,
    outside: BTreeMap<String, u64>,
}

impl Count {
    fn add(&mut self, variant: &str) {
        match self.variants.get_mut(variant) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.variants.insert(variant.to_owned(), 1)),
        }
    }

    fn add_outside(&mut self, verdict: Verdict, units: u64) {
        let word = serde_json::to_value(verdict).unwrap_or_default();
        let word = word.as_str().unwrap_or_default().to_owned();
        let count = self.outside.entry(word).or_default();
        *count = count.saturating_add(units);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "there are at most 200,000 units"
    )]
    fn simulation(&self, experiment: &Experiment, units: u64) -> Simulation {
        let design = &experiment.design;
        let assigned: u64 = self.variants.values().sum();
        let weights: u32 = design.variants.iter().map(|variant| variant.weight).sum();
        let cell = |variant: &VariantDesign| {
            let share = f64::from(variant.weight) / f64::from(weights.max(1));
            let units = self.variants.get(variant.key.as_str()).copied();
            (share, units.unwrap_or_default())
        };
        let cells: Vec<(f64, u64)> = design.variants.iter().map(cell).collect();
        let share = |(variant, (expected, units)): (&VariantDesign, &(f64, u64))| Share {
            key: variant.key.clone(),
            expected: *expected,
            observed: *units as f64 / (assigned as f64).max(1.0),
            units: *units,
        };
        let outside = self.outside.iter().map(|(verdict, units)| Outside {
            verdict: verdict.clone(),
            units: *units,
        });
        let mut notes = Vec::new();
        if !experiment.state.is_stage() {
            notes.push(format!("as if it were running: it is {}", experiment.state));
        } else if experiment.state != State::Running {
            notes.push(format!(
                "it is {}: not every unit is let in",
                experiment.state
            ));
        }
        let is_model = matches!(design.strategy, Strategy::Contextual(_));
        if is_model {
            notes.push("a model decides: weights are not what to expect".to_owned());
        }
        let judged = Some(fit(&cells))
            .filter(|fit| assigned > 0 && !is_model && fit.chi_squared.is_finite());
        Simulation {
            experiment: experiment.key.clone(),
            state: experiment.state,
            units,
            assigned,
            variants: design.variants.iter().zip(&cells).map(share).collect(),
            outside: outside.collect(),
            chi_squared: judged.map(|Fit { chi_squared, .. }| chi_squared),
            p_value: judged.map(|Fit { p_value, .. }| p_value),
            notes,
        }
    }
}
