//! An evaluation as a tree with a mark at each decision. Pure: the API's answer in, text out. What is
//! not there is left out, so that an answer of a newer server is still shown.

use serde_json::Value;
use std::fmt::Write as _;

/// The whole answer, or that of one experiment.
pub(super) fn show(evaluation: &Value, only: Option<&str>) -> String {
    let mut tree = Tree::default();
    tree.request(evaluation);
    let all = || list(evaluation, "experiments");
    let shown = all().filter(|it| only.is_none_or(|only| text(it, "experiment") == only));
    let mut count = 0_usize;
    for experiment in shown {
        count = count.saturating_add(1);
        tree.experiment(experiment);
    }
    if count == 0 {
        let what = only.unwrap_or("an experiment");
        tree.line(
            0,
            &format!("✗ {what}: proxies do not look at it for this request"),
        );
    }
    if only.is_none() {
        tree.routing(evaluation);
    }
    for note in list(evaluation, "notes").filter_map(Value::as_str) {
        tree.line(0, &format!("! {note}"));
    }
    tree.0
}

#[derive(Default)]
struct Tree(String);

impl Tree {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(
            self.0,
            "{:width$}{text}",
            "",
            width = depth.saturating_mul(2)
        );
    }

    fn mark(&mut self, depth: usize, holds: bool, text: &str) {
        let mark = if holds { '✓' } else { '✗' };
        self.line(depth, &format!("{mark} {text}"));
    }

    fn request(&mut self, evaluation: &Value) {
        let (host, path) = (text(evaluation, "host"), text(evaluation, "path"));
        let (fleet, version) = (
            text(evaluation, "fleet"),
            text(evaluation, "config_version"),
        );
        let slice = match optional(evaluation, "slice") {
            Some(slice) => format!("/{slice}"),
            None => String::new(),
        };
        self.line(
            0,
            &format!("{host}{path} in fleet {fleet}{slice}, configuration {version}"),
        );
        match text(evaluation, "service") {
            "" => self.line(0, "✗ no service takes the request"),
            service => {
                let cluster = optional(evaluation, "cluster").unwrap_or("what the routes say");
                let by = match optional(evaluation, "routing_rule") {
                    Some(rule) => format!(", by routing rule {rule}"),
                    None => String::new(),
                };
                self.line(0, &format!("→ service {service}, cluster {cluster}{by}"));
            }
        }
    }

    fn experiment(&mut self, it: &Value) {
        let verdict = text(it, "verdict");
        let unit = match optional(it, "unit") {
            Some(unit) => format!("{} `{unit}`", text(it, "unit_type")),
            None => format!("no {}", text(it, "unit_type")),
        };
        let key = text(it, "experiment");
        let outcome = match optional(it, "variant") {
            Some(variant) => format!("{variant}{}", reason(it)),
            None => format!("nothing: {}", verdict.replace('_', " ")),
        };
        self.line(0, "");
        let assigned = it.get("variant").is_some_and(Value::is_string);
        self.mark(0, assigned, &format!("{key} → {outcome}"));
        let layer = text(it, "layer");
        self.line(
            1,
            &format!("layer {layer}, {unit}, {}", text(it, "strategy")),
        );
        if let Some(other) = optional(it, "displaced_by") {
            self.mark(1, false, &format!("{other} takes its place in the layer"));
        }
        self.before_the_buckets(it);
        self.buckets(it);
        match it.get("audience") {
            Some(audience) if audience.is_object() => {
                self.mark(1, flag(audience, "holds"), "audience");
                self.rule(2, audience);
            }
            _ => self.mark(1, true, "audience: everybody"),
        }
        for requirement in list(it, "requirements") {
            self.requirement(requirement);
        }
        for score in list(it, "scores") {
            let (variant, value) = (text(score, "variant"), number(score, "score"));
            self.line(1, &format!("• {variant} scores {value}"));
        }
        if let Some(bucket) = it.get("variant_bucket").and_then(Value::as_u64) {
            self.line(1, &format!("• variant bucket {bucket}"));
        }
    }

    /// What comes first: what the request brings along, and the holdouts.
    fn before_the_buckets(&mut self, it: &Value) {
        for pin in list(it, "pins") {
            let counts = text(pin, "verdict") == "assigned";
            let why = match text(pin, "verdict") {
                "assigned" => String::new(),
                why => format!(": {}", why.replace('_', " ")),
            };
            let (by, variant) = (text(pin, "by"), text(pin, "variant"));
            self.mark(1, counts, &format!("{by} to {variant}{why}"));
        }
        for holdout in list(it, "holdouts") {
            let name = text(holdout, "holdout");
            let bucket = number(holdout, "bucket");
            let held = flag(holdout, "holds");
            let said = if held {
                "is held out"
            } else {
                "is not held out"
            };
            self.mark(1, !held, &format!("holdout {name}: bucket {bucket} {said}"));
        }
    }

    fn buckets(&mut self, it: &Value) {
        let Some(bucket) = it.get("layer_bucket").and_then(Value::as_u64) else {
            return;
        };
        let pairs: Vec<(u64, u64)> = list(it, "allocation")
            .filter_map(|pair| Some((pair.get(0)?.as_u64()?, pair.get(1)?.as_u64()?)))
            .collect();
        let owned = pairs
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&bucket));
        let ranges: Vec<String> = pairs
            .iter()
            .map(|(low, high)| format!("{low}–{high}"))
            .collect();
        let ranges = match ranges.as_slice() {
            [] => "nothing".to_owned(),
            ranges => ranges.join(", "),
        };
        let said = if owned { "is in" } else { "is not in" };
        self.mark(1, owned, &format!("layer bucket {bucket} {said} {ranges}"));
    }

    fn requirement(&mut self, it: &Value) {
        let not = if flag(it, "not") { "not " } else { "" };
        let variants: Vec<&str> = list(it, "variants").filter_map(Value::as_str).collect();
        let of = match variants.as_slice() {
            [] => String::new(),
            variants => format!("{} of ", variants.join(" or ")),
        };
        let got = optional(it, "variant").unwrap_or("nothing");
        let other = text(it, "experiment");
        let text = format!("requires {not}{of}{other}: it gives {got}");
        self.mark(1, flag(it, "holds"), &text);
    }

    fn rule(&mut self, depth: usize, it: &Value) {
        let seen = match (optional(it, "value"), list(it, "rules").next()) {
            (Some(value), _) => format!("   it is `{value}`"),
            (None, None) => "   it is missing".to_owned(),
            (None, Some(_)) => String::new(),
        };
        let text = format!("{}{seen}", text(it, "rule"));
        self.mark(depth, flag(it, "holds"), &text);
        for rule in list(it, "rules") {
            self.rule(depth.saturating_add(1), rule);
        }
    }

    fn routing(&mut self, evaluation: &Value) {
        let rules: Vec<&Value> = list(evaluation, "routing_rules").collect();
        if rules.is_empty() {
            return;
        }
        self.line(0, "");
        self.line(0, "routing rules, where no experiment routes");
        for rule in rules {
            let (key, cluster) = (text(rule, "key"), text(rule, "cluster"));
            match rule.get("when").filter(|when| when.is_object()) {
                Some(when) => {
                    self.mark(1, flag(when, "holds"), &format!("{key} → {cluster}"));
                    self.rule(2, when);
                }
                None => self.line(1, &format!("• {key} → {cluster}: not looked at")),
            }
        }
    }
}

/// ` (forced)`, with the probability where there is one.
fn reason(it: &Value) -> String {
    let reason = text(it, "reason").to_ascii_lowercase().replace('_', " ");
    match it.get("probability").and_then(Value::as_f64) {
        Some(probability) if probability > 0.0 => {
            format!(" ({reason}, with probability {probability})")
        }
        _ => format!(" ({reason})"),
    }
}

fn list<'a>(it: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    it.get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn optional<'a>(it: &'a Value, field: &str) -> Option<&'a str> {
    it.get(field).and_then(Value::as_str)
}

fn text<'a>(it: &'a Value, field: &str) -> &'a str {
    optional(it, field).unwrap_or_default()
}

fn flag(it: &Value, field: &str) -> bool {
    it.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn number(it: &Value, field: &str) -> String {
    it.get(field).map(Value::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The engine's own golden explanation, as the API passes it on.
    fn golden() -> Value {
        let golden = include_str!("../../../../engine/vectors/explain.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        let mut shown = golden["explanation"].clone();
        shown["fleet"] = "default".into();
        shown["config_version"] = "v1".into();
        shown["host"] = "api.example.com".into();
        shown["path"] = "/v1/chat".into();
        shown["notes"] = json!(["header x-force is ignored: the token has expired"]);
        shown
    }

    #[test]
    fn everything_that_the_engine_says_is_shown() {
        let shown = show(&golden(), None);
        for line in [
            "api.example.com/v1/chat in fleet default, configuration v1",
            "→ service chat, cluster large, by routing rule long",
            "✗ late → nothing: not allocated",
            "  ✗ stuck to a: another unit",
            "✓ tone → plain (hashed)",
            "  layer prompts, user `u-4`, deterministic",
            "  ✓ holdout nobody: bucket 6507 is not held out",
            "  ✓ layer bucket 7820 is in 0–9999",
            "  ✓ audience",
            "    ✓ all",
            "      ✓ segment paying",
            "        ✓ header x-plan is one of \"pro\" \"team\"   it is `team`",
            "        ✗ header x-app version at least 2.1.0   it is `2.0.9`",
            "          ✗ cookie internal is present   it is missing",
            "  ✓ requires not large of model: it gives nothing",
            "  ✓ requires forced: it gives b",
            "✓ forced → b (forced)",
            "  ✓ forced to b",
            "  ✗ forced takes its place in the layer",
            "  • large scores 2.5",
            "  ✗ short → small",
            "  ✓ long → large",
            "! header x-force is ignored: the token has expired",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
    }

    #[test]
    fn one_experiment_is_shown_alone() {
        let shown = show(&golden(), Some("tone"));
        assert!(shown.contains("tone →") && !shown.contains("late →"));
        assert!(!shown.contains("routing rules"));
        let shown = show(&golden(), Some("elsewhere"));
        assert!(shown.contains("✗ elsewhere: proxies do not look at it for this request"));
    }

    #[test]
    fn an_answer_of_any_shape_is_shown() {
        for strange in [
            json!(null),
            json!([]),
            json!({"experiments": 1, "notes": {}}),
            json!({"experiments": [1, null, {"allocation": [[1], "x", [5, 1]], "layer_bucket": 3}]}),
        ] {
            show(&strange, None);
        }
    }
}
