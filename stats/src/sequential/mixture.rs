//! Uniform boundaries of Howard, Ramdas, McAuliffe and Sekhon (2021) for a sum `s` at intrinsic time `v`: mixtures of
//! exponential supermartingales (normal, gamma-exponential, gamma-Poisson, beta-binomial) and polynomial stitching, in
//! the parametrisation of their package confseq; and the confidence sequence of a share that follows.

use crate::distribution::{beta_tails, gamma_tails, normal};
use crate::{Result, StatsError, check};

/// A mixture, tuned to be tightest around an intrinsic time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    kind: Kind,
    /// The mixture's precision, in units of intrinsic time.
    rho: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    NormalTwoSided,
    NormalOneSided,
    GammaExponential { c: f64 },
    GammaPoisson { c: f64 },
    BetaBinomial { g: f64, h: f64, one_sided: bool },
}

/// What a mixture is tuned to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// The intrinsic time.
    pub v: f64,
    /// The error.
    pub alpha: f64,
}

impl Tuning {
    fn check(self) -> Result<()> {
        check::finite([("v_opt", self.v), ("alpha_opt", self.alpha)])?;
        check::positive("v_opt", self.v)?;
        check::open_unit("alpha_opt", self.alpha)
    }

    /// `v / (2 ln(1/α) + ln(1 + 2 ln(1/α)))`, with twice the error for one side.
    fn rho(self, one_sided: bool) -> Result<f64> {
        self.check()?;
        let alpha = if one_sided {
            2.0 * self.alpha
        } else {
            self.alpha
        };
        check::range("alpha_opt", alpha < 1.0, "less than 0.5 for one side")?;
        let odds = -2.0 * alpha.ln();
        Ok(self.v / (odds + odds.ln_1p()))
    }
}

impl Mixture {
    /// For sub-Gaussian sums.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn normal(tuning: Tuning, one_sided: bool) -> Result<Self> {
        let kind = if one_sided {
            Kind::NormalOneSided
        } else {
            Kind::NormalTwoSided
        };
        Ok(Self {
            kind,
            rho: tuning.rho(one_sided)?,
        })
    }

    /// For sub-exponential sums with scale `c`.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn gamma_exponential(tuning: Tuning, c: f64) -> Result<Self> {
        Self::with_scale(Kind::GammaExponential { c }, tuning, c)
    }

    /// For sub-Poisson sums with scale `c`.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn gamma_poisson(tuning: Tuning, c: f64) -> Result<Self> {
        Self::with_scale(Kind::GammaPoisson { c }, tuning, c)
    }

    fn with_scale(kind: Kind, tuning: Tuning, c: f64) -> Result<Self> {
        check::finite([("c", c)])?;
        let rho = tuning.rho(true)?;
        check::positive("c", c)?;
        Ok(Self { kind, rho })
    }

    /// For sums of increments between `-g` and `h`.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn beta_binomial(tuning: Tuning, g: f64, h: f64, one_sided: bool) -> Result<Self> {
        check::finite([("g", g), ("h", h)])?;
        let rho = tuning.rho(one_sided)?;
        check::positive("g", g)?;
        check::positive("h", h)?;
        let rho = (rho - g * h).max(1e-3 * g * h);
        Ok(Self {
            kind: Kind::BetaBinomial { g, h, one_sided },
            rho,
        })
    }

    /// The logarithm of the mixture supermartingale at the sum `s` and the intrinsic time `v`.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` for a negative `v`, or a sum that is not possible by then.
    pub fn log(&self, s: f64, v: f64) -> Result<f64> {
        check::finite([("s", s), ("v", v)])?;
        check::non_negative("v", v)?;
        let value = self.value(s, v);
        check::range("s", !value.is_nan(), "a sum that is possible by v")?;
        Ok(value)
    }

    fn value(&self, s: f64, v: f64) -> f64 {
        let (rho, time) = (self.rho, v + self.rho);
        match self.kind {
            Kind::NormalTwoSided => 0.5 * (rho / time).ln() + s * s / (2.0 * time),
            Kind::NormalOneSided => {
                0.5 * (4.0 * rho / time).ln()
                    + s * s / (2.0 * time)
                    + normal::log_sf(-s / time.sqrt())
            }
            Kind::GammaExponential { c } => {
                let (a, at, b) = (rho / (c * c), time / (c * c), (c * s + time) / (c * c));
                leading(a, false) + libm::lgamma(at) + gamma_share(at, b, false) - at * b.ln()
                    + (b - a)
            }
            Kind::GammaPoisson { c } => {
                let (a, at) = (rho / (c * c), time / (c * c));
                let shape = s / c + at;
                leading(a, true) + libm::lgamma(shape) + gamma_share(shape, at, true)
                    - shape * at.ln()
                    + v / (c * c)
            }
            Kind::BetaBinomial { g, h, one_sided } => {
                let sum = g + h;
                let log_beta = |a: f64, b: f64| {
                    if a.min(b) <= 0.0 {
                        return f64::NAN;
                    }
                    let whole = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
                    match one_sided {
                        true => whole + beta_tails(a, b, h / sum, g / sum).log_lower,
                        false => whole,
                    }
                };
                v / (g * h) * sum.ln()
                    - (v + h * s) / (h * sum) * g.ln()
                    - (v - g * s) / (g * sum) * h.ln()
                    + log_beta((time - g * s) / (g * sum), (time + h * s) / (h * sum))
                    - log_beta(rho / (g * sum), rho / (h * sum))
            }
        }
    }

    /// The boundary at `v`: sums are above it, at any time, with probability at most `alpha`.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`; `NoSolution` where no sum is on it.
    pub fn bound(&self, v: f64, alpha: f64) -> Result<f64> {
        check::finite([("v", v), ("alpha", alpha)])?;
        check::positive("v", v)?;
        check::open_unit("alpha", alpha)?;
        let threshold = -alpha.ln();
        if self.kind == Kind::NormalTwoSided {
            return Ok(((v + self.rho) * ((v / self.rho).ln_1p() + 2.0 * threshold)).sqrt());
        }
        let most = if let Kind::BetaBinomial { g, .. } = self.kind {
            v / g
        } else {
            f64::INFINITY
        };
        let mut high = v.min(most);
        while self.value(high, v) < threshold {
            if high >= most {
                return Ok(most);
            }
            high = (2.0 * high).min(most);
            if !high.is_finite() && most.is_infinite() {
                return Err(StatsError::NoSolution { unknown: "bound" });
            }
        }
        Ok(bisect(0.0, high, |s| self.value(s, v) < threshold))
    }
}

/// `a ln a - ln Γ(a) - ln P(a, a)`, or with Q.
fn leading(a: f64, above: bool) -> f64 {
    a * a.ln() - libm::lgamma(a) - gamma_share(a, a, above)
}

/// ln of the regularised incomplete gamma function P(shape, x), or Q; no number where the shape is none.
fn gamma_share(shape: f64, x: f64, above: bool) -> f64 {
    if shape <= 0.0 {
        return f64::NAN;
    }
    let tails = gamma_tails(shape, x);
    if above {
        tails.log_upper
    } else {
        tails.log_lower
    }
}

/// The point between `low` and `high` up to which `below` is so.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// What polynomial stitching is told, in the paper's letters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stitching {
    /// The intrinsic time from which on it is meant to be tight.
    pub v_min: f64,
    /// The scale of sub-gamma increments; 0 for sub-Gaussian ones.
    pub c: f64,
    /// The exponent of the epochs' errors, above 1.
    pub s: f64,
    /// The ratio of the epochs, above 1.
    pub eta: f64,
}

impl Stitching {
    /// The boundary at `v` (equation 10 of the paper).
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn bound(&self, v: f64, alpha: f64) -> Result<f64> {
        let Self { v_min, c, s, eta } = *self;
        check::finite([
            ("v", v),
            ("alpha", alpha),
            ("v_min", v_min),
            ("c", c),
            ("s", s),
            ("eta", eta),
        ])?;
        check::non_negative("v", v)?;
        check::open_unit("alpha", alpha)?;
        check::positive("v_min", v_min)?;
        check::range("s", s > 1.0, "greater than 1")?;
        check::range("eta", eta > 1.0, "greater than 1")?;
        let v = v.max(v_min);
        let epochs =
            s * (eta * v / v_min).ln().ln() + (zeta(s) / eta.ln().powf(s)).ln() - alpha.ln();
        let k1 = (eta.powf(0.25) + eta.powf(-0.25)) / std::f64::consts::SQRT_2;
        let linear = 0.5 * (eta.sqrt() + 1.0) * c * epochs;
        Ok((k1 * k1 * v * epochs + linear * linear).sqrt() + linear)
    }
}

/// Riemann's zeta function for s above 1, by Euler and Maclaurin.
fn zeta(s: f64) -> f64 {
    const TERMS: f64 = 32.0;
    let mut sum = 0.0;
    let mut k = TERMS - 1.0;
    while k >= 1.0 {
        sum += k.powf(-s);
        k -= 1.0;
    }
    let n = TERMS;
    let last = n.powf(-s);
    let square = n * n;
    sum + n * last / (s - 1.0)
        + 0.5 * last
        + s * last / n
            * (1.0 / 12.0
                - (s + 1.0) * (s + 2.0) / square
                    * (1.0 / 720.0 - (s + 3.0) * (s + 4.0) / square / 30_240.0))
}

/// The confidence sequence of a share after `successes` in `trials`, tuned to `tuned` trials.
///
/// # Errors
/// `NonFiniteInput`, `InsufficientData` without trials, `OutOfRange`.
pub fn share_interval(
    successes: f64,
    trials: f64,
    alpha: f64,
    tuned: Tuning,
) -> Result<(f64, f64)> {
    check::finite([
        ("num_successes", successes),
        ("num_trials", trials),
        ("alpha", alpha),
    ])?;
    tuned.check()?;
    check::open_unit("alpha", alpha)?;
    check::non_negative("num_trials", trials)?;
    check::range(
        "num_successes",
        (0.0..=trials).contains(&successes),
        "from 0 to the trials",
    )?;
    if trials < 1.0 {
        return Err(StatsError::InsufficientData {
            input: "num_trials",
            needs: "at least 1 trial",
        });
    }
    let share = successes / trials;
    let rejected = |p: f64| {
        let unit = p * (1.0 - p);
        if unit <= 0.0 {
            return true;
        }
        Mixture::beta_binomial(
            Tuning {
                v: unit * tuned.v,
                ..tuned
            },
            p,
            1.0 - p,
            false,
        )
        .is_ok_and(|mixture| mixture.value((share - p) * trials, unit * trials) > -alpha.ln())
    };
    let low = if share > 0.0 {
        bisect(0.0, share, rejected)
    } else {
        0.0
    };
    let high = if share < 1.0 {
        bisect(share, 1.0, |p| !rejected(p))
    } else {
        1.0
    };
    Ok((low, high))
}
