//! Mean and variance of a stream, and of parts that are merged. Welford's update with the mean and the sum of squares
//! carried in two doubles each, so that the mean keeps 13 digits and the deviation 12 where the data are doubles of
//! any offset, and the order of parts does not show above the last digit or two.

use crate::{Result, StatsError, Summary, check};

/// A sum in two doubles (Knuth's two-sum): error about 1e-32 of the sum of magnitudes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let part = sum - self.high;
        let error = (self.high - (sum - part)) + (value - part);
        let low = self.low + error;
        self.high = sum + low;
        self.low = low - (self.high - sum);
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

/// n, mean and squared deviations of what has been seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    n: f64,
    mean: Sum,
    squares: Sum,
}

impl Moments {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All of `data`.
    ///
    /// # Errors
    /// A value that is not finite.
    pub fn of(data: &[f64]) -> Result<Self> {
        check::all_finite("data", data)?;
        let mut moments = Self::new();
        for value in data {
            moments.push(*value);
        }
        Ok(moments)
    }

    /// What a part computed elsewhere knows.
    ///
    /// # Errors
    /// Numbers that are not finite, a negative n or variance.
    pub fn from_summary(part: Summary) -> Result<Self> {
        check::finite([
            ("n", part.n),
            ("mean", part.mean),
            ("variance", part.variance),
        ])?;
        check::non_negative("n", part.n)?;
        check::non_negative("variance", part.variance)?;
        let squares = part.variance * (part.n - 1.0).max(0.0);
        Ok(Self {
            n: part.n,
            mean: Sum {
                high: part.mean,
                low: 0.0,
            },
            squares: Sum {
                high: squares,
                low: 0.0,
            },
        })
    }

    /// One more value, which must be finite: anything else is not counted, and `false` is returned.
    pub fn push(&mut self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        self.n += 1.0;
        let before = (value - self.mean.high) - self.mean.low;
        self.mean.add(before / self.n);
        let after = (value - self.mean.high) - self.mean.low;
        self.squares.add(before * after);
        true
    }

    /// Everything that `other` has seen, too.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            *self = *other;
            return;
        }
        let n = self.n + other.n;
        let difference = (other.mean.high - self.mean.high) + (other.mean.low - self.mean.low);
        self.mean.add(difference * (other.n / n));
        self.squares.add(other.squares.high);
        self.squares.add(other.squares.low);
        self.squares
            .add(difference * difference * (self.n / n * other.n));
        self.n = n;
    }

    /// How many.
    #[must_use]
    pub const fn n(&self) -> f64 {
        self.n
    }

    /// The mean; none of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.mean.value())
    }

    /// The unbiased variance; none below two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.n >= 2.0).then(|| self.squares.value().max(0.0) / (self.n - 1.0))
    }

    /// What the methods read. Below two values the variance is zero, and they will ask for more data.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new(
            self.n,
            self.mean().unwrap_or(0.0),
            self.variance().unwrap_or(0.0),
        )
    }
}

/// The lag-one autocorrelation of a series.
///
/// # Errors
/// Values that are not finite, fewer than two, none that differ.
pub fn lag_one(data: &[f64]) -> Result<f64> {
    let moments = Moments::of(data)?;
    let (Some(mean), Some(variance)) = (moments.mean(), moments.variance()) else {
        return Err(StatsError::InsufficientData {
            input: "data",
            needs: "at least 2 values",
        });
    };
    if variance <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "data" });
    }
    let mut sum = Sum::default();
    for (before, after) in data.iter().zip(data.iter().skip(1)) {
        sum.add((before - mean) * (after - mean));
    }
    Ok(sum.value() / moments.squares.value())
}

/// The unbiased variance from n, the sum and the sum of squares, with the cancelling product in two doubles.
///
/// # Errors
/// Numbers that are not finite; n below 2; a sum of squares that no data with this sum could have.
pub fn variance_from_sums(n: f64, sum: f64, sum_squares: f64) -> Result<f64> {
    check::finite([("n", n), ("sum", sum), ("sum_squares", sum_squares)])?;
    check::non_negative("n", n)?;
    if n < 2.0 {
        return Err(StatsError::InsufficientData {
            input: "n",
            needs: "at least 2 units",
        });
    }
    centred_product("sums", n, sum, sum, sum_squares).and_then(|value| {
        if value < 0.0 {
            Err(StatsError::InconsistentMoments { input: "sums" })
        } else {
            Ok(value / (n - 1.0))
        }
    })
}

/// Sum of products about the means, `sum_xy - sum_x sum_y / n`, as n times it over n, without cancellation.
pub(crate) fn centred_product(
    input: &'static str,
    n: f64,
    sum_x: f64,
    sum_y: f64,
    sum_xy: f64,
) -> Result<f64> {
    let product = sum_x * sum_y;
    let product_low = sum_x.mul_add(sum_y, -product);
    let scaled = n * sum_xy;
    let scaled_low = n.mul_add(sum_xy, -scaled);
    let value = ((scaled - product) + (scaled_low - product_low)) / n;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(StatsError::OutOfRange {
            input,
            expected: "sums whose products are finite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_of_numacc4_is_that_of_its_doubles_to_twelve_digits() {
        // NIST's NumAcc4 as doubles: whole numbers of 2^-29, so that sums of squares are exact in integers.
        let data: Vec<f64> = std::iter::once(10_000_000.2)
            .chain([10_000_000.1, 10_000_000.3].into_iter().cycle())
            .take(1_001)
            .collect();
        let unit = 2_f64.powi(29);
        let (mut sum, mut squares) = (0_i128, 0_i128);
        for value in &data {
            let steps = (value - 10_000_000.0) * unit;
            assert_eq!(steps, steps.trunc());
            #[allow(clippy::cast_possible_truncation)]
            let steps = steps as i128;
            sum += steps;
            squares += steps * steps;
        }
        let exact = (1_001 * squares - sum * sum) as f64 / (1_001.0 * 1_000.0);
        let exact = exact.sqrt() / unit;
        let moments = Moments::of(&data).unwrap();
        let found = moments.variance().unwrap().sqrt();
        assert!((found / exact - 1.0).abs() < 1e-12, "{found} {exact}");
        let mean = 10_000_000.0 + sum as f64 / 1_001.0 / unit;
        assert!((moments.mean().unwrap() / mean - 1.0).abs() < 1e-15);
    }
}
