//! Student's t distribution, at any real degrees of freedom. From 50 on by the expansion of the equivalent normal
//! deviate in w = sqrt((df - 1/2) ln(1 + t^2/df)) (Hill 1970, with two more terms), below by the incomplete beta
//! function. Relative error at most 1e-12 of tails and quantiles.

use super::{beta, normal};
use crate::{Result, StatsError, check};

/// Where the expansion takes over: enough degrees of freedom, and w^2 / (df - 1/2) small.
const LARGE: f64 = 50.0;
const NEAR: f64 = 0.3;

/// The t distribution with its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentT {
    df: f64,
}

impl StudentT {
    /// The distribution with `df` degrees of freedom.
    ///
    /// # Errors
    /// `df` that is not finite and greater than 0.
    pub fn new(df: f64) -> Result<Self> {
        check::finite([("df", df)])?;
        check::positive("df", df)?;
        Ok(Self { df })
    }

    /// P(T > t), without cancellation.
    #[must_use]
    pub fn sf(&self, t: f64) -> f64 {
        if t < 0.0 {
            1.0 - 0.5 * self.two_sided(t)
        } else {
            0.5 * self.two_sided(t)
        }
    }

    /// P(T <= t).
    #[must_use]
    pub fn cdf(&self, t: f64) -> f64 {
        self.sf(-t)
    }

    /// P(|T| > |t|).
    #[must_use]
    pub fn two_sided(&self, t: f64) -> f64 {
        match self.deviate(t) {
            Some(z) => normal::two_sided(z),
            None => self.tails(t).lower,
        }
    }

    /// ln P(|T| > |t|), finite where the tail itself underflows.
    #[must_use]
    pub fn log_two_sided(&self, t: f64) -> f64 {
        match self.deviate(t) {
            Some(z) => normal::log_two_sided(z),
            None => self.tails(t).log_lower,
        }
    }

    /// The t with P(T > t) = p; plus and minus infinity at p = 0 and 1.
    ///
    /// # Errors
    /// `p` that is not a number from 0 to 1.
    pub fn isf(&self, p: f64) -> Result<f64> {
        let z = normal::isf(p)?;
        if p > 0.5 {
            return Ok(-self.upper(1.0 - p, -z)?);
        }
        self.upper(p, z)
    }

    fn upper(&self, p: f64, z: f64) -> Result<f64> {
        if z == 0.0 || z.is_infinite() {
            return Ok(z);
        }
        let a = self.df - 0.5;
        let w = from_normal(z, 1.0 / (a * a));
        let expanded = (self.df * (w * w / a).exp_m1()).sqrt();
        if self.df >= LARGE && z * z <= NEAR * a {
            return Ok(expanded);
        }
        // In ln t the logarithm of the tail is concave and falls: Newton's steps cannot go astray. Near the middle the
        // digits are in the part between 0 and t instead. From the expansion it is mostly one step.
        let centre = p > 0.2;
        let target = if centre {
            (1.0 - 2.0 * p).ln()
        } else {
            (2.0 * p).ln()
        };
        let is_start = self.df >= 3.0 && z * z <= self.df && expanded > z;
        let mut log_t = if is_start { expanded } else { z }.ln();
        for _ in 0..200 {
            let t = log_t.exp();
            let tails = self.tails(t);
            let value = if centre {
                tails.log_upper
            } else {
                tails.log_lower
            };
            let slope = 2.0 * (self.log_prefactor(t) - value).exp();
            let step = (value - target) / if centre { -slope } else { slope };
            if !step.is_finite() {
                return Err(StatsError::NoSolution {
                    unknown: "quantile",
                });
            }
            log_t += step;
            // The next step would be as small as this one's square.
            if step.abs() <= 1e-9 {
                break;
            }
        }
        Ok(log_t.exp())
    }

    /// The normal deviate with the same tail, where the expansion holds.
    fn deviate(&self, t: f64) -> Option<f64> {
        if self.df < LARGE {
            return None;
        }
        let a = self.df - 0.5;
        let s = (t / self.df * t).ln_1p();
        (s <= NEAR).then(|| to_normal((a * s).sqrt(), 1.0 / (a * a)))
    }

    /// Odds of x = df / (df + t^2) against 1 - x, with neither losing digits.
    fn parts(&self, t: f64) -> (f64, f64) {
        let square = t / self.df * t;
        if square.is_infinite() {
            (0.0, 1.0)
        } else {
            (1.0 / (1.0 + square), square / (1.0 + square))
        }
    }

    fn tails(&self, t: f64) -> beta::Tails {
        let (x, y) = self.parts(t);
        beta::tails(0.5 * self.df, 0.5, x, y)
    }

    /// ln of t times the density.
    fn log_prefactor(&self, t: f64) -> f64 {
        let (x, y) = self.parts(t);
        beta::log_prefactor(0.5 * self.df, 0.5, x, y)
    }
}

/// P(T > t) with `df` degrees of freedom.
///
/// # Errors
/// A `t` that is NaN, a `df` that is not finite and greater than 0.
pub fn sf(t: f64, df: f64) -> Result<f64> {
    Ok(checked(t, df)?.sf(t))
}

/// P(|T| > |t|) with `df` degrees of freedom.
///
/// # Errors
/// As [`sf`].
pub fn two_sided(t: f64, df: f64) -> Result<f64> {
    Ok(checked(t, df)?.two_sided(t))
}

/// ln P(T > t) with `df` degrees of freedom, finite where the tail underflows.
///
/// # Errors
/// As [`sf`].
pub fn log_sf(t: f64, df: f64) -> Result<f64> {
    let distribution = checked(t, df)?;
    Ok(if t < 0.0 {
        (-0.5 * distribution.two_sided(t)).ln_1p()
    } else {
        distribution.log_two_sided(t) - std::f64::consts::LN_2
    })
}

/// The t with P(T > t) = p and `df` degrees of freedom.
///
/// # Errors
/// As [`StudentT::isf`].
pub fn isf(p: f64, df: f64) -> Result<f64> {
    StudentT::new(df)?.isf(p)
}

fn checked(t: f64, df: f64) -> Result<StudentT> {
    if t.is_nan() {
        return Err(StatsError::NonFiniteInput { input: "t" });
    }
    StudentT::new(df)
}

/// z from w, with e = 1 / (df - 1/2)^2: phi(z) z' = C phi(w) sqrt((s/2) / sinh(s/2)) solved in powers of e.
fn to_normal(w: f64, e: f64) -> f64 {
    let v = w * w;
    let b1 = v / 48.0 + 1.0 / 16.0;
    let b2 = ((-v / 5760.0 - 11.0 / 7680.0) * v - 1.0 / 96.0) * v - 19.0 / 512.0;
    let b3 =
        (((v / 362_880.0 + 197.0 / 5_806_080.0) * v + 121.0 / 286_720.0) * v + 95.0 / 24_576.0) * v;
    let b3 = (b3 + 575.0 / 24_576.0) * v + 631.0 / 8192.0;
    let b4 = ((-v / 19_353_600.0 - 1181.0 / 1_393_459_200.0) * v - 13_729.0 / 928_972_800.0) * v;
    let b4 =
        ((b4 - 104_413.0 / 495_452_160.0) * v - 1147.0 / 491_520.0) * v - 74_833.0 / 3_932_160.0;
    let b4 = (b4 * v - 10_361.0 / 98_304.0) * v - 174_317.0 / 524_288.0;
    w + w * e * (b1 + e * (b2 + e * (b3 + e * b4)))
}

/// w from z: the same series, reverted.
fn from_normal(z: f64, e: f64) -> f64 {
    let v = z * z;
    let d1 = -v / 48.0 - 1.0 / 16.0;
    let d2 = ((v / 5760.0 + 7.0 / 2560.0) * v + 1.0 / 64.0) * v + 21.0 / 512.0;
    let d3 = (((-v / 362_880.0 - 407.0 / 5_806_080.0) * v - 2209.0 / 2_580_480.0) * v
        - 257.0 / 40_960.0)
        * v;
    let d3 = (d3 - 245.0 / 8192.0) * v - 671.0 / 8192.0;
    let d4 = ((v / 19_353_600.0 + 173.0 / 92_897_280.0) * v + 3529.0 / 103_219_200.0) * v;
    let d4 =
        ((d4 + 41_383.0 / 99_090_432.0) * v + 12_899.0 / 3_440_640.0) * v + 33_053.0 / 1_310_720.0;
    let d4 = (d4 * v + 1483.0 / 12_288.0) * v + 180_323.0 / 524_288.0;
    z + z * e * (d1 + e * (d2 + e * (d3 + e * d4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expansion_and_the_incomplete_beta_agree_where_one_takes_over_from_the_other() {
        for df in [LARGE, 57.3, 80.0, 120.0, 199.0, 1_000.0] {
            let it = StudentT { df };
            for t in [1e-8, 0.1, 0.7, 1.5, 2.0, 3.0, 4.0, 5.0] {
                let Some(z) = it.deviate(t) else { continue };
                let (expanded, exact) = (normal::log_two_sided(z), it.tails(t).log_lower);
                let error = (expanded - exact).abs();
                assert!(error <= 1e-12, "df {df}, t {t}: {error:e}");
            }
        }
    }

    #[test]
    fn a_quantile_gives_its_tail_back_at_every_size() {
        for df in [
            0.1, 0.7, 1.0, 2.0, 3.5, 9.0, 22.0, 49.9, 50.0, 77.0, 1e3, 1e8,
        ] {
            let it = StudentT { df };
            for p in [
                1e-200_f64, 1e-30, 1e-9, 1e-4, 0.025, 0.1, 0.21, 0.4, 0.499_999,
            ] {
                // The tail falls as t^-df: beyond, the square of t is no double.
                if -p.ln() / df > 340.0 {
                    continue;
                }
                let t = it.isf(p).unwrap();
                let found = log_sf(t, df).unwrap();
                let error = (found - p.ln()).abs() / p.ln().abs().max(1.0);
                // Near the middle a last digit of t is one of 1/2 - p.
                assert!(error <= 1e-12, "df {df}, p {p}: {error:e}");
            }
        }
    }
}
