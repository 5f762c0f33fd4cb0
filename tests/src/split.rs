//! Whether a split is what was asked for. What lives here: counting answers by variant and Pearson's
//! chi-squared test of the counts. The units of the stories are fixed, so that a p-value is, too: these
//! tests can't fail by chance.

use std::collections::BTreeMap;

use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::traffic::Answer;

/// The p-value below which a split is not what it should be.
pub const SIGNIFICANT: f64 = 1e-4;

/// How many answers name which variant.
pub fn by_variant(answers: &[Answer]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.variant.as_str()).or_default() += 1;
    }
    counts
}

/// The p-value of `observed` counts under `weights` (basis points): the chance of a split at least so
/// far off, if the weights are what happens. A variant that is seen but has no weight makes it 0.
pub fn p_value(observed: &BTreeMap<&str, u64>, weights: &[(&str, u32)]) -> f64 {
    let known = |variant: &str| {
        weights
            .iter()
            .any(|(name, weight)| *name == variant && *weight > 0)
    };
    if observed.keys().any(|variant| !known(variant)) {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    let count = |variant: &str| observed.get(variant).copied().unwrap_or(0) as f64;
    let weighted: Vec<_> = weights.iter().filter(|(_, weight)| *weight > 0).collect();
    let total: f64 = observed.keys().map(|variant| count(variant)).sum();
    let statistic: f64 = weighted
        .iter()
        .map(|(variant, weight)| {
            let expected = total * f64::from(*weight) / 10_000.0;
            (count(variant) - expected).powi(2) / expected
        })
        .sum();
    let freedom = f64::from(u32::try_from(weighted.len()).expect("few variants")) - 1.0;
    if freedom < 1.0 {
        return 1.0;
    }
    ChiSquared::new(freedom)
        .expect("a positive freedom")
        .sf(statistic)
}

/// Fails where the answers are not split by `weights`.
pub fn assert_split(answers: &[Answer], weights: &[(&str, u32)]) {
    let observed = by_variant(answers);
    let p = p_value(&observed, weights);
    assert!(
        p > SIGNIFICANT,
        "p = {p:e}: {observed:?} is no split by {weights:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_is_that_of_the_tables() {
        // Chi-squared 3.841 with one degree of freedom is the 5 % point.
        let off = BTreeMap::from([("a", 5_098), ("b", 4_902)]);
        assert!((p_value(&off, &[("a", 5_000), ("b", 5_000)]) - 0.05).abs() < 0.001);
        let exact = BTreeMap::from([("a", 7_000), ("b", 3_000)]);
        assert!((p_value(&exact, &[("a", 7_000), ("b", 3_000)]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_wrong_split_and_an_unknown_variant_are_significant() {
        let even = BTreeMap::from([("a", 500), ("b", 500)]);
        assert!(p_value(&even, &[("a", 7_000), ("b", 3_000)]) < SIGNIFICANT);
        assert!(p_value(&even, &[("a", 10_000), ("b", 0)]) < SIGNIFICANT);
        assert!(p_value(&even, &[("a", 5_000), ("c", 5_000)]) < SIGNIFICANT);
    }

    #[test]
    fn one_variant_with_everything_is_no_surprise() {
        let all = BTreeMap::from([("a", 1_000)]);
        assert!((p_value(&all, &[("a", 10_000), ("b", 0)]) - 1.0).abs() < f64::EPSILON);
    }
}
