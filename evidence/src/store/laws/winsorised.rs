//! Winsorised measures: units of all variants together say where each is clipped. What is expected was computed once, with
//! `scipy.stats.mstats.winsorize` of SciPy 1.17.1 for the limits and NumPy 2.4.6 for the sums, from the numbers below.

use super::*;
use crate::winsorize::{Clipping, Limits, Winsorize};

/// Unit by unit: its variant, values before and after its first exposure, and its requests. One value is far out.
const UNITS: [(&str, f64, f64, i64); 20] = [
    ("a", 0.0, 1.0, 1),
    ("b", 11.0, 8.0, 4),
    ("b", 5.0, 15.0, 2),
    ("a", 16.0, 2.0, 5),
    ("b", 10.0, 0.0, 3),
    ("b", 300.0, 16.0, 1),
    ("a", 15.0, 3.0, 4),
    ("b", 9.0, 10.0, 2),
    ("b", 3.0, 17.0, 5),
    ("a", 14.0, 4.0, 3),
    ("b", 8.0, 11.0, 1),
    ("b", 2.0, 18.0, 4),
    ("a", 13.0, 5.0, 2),
    ("b", 7.0, 1_000.0, 5),
    ("b", 1.0, 19.0, 3),
    ("a", 12.0, 6.0, 1),
    ("b", 6.0, 13.0, 4),
    ("b", 0.0, 20.0, 2),
    ("a", 11.0, 7.0, 5),
    ("b", 5.0, 14.0, 3),
];
/// The unit that is far out also strays.
const FAR_OUT: usize = 13;

fn measures() -> Measures {
    let revenue = || Source::Outcome("revenue".to_owned());
    let clipped = |measure, lower, upper, ignore_zeros| Measure {
        winsorize: Some(Winsorize {
            lower,
            upper,
            ignore_zeros,
        }),
        ..measure
    };
    let per_request = Measure::ratio(revenue(), Source::Requests);
    Measures(
        [
            ("both", clipped(Measure::of(revenue()), 0.1, 0.9, false)),
            ("buyers", clipped(Measure::of(revenue()), 0.2, 0.8, true)),
            ("ratio", clipped(per_request, 0.0, 0.8, false)),
        ]
        .map(|(name, it)| (name.to_owned(), it))
        .into(),
    )
}

async fn with_all_units(store: &dyn EvidenceStore) {
    store.define(&measures()).await.unwrap();
    let (mut exposures, mut outcomes) = (Vec::new(), Vec::new());
    for (place, (variant, before, value, requests)) in UNITS.into_iter().enumerate() {
        let unit = format!("u-{place}");
        let first_day = (value / 2.0).floor();
        for (value, time) in [
            (before, NOW - DAY),
            (first_day, NOW + 5),
            (value - first_day, NOW + 2 * DAY),
        ] {
            outcomes.extend((value != 0.0).then(|| outcome(&unit, "revenue", value, time)));
        }
        let last = match place {
            FAR_OUT => "a",
            _ => variant,
        };
        exposures.extend((1..requests).map(|it| exposure(&unit, variant, NOW + it - 1)));
        exposures.push(exposure(&unit, last, NOW + requests - 1));
    }
    // A part is folded before, and a part after.
    let (early, late) = outcomes.split_at(UNITS.len());
    store
        .append(&batch(1, &exposures[..30], early))
        .await
        .unwrap();
    fold_all(store).await;
    store
        .append(&batch(2, &exposures[30..], late))
        .await
        .unwrap();
    fold_all(store).await;
}

fn limits(lower: Option<f64>, upper: Option<f64>) -> Limits {
    Limits {
        lower,
        upper,
        ignore_zeros: false,
    }
}

pub(crate) async fn units_are_clipped_at_the_quantiles_of_all_variants_together(
    store: &dyn EvidenceStore,
) {
    with_all_units(store).await;
    let of = |x, y| Some(Clipping { x, y });
    let buyers = Limits {
        ignore_zeros: true,
        ..limits(Some(4.0), Some(18.0))
    };
    for (measure, clipping, a, b) in [
        (
            "both",
            of(limits(Some(2.0), Some(19.0)), None),
            [29.0, 143.0, 7.0, 7.0, 29.0, 83.0, 1_115.0, 351.0, 83.0],
            [
                181.0, 2_831.0, 13.0, 13.0, 181.0, 89.0, 883.0, 1_109.0, 89.0,
            ],
        ),
        (
            "buyers",
            of(buyers, None),
            [34.0, 174.0, 7.0, 7.0, 34.0, 81.0, 1_111.0, 394.0, 81.0],
            [
                176.0, 2_716.0, 13.0, 13.0, 176.0, 91.0, 873.0, 1_115.0, 91.0,
            ],
        ),
        (
            "ratio",
            of(limits(None, Some(17.0)), Some(limits(None, Some(4.0)))),
            [28.0, 140.0, 19.0, 63.0, 77.0, 81.0, 1_111.0, 347.0, 248.0],
            [
                172.0, 2_576.0, 37.0, 121.0, 492.0, 84.0, 804.0, 982.0, 217.0,
            ],
        ),
    ] {
        let expected = [("a", 7, a), ("b", 13, b)]
            .map(|(variant, n, parts)| (variant.to_owned(), Sums::from_parts(n, parts)));
        assert_eq!(sums(store, measure).await, expected.into(), "{measure}");
        let found = store.sufficient("chat", measure).await.unwrap();
        assert_eq!(found.clipping, clipping, "{measure}");
    }
    let nobody = store.sufficient("other", "both").await.unwrap();
    assert!(nobody.variants.is_empty());
    assert_eq!(nobody.clipping, of(limits(None, None), None));
    let plain = store.sufficient("chat", "requests").await.unwrap();
    assert_eq!(plain.clipping, None);
}

pub(crate) async fn what_strayed_and_single_days_are_clipped_at_the_same_values(
    store: &dyn EvidenceStore,
) {
    with_all_units(store).await;
    let found = store.sufficient("chat", "both").await.unwrap();
    let day = i32::try_from(NOW / DAY).unwrap();
    let strayed = BTreeMap::from([(day, Sums::of(19.0, 1.0, 7.0))]);
    assert_eq!(found.variants["b"].strayed, strayed);
    assert!(found.variants["a"].strayed.is_empty());
    for (variant, age, expected) in [
        ("a", 0, (12.0, 28.0)),
        ("b", 0, (97.0, 951.0)),
        ("a", 2, (16.0, 44.0)),
        ("b", 2, (102.0, 1_026.0)),
    ] {
        let sums = found.variants[variant].ages[age][&day];
        assert_eq!((sums.x, sums.xx), expected, "{variant} on day {age}");
    }
    assert!(
        found.variants["b"].ages[1].is_empty(),
        "a part is not raised to the lower limit"
    );
    // Single values, as quantiles are of, are as they were.
    assert_eq!(found.variants["b"].values.count(), 24);
}
