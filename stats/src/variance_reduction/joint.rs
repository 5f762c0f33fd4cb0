//! Means and centred second moments of an outcome together with its covariates: what an adjustment needs
//! of an arm. It grows observation by observation, and parts merge in any order.

use crate::{Result, StatsError, check};

/// Joint moments of one arm. The outcome comes first, then the covariates.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    n: u64,
    means: Vec<f64>,
    /// Sums of products of deviations, row by row.
    products: Vec<f64>,
}

/// Plain sums over an arm with one covariate, as a data warehouse gives them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    /// How many units.
    pub n: u64,
    /// Σ outcome.
    pub y: f64,
    /// Σ outcome².
    pub y_squared: f64,
    /// Σ covariate.
    pub x: f64,
    /// Σ covariate².
    pub x_squared: f64,
    /// Σ covariate × outcome.
    pub xy: f64,
}

impl Joint {
    /// Nothing seen yet, of an outcome with this many covariates.
    #[must_use]
    pub fn empty(covariates: usize) -> Self {
        let size = covariates + 1;
        Self {
            n: 0,
            means: vec![0.0; size],
            products: vec![0.0; size * size],
        }
    }

    /// From an outcome and its covariates, one slice each.
    ///
    /// # Errors
    /// `LengthMismatch`, `NonFiniteInput`.
    pub fn from_columns(outcome: &[f64], covariates: &[&[f64]]) -> Result<Self> {
        check::all_finite("y", outcome)?;
        for covariate in covariates {
            check::all_finite("x", covariate)?;
        }
        for covariate in covariates {
            check::same_length("x and y", covariate, outcome)?;
        }
        let columns: Vec<&[f64]> = std::iter::once(outcome)
            .chain(covariates.iter().copied())
            .collect();
        let mut joint = Self::empty(covariates.len());
        joint.n = outcome.len() as u64;
        if outcome.is_empty() {
            return Ok(joint);
        }
        let n = joint.n as f64;
        // Two passes; the second one corrects the means, and the products, for what rounding left.
        let rough: Vec<f64> = columns
            .iter()
            .map(|column| column.iter().sum::<f64>() / n)
            .collect();
        let left: Vec<f64> = columns
            .iter()
            .zip(&rough)
            .map(|(column, mean)| column.iter().map(|v| v - mean).sum::<f64>() / n)
            .collect();
        joint.means = rough
            .iter()
            .zip(&left)
            .map(|(mean, left)| mean + left)
            .collect();
        joint.products.clear();
        for ((column, mean), rest) in columns.iter().zip(&rough).zip(&left) {
            for ((other, other_mean), other_rest) in columns.iter().zip(&rough).zip(&left) {
                let sum: f64 = column
                    .iter()
                    .zip(*other)
                    .map(|(a, b)| (a - mean) * (b - other_mean))
                    .sum();
                joint.products.push(sum - n * rest * other_rest);
            }
        }
        Ok(joint)
    }

    /// From plain sums. Their differences are taken with twice the precision, but what the sums have
    /// lost themselves is lost.
    ///
    /// # Errors
    /// `NonFiniteInput`; `InsufficientData` where n is 0; `InconsistentMoments` where no data has such sums.
    pub fn from_sums(sums: Sums) -> Result<Self> {
        check::all_finite(
            "sums",
            &[sums.y, sums.y_squared, sums.x, sums.x_squared, sums.xy],
        )?;
        if sums.n == 0 {
            return Err(StatsError::InsufficientData {
                input: "n",
                needs: "at least 1 unit",
            });
        }
        let n = sums.n as f64;
        let yy = centred(sums.y_squared, sums.y, sums.y, n);
        let xx = centred(sums.x_squared, sums.x, sums.x, n);
        let xy = centred(sums.xy, sums.x, sums.y, n);
        let slack = 1e-9 * (sums.y_squared.abs() * sums.x_squared.abs());
        if yy < 0.0 || xx < 0.0 || xy * xy > xx * yy + slack {
            return Err(StatsError::InconsistentMoments { input: "sums" });
        }
        Ok(Self {
            n: sums.n,
            means: vec![sums.y / n, sums.x / n],
            products: vec![yy, xy, xy, xx],
        })
    }

    /// Takes one unit in: its outcome, then its covariates.
    ///
    /// # Errors
    /// `LengthMismatch`, `NonFiniteInput`; nothing is taken in then.
    pub fn push(&mut self, values: &[f64]) -> Result<()> {
        check::all_finite("values", values)?;
        check::same_length("values", values, &self.means)?;
        self.n += 1;
        let n = self.n as f64;
        let before: Vec<f64> = values
            .iter()
            .zip(&self.means)
            .map(|(v, mean)| v - mean)
            .collect();
        for (mean, gap) in self.means.iter_mut().zip(&before) {
            *mean += gap / n;
        }
        let scale = (n - 1.0) / n;
        for (row, gap) in self.products.chunks_mut(before.len()).zip(&before) {
            for (product, other) in row.iter_mut().zip(&before) {
                *product += gap * other * scale;
            }
        }
        Ok(())
    }

    /// Both parts together (Chan, Golub and LeVeque 1983).
    ///
    /// # Errors
    /// `LengthMismatch` where they have different covariates.
    pub fn merge(&self, other: &Self) -> Result<Self> {
        check::same_length("covariates", &self.means, &other.means)?;
        if self.n == 0 || other.n == 0 {
            return Ok(if self.n == 0 {
                other.clone()
            } else {
                self.clone()
            });
        }
        let (ours, theirs) = (self.n as f64, other.n as f64);
        let total = ours + theirs;
        let gaps: Vec<f64> = other
            .means
            .iter()
            .zip(&self.means)
            .map(|(b, a)| b - a)
            .collect();
        let means = self
            .means
            .iter()
            .zip(&other.means)
            .map(|(a, b)| (ours * a + theirs * b) / total)
            .collect();
        let between = gaps
            .iter()
            .flat_map(|a| gaps.iter().map(move |b| a * b * (ours * theirs / total)));
        let products = self
            .within(other)
            .zip(between)
            .map(|(within, between)| within + between)
            .collect();
        Ok(Self {
            n: self.n + other.n,
            means,
            products,
        })
    }

    /// Sums of products of deviations from each part's own means.
    fn within<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = f64> + 'a {
        self.products
            .iter()
            .zip(&other.products)
            .map(|(a, b)| a + b)
    }

    /// The same moments around one common centre that is left out: only what varies within the parts.
    pub(super) fn pooled_within(&self, other: &Self) -> Self {
        Self {
            n: self.n + other.n,
            means: self.means.clone(),
            products: self.within(other).collect(),
        }
    }

    /// How many units.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// How many covariates.
    #[must_use]
    pub fn covariates(&self) -> usize {
        self.means.len() - 1
    }

    /// The outcome's mean, then those of the covariates.
    #[must_use]
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The sum of products of deviations of two columns; the outcome is column 0.
    #[must_use]
    pub fn product(&self, row: usize, column: usize) -> f64 {
        self.products
            .get(row * self.means.len() + column)
            .copied()
            .unwrap_or_default()
    }
}

/// Σab - Σa Σb / n, with the product and the division exact to twice the precision.
fn centred(product: f64, a: f64, b: f64, n: f64) -> f64 {
    let high = a * b;
    let low = a.mul_add(b, -high);
    let mean = high / n;
    let rest = (-mean).mul_add(n, high);
    (product - mean) - (rest + low) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: &Joint, b: &Joint) {
        assert_eq!(a.n, b.n);
        for (x, y) in a.means.iter().zip(&b.means) {
            assert!((x - y).abs() < 1e-10, "{a:?} {b:?}");
        }
        for (x, y) in a.products.iter().zip(&b.products) {
            assert!((x - y).abs() < 1e-8 * (1.0 + x.abs()), "{a:?} {b:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_whole(
            units in prop::collection::vec((-1e3_f64..1e3, -1e3_f64..1e3), 2..60),
            cut in 0_usize..60,
        ) {
            let joint = |units: &[(f64, f64)]| {
                let (x, y): (Vec<f64>, Vec<f64>) = units.iter().copied().unzip();
                Joint::from_columns(&y, &[&x]).unwrap()
            };
            let (left, right) = units.split_at(cut.min(units.len()));
            let whole = joint(&units);
            near(&joint(left).merge(&joint(right)).unwrap(), &whole);
            near(&joint(right).merge(&joint(left)).unwrap(), &whole);
            let mut streamed = Joint::empty(1);
            for (x, y) in &units {
                streamed.push(&[*y, *x]).unwrap();
            }
            near(&streamed, &whole);
        }
    }

    #[test]
    fn sums_that_no_data_has_are_refused() {
        let sums = Sums {
            n: 10,
            y: 10.0,
            y_squared: 1.0,
            x: 0.0,
            x_squared: 1.0,
            xy: 0.0,
        };
        assert_eq!(
            Joint::from_sums(sums).unwrap_err().code(),
            "inconsistent_moments"
        );
    }
}
