//! Student's t distribution, for any positive degrees of freedom. Its tail is a share of a Beta, which is integrated
//! outwards from the tail's own largest value: relative error at most 1e-12, in logarithms without end.

use crate::log_concave::{BetaLogit, log_share};
use crate::{Result, StatsError, check};

use super::normal;

/// P(T > t).
///
/// # Errors
/// A `t` or `df` that is not finite, `df` that is not positive.
pub fn sf(t: f64, df: f64) -> Result<f64> {
    Ok(log_sf(t, df)?.exp())
}

/// P(|T| > |t|).
///
/// # Errors
/// As [`sf`].
pub fn two_sided(t: f64, df: f64) -> Result<f64> {
    check::finite([("t", t), ("df", df)])?;
    check::positive("df", df)?;
    Ok(log_both(t, df).exp())
}

/// ln P(T > t).
///
/// # Errors
/// As [`sf`].
pub fn log_sf(t: f64, df: f64) -> Result<f64> {
    check::finite([("t", t), ("df", df)])?;
    check::positive("df", df)?;
    let half = log_both(t, df) - std::f64::consts::LN_2;
    Ok(if t < 0.0 { (-half.exp()).ln_1p() } else { half })
}

/// ln P(|T| > |t|).
fn log_both(t: f64, df: f64) -> f64 {
    if t == 0.0 {
        return 0.0;
    }
    log_share(
        &BetaLogit {
            alpha: 0.5 * df,
            beta: 0.5,
        },
        df.ln() - 2.0 * t.abs().ln(),
        false,
    )
}

/// The t with P(T > t) = p.
///
/// # Errors
/// A `p` that is not strictly between 0 and 1, `df` that is not positive.
pub fn isf(p: f64, df: f64) -> Result<f64> {
    check::finite([("p", p), ("df", df)])?;
    check::open_unit("p", p)?;
    check::positive("df", df)?;
    if p > 0.5 {
        return Ok(-isf_upper(1.0 - p, df)?);
    }
    isf_upper(p, df)
}

/// The same for a `p` of at most one half. The logarithm of the tail is concave and falling in ln t, so that Newton's
/// steps from outside come down to the root.
fn isf_upper(p: f64, df: f64) -> Result<f64> {
    if p == 0.5 {
        return Ok(0.0);
    }
    let target = (2.0 * p).ln();
    let log_density = libm::lgamma(0.5 * (df + 1.0))
        - libm::lgamma(0.5 * df)
        - 0.5 * (df * std::f64::consts::PI).ln();
    let z = -normal::lower_quantile(p);
    // Cornish and Fisher's first terms; where they fail, Newton has farther to go.
    let mut t = z * (1.0 + (z * z + 1.0) / (4.0 * df));
    for _ in 0..200 {
        let tail = log_both(t, df);
        let density =
            (std::f64::consts::LN_2 + log_density - 0.5 * (df + 1.0) * (t * t / df).ln_1p() - tail)
                .exp();
        let step = (tail - target) / (density * t);
        if !step.is_finite() {
            break;
        }
        t *= step.clamp(-2.0, 40.0).exp();
        // Newton doubles the digits: the next step would be below rounding.
        if step.abs() < 1e-9 {
            return Ok(t);
        }
    }
    Err(StatsError::NoSolution {
        unknown: "quantile",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_degrees_have_closed_forms() {
        for t in [1e-8_f64, 0.5, 3.0, 1e6] {
            let cauchy = (1.0 / t).atan() / std::f64::consts::PI;
            assert!(
                (sf(t, 1.0).unwrap() - cauchy).abs() < 1e-12 * cauchy,
                "at {t}"
            );
            let root = (2.0 + t * t).sqrt();
            let two = 1.0 / (root * (root + t));
            assert!((sf(t, 2.0).unwrap() - two).abs() < 1e-12 * two, "at {t}");
        }
    }

    #[test]
    fn quantiles_give_back_their_probability() {
        for df in [0.3, 1.0, 7.5, 300.0, 2e9] {
            for p in [1e-200_f64, 1e-15, 0.025, 0.499, 0.5, 0.9] {
                let Ok(t) = isf(p, df) else { continue };
                let back = log_sf(t, df).unwrap();
                assert!(
                    (back - p.ln()).abs() < 1e-11 * (1.0 - p.ln()),
                    "{p} at {df}: {t} has {back}"
                );
            }
        }
    }
}
