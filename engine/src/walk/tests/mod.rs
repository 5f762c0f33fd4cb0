use super::*;
use crate::pin::{fingerprint, fingerprint_salt};
use crate::plan::{LayerId, Plan};
use crate::request::Headers;
use crate::surroundings::{Request, Surroundings};
use serde_json::{Value, json};

mod abreast;
mod pins;
mod strategies;

/// Keeps what becomes of each experiment, in words.
#[derive(Default)]
struct Diary(Vec<String>);

impl Visitor for Diary {
    const THOROUGH: bool = false;

    fn visit(&mut self, step: Step<'_, '_>) {
        if let Step::Verdict {
            experiment,
            verdict,
        } = step
        {
            self.0.push(format!("{}: {verdict:?}", experiment.key()));
        }
    }
}

/// What a request has beyond its headers.
#[derive(Default)]
struct Around {
    pins: Vec<Pin>,
    chance: u64,
}

impl Surroundings for Around {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

const NOW_MS: i64 = 1_000;
const GOLD: (&str, &str) = ("x-tier", "gold");
const USER: (&str, &str) = ("x-user", "u");

/// An experiment for everybody whose units all get `b`, with `changes` over its fields.
fn experiment(key: &str, layer: &str, changes: &Value) -> Value {
    let mut experiment = json!({
        "key": key, "layer": layer,
        "unitSources": [{"header": "x-user"}, {"cookie": "uid"}],
        "allocation": [{"start": 0, "end": 9999}],
        "variants": [
            {"key": "a", "ranges": []},
            {"key": "b", "ranges": [{"start": 0, "end": 9999}]},
        ],
        "fallback": "a",
    });
    for (field, value) in changes.as_object().unwrap() {
        experiment[field] = value.clone();
    }
    experiment
}

fn config(experiments: &[Value]) -> Value {
    json!({
        "services": [{"key": "s"}],
        "layers": [{"key": "l"}, {"key": "m"}, {"key": "n"}],
        "experiments": experiments,
        "signingKeys": [{"id": "k", "secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}],
    })
}

fn compile(config: Value) -> Plan {
    Plan::compile(&serde_json::from_value(config).unwrap()).unwrap()
}

/// One experiment for gold users, with `changes` over its fields.
fn gold(changes: &Value) -> Plan {
    let audience = json!({"condition": {"attribute": {"header": "x-tier"}, "equals": "gold"}});
    let mut experiment = experiment("e", "l", &json!({"audience": audience}));
    for (field, value) in changes.as_object().unwrap() {
        experiment[field] = value.clone();
    }
    compile(config(&[experiment]))
}

/// The decisions as `{experiment}={variant} {reason}`, and the diary of the walk.
fn walk(plan: &Plan, headers: &[(&str, &str)], around: &Around) -> (Vec<String>, String) {
    let pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request::within(Headers::new(&pairs), plan.attributes(), around);
    let mut diary = Diary::default();
    let decisions = plan
        .assign(&plan.services()[0], &request, NOW_MS, &mut diary)
        .map(|one| {
            format!(
                "{}={} {:?}",
                one.experiment.key(),
                one.variant.key(),
                one.reason
            )
        })
        .collect();
    (decisions, diary.0.join(", "))
}

fn given(plan: &Plan, headers: &[(&str, &str)]) -> Vec<String> {
    walk(plan, headers, &Around::default()).0
}

/// The decisions for user `u` who brings pins along.
fn pinned(plan: &Plan, pins: &[(&str, &str, PinnedBy)]) -> Vec<String> {
    let pins = pins.iter();
    let pins = pins.filter_map(|(experiment, variant, by)| plan.pin(experiment, variant, *by));
    let around = Around {
        pins: pins.collect(),
        ..Around::default()
    };
    walk(plan, &[USER], &around).0
}

/// User `u` of experiment `e`.
fn stuck() -> PinnedBy {
    stuck_by("", "u")
}

/// A user of experiment `e` while it had this salt.
fn stuck_by(salt: &str, unit: &str) -> PinnedBy {
    PinnedBy::Stuck {
        unit: fingerprint(fingerprint_salt("e", salt), unit.as_bytes()),
    }
}

#[test]
fn a_verdict_says_what_speaks_against() {
    let verdict = |changes: Value, headers: &[(&str, &str)]| {
        walk(&gold(&changes), headers, &Around::default()).1
    };
    assert_eq!(verdict(json!({}), &[GOLD, USER]), "e: Assigned");
    assert_eq!(verdict(json!({}), &[USER]), "e: NotEligible");
    assert_eq!(
        verdict(json!({}), &[GOLD]),
        "",
        "without a unit nobody is asked"
    );
    assert_eq!(verdict(json!({"allocation": []}), &[GOLD, USER]), "");
    assert_eq!(
        verdict(json!({"startMs": "1001"}), &[GOLD, USER]),
        "e: NotStarted"
    );
    assert_eq!(verdict(json!({"endMs": "1000"}), &[GOLD, USER]), "e: Ended");
    assert_eq!(verdict(json!({"disabled": true}), &[GOLD, USER]), "e: Off");
}

#[test]
fn only_the_assigned_get_a_variant() {
    assert_eq!(given(&gold(&json!({})), &[GOLD, USER]), ["e=b Hashed"]);
    for headers in [&[GOLD][..], &[USER], &[]] {
        assert!(given(&gold(&json!({})), headers).is_empty());
    }
}

#[test]
fn a_rollback_gives_the_fallback_to_the_eligible_and_to_nobody_else() {
    let rolled_back = gold(&json!({"mode": "FALLBACK"}));
    assert_eq!(given(&rolled_back, &[GOLD, USER]), ["e=a RolledBack"]);
    assert!(given(&rolled_back, &[USER]).is_empty());
}

#[test]
fn what_cannot_be_a_unit_gives_way_to_the_next_source() {
    let plan = gold(&json!({}));
    let longest = "x".repeat(MAX_UNIT_BYTES);
    let longer = "x".repeat(MAX_UNIT_BYTES + 1);
    let unit = |first: &[u8]| {
        let pairs: [(&[u8], &[u8]); 3] = [
            (b"x-tier", b"gold"),
            (b"x-user", first),
            (b"cookie", b"uid=c"),
        ];
        let request = Request::new(Headers::new(&pairs), plan.attributes());
        let found = plan
            .assign(&plan.services()[0], &request, 0, &mut Noop)
            .next();
        found.unwrap().unit.to_owned()
    };
    for unfit in [&b""[..], b"\xff\xfe", longer.as_bytes()] {
        assert_eq!(unit(unfit), b"c");
    }
    assert_eq!(unit(longest.as_bytes()), longest.as_bytes());
}

/// The verdict of a rule for a request with these headers.
fn holds(rule: &Value, headers: &[(&str, &str)]) -> bool {
    let headers = [&[USER], headers].concat();
    let experiment = experiment("e", "l", &json!({"audience": rule}));
    !given(&compile(config(&[experiment])), &headers).is_empty()
}

#[test]
fn a_missing_attribute_fails_every_test_and_passes_its_not() {
    let tests = [
        json!({"equals": ""}),
        json!({"oneOf": {"values": [""]}}),
        json!({"prefix": ""}),
        json!({"suffix": ""}),
        json!({"contains": ""}),
        json!({"regex": ".*"}),
        json!({"present": {}}),
        json!({"compare": {"ordering": "TEXT", "operator": "GREATER_OR_EQUAL", "value": ""}}),
        json!({"compare": {"ordering": "NUMBER", "operator": "EQUAL", "value": "0"}}),
        json!({"compare": {"ordering": "SEMVER", "operator": "LESS", "value": "9.0.0"}}),
        json!({"inNetworks": {"values": ["0.0.0.0/0", "::/0"]}}),
    ];
    for mut condition in tests {
        condition["attribute"] = json!({"header": "x-there"});
        let rule = json!({"condition": condition});
        assert!(!holds(&rule, &[]), "{rule}");
        assert!(holds(&json!({"not": rule}), &[]), "{rule}");
    }
}

#[test]
fn all_needs_every_rule_and_any_needs_one() {
    let all = |rules: &[Value]| json!({"all": {"rules": rules}});
    let any = |rules: &[Value]| json!({"any": {"rules": rules}});
    let (yes, no) = (all(&[]), any(&[]));
    assert!(holds(&yes, &[]), "true when empty");
    assert!(!holds(&no, &[]), "false when empty");
    assert!(!holds(&all(&[yes.clone(), no.clone()]), &[]));
    assert!(holds(&any(&[no.clone(), yes.clone()]), &[]));
    assert!(holds(&all(&[yes.clone(), yes.clone()]), &[]));
    assert!(!holds(&any(&[no.clone(), no.clone()]), &[]));
}

#[test]
fn segments_are_shared_by_name() {
    let mut config = config(&[
        experiment(
            "e",
            "l",
            &json!({"audience": {"segment": "gold-or-silver"}}),
        ),
        experiment("f", "m", &json!({"audience": {"not": {"segment": "gold"}}})),
    ]);
    let tier = |value| json!({"condition": {"attribute": {"header": "x-tier"}, "equals": value}});
    config["segments"] = json!([
        {"key": "gold-or-silver", "rule": {"any": {"rules": [{"segment": "gold"}, tier("silver")]}}},
        {"key": "gold", "rule": tier("gold")},
    ]);
    let plan = compile(config);
    let tiers = |tier| given(&plan, &[USER, ("x-tier", tier)]);
    assert_eq!(tiers("gold"), ["e=b Hashed"]);
    assert_eq!(tiers("silver"), ["e=b Hashed", "f=b Hashed"]);
    assert_eq!(tiers("bronze"), ["f=b Hashed"]);
}

#[test]
fn a_holdout_covers_its_layer_or_all() {
    let experiments = [
        experiment("e", "l", &json!({})),
        experiment("f", "m", &json!({})),
    ];
    let with = |holdout: Value| {
        let mut config = config(&experiments);
        config["holdouts"] = json!([holdout]);
        walk(&compile(config), &[USER], &Around::default())
    };
    let everybody = json!([{"start": 0, "end": 9999}]);
    let (given, diary) = with(json!({"key": "h", "buckets": everybody, "layer": "l"}));
    assert_eq!(given, ["f=b Hashed"]);
    assert_eq!(diary, "e: HeldOut, f: Assigned");
    assert!(with(json!({"key": "h", "buckets": everybody})).0.is_empty());
    assert_eq!(with(json!({"key": "h", "buckets": []})).0.len(), 2);
}

#[test]
fn a_kill_switch_stops_its_own() {
    let with = |place: &str| {
        let experiments = [
            experiment("e", "l", &json!({})),
            experiment("f", "m", &json!({})),
        ];
        let mut config = config(&experiments);
        let switches = config.pointer_mut(place).unwrap();
        switches["disabled"] = true.into();
        given(&compile(config), &[USER])
    };
    assert_eq!(with("/experiments/0"), ["f=b Hashed"]);
    assert_eq!(with("/layers/1"), ["e=b Hashed"]);
    assert!(with("").is_empty());
}

#[test]
fn requirements_ask_what_the_request_gets_of_another_experiment() {
    let with = |other: &Value, requirement: Value| {
        let experiments = [
            experiment("e", "l", &json!({"requires": [requirement]})),
            experiment("x", "m", other),
        ];
        given(&compile(config(&experiments)), &[USER]).contains(&"e=b Hashed".to_owned())
    };
    let (there, gone) = (json!({}), json!({"allocation": []}));
    let any = json!({"experiment": "x"});
    let in_b = json!({"experiment": "x", "variants": ["b"]});
    let in_a = json!({"experiment": "x", "variants": ["a"]});
    let not = json!({"experiment": "x", "not": true});
    let not_a = json!({"experiment": "x", "variants": ["a"], "not": true});
    assert!(with(&there, any.clone()) && !with(&gone, any.clone()));
    assert!(with(&there, in_b.clone()) && !with(&gone, in_b));
    assert!(!with(&there, in_a.clone()) && !with(&gone, in_a));
    assert!(!with(&there, not.clone()) && with(&gone, not));
    assert!(with(&there, not_a.clone()) && with(&gone, not_a));
    assert!(!with(&json!({"disabled": true}), any.clone()));
    assert!(!with(&json!({"endMs": "1"}), any));
}

#[test]
fn an_experiment_of_another_service_can_be_required() {
    let elsewhere = json!({"services": ["other"], "unitSources": [{"header": "x-other"}]});
    let mut config = config(&[
        experiment("e", "l", &json!({"requires": [{"experiment": "x"}]})),
        experiment("x", "l", &elsewhere),
    ]);
    config["services"] = json!([{"key": "s"}, {"key": "other"}]);
    config["experiments"][0]["services"] = json!(["s"]);
    config["experiments"][0]["allocation"] = json!([{"start": 0, "end": 4999}]);
    config["experiments"][1]["allocation"] = json!([{"start": 5000, "end": 9999}]);
    let plan = compile(config);
    let layer = plan.layer(LayerId(0)).unwrap();
    let with_bucket = |low: u16| {
        let mut units = (0..).map(|n| format!("{n}"));
        units
            .find(|unit| layer.bucketer.bucket(unit.as_bytes()) / 5_000 == low)
            .unwrap()
    };
    let (low, high) = (with_bucket(0), with_bucket(1));
    assert_eq!(
        given(&plan, &[("x-user", &low), ("x-other", &high)]),
        ["e=b Hashed"]
    );
    assert!(given(&plan, &[("x-user", &low), ("x-other", &low)]).is_empty());
    assert!(given(&plan, &[("x-user", &low)]).is_empty());
}

#[test]
fn an_experiment_that_is_elsewhere_is_required_and_gives_nothing_itself() {
    let experiments = [
        experiment(
            "e",
            "l",
            &json!({"requires": [{"experiment": "x", "variants": ["b"]}]}),
        ),
        experiment("x", "m", &json!({"elsewhere": true})),
    ];
    assert_eq!(
        given(&compile(config(&experiments)), &[USER]),
        ["e=b Hashed"]
    );
    let contrary = experiment("x", "m", &json!({"elsewhere": true, "services": ["s"]}));
    let config = serde_json::from_value(config(&[contrary])).unwrap();
    let refused = Plan::compile(&config).unwrap_err().to_string();
    assert_eq!(
        refused,
        "experiment \"x\": services are named, though the experiment is elsewhere"
    );
}

#[test]
fn the_first_routing_rule_that_holds_routes() {
    let size = |value: &str| {
        json!({"condition": {"attribute": {"bodySize": {}}, "compare": {
            "ordering": "NUMBER", "operator": "LESS", "value": value,
        }}})
    };
    let mut config = config(&[]);
    config["services"][0]["routingRules"] = json!([
        {"key": "short", "when": size("100"), "cluster": "small"},
        {"key": "medium", "when": size("1000"), "cluster": "medium"},
    ]);
    config["disabled"] = true.into();
    let plan = compile(config);
    let cluster = |length: &str| {
        let pairs: [(&[u8], &[u8]); 1] = [(b"content-length", length.as_bytes())];
        let request = Request::new(Headers::new(&pairs), plan.attributes());
        let rule = plan.route(&plan.services()[0], &request, 0, &mut Noop);
        rule.map(|rule| (rule.key(), rule.cluster()))
    };
    assert_eq!(cluster("99"), Some(("short", "small")));
    assert_eq!(cluster("100"), Some(("medium", "medium")));
    assert_eq!(cluster("1000"), None);
    assert_eq!(cluster("many"), None);
}

/// A request of gold user `u` that counts how often its tier is asked for.
#[derive(Default)]
struct Asked(std::cell::Cell<u32>);

impl Subject for Asked {
    fn get(&self, id: crate::attribute::AttributeId) -> Option<&[u8]> {
        if id.index() == 0 {
            return Some(b"u");
        }
        self.0.set(self.0.get() + 1);
        Some(b"golden")
    }

    fn chance(&self) -> u64 {
        0
    }
}

#[test]
fn experiments_for_the_same_audience_ask_once() {
    let golden = json!({"any": {"rules": [
        {"condition": {"attribute": {"header": "x-tier"}, "regex": "^gold"}},
    ]}});
    let one = |key: &str, layer: &str| {
        let mut one = experiment(key, layer, &json!({"audience": golden}));
        one["unitSources"] = json!([{"header": "x-user"}]);
        one
    };
    let many = [one("e", "l"), one("f", "m"), one("g", "n")];
    let plan = compile(config(&many));
    let request = Asked::default();
    let mut noop = Noop;
    let given = plan.assign(&plan.services()[0], &request, 0, &mut noop);
    assert_eq!(given.count(), 3);
    assert_eq!(request.0.get(), 1);

    let plan = compile(config(&many[..1]));
    assert_eq!(
        plan.experiments()[0].audience_number,
        u32::MAX,
        "nobody to share with"
    );
}
