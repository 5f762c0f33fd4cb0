//! Chance and models.

use super::*;
use watershed_proto::filter::v1::Reason;

#[test]
fn chance_follows_the_ranges_and_is_one_for_a_request() {
    let halves = json!([
        {"key": "a", "ranges": [{"start": 0, "end": 2499}]},
        {"key": "b", "ranges": [{"start": 2500, "end": 9999}]},
    ]);
    let random = json!({"variants": halves, "strategy": {"random": {}}});
    let requires = json!({"requires": [{"experiment": "e", "variants": ["b"]}]});
    let plan = compile(config(&[
        experiment("e", "l", &random),
        experiment("f", "m", &requires),
        experiment("g", "n", &random),
    ]));
    let (mut e, mut both) = (0, 0);
    for number in 0..4_000_u64 {
        let around = Around {
            chance: number.wrapping_mul(0x2545_f491_4f6c_dd1d),
            ..Around::default()
        };
        let found = walk(&plan, &[USER], &around).0;
        let has = |one: &str| found.iter().any(|other| other == one);
        assert_eq!(
            has("e=b Random"),
            has("f=b Hashed"),
            "one request, one answer"
        );
        e += i32::from(has("e=b Random"));
        both += i32::from(has("e=b Random") && has("g=b Random"));
    }
    assert!((2_900..3_100).contains(&e), "{e}");
    assert!(
        (2_130..2_370).contains(&both),
        "drawn apart from each other: {both}"
    );
}

#[test]
fn a_random_decision_says_with_which_probability() {
    let halves = json!([
        {"key": "a", "ranges": [{"start": 0, "end": 2499}]},
        {"key": "b", "ranges": [{"start": 2500, "end": 9999}]},
    ]);
    let changes = json!({"variants": halves, "strategy": {"random": {}}});
    let plan = compile(config(&[experiment("e", "l", &changes)]));
    let pairs: [(&[u8], &[u8]); 1] = [(b"x-user", b"u")];
    let request = Request::new(Headers::new(&pairs), plan.attributes());
    let mut noop = Noop;
    let mut given = plan.assign(&plan.services()[0], &request, 0, &mut noop);
    let given = given.next().unwrap();
    let expected = if given.variant.key() == "a" {
        0.25
    } else {
        0.75
    };
    assert!((given.probability - expected).abs() < 1e-12);
    assert!(given.features(&request).is_none());
}

#[test]
fn a_model_chooses_and_a_share_of_units_explores() {
    let models = json!([
        {"variant": "b", "theta": [0.0, 1.0], "aInverse": [0, 0, 0, 0]},
        {"variant": "a", "theta": [0.5, 0.0], "aInverse": [0, 0, 0, 0]},
    ]);
    let contextual = json!({
        "features": [{}, {"attribute": {"header": "x-gold"}, "oneHot": "yes"}],
        "exploration": 0.2, "models": models,
    });
    let changes = json!({"strategy": {"contextual": contextual}});
    let plan = compile(config(&[experiment("e", "l", &changes)]));
    let mut explored = 0;
    for number in 0..2_000 {
        let unit = format!("{number}");
        for (value, best) in [("yes", "b"), ("no", "a")] {
            let pairs: [(&[u8], &[u8]); 2] =
                [(b"x-user", unit.as_bytes()), (b"x-gold", value.as_bytes())];
            let request = Request::new(Headers::new(&pairs), plan.attributes());
            let mut noop = Noop;
            let mut given = plan.assign(&plan.services()[0], &request, 0, &mut noop);
            let given = given.next().unwrap();
            let is_gold = f64::from(u8::from(value == "yes"));
            assert_eq!(given.features(&request).unwrap().to_vec(), [1.0, is_gold]);
            // The hash gives everybody b.
            let expected = match (given.variant.key(), best) {
                ("b", "b") => 1.0,
                ("a", "a") => 0.8,
                _ => 0.2,
            };
            assert!((given.probability - expected).abs() < 1e-12);
            if given.reason == Reason::Explored {
                explored += 1;
                assert_eq!(given.variant.key(), "b");
            } else {
                assert_eq!((given.reason, given.variant.key()), (Reason::Model, best));
            }
        }
    }
    assert!((700..900).contains(&explored), "{explored}");
}
