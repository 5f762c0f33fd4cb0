//! How an experiment chooses among its variants. What lives here: the strategies, and LinUCB with
//! its feature vector. What does not: who is in the experiment at all (see [`walk`](crate::walk)).
//!
//! The contextual strategy is LinUCB with disjoint models (Li, Chu, Langford, Schapire, "A
//! Contextual-Bandit Approach to Personalized News Article Recommendation", 2010, algorithm 1): the
//! variant with the highest `theta.x + alpha * sqrt(x' A^-1 x)`. Learning is elsewhere; here is only
//! the scoring.

use crate::attribute::{AttributeId, Subject};
use crate::bucketer::Bucketer;
use crate::condition::number::float;
use std::cmp::Ordering;
use std::ops::Deref;

/// The longest feature vector.
pub const MAX_FEATURES: usize = 32;

/// How an experiment chooses among its variants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Strategy {
    /// By the hash of the unit.
    #[default]
    Deterministic,
    /// By chance on every request, in the proportions of the ranges.
    Random,
    /// By a linear model per variant, and for a share of units by the hash.
    Contextual(Box<Contextual>),
}

/// A linear model per variant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contextual {
    pub(crate) features: Box<[Feature]>,
    pub(crate) alpha: f64,
    /// The share of units that the hash decides, 0 to 1.
    pub(crate) exploration: f64,
    /// Which units those are: its own hash, so that it says nothing about the variant.
    pub(crate) explorer: Bucketer,
    /// In the order of the variants.
    pub(crate) models: Box<[LinearModel]>,
}

/// One number of the feature vector. All coefficients are finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Feature {
    /// Always this.
    Constant(f64),
    /// `(value - offset) * scale`, 0 where the attribute is missing or no number.
    Numeric {
        attribute: AttributeId,
        offset: f64,
        scale: f64,
    },
    /// 1 where the attribute is this, else 0.
    OneHot {
        attribute: AttributeId,
        value: Box<[u8]>,
    },
}

/// One variant's model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinearModel {
    pub(crate) theta: Box<[f64]>,
    /// Row by row.
    pub(crate) a_inverse: Box<[f64]>,
}

/// The feature vector of one contextual decision; empty for any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features {
    values: [f64; MAX_FEATURES],
    length: usize,
}

impl Features {
    pub(crate) const NONE: Self = Self {
        values: [0.0; MAX_FEATURES],
        length: 0,
    };
}

impl Deref for Features {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.values.get(..self.length).unwrap_or_default()
    }
}

impl Contextual {
    /// What the models see of a request.
    pub(crate) fn features(&self, subject: &impl Subject) -> Features {
        let mut features = Features::NONE;
        for (value, feature) in features.values.iter_mut().zip(&self.features) {
            *value = feature.read(subject);
        }
        features.length = self.features.len().min(MAX_FEATURES);
        features
    }

    /// Whether the hash decides for `unit`.
    pub(crate) fn explores(&self, unit: &[u8]) -> bool {
        let buckets = f64::from(self.explorer.buckets());
        f64::from(self.explorer.bucket(unit)) < self.exploration * buckets
    }

    /// The scores of the variants, in their order.
    pub(crate) fn scores(&self, features: &Features) -> impl Iterator<Item = f64> {
        self.models
            .iter()
            .map(move |model| model.score(features, self.alpha))
    }

    /// The place of the variant with the highest score; the first one of equals.
    pub(crate) fn best(&self, features: &Features) -> u16 {
        let mut best = (0, f64::NEG_INFINITY);
        for (place, score) in (0..).zip(self.scores(features)) {
            if score.total_cmp(&best.1) == Ordering::Greater {
                best = (place, score);
            }
        }
        best.0
    }

    /// The probability over all units that one with these features is given `variant`, whose share
    /// of the hash is `share`.
    pub(crate) fn probability(&self, is_best: bool, share: f64) -> f64 {
        let by_model = if is_best { 1.0 - self.exploration } else { 0.0 };
        by_model + self.exploration * share
    }
}

impl Feature {
    fn read(&self, subject: &impl Subject) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Numeric {
                attribute,
                offset,
                scale,
            } => {
                let value = subject.get(*attribute).and_then(float);
                let scaled = value.map_or(0.0, |value| (value - offset) * scale);
                if scaled.is_finite() { scaled } else { 0.0 }
            }
            Self::OneHot { attribute, value } => {
                let is_it = subject.get(*attribute) == Some(value);
                f64::from(u8::from(is_it))
            }
        }
    }
}

impl LinearModel {
    /// `theta.x + alpha * sqrt(x' A^-1 x)`. Rounding can take the square below 0, where it counts
    /// as 0; a score that is no number, from coefficients too large, never wins.
    fn score(&self, features: &[f64], alpha: f64) -> f64 {
        let rows = self.a_inverse.chunks_exact(features.len().max(1));
        let projected = rows.map(|row| dot(row, features));
        let square: f64 = projected.zip(features).map(|(row, x)| row * x).sum();
        let score = dot(&self.theta, features) + alpha * square.max(0.0).sqrt();
        if score.is_nan() {
            f64::NEG_INFINITY
        } else {
            score
        }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct One(&'static [u8]);

    impl Subject for One {
        fn get(&self, _: AttributeId) -> Option<&[u8]> {
            (!self.0.is_empty()).then_some(self.0)
        }

        fn chance(&self) -> u64 {
            0
        }
    }

    fn model(theta: &[f64], a_inverse: &[f64]) -> LinearModel {
        LinearModel {
            theta: theta.into(),
            a_inverse: a_inverse.into(),
        }
    }

    fn contextual(models: &[LinearModel]) -> Contextual {
        let attribute = AttributeId(0);
        Contextual {
            features: [
                Feature::Constant(1.0),
                Feature::Numeric {
                    attribute,
                    offset: 10.0,
                    scale: 0.5,
                },
                Feature::OneHot {
                    attribute,
                    value: (*b"gold").into(),
                },
            ]
            .into(),
            alpha: 1.0,
            exploration: 0.1,
            explorer: Bucketer::new("x"),
            models: models.into(),
        }
    }

    #[test]
    fn features_are_numbers_whatever_the_request_says() {
        let contextual = contextual(&[]);
        let read = |value| contextual.features(&One(value)).to_vec();
        assert_eq!(read(b"14"), [1.0, 2.0, 0.0]);
        assert_eq!(read(b"gold"), [1.0, 0.0, 1.0]);
        for odd in [&b""[..], b"NaN", b"inf", b"1e9", b"\xff"] {
            assert_eq!(read(odd), [1.0, 0.0, 0.0], "{odd:?}");
        }
    }

    /// By hand: x = (1, 2, 0).
    #[test]
    fn a_score_is_the_mean_and_its_uncertainty() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let scored = contextual(&[
            model(&[0.5, 0.25, 9.0], &identity),
            model(
                &[0.0, 0.0, 0.0],
                &[4.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.0],
            ),
            model(
                &[0.0, 0.0, 0.0],
                &[-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            ),
        ]);
        let features = scored.features(&One(b"14"));
        let scores: Vec<f64> = scored.scores(&features).collect();
        // 0.5 + 0.5 + sqrt(1 + 4); sqrt(4 + 2 + 2 + 8); sqrt of something below 0.
        let expected = [1.0 + 5.0_f64.sqrt(), 4.0, 0.0];
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-12, "{scores:?}");
        }
        assert_eq!(scored.best(&features), 1);
    }

    #[test]
    fn the_first_of_equals_wins_and_what_is_no_number_never_does() {
        let zero = model(&[0.0; 3], &[0.0; 9]);
        let huge = model(&[f64::MAX; 3], &[-f64::MAX; 9]);
        let broken = model(&[f64::MAX, f64::MAX, f64::MAX], &[f64::MAX; 9]);
        let equal = contextual(&[zero.clone(), zero.clone()]);
        assert_eq!(equal.best(&equal.features(&One(b"14"))), 0);
        for odd in [huge, broken] {
            let scored = contextual(&[zero.clone(), odd]);
            let features = scored.features(&One(b"14"));
            assert!(scored.scores(&features).all(|score| !score.is_nan()));
        }
    }

    #[test]
    fn probabilities_add_up() {
        let scored = contextual(&[]);
        let shares = [0.2, 0.3, 0.5];
        let sum: f64 = shares
            .iter()
            .enumerate()
            .map(|(place, share)| scored.probability(place == 1, *share))
            .sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_tenth_of_the_units_explores() {
        let scored = contextual(&[]);
        let count = (0..100_000)
            .filter(|n| scored.explores(n.to_string().as_bytes()))
            .count();
        assert!((9_500..10_500).contains(&count), "{count}");
    }

    proptest! {
        #[test]
        fn any_model_has_a_best_variant(theta: [f64; 6], a_inverse: [f64; 18], alpha: f64) {
            let finite = |values: &[f64]| values.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect::<Vec<_>>();
            let (theta, a_inverse) = (finite(&theta), finite(&a_inverse));
            let mut scored = contextual(&[
                model(&theta[..3], &a_inverse[..9]), model(&theta[3..], &a_inverse[9..]),
            ]);
            scored.alpha = if alpha.is_finite() { alpha } else { 1.0 };
            prop_assert!(scored.best(&scored.features(&One(b"14"))) < 2);
        }
    }
}
