//! CUPED (Deng, Xu, Kohavi and Walker 2013): what covariates from before the experiment explain of an
//! outcome is taken out of it, and the arms are compared by what is left.

use super::joint::Joint;
use crate::distribution::student_t;
use crate::{Result, StatsError, check};

/// Two arms compared after the adjustment; the effect is treatment minus control.
#[derive(Clone, Debug, PartialEq)]
pub struct Cuped {
    /// The coefficients, from both arms as one sample. A covariate that adds nothing (constant, or given
    /// by the ones before) has 0.
    pub theta: Vec<f64>,
    /// The coefficients from what varies within the arms.
    pub theta_within: Vec<f64>,
    /// The adjusted means of control and treatment.
    pub means: (f64, f64),
    /// The adjusted variances of control and treatment.
    pub variances: (f64, f64),
    /// The effect.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Welch's degrees of freedom.
    pub degrees_of_freedom: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// The confidence interval.
    pub interval: (f64, f64),
    /// By which fraction the variance of the effect is less than without the adjustment.
    pub variance_reduction: f64,
}

/// Compares two arms.
///
/// # Errors
/// `NonFiniteInput`, `OutOfRange` (`alpha` in (0, 1)), `LengthMismatch` of the covariates, `InsufficientData`
/// (two units an arm), `ZeroVariance` where nothing is left that varies.
pub fn cuped(control: &Joint, treatment: &Joint, alpha: f64) -> Result<Cuped> {
    check::finite([("alpha", alpha)])?;
    check::same_length("covariates", control.means(), treatment.means())?;
    check::open_unit("alpha", alpha)?;
    if control.n() < 2 || treatment.n() < 2 {
        return Err(StatsError::InsufficientData {
            input: "an arm",
            needs: "at least 2 units",
        });
    }
    let pooled = control.merge(treatment)?;
    let theta = coefficients(&pooled);
    let theta_within = coefficients(&control.pooled_within(treatment));
    let means = (
        adjusted_mean(control, &pooled, &theta),
        adjusted_mean(treatment, &pooled, &theta),
    );
    let variances = (
        adjusted_variance(control, &theta),
        adjusted_variance(treatment, &theta),
    );
    let (n_a, n_b) = (control.n() as f64, treatment.n() as f64);
    let (part_a, part_b) = (variances.0 / n_a, variances.1 / n_b);
    let total = part_a + part_b;
    if total <= 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the adjusted outcome",
        });
    }
    let degrees_of_freedom =
        total * total / (part_a * part_a / (n_a - 1.0) + part_b * part_b / (n_b - 1.0));
    let effect = means.1 - means.0;
    let standard_error = total.sqrt();
    let half = student_t::isf(0.5 * alpha, degrees_of_freedom)? * standard_error;
    let raw =
        control.product(0, 0) / (n_a - 1.0) / n_a + treatment.product(0, 0) / (n_b - 1.0) / n_b;
    Ok(Cuped {
        theta,
        theta_within,
        means,
        variances,
        effect,
        standard_error,
        degrees_of_freedom,
        p: student_t::two_sided(effect / standard_error, degrees_of_freedom)?,
        interval: (effect - half, effect + half),
        variance_reduction: if raw > 0.0 { 1.0 - total / raw } else { 0.0 },
    })
}

/// The least-squares coefficients of the outcome on the covariates, by elimination. A covariate of which
/// the ones before leave nothing gets 0: with it the others explain as much.
fn coefficients(joint: &Joint) -> Vec<f64> {
    let size = joint.covariates();
    let mut rows: Vec<Vec<f64>> = (1..=size)
        .map(|row| {
            (1..=size)
                .map(|column| joint.product(row, column))
                .chain([joint.product(row, 0)])
                .collect()
        })
        .collect();
    let mut used = vec![false; size];
    for pivot in 0..size {
        let Some(row) = rows.get(pivot).cloned() else {
            break;
        };
        let (Some(left), whole) = (row.get(pivot).copied(), joint.product(pivot + 1, pivot + 1))
        else {
            break;
        };
        if left <= 1e-12 * whole || left <= 0.0 {
            continue;
        }
        if let Some(flag) = used.get_mut(pivot) {
            *flag = true;
        }
        for (index, other) in rows.iter_mut().enumerate() {
            let factor = other.get(pivot).copied().unwrap_or_default() / left;
            if index == pivot || factor == 0.0 {
                continue;
            }
            for (value, from) in other.iter_mut().zip(&row) {
                *value -= factor * from;
            }
        }
    }
    rows.iter()
        .enumerate()
        .zip(used)
        .map(|((index, row), used)| {
            let (pivot, right) = (
                row.get(index).copied().unwrap_or(1.0),
                row.last().copied().unwrap_or_default(),
            );
            if used { right / pivot } else { 0.0 }
        })
        .collect()
}

fn adjusted_mean(arm: &Joint, pooled: &Joint, theta: &[f64]) -> f64 {
    let gaps = arm
        .means()
        .iter()
        .zip(pooled.means())
        .skip(1)
        .map(|(mean, centre)| mean - centre);
    let explained: f64 = theta.iter().zip(gaps).map(|(theta, gap)| theta * gap).sum();
    arm.means().first().copied().unwrap_or_default() - explained
}

fn adjusted_variance(arm: &Joint, theta: &[f64]) -> f64 {
    let mut sum = arm.product(0, 0);
    for (row, theta_row) in theta.iter().enumerate() {
        sum -= 2.0 * theta_row * arm.product(row + 1, 0);
        for (column, theta_column) in theta.iter().enumerate() {
            sum += theta_row * theta_column * arm.product(row + 1, column + 1);
        }
    }
    sum.max(0.0) / (arm.n() as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [f64; 6] = [1.0, 2.0, 2.5, 4.0, 5.5, 5.0];
    const X: [f64; 6] = [1.1, 1.9, 3.2, 3.9, 5.1, 5.7];
    const OTHER: [f64; 6] = [0.3, -1.0, 2.0, 0.1, -0.4, 1.5];

    fn arms(covariates: &[&[f64]]) -> (Joint, Joint) {
        let shifted: Vec<f64> = Y.iter().map(|y| y * 1.1 + 0.5).collect();
        (
            Joint::from_columns(&Y, covariates).unwrap(),
            Joint::from_columns(&shifted, covariates).unwrap(),
        )
    }

    #[test]
    fn a_covariate_that_says_nothing_new_changes_nothing() {
        let twice: Vec<f64> = X.iter().map(|x| 2.0 * x - 3.0).collect();
        let (a, b) = arms(&[&X]);
        let one = cuped(&a, &b, 0.05).unwrap();
        let (a, b) = arms(&[&X, &twice, &[7.0; 6]]);
        let three = cuped(&a, &b, 0.05).unwrap();
        assert_eq!(&three.theta[1..], [0.0, 0.0]);
        assert!(
            (one.effect - three.effect).abs() < 1e-12,
            "{one:?} {three:?}"
        );
        assert!(
            (one.standard_error - three.standard_error).abs() < 1e-12,
            "{one:?} {three:?}"
        );
    }

    #[test]
    fn a_second_covariate_solves_the_normal_equations() {
        let (a, b) = arms(&[&X, &OTHER]);
        let found = cuped(&a, &b, 0.05).unwrap();
        let pooled = a.merge(&b).unwrap();
        for row in 1..=2 {
            let left: f64 = (1..=2)
                .map(|column| found.theta[column - 1] * pooled.product(row, column))
                .sum();
            assert!((left - pooled.product(row, 0)).abs() < 1e-10, "{found:?}");
        }
        let (a, b) = arms(&[]);
        assert!(found.variance_reduction > 0.5, "{found:?}");
        assert_eq!(cuped(&a, &b, 0.05).unwrap().variance_reduction, 0.0);
    }
}
