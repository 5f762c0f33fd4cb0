//! The laws that the statistics later rely on, over a million units with a fixed seed: variants
//! get what their weights promise, layers know nothing of each other, and a ramp takes nobody out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use statrs::distribution::{ChiSquared, ContinuousCDF};
use watershed_engine::{AttributeId, Noop, Plan, Ranges, Subject, reallocate};
use watershed_proto::filter::v1::{
    Attribute, BucketRange, Experiment, FilterConfig, Layer, Service, Variant, attribute::Source,
};

const UNITS: u64 = 1_000_000;

/// With a fixed seed the outcome never changes; the threshold says how unlikely a right hash would
/// be to fail on the day somebody picks another seed.
const LEAST_P: f64 = 1e-6;

/// SplitMix64 (Steele, Lea, Flood 2014): the units are random, and the same ones every time.
fn units(seed: u64) -> impl Iterator<Item = String> {
    let mut state = seed;
    (0..UNITS).map(move |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016x}", word ^ (word >> 31))
    })
}

struct Unit(String);

impl Subject for Unit {
    fn get(&self, _: AttributeId) -> Option<&[u8]> {
        Some(self.0.as_bytes())
    }

    fn chance(&self) -> u64 {
        0
    }
}

fn experiment(key: &str, layer: &str, variants: &[(String, Ranges)]) -> Experiment {
    Experiment {
        key: key.into(),
        layer: layer.into(),
        unit_sources: vec![Attribute {
            source: Some(Source::Header("x-user".into())),
        }],
        allocation: vec![BucketRange {
            start: 0,
            end: 9_999,
        }],
        variants: variants
            .iter()
            .map(|(key, ranges)| Variant {
                key: key.clone(),
                ranges: ranges.to_proto(),
                ..Variant::default()
            })
            .collect(),
        fallback: variants[0].0.clone(),
        ..Experiment::default()
    }
}

fn plan(experiments: Vec<Experiment>) -> Plan {
    let layers = experiments.iter().map(|one| Layer {
        key: one.layer.clone(),
        ..Layer::default()
    });
    Plan::compile(&FilterConfig {
        services: vec![Service {
            key: "all".into(),
            ..Service::default()
        }],
        layers: layers.collect(),
        experiments,
        ..FilterConfig::default()
    })
    .unwrap()
}

/// The variants of one unit, in the order of the layers.
fn variants<'p>(plan: &'p Plan, unit: &Unit) -> Vec<&'p str> {
    plan.assign(&plan.services()[0], unit, 0, &mut Noop)
        .map(|decision| decision.variant.key())
        .collect()
}

/// The probability of counts at least this far from `expected`.
fn p_value(observed: &[f64], expected: &[f64], freedom: usize) -> f64 {
    let statistic: f64 = observed
        .iter()
        .zip(expected)
        .map(|(observed, expected)| (observed - expected).powi(2) / expected)
        .sum();
    let freedom = f64::from(u32::try_from(freedom).unwrap());
    ChiSquared::new(freedom).unwrap().sf(statistic)
}

fn named(weights: &[u32]) -> Vec<(String, u32)> {
    weights
        .iter()
        .enumerate()
        .map(|(index, weight)| (format!("v{index}"), *weight))
        .collect()
}

#[test]
fn variants_get_their_weight_of_a_million_units() {
    let tried: [&[u32]; 8] = [
        &[1, 9_999],
        &[100, 9_900],
        &[500, 9_500],
        &[5_000, 5_000],
        &[7_000, 2_000, 1_000],
        &[3_333, 3_333, 3_334],
        &[1_000; 10],
        &[9_000, 250, 250, 500],
    ];
    for (number, weights) in tried.iter().enumerate() {
        let ranges = reallocate(&[], &named(weights)).unwrap();
        let plan = plan(vec![experiment(&format!("e{number}"), "l", &ranges)]);
        let mut observed = vec![0.0; weights.len()];
        for unit in units(number as u64) {
            let unit = Unit(unit);
            let decision = plan
                .assign(&plan.services()[0], &unit, 0, &mut Noop)
                .next()
                .unwrap();
            observed[decision.variant.ordinal()] += 1.0;
        }
        let expected: Vec<f64> = weights.iter().map(|w| f64::from(*w) * 100.0).collect();
        let p = p_value(&observed, &expected, weights.len() - 1);
        assert!(p > LEAST_P, "{weights:?}: {observed:?}, p = {p}");
    }
}

#[test]
fn every_bucket_gets_its_share_of_a_million_units() {
    let ranges = reallocate(&[], &named(&[10_000])).unwrap();
    let plan = plan(vec![experiment("e", "l", &ranges)]);
    let mut layer = vec![0.0; 10_000];
    let mut variant = vec![0.0; 10_000];
    for unit in units(42).map(Unit) {
        let decision = plan
            .assign(&plan.services()[0], &unit, 0, &mut Noop)
            .next()
            .unwrap();
        layer[usize::from(decision.layer_bucket)] += 1.0;
        variant[usize::from(decision.variant_bucket)] += 1.0;
    }
    let expected = vec![100.0; 10_000];
    for observed in [layer, variant] {
        let p = p_value(&observed, &expected, 9_999);
        assert!(p > LEAST_P, "p = {p}");
    }
}

#[test]
fn two_layers_are_independent() {
    let ranges = reallocate(&[], &named(&[1_000; 10])).unwrap();
    let plan = plan(vec![
        experiment("e", "one", &ranges),
        experiment("f", "two", &ranges),
    ]);
    let mut layers = vec![0.0; 100];
    let mut variants = vec![0.0; 100];
    for unit in units(7).map(Unit) {
        let both: Vec<_> = plan
            .assign(&plan.services()[0], &unit, 0, &mut Noop)
            .collect();
        let cell = |first: u16, second: u16| usize::from(first / 1_000 * 10 + second / 1_000);
        layers[cell(both[0].layer_bucket, both[1].layer_bucket)] += 1.0;
        variants[cell(both[0].variant_bucket, both[1].variant_bucket)] += 1.0;
        // A layer must not foretell the variants inside it either.
        assert_eq!(both.len(), 2);
    }
    for observed in [layers, variants] {
        let row = |at: usize| observed[at * 10..at * 10 + 10].iter().sum::<f64>();
        let column = |at: usize| observed.iter().skip(at).step_by(10).sum::<f64>();
        let expected: Vec<f64> = (0..100)
            .map(|cell| row(cell / 10) * column(cell % 10) / 1e6)
            .collect();
        let p = p_value(&observed, &expected, 81);
        assert!(p > LEAST_P, "p = {p}");
    }
}

#[test]
fn a_layer_bucket_does_not_foretell_the_variant() {
    let ranges = reallocate(&[], &named(&[5_000, 5_000])).unwrap();
    let plan = plan(vec![experiment("e", "l", &ranges)]);
    let mut observed = vec![0.0; 20];
    for unit in units(11).map(Unit) {
        let decision = plan
            .assign(&plan.services()[0], &unit, 0, &mut Noop)
            .next()
            .unwrap();
        let row = usize::from(decision.layer_bucket / 1_000);
        observed[row * 2 + decision.variant.ordinal()] += 1.0;
    }
    let p = p_value(&observed, &[50_000.0; 20], 19);
    assert!(p > LEAST_P, "p = {p}");
}

#[test]
fn a_ramp_takes_nobody_out() {
    let steps = [0, 100, 500, 1_000, 2_500, 5_000, 9_999, 10_000];
    let mut ranges = Vec::new();
    let mut ramped: Vec<Unit> = Vec::new();
    for candidate in steps {
        let weights = [
            ("control".to_owned(), 10_000 - candidate),
            ("candidate".to_owned(), candidate),
        ];
        ranges = reallocate(&ranges, &weights).unwrap();
        let plan = plan(vec![experiment("e", "l", &ranges)]);
        assert!(
            ramped
                .iter()
                .all(|unit| variants(&plan, unit) == ["candidate"])
        );
        ramped = units(3)
            .take(20_000)
            .map(Unit)
            .filter(|unit| variants(&plan, unit) == ["candidate"])
            .collect();
    }
    assert_eq!(ramped.len(), 20_000);
}

#[test]
fn the_same_unit_gets_the_same_answer() {
    let ranges = reallocate(&[], &named(&[7_000, 2_000, 1_000])).unwrap();
    let build = || {
        plan(vec![
            experiment("e", "one", &ranges),
            experiment("f", "two", &ranges),
        ])
    };
    let (first, second) = (build(), build());
    for unit in units(5).take(20_000).map(Unit) {
        assert_eq!(variants(&first, &unit), variants(&second, &unit));
    }
}
