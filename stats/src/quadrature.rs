//! Gauss-Legendre quadrature with 16 nodes a panel, the one rule that everything here integrates with.
//! Which panels an integrand needs is known where it is known, not here.

/// Nodes of the 16-point rule on [-1, 1], ascending.
pub(crate) const NODES: [f64; ORDER] = [
    -0.989_400_934_991_649_9,
    -0.944_575_023_073_232_6,
    -0.865_631_202_387_831_8,
    -0.755_404_408_355_003,
    -0.617_876_244_402_643_8,
    -0.458_016_777_657_227_37,
    -0.281_603_550_779_258_9,
    -0.095_012_509_837_637_44,
    0.095_012_509_837_637_44,
    0.281_603_550_779_258_9,
    0.458_016_777_657_227_37,
    0.617_876_244_402_643_8,
    0.755_404_408_355_003,
    0.865_631_202_387_831_8,
    0.944_575_023_073_232_6,
    0.989_400_934_991_649_9,
];

/// Weights that belong to [`NODES`].
pub(crate) const WEIGHTS: [f64; ORDER] = [
    0.027_152_459_411_754_096,
    0.062_253_523_938_647_894,
    0.095_158_511_682_492_79,
    0.124_628_971_255_533_88,
    0.149_595_988_816_576_73,
    0.169_156_519_395_002_54,
    0.182_603_415_044_923_58,
    0.189_450_610_455_068_5,
    0.189_450_610_455_068_5,
    0.182_603_415_044_923_58,
    0.169_156_519_395_002_54,
    0.149_595_988_816_576_73,
    0.124_628_971_255_533_88,
    0.095_158_511_682_492_79,
    0.062_253_523_938_647_894,
    0.027_152_459_411_754_096,
];

/// Barycentric weights of the nodes: the polynomial through values at them (Berrut and Trefethen 2004).
pub(crate) const BARYCENTRIC: [f64; ORDER] = [
    0.023_927_621_125_626_71,
    -0.081_911_915_545_551_38,
    0.154_449_296_411_783_12,
    -0.231_324_914_410_801_27,
    0.304_112_759_650_247_37,
    -0.365_610_409_533_319_5,
    0.410_027_879_550_125_1,
    -0.433_290_166_478_252_3,
    0.433_290_166_478_252_3,
    -0.410_027_879_550_125_1,
    0.365_610_409_533_319_5,
    -0.304_112_759_650_247_37,
    0.231_324_914_410_801_27,
    -0.154_449_296_411_783_12,
    0.081_911_915_545_551_38,
    -0.023_927_621_125_626_71,
];

/// How many nodes a panel has.
pub(crate) const ORDER: usize = 16;

/// Calls `visit(x, weight)` for each node of the panel from `low` to `high`.
#[inline]
pub(crate) fn nodes(low: f64, high: f64, mut visit: impl FnMut(f64, f64)) {
    let half = 0.5 * (high - low);
    let middle = low + half;
    for (node, weight) in NODES.iter().zip(&WEIGHTS) {
        visit(half * node + middle, half * weight);
    }
}

/// The integral of `f` over one panel.
pub(crate) fn panel(low: f64, high: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let mut sum = 0.0;
    nodes(low, high, |x, weight| sum += weight * f(x));
    sum
}

/// The integral of `f` over the panels between neighbouring `breaks`, which ascend.
pub(crate) fn composite(breaks: &[f64], mut f: impl FnMut(f64) -> f64) -> f64 {
    breaks
        .array_windows()
        .map(|[low, high]| panel(*low, *high, &mut f))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_exact_for_a_polynomial_of_degree_31() {
        let got = panel(-1.0, 1.0, |x| x.powi(30) + x.powi(31));
        assert!((got - 2.0 / 31.0).abs() < 1e-16, "{got}");
    }

    #[test]
    fn panels_add_up_to_the_whole() {
        let got = composite(&[0.0, 0.5, 2.0, 4.0], |x| (-x).exp());
        assert!((got - (1.0 - (-4.0_f64).exp())).abs() < 1e-15, "{got}");
    }
}
