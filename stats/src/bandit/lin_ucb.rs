//! LinUCB with one model an arm (Li, Chu, Langford and Schapire 2010): a ridge regression of the reward on the context,
//! whose score is the expected reward plus its uncertainty.

use crate::{Result, StatsError, check};

/// One arm's model: `A = λI + Σ x xᵀ` and `b = Σ r x`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinUcb {
    size: usize,
    /// A, row by row.
    matrix: Vec<f64>,
    target: Vec<f64>,
}

/// An arm's score for a context.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The coefficients `A⁻¹ b`.
    pub theta: Vec<f64>,
    /// The expected reward.
    pub mean: f64,
    /// Its uncertainty `√(xᵀ A⁻¹ x)`.
    pub width: f64,
    /// `mean + α width`.
    pub score: f64,
}

impl LinUcb {
    /// A model of contexts of this size that has seen nothing.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` where λ is negative or the size is 0.
    pub fn new(size: usize, lambda: f64) -> Result<Self> {
        check::finite([("lambda", lambda)])?;
        check::range("context", size > 0, "at least one number")?;
        check::non_negative("lambda", lambda)?;
        let matrix = (0..size * size)
            .map(|place| if place % (size + 1) == 0 { lambda } else { 0.0 })
            .collect();
        Ok(Self {
            size,
            matrix,
            target: vec![0.0; size],
        })
    }

    /// Takes in what a context's reward was.
    ///
    /// # Errors
    /// `NonFiniteInput`, `LengthMismatch`; the model is unchanged then.
    pub fn update(&mut self, context: &[f64], reward: f64) -> Result<()> {
        check::all_finite("x", context)?;
        check::finite([("reward", reward)])?;
        check::same_length("contexts", context, &self.target)?;
        for (row, x) in self.matrix.chunks_mut(self.size).zip(context) {
            for (cell, y) in row.iter_mut().zip(context) {
                *cell += x * y;
            }
        }
        for (sum, x) in self.target.iter_mut().zip(context) {
            *sum += reward * x;
        }
        Ok(())
    }

    /// Scores a context.
    ///
    /// # Errors
    /// `NonFiniteInput`, `LengthMismatch`, `OutOfRange` where α is negative, `SingularMatrix` where λ is 0 and too little
    /// was seen.
    pub fn score(&self, context: &[f64], alpha: f64) -> Result<Score> {
        check::all_finite("x", context)?;
        check::finite([("alpha", alpha)])?;
        check::same_length("contexts", context, &self.target)?;
        check::non_negative("alpha", alpha)?;
        let factor = self.cholesky()?;
        let theta = backward(&factor, &forward(&factor, &self.target));
        let mean: f64 = theta.iter().zip(context).map(|(a, b)| a * b).sum();
        let half = forward(&factor, context);
        let width = half.iter().map(|value| value * value).sum::<f64>().sqrt();
        Ok(Score {
            theta,
            mean,
            width,
            score: mean + alpha * width,
        })
    }

    /// The lower factor L of `A = L Lᵀ`, as rows.
    fn cholesky(&self) -> Result<Vec<Vec<f64>>> {
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(self.size);
        for row in self.matrix.chunks(self.size) {
            let place = factor.len();
            let mut new: Vec<f64> = Vec::with_capacity(place + 1);
            for (before, cell) in factor.iter().zip(row) {
                let dot: f64 = new.iter().zip(before).map(|(a, b)| a * b).sum();
                let pivot = before.last().copied().unwrap_or(1.0);
                new.push((cell - dot) / pivot);
            }
            let whole = row.get(place).copied().unwrap_or_default();
            let left = whole - new.iter().map(|value| value * value).sum::<f64>();
            if left <= 1e-14 * whole || left <= 0.0 {
                return Err(StatsError::SingularMatrix { input: "A" });
            }
            new.push(left.sqrt());
            factor.push(new);
        }
        Ok(factor)
    }
}

/// Solves `L y = b`.
fn forward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut found: Vec<f64> = Vec::with_capacity(right.len());
    for (row, value) in factor.iter().zip(right) {
        let dot: f64 = row.iter().zip(&found).map(|(a, b)| a * b).sum();
        found.push((value - dot) / row.last().copied().unwrap_or(1.0));
    }
    found
}

/// Solves `Lᵀ x = y`.
fn backward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut found = right.to_vec();
    for (place, row) in factor.iter().enumerate().rev() {
        let Some((pivot, before)) = row.split_last() else {
            continue;
        };
        let value = found.get(place).copied().unwrap_or_default() / pivot;
        for (other, cell) in found.iter_mut().zip(before) {
            *other -= value * cell;
        }
        if let Some(slot) = found.get_mut(place) {
            *slot = value;
        }
    }
    found
}
