//! Seeded draws: each study has a generator of its own, so that one changes nothing in another.

use rand_distr::Distribution;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The generator of every study.
pub type Draws = Xoshiro256PlusPlus;

/// The draws of the study with this number.
#[must_use]
pub fn seeded(study: u64) -> Draws {
    Draws::seed_from_u64(0x5eed_0000 + study)
}

/// The data that sequential tests are held to.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    /// Standard normal.
    Normal,
    /// Exponential with mean 1.
    Exponential,
    /// 1 with this probability, else 0.
    Bernoulli(f64),
    /// exp of a normal with this standard deviation.
    Lognormal(f64),
}

/// All of them.
pub const ALL: [Data; 5] = [
    Data::Normal,
    Data::Exponential,
    Data::Bernoulli(0.05),
    Data::Bernoulli(0.5),
    Data::Lognormal(2.0),
];

impl Data {
    /// How it is called in a table.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Normal => "normal".into(),
            Self::Exponential => "exponential".into(),
            Self::Bernoulli(p) => format!("Bernoulli({p})"),
            Self::Lognormal(sigma) => format!("lognormal(σ={sigma})"),
        }
    }

    /// Its mean.
    #[must_use]
    pub fn mean(self) -> f64 {
        match self {
            Self::Normal => 0.0,
            Self::Exponential => 1.0,
            Self::Bernoulli(p) => p,
            Self::Lognormal(sigma) => (0.5 * sigma * sigma).exp(),
        }
    }

    /// Its standard deviation.
    #[must_use]
    pub fn sd(self) -> f64 {
        match self {
            Self::Normal | Self::Exponential => 1.0,
            Self::Bernoulli(p) => (p * (1.0 - p)).sqrt(),
            Self::Lognormal(sigma) => self.mean() * (sigma * sigma).exp_m1().sqrt(),
        }
    }

    /// One value.
    pub fn draw(self, draws: &mut Draws) -> f64 {
        match self {
            Self::Normal => normal(draws),
            Self::Exponential => rand_distr::Exp1.sample(draws),
            Self::Bernoulli(p) => f64::from(u8::from(uniform(draws) < p)),
            Self::Lognormal(sigma) => (sigma * normal(draws)).exp(),
        }
    }
}

/// A standard normal.
pub fn normal(draws: &mut Draws) -> f64 {
    rand_distr::StandardNormal.sample(draws)
}

/// A uniform in [0, 1).
pub fn uniform(draws: &mut Draws) -> f64 {
    rand_distr::StandardUniform.sample(draws)
}
