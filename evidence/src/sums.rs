//! What a variant comes down to for one measure: sums over its units, from which means, variances,
//! ratios (delta method) and covariate adjustment (CUPED) follow. Pure.
//!
//! `x` is a unit's value, `y` the denominator of a ratio (1 where there is none), `c` the covariate: the
//! same value before the unit's first exposure.

use serde::Serialize;

/// Sums over units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// Units.
    pub n: i64,
    /// Of `x`, and of its square.
    pub x: f64,
    /// Of `x²`.
    pub xx: f64,
    /// Of `y`.
    pub y: f64,
    /// Of `y²`.
    pub yy: f64,
    /// Of `x·y`.
    pub xy: f64,
    /// Of `c`.
    pub c: f64,
    /// Of `c²`.
    pub cc: f64,
    /// Of `x·c`.
    pub xc: f64,
    /// Of `y·c`.
    pub yc: f64,
}

impl Sums {
    /// Of one unit.
    #[must_use]
    pub fn of(x: f64, y: f64, c: f64) -> Self {
        Self {
            n: 1,
            x,
            xx: x * x,
            y,
            yy: y * y,
            xy: x * y,
            c,
            cc: c * c,
            xc: x * c,
            yc: y * c,
        }
    }

    /// Takes in the other.
    pub fn add(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        for (ours, theirs) in self.parts_mut().into_iter().zip(other.parts()) {
            *ours += theirs;
        }
    }

    /// Takes out what was taken in.
    pub fn subtract(&mut self, other: &Self) {
        self.n = self.n.saturating_sub(other.n);
        for (ours, theirs) in self.parts_mut().into_iter().zip(other.parts()) {
            *ours -= theirs;
        }
    }

    /// Whether it changes nothing where it is added.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.n == 0 && self.parts().iter().all(|it| *it == 0.0)
    }

    /// All but `n`, in the order of the fields.
    #[must_use]
    pub fn parts(&self) -> [f64; 9] {
        let Self {
            x,
            xx,
            y,
            yy,
            xy,
            c,
            cc,
            xc,
            yc,
            ..
        } = *self;
        [x, xx, y, yy, xy, c, cc, xc, yc]
    }

    /// From `n` and [`Sums::parts`].
    #[must_use]
    pub fn from_parts(n: i64, parts: [f64; 9]) -> Self {
        let [x, xx, y, yy, xy, c, cc, xc, yc] = parts;
        Self {
            n,
            x,
            xx,
            y,
            yy,
            xy,
            c,
            cc,
            xc,
            yc,
        }
    }

    fn parts_mut(&mut self) -> [&mut f64; 9] {
        let Self {
            x,
            xx,
            y,
            yy,
            xy,
            c,
            cc,
            xc,
            yc,
            ..
        } = self;
        [x, xx, y, yy, xy, c, cc, xc, yc]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit() -> impl Strategy<Value = Sums> {
        // Whole numbers, whose sums are exact.
        (-1_000..1_000_i32, 0..10_i32, -1_000..1_000_i32)
            .prop_map(|(x, y, c)| Sums::of(x.into(), y.into(), c.into()))
    }

    proptest! {
        #[test]
        fn what_is_taken_out_was_never_there(kept in unit(), gone in unit()) {
            let mut sums = kept;
            sums.add(&gone);
            sums.subtract(&gone);
            prop_assert_eq!(sums, kept);
            sums.subtract(&kept);
            prop_assert!(sums.is_nothing());
        }

        #[test]
        fn parts_come_back(sums in unit()) {
            prop_assert_eq!(Sums::from_parts(sums.n, sums.parts()), sums);
        }
    }

    #[test]
    fn the_sums_of_one_unit_are_its_products() {
        let sums = Sums::of(2.0, 3.0, 5.0);
        assert_eq!(
            sums.parts(),
            [2.0, 4.0, 3.0, 9.0, 6.0, 5.0, 25.0, 10.0, 15.0]
        );
        assert_eq!(sums.n, 1);
    }
}
