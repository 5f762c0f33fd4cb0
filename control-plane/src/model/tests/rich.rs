//! What specs can say since units, rules and strategies grew: how each is understood, and every fault
//! with its place.

use super::*;
use crate::model::audience::{Rule, Test};
use crate::model::comparison::Ordering;
use crate::model::settings::SettingsSpec;
use crate::model::source::Source;
use crate::model::strategy::Strategy;

pub(super) fn found(text: &str) -> Vec<String> {
    let mut faults = Faults::default();
    yaml::<ExperimentSpec>(text).validate(&mut faults);
    let place = |line: String| line.split(" (expected").next().unwrap().to_owned();
    lines(&faults).into_iter().map(place).collect()
}

/// A valid experiment with these lines in place of the usual ones.
pub(super) fn with(changes: &str) -> String {
    let usual = [
        ("layer", "models"),
        ("unit", "{type: user, sources: [{header: x-user}]}"),
        ("variants", "[{key: a, weight: 10000}]"),
    ];
    let kept = usual
        .iter()
        .filter(|(field, _)| !changes.lines().any(|line| line.starts_with(field)));
    kept.fold(changes.to_owned(), |text, (field, value)| {
        format!("{text}\n{field}: {value}")
    })
}

fn audience(rule: &str) -> Vec<String> {
    found(&with(&format!("audience: {rule}")))
}

#[test]
fn a_condition_has_one_source_and_one_test_of_many() {
    for rule in [
        "{header: a, suffix: b, ignore_case: true}",
        "{cookie: a, contains: b}",
        "{query: a, regex: '^b+$', ignore_case: true}",
        "{jwt_claim: {provider: idp, path: [a, b]}, equals: c}",
        "{body: /a/b, number: {at_least: 5, less: '10.5'}}",
        "{body_size: true, number: {at_most: 100}}",
        "{source_address: true, in_networks: [10.0.0.0/8, '::1']}",
        "{header: v, semver: {equals: 2.0.0}}",
        "{time_of_day: utc, text: {greater: '08:00'}}",
        "{day_of_week: '-11:00', one_of: [sat, sun]}",
        "{date: Z, text: {less: '2026-03-01'}}",
        "{segment: premium}",
    ] {
        assert_eq!(audience(rule), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn every_fault_of_a_rule_has_its_place() {
    for (rule, fault) in [
        (
            "{header: a, equals: b, number: {less: 1}}",
            ": has 2 tests: equals, number",
        ),
        (
            "{header: a, body_size: true, present: true}",
            ": has 2 sources: header, body_size",
        ),
        (
            "{segment: a, header: b, present: true}",
            ": is several things at once",
        ),
        ("{segment: A}", "/segment: `A` is not a key"),
        (
            "{ignore_case: true, segment: a}",
            ": is several things at once",
        ),
        (
            "{header: a, present: true, ignore_case: true}",
            "/ignore_case: is true, though the test knows no case",
        ),
        (
            "{header: a, regex: '('}",
            "/regex: is not an expression: unclosed group",
        ),
        ("{header: a, suffix: ''}", "/suffix: has 0 bytes"),
        ("{header: a, number: {}}", "/number: has no bound"),
        (
            "{header: a, number: {less: five}}",
            "/number/less: `five` does not fit",
        ),
        (
            "{header: a, number: {at_most: '1e3'}}",
            "/number/at_most: `1e3` does not fit",
        ),
        (
            "{header: a, semver: {less: 2}}",
            "/semver/less: `2` does not fit",
        ),
        (
            "{header: a, semver: {at_least: v2.0.0}}",
            "/semver/at_least: `v2.0.0` does not fit",
        ),
        (
            "{header: a, text: {greater: ''}}",
            "/text/greater: `` does not fit",
        ),
        (
            "{header: a, in_networks: []}",
            "/in_networks: has 0 entries",
        ),
        (
            "{header: a, in_networks: [10.0.0.0/33]}",
            "/in_networks/0: `10.0.0.0/33` is not a network",
        ),
        (
            "{header: a, in_networks: ['::1', '0:0::1']}",
            "/in_networks/1: `::1` is listed twice",
        ),
        (
            "{body: user, present: true}",
            "/body: is not a JSON pointer",
        ),
        (
            "{body: '/a~2', present: true}",
            "/body: is not a JSON pointer",
        ),
        ("{body: '', present: true}", "/body: is not a JSON pointer"),
        ("{body_size: false, present: true}", "/body_size: is false"),
        (
            "{time_of_day: '2', present: true}",
            "/time_of_day: `2` is not an offset from UTC",
        ),
        (
            "{date: '+24:00', present: true}",
            "/date: `+24:00` is not an offset from UTC",
        ),
        (
            "{day_of_week: '+1:00', present: true}",
            "/day_of_week: `+1:00` is not an offset from UTC",
        ),
        (
            "{jwt_claim: {provider: '', path: [a]}, present: true}",
            "/jwt_claim/provider: is not a name",
        ),
        (
            "{jwt_claim: {provider: a, path: []}, present: true}",
            "/jwt_claim/path: has 0 entries",
        ),
        (
            "{jwt_claim: {provider: a, path: ['']}, present: true}",
            "/jwt_claim/path/0: is not a name",
        ),
    ] {
        assert_eq!(audience(rule), [format!("/audience{fault}")], "{rule}");
    }
}

#[test]
fn several_bounds_are_one_test() {
    let mut spec = stamping(1);
    spec.audience = Some(yaml("{header: a, number: {at_least: 5, less: 10}}"));
    let design = spec.validate(&mut Faults::default()).unwrap();
    let Some(Rule::Condition(condition)) = design.audience else {
        panic!("{:?}", design.audience)
    };
    assert!(
        matches!(&condition.test, Test::Compare(Ordering::Number, bounds) if bounds.len() == 2)
    );
}

#[test]
fn units_are_read_or_made() {
    let text = with(
        "unit: {type: user, sources: [{jwt_claim: {provider: idp, path: [sub]}}, {body: /user}, {source_address: true}, {generated: {cookie: uid}}, {request: true}]}",
    );
    let design = yaml::<ExperimentSpec>(&text).validate(&mut Faults::default());
    let sources = design.unwrap().unit.sources;
    let Source::Generated(generated) = &sources[3] else {
        panic!("{sources:?}")
    };
    assert_eq!(generated.max_age.to_string(), "365d");
    assert!(generated.secure && generated.http_only && generated.path == "/");
    assert_eq!(sources[4], Source::Request);
}

#[test]
fn every_fault_of_a_unit_source_has_its_place() {
    for (source, fault) in [
        ("{}", ": names 0 sources"),
        ("{header: a, request: true}", ": names 2 sources"),
        (
            "{generated: {cookie: a}, request: true}",
            ": names 2 sources",
        ),
        ("{request: false}", "/request: is false"),
        ("{source_address: false}", "/source_address: is false"),
        (
            "{generated: {cookie: 'a b'}}",
            "/generated/cookie: is not a cookie's name",
        ),
        (
            "{generated: {cookie: a, path: v1}}",
            "/generated/path: is not a cookie's path",
        ),
        (
            "{generated: {cookie: a, path: '/;'}}",
            "/generated/path: is not a cookie's path",
        ),
        (
            "{generated: {cookie: a, max_age: 401d}}",
            "/generated/max_age: `401d` does not fit",
        ),
        (
            "{generated: {cookie: a, max_age: 0s}}",
            "/generated/max_age: `0s` does not fit",
        ),
        (
            "{generated: {cookie: a, secure: false, same_site: none}}",
            "/generated/secure: is false, and browsers drop such a cookie where same_site is `none`",
        ),
    ] {
        let text = with(&format!("unit: {{type: user, sources: [{source}]}}"));
        assert_eq!(
            found(&text),
            [format!("/unit/sources/0{fault}")],
            "{source}"
        );
    }
}

#[test]
fn every_fault_of_a_variant_has_its_place() {
    for (field, fault) in [
        (
            "request_headers: {'a b': x}",
            "/request_headers/a b: is not a header's name",
        ),
        (
            "request_headers: {a/b: x}",
            "/request_headers/a~1b: is not a header's name",
        ),
        (
            "request_headers: {X-Variant: x}",
            "/request_headers/X-Variant: `x-variant` is not for variants",
        ),
        (
            "response_headers: {set-cookie: x}",
            "/response_headers/set-cookie: `set-cookie` is not for variants",
        ),
        (
            "request_headers: {a: 'x '}",
            "/request_headers/a: is not a header's value",
        ),
        (
            "request_headers: {a: \"x\\ny\"}",
            "/request_headers/a: is not a header's value",
        ),
        (
            "request_headers: {a: x, A: y}",
            "/request_headers/a: is given twice, in other case",
        ),
        ("baggage: {'': x}", "/baggage/: is not a baggage key"),
        ("baggage: {a: é}", "/baggage/a: is not a baggage value"),
    ] {
        let text = with(&format!("variants: [{{key: a, weight: 10000, {field}}}]"));
        assert_eq!(found(&text), [format!("/variants/0{fault}")], "{field}");
    }
    let twice = "layer: a\nunit: {type: u, sources: []}\nvariants: [{key: a, weight: 1, baggage: {a: x, a: y}}]";
    assert!(serde_saphyr::from_str::<ExperimentSpec>(twice).is_err());
}

#[test]
fn a_contextual_strategy_has_a_model_for_each_variant() {
    let strategy = |contextual: &str| {
        let text = format!("strategy: {{contextual: {contextual}}}");
        found(&with(&text))
    };
    let good = "{alpha: 1, exploration: 0, features: [{constant: true}], models: {a: {theta: [1.5], a_inverse: [[1]]}}}";
    assert_eq!(strategy(good), Vec::<String>::new());
    let at = "/strategy/contextual";
    for (spec, fault) in [
        (
            good.replace("[{constant: true}]", "[]"),
            "/features: has 0 entries",
        ),
        (
            good.replace("constant: true", "constant: false"),
            "/features/0: is no feature",
        ),
        (
            good.replace("constant: true", "attribute: {header: h}"),
            "/features/0: is no feature",
        ),
        (
            good.replace("constant: true", "attribute: {}, one_hot: x"),
            "/features/0/attribute: names 0 attributes",
        ),
        (
            good.replace(
                "constant: true",
                "attribute: {header: h}, number: {scale: 0}",
            ),
            "/features/0/number/scale: is 0",
        ),
        (
            good.replace("exploration: 0", "exploration: 1.5"),
            "/exploration: 1.5 is out of bounds",
        ),
        (
            good.replace("alpha: 1", "alpha: -1"),
            "/alpha: -1 is out of bounds",
        ),
        (
            good.replace("theta: [1.5]", "theta: []"),
            "/models/a/theta: has 0 entries",
        ),
        (
            good.replace("[[1]]", "[[1, 2]]"),
            "/models/a/a_inverse/0: has 2 entries",
        ),
    ] {
        let found = strategy(&spec);
        assert!(found.contains(&format!("{at}{fault}")), "{spec}: {found:?}");
    }
    assert_eq!(
        strategy(&good.replace("{a: ", "{b: ")),
        [
            format!("{at}/models/b: is not a variant"),
            format!("{at}/models/a: is missing")
        ]
    );
    let text = with(&format!("strategy: {{contextual: {good}}}"));
    let design = yaml::<ExperimentSpec>(&text).validate(&mut Faults::default());
    assert!(matches!(design.unwrap().strategy, Strategy::Contextual(_)));
}

#[test]
fn every_fault_of_requirements_and_stickiness_has_its_place() {
    assert_eq!(
        found(&with(
            "requires: [{experiment: A}, {experiment: b, variants: [x, x, Y]}]"
        )),
        [
            "/requires/0/experiment: `A` is not a key",
            "/requires/1/variants/2: `Y` is not a key",
            "/requires/1/variants/1: `x` is listed twice",
        ]
    );
    assert_eq!(
        found(&with("sticky: {cookie: '', max_age: forever}")),
        [
            "/sticky/cookie: is not a cookie's name",
            "/sticky/max_age: `forever` does not fit",
        ]
    );
}

#[test]
fn every_fault_of_settings_has_its_place() {
    let found = |text: &str| {
        let mut faults = Faults::default();
        yaml::<SettingsSpec>(text).validate(None, &mut faults);
        lines(&faults)
            .into_iter()
            .map(|line| line.split(" (expected").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let key = "{id: k1, secret: 0123456789abcdef0123456789abcdef}";
    assert_eq!(
        found(&format!("signing_keys: [{key}]")),
        Vec::<String>::new()
    );
    for (text, fault) in [
        ("force: {}", "/force: names no place"),
        (
            "body_limit_bytes: 0",
            "/body_limit_bytes: 0 is out of bounds",
        ),
        (
            "body_limit_bytes: 99999999",
            "/body_limit_bytes: 99999999 is out of bounds",
        ),
        (
            "signing_keys: [{id: K, secret: 0123456789abcdef0123456789abcdef}]",
            "/signing_keys/0/id: is not a key's id",
        ),
        (
            "signing_keys: [{id: k}]",
            "/signing_keys/0/secret: is missing, and no key of this id is known",
        ),
        (
            "signing_keys: [{id: k, secret: short}]",
            "/signing_keys/0/secret: is too short, too long or not printable",
        ),
        (
            "force: {header: x-force}",
            "/signing_keys: is empty, and force tokens are signed",
        ),
    ] {
        assert!(
            found(text).contains(&fault.to_owned()),
            "{text}: {:?}",
            found(text)
        );
    }
    assert_eq!(
        found(&format!(
            "{{force: {{header: 'a b', query: '', cookie: ';'}}, signing_keys: [{key}, {key}]}}"
        )),
        [
            "/force/header: is not a header's name",
            "/force/query: is not a query parameter's name",
            "/force/cookie: is not a cookie's name",
            "/signing_keys/1: `k1` is listed twice",
        ]
    );
}

#[test]
fn a_payload_is_any_json_but_too_much_of_it() {
    let experiment = |payload: &str| {
        let text = format!(
            "layer: a\nunit: {{type: u, sources: [{{header: a}}]}}\nvariants: [{{key: a, weight: 10000, payload: {payload}}}]"
        );
        let mut faults = Faults::default();
        let design = yaml::<ExperimentSpec>(&text).validate(&mut faults);
        faults
            .or(design)
            .map(|design| ExperimentSpec::from(&design).variants[0].payload.clone())
    };
    for payload in ["true", "3", "\"text\"", "[1, null]", r#"{"a": {"b": 0.5}}"#] {
        let kept = experiment(payload).unwrap().unwrap();
        assert_eq!(
            kept,
            serde_json::from_str::<serde_json::Value>(payload).unwrap()
        );
    }
    assert_eq!(experiment("null").unwrap(), None);
    let long = format!("\"{}\"", "x".repeat(16 * 1024));
    let fault = experiment(&long).unwrap_err().to_string();
    assert!(fault.contains("/variants/0/payload"), "{fault}");
}
