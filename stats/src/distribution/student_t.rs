//! Student's t distribution, at any real degrees of freedom. From 16 on, and not too far out, by the expansion of the
//! equivalent normal deviate in w = sqrt((df - 1/2) ln(1 + t^2/df)), else by the incomplete beta function; where t^2 / df is
//! so large that 1 is nothing beside it, by that function's first term, in logarithms. Relative error at most 1e-12 of tails
//! and quantiles.

use super::equivalent_deviate::{TERMS, from_normal, to_normal};
use super::{beta, normal, stirling};
use crate::{Result, StatsError, check};

/// From how many degrees of freedom on, and up to which s = w^2 / (df - 1/2), all terms of the expansion do: it is off by at
/// most 2e-13 then.
const MIDDLING: (f64, f64) = (16.0, 0.5);
/// The same of the first few terms, off by at most 1e-13.
const LARGE: (f64, f64) = (50.0, 0.3);
const FEW: usize = 4;
/// From how many degrees of freedom on all terms are a better start than a few.
const BETTER: f64 = 8.0;
/// The logarithm of t^2 / df from which on the tail is the first term of the incomplete beta function's series in
/// df / t^2: the second is smaller by as much.
const FAR: f64 = 40.0;
/// ln sqrt(pi), the logarithm of the gamma function at 1/2.
const HALF_LN_PI: f64 = 0.572_364_942_924_700_1;

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
        let log_square = self.far_log_square((2.0 * p).ln());
        if log_square > FAR {
            return Ok((0.5 * (self.df.ln() + log_square)).exp());
        }
        let a = self.df - 0.5;
        let (s, e) = (z * z / a, 1.0 / (a * a));
        let from = |w: f64| (self.df * (w * w / a).exp_m1()).sqrt();
        if self.is_within(LARGE, s) {
            return Ok(from(from_normal::<FEW>(z, e)));
        }
        if self.is_within(MIDDLING, s) {
            return Ok(from(from_normal::<TERMS>(z, e)));
        }
        // Below, more terms make it worse.
        let start = match self.df >= BETTER {
            true => from_normal::<TERMS>(z, e),
            false => from_normal::<FEW>(z, e),
        };
        self.by_steps(p, z, from(start))
    }

    /// Newton's steps from the expansion, or where it is of no use from the normal deviate. In ln t the logarithm of the
    /// tail is concave and falls, so that they cannot go astray. Near the middle the digits are in the part between 0 and t
    /// instead. From the expansion it is mostly one step.
    fn by_steps(&self, p: f64, z: f64, expanded: f64) -> Result<f64> {
        let centre = p > 0.2;
        let target = if centre {
            (1.0 - 2.0 * p).ln()
        } else {
            (2.0 * p).ln()
        };
        let is_start = self.df >= 3.0 && z * z <= self.df && expanded > z;
        let mut log_t = if is_start { expanded } else { z }.ln();
        // A step that begins where the tail is flat may go too far at first: what is beyond is found otherwise.
        let farthest = 0.5 * (FAR + self.df.ln());
        for _ in 0..200 {
            let (prefactor, tails) = self.near(log_t.exp());
            let value = if centre {
                tails.log_upper
            } else {
                tails.log_lower
            };
            let slope = 2.0 * (prefactor - value).exp();
            let step = (value - target) / if centre { -slope } else { slope };
            if !step.is_finite() {
                return Err(StatsError::NoSolution {
                    unknown: "quantile",
                });
            }
            log_t = (log_t + step).min(farthest);
            // The next step would be as small as this one's square.
            if step.abs() <= 1e-7 {
                break;
            }
        }
        Ok(log_t.exp())
    }

    /// The normal deviate with the same tail, where the expansion holds.
    fn deviate(&self, t: f64) -> Option<f64> {
        if self.df < MIDDLING.0 {
            return None;
        }
        let a = self.df - 0.5;
        let s = (t / self.df * t).ln_1p();
        let (w, e) = ((a * s).sqrt(), 1.0 / (a * a));
        if self.is_within(LARGE, s) {
            return Some(to_normal::<FEW>(w, e));
        }
        self.is_within(MIDDLING, s)
            .then(|| to_normal::<TERMS>(w, e))
    }

    fn is_within(&self, (df, s_at_most): (f64, f64), s: f64) -> bool {
        self.df >= df && s <= s_at_most
    }

    /// Odds of x = df / (df + t^2) against 1 - x, with neither losing digits.
    fn parts(&self, t: f64) -> (f64, f64) {
        let square = t / self.df * t;
        (1.0 / (1.0 + square), square / (1.0 + square))
    }

    fn tails(&self, t: f64) -> beta::Tails {
        let log_square = 2.0 * t.abs().ln() - self.df.ln();
        if log_square > FAR {
            return beta::Tails::from_log(-0.5 * self.df * log_square - self.log_far(), true);
        }
        self.near(t).1
    }

    /// ln of t times the density, and the tails, where t is not far out.
    fn near(&self, t: f64) -> (f64, beta::Tails) {
        let (x, y) = self.parts(t);
        let (a, b) = (0.5 * self.df, 0.5);
        if y <= 0.0 {
            return (
                f64::NEG_INFINITY,
                beta::Tails::from_log(f64::NEG_INFINITY, false),
            );
        }
        let prefactor = beta::log_prefactor(a, b, x, y);
        (prefactor, beta::tails_over(prefactor, (a, b), (x, y)))
    }

    /// ln(a B(a, 1/2)) for a = df / 2: far out the tail is x^a over that, with x = df / t^2.
    fn log_far(&self) -> f64 {
        let a = 0.5 * self.df;
        a.ln() + HALF_LN_PI - stirling::log_gamma_ratio(a, 0.5)
    }

    /// ln(t^2 / df) where the tail has this logarithm, if it is far out.
    fn far_log_square(&self, log_tail: f64) -> f64 {
        -2.0 * (log_tail + self.log_far()) / self.df
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expansion_and_the_incomplete_beta_agree_where_one_takes_over_from_the_other() {
        for df in [
            16.0, 17.3, 21.9, 35.0, 49.9, 50.0, 57.3, 80.0, 120.0, 199.0, 1_000.0,
        ] {
            let it = StudentT { df };
            for t in [1e-8, 0.1, 0.7, 1.5, 2.0, 2.8, 3.2, 4.0, 5.0] {
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
                let t = it.isf(p).unwrap();
                // The tail falls as t^-df: beyond, t is no double.
                if t.is_infinite() {
                    assert!(-p.ln() / df > 700.0, "df {df}, p {p}");
                    continue;
                }
                let found = log_sf(t, df).unwrap();
                let error = (found - p.ln()).abs() / p.ln().abs().max(1.0);
                // Near the middle a last digit of t is one of 1/2 - p.
                assert!(error <= 1e-12, "df {df}, p {p}: {error:e}");
            }
        }
    }

    #[test]
    fn where_the_square_of_t_is_no_double_tails_and_quantiles_go_on() {
        // With one degree of freedom it is Cauchy's distribution, whose upper tail at t is 1 / (pi t).
        let cauchy = StudentT { df: 1.0 };
        for t in [1e20, 1e160, 1e300] {
            let p = 1.0 / (std::f64::consts::PI * t);
            assert!(
                (cauchy.sf(t) / p - 1.0).abs() < 1e-12,
                "t {t}: {:e}",
                cauchy.sf(t)
            );
            let found = cauchy.isf(p).unwrap();
            assert!((found / t - 1.0).abs() < 1e-12, "t {t}: {found:e}");
        }
        // With two it is 1 / (2 t^2), and where that is 0 its logarithm goes on.
        let two = log_sf(1e200, 2.0).unwrap();
        let expected = -(std::f64::consts::LN_2 + 2.0 * 1e200_f64.ln());
        assert!((two / expected - 1.0).abs() < 1e-14, "{two}");
        // Beyond all doubles.
        assert_eq!(isf(1e-300, 0.01), Ok(f64::INFINITY));
        assert_eq!(isf(1.0 - 1e-16, 0.01), Ok(f64::NEG_INFINITY));
        assert_eq!(sf(f64::INFINITY, 3.0), Ok(0.0));
        assert_eq!(sf(f64::NEG_INFINITY, 3.0), Ok(1.0));
        let slow = sf(f64::MAX, 1e-3).unwrap().ln();
        assert!((slow + 1.407_076_507_340_15).abs() < 1e-12, "{slow}");
    }

    #[test]
    fn the_far_form_and_the_incomplete_beta_agree_where_one_takes_over_from_the_other() {
        for df in [0.1, 0.7, 1.0, 2.0, 3.5, 9.0, 49.9] {
            let it = StudentT { df };
            let t = (0.5 * (FAR + df.ln())).exp();
            let (x, y) = it.parts(t);
            let near = beta::tails(0.5 * df, 0.5, x, y).log_lower;
            let far = -0.5 * df * FAR - it.log_far();
            assert!(
                (near - far).abs() <= 1e-13 * near.abs().max(1.0),
                "df {df}: {near} {far}"
            );
        }
    }
}
