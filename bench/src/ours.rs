//! Watershed at the work. What lives here: the configuration in its own words, and the two ways in
//! which a request meets a plan: its attributes bound beforehand, or cut out of raw headers as the
//! filter does it. What does not: anything of the engine.

use crate::case::{Answers, Case, Run};
use crate::work::{self, Experiment, Layout, Request, Round};
use anyhow::Context as _;
use prost::Message as _;
use serde_json::{Value, json};
use std::hint::black_box;
use watershed_engine::{Attribute, Bound, Headers, Noop, Plan};
use watershed_proto::filter::v1::FilterConfig;

/// Who this is in the figures.
pub const NAME: &str = "watershed";

/// The time that everything is decided at: late in 2026.
const NOW_MS: i64 = 1_795_000_000_000;

/// The cases of the engine.
#[must_use]
pub fn cases() -> Vec<Case> {
    let case = |work, layout: Layout, magnitude, build| Case {
        work,
        by: NAME,
        answers: Answers::Exactly(layout.answers()),
        magnitude,
        build,
    };
    let compile = |work, by, build| Case {
        work,
        by,
        answers: Answers::Exactly(1_000),
        magnitude: 2,
        build,
    };
    vec![
        case("one-bound", Layout::One, 7, || {
            bound(Layout::One, work::requests())
        }),
        case("one-bound-short", Layout::One, 7, || {
            bound(Layout::One, work::numbered())
        }),
        case("one-raw", Layout::One, 6, || raw(Layout::One)),
        case("thousand-raw", Layout::Thousand, 6, || {
            raw(Layout::Thousand)
        }),
        case("layered", Layout::Layered, 6, || {
            bound(Layout::Layered, work::requests())
        }),
        case("unlayered", Layout::Unlayered, 5, || {
            bound(Layout::Unlayered, work::requests())
        }),
        compile("compile", NAME, compile_protobuf),
        compile("compile", "watershed (JSON)", compile_json),
        compile("compile", "watershed (decode alone)", decode),
    ]
}

/// The configuration for these experiments, as the filter takes it.
///
/// # Errors
/// None, unless the wire format has changed.
pub fn config(experiments: &[Experiment], version: &str) -> anyhow::Result<FilterConfig> {
    let mut layers: Vec<&str> = experiments.iter().map(|one| one.layer.as_str()).collect();
    layers.dedup();
    let layers: Vec<Value> = layers.iter().map(|key| json!({ "key": key })).collect();
    let experiments: Vec<Value> = experiments.iter().map(experiment).collect();
    let config = json!({
        "schema": 1,
        "version": version,
        "services": [{ "key": "chat", "pathPrefixes": ["/v1"], "defaultCluster": "upstream" }],
        "layers": layers,
        "experiments": experiments,
    });
    serde_json::from_value(config).context("the configuration is no FilterConfig")
}

fn experiment(experiment: &Experiment) -> Value {
    let [_, _, unit, country, plan, version] = work::HEADERS;
    let above = json!({
        "ordering": "SEMVER", "operator": "GREATER", "value": work::VERSION_ABOVE,
    });
    let condition = |header: &str, test: &str, value: Value| {
        let mut condition = json!({ "attribute": { "header": header } });
        condition[test] = value;
        json!({ "condition": condition })
    };
    json!({
        "key": experiment.key,
        "layer": experiment.layer,
        "services": ["chat"],
        "unitType": "user",
        "unitSources": [{ "header": unit }],
        "audience": { "all": { "rules": [
            condition(country, "oneOf", json!({ "values": work::COUNTRIES })),
            condition(plan, "equals", json!(work::PLAN)),
            condition(version, "compare", above),
        ] } },
        "allocation": [{ "start": experiment.buckets.0, "end": experiment.buckets.1 }],
        "variants": [
            { "key": "control", "ranges": [{ "start": 0, "end": 4_999 }] },
            { "key": "candidate", "ranges": [{ "start": 5_000, "end": 9_999 }] },
        ],
        "fallback": "control",
    })
}

fn plan(layout: Layout) -> anyhow::Result<Plan> {
    Ok(Plan::compile(&config(&layout.experiments(), "bench")?)?)
}

/// Each request with its values read beforehand.
fn bind<'a>(plan: &Plan, requests: &'a [Request]) -> Vec<Bound<'a>> {
    let bound = |request: &'a Request| {
        Bound::new(plan.attributes(), |attribute| {
            let Attribute::Header(name) = attribute else {
                return None;
            };
            let place = work::HEADERS.iter().position(|one| **one == **name)?;
            request.get(place).map(String::as_str)
        })
    };
    requests.iter().map(bound).collect()
}

fn bound(layout: Layout, requests: Vec<Request>) -> anyhow::Result<Run> {
    let plan = plan(layout)?;
    let requests: &'static [Request] = requests.leak();
    let bound = bind(&plan, requests);
    let mut round = Round::default();
    Ok(Box::new(move |times| {
        let Some(service) = plan.services().first() else {
            return 0;
        };
        let mut answers = 0;
        round.each(&bound, times, |subject| {
            let (mut watch, subject) = (Noop, black_box(subject));
            let given = plan.assign(service, subject, NOW_MS, &mut watch);
            given.for_each(|decision| {
                black_box(decision.variant);
                answers += 1;
            });
        });
        answers
    }))
}

/// As the filter does it: the service by host and path, then everything by its name.
fn raw(layout: Layout) -> anyhow::Result<Run> {
    let plan = plan(layout)?;
    let requests: &'static [Request] = work::requests().leak();
    let pairs: Vec<Vec<(&[u8], &[u8])>> = requests
        .iter()
        .map(|request| {
            let values = work::HEADERS.iter().zip(request);
            values.map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect()
        })
        .collect();
    let mut round = Round::default();
    Ok(Box::new(move |times| {
        let mut answers = 0;
        round.each(&pairs, times, |pairs| {
            let headers = Headers::new(black_box(pairs));
            let Some(service) = plan.service_of(headers) else {
                return;
            };
            let request = watershed_engine::Request::new(headers, plan.attributes());
            let mut watch = Noop;
            let given = plan.assign(service, &request, NOW_MS, &mut watch);
            given.for_each(|decision| {
                black_box(decision.variant);
                answers += 1;
            });
        });
        answers
    }))
}

fn compile_protobuf() -> anyhow::Result<Run> {
    let bytes = config(&Layout::Thousand.experiments(), "bench")?.encode_to_vec();
    compiling(move || Plan::decode(black_box(&bytes)).ok())
}

fn compile_json() -> anyhow::Result<Run> {
    let bytes = serde_json::to_vec(&config(&Layout::Thousand.experiments(), "bench")?)?;
    compiling(move || {
        let config: FilterConfig = serde_json::from_slice(black_box(&bytes)).ok()?;
        Plan::compile(&config).ok()
    })
}

/// What [`compile_protobuf`] would begin with if it read every word.
fn decode() -> anyhow::Result<Run> {
    let bytes = config(&Layout::Thousand.experiments(), "bench")?.encode_to_vec();
    building(
        move || FilterConfig::decode(black_box(&bytes[..])).ok(),
        |config| config.experiments.len(),
    )
}

fn compiling(compile: impl Fn() -> Option<Plan> + 'static) -> anyhow::Result<Run> {
    building(compile, |plan| plan.experiments().len())
}

fn building<T: 'static>(
    build: impl Fn() -> Option<T> + 'static,
    count: fn(&T) -> usize,
) -> anyhow::Result<Run> {
    // The last one stays alive, so that what is alive after one time is one of them.
    let mut last = None;
    Ok(Box::new(move |times| {
        (0..times)
            .map(|_| {
                last = build();
                last.as_ref().map_or(0, |built| count(built) as u64)
            })
            .sum()
    }))
}
