//! The dashboard for Grafana asks for what there is: each metric that a query of it names, and each label
//! that it names of one, is told by a real control plane or a real Envoy. What lives here: reading names
//! out of PromQL and out of what is scraped. What does not: running the queries; `make compose-test` does,
//! in Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use watershed_tests::envoy::Transport;
use watershed_tests::http::Request;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Stack, binaries, documents, eventually};

/// Names of metrics, each with the names of its labels.
type Metrics = BTreeMap<String, BTreeSet<String>>;

/// What Prometheus adds to whatever it scrapes.
const ADDED: [&str; 3] = ["job", "instance", "container"];

/// A word of PromQL, or one character that is none.
fn words(query: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut rest = query.trim_start();
    let mut words = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            // A variable of Grafana's.
            _ if is_word(first) || first == '$' => rest[1..]
                .find(|character| !is_word(character))
                .map_or(rest.len(), |end| end + 1),
            _ => first.len_utf8(),
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
}

/// The metrics that a query names, with the labels that it names of them: those in braces belong to the
/// metric before, those of `by` and `on` to every metric of the query.
fn asked(query: &str) -> Metrics {
    let words = words(query);
    let mut metrics = Metrics::new();
    let mut shared = BTreeSet::new();
    let mut last = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let inside = |close: &str| {
            let end = words[at..].iter().position(|word| *word == close).unwrap();
            &words[at..at + end]
        };
        at += match (*word, words.get(at + 1)) {
            ("{", _) => {
                let matchers = inside("}");
                let is_label = |pair: &&[&str]| is_name(pair[0]) && ["=", "!"].contains(&pair[1]);
                let labels = matchers.windows(2).filter(is_label).map(|pair| pair[0]);
                let of: &mut BTreeSet<String> = metrics.get_mut(last.unwrap()).unwrap();
                of.extend(labels.map(str::to_owned));
                matchers.len()
            }
            ("[", _) => inside("]").len(),
            ("by" | "on" | "group_left", Some(&"(")) => {
                let labels = inside(")");
                let named = labels[1..].iter().filter(|word| is_name(word));
                shared.extend(named.map(|label| (*label).to_owned()));
                labels.len()
            }
            (name, next) if is_name(name) && !matches!(next, Some(&("(" | "by"))) => {
                metrics.entry(name.to_owned()).or_default();
                last = Some(name);
                1
            }
            _ => 1,
        };
    }
    for labels in metrics.values_mut() {
        labels.extend(shared.iter().cloned());
    }
    metrics
}

/// The metrics of a scrape, with the labels of all their samples.
fn told(scrape: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = metrics.entry(name.to_owned()).or_default();
        let words = words(labels);
        let pairs = words.windows(2).filter(|pair| pair[1] == "=");
        known.extend(pairs.map(|pair| pair[0].to_owned()));
    }
    metrics
}

fn dashboard() -> Value {
    let path = binaries::repository().join("envoy/grafana/watershed.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Every query of the dashboard, of its panels and of its variables.
fn queries() -> Vec<String> {
    let board = dashboard();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&board["panels"]).into_iter().flat_map(|panel| {
        let targets = list(&panel["targets"]).into_iter();
        targets.map(|target| target["expr"].as_str().unwrap().to_owned())
    });
    // `label_values(METRIC, LABEL)`, as a query that names both.
    let variables = list(&board["templating"]["list"])
        .into_iter()
        .map(|variable| {
            let query = variable["query"]["query"].as_str().unwrap();
            let inner = query.strip_prefix("label_values(").unwrap();
            let (metric, label) = inner.trim_end_matches(')').split_once(", ").unwrap();
            format!("{metric}{{{label}=\"\"}}")
        });
    targets.chain(variables).collect()
}

/// What is missing of what a query asks for.
fn missing(query: &str, told: &Metrics) -> Vec<String> {
    let mut missing = Vec::new();
    for (metric, labels) in asked(query) {
        let Some(known) = told.get(&metric) else {
            missing.push(metric);
            continue;
        };
        let unknown = labels
            .iter()
            .filter(|label| !known.contains(*label) && !ADDED.contains(&label.as_str()));
        missing.extend(unknown.map(|label| format!("{metric}{{{label}}}")));
    }
    missing
}

/// Both sides after a while of traffic, a refusal by the proxy and one by the API among it.
async fn scraped(stack: &Stack) -> Metrics {
    let api = stack.api();
    let control_plane = api.send(&Request::get("/metrics")).await.unwrap().text();
    let admin = stack.envoy.admin();
    let envoy = admin.get("/stats/prometheus").await.text();
    told(&[control_plane, envoy].join("\n"))
}

#[tokio::test]
async fn every_query_of_the_dashboard_names_metrics_and_labels_that_there_are() {
    let stack = Stack::with_chat(Transport::Delta).await;
    let api = stack.api();
    ask_all(stack.gateway(), &units(200)).await;
    // An address that no machine has, so that the proxy refuses the listener.
    let mut service = documents::service(([203, 0, 113, 7], 10_000).into());
    service["hosts"] = serde_json::json!(["elsewhere.example"]);
    api.put("/v1/services/elsewhere", &service).await;
    api.until_refused("chat-model").await;
    let stranger = Request::get("/v1/experiments").header("authorization", "Bearer nobody");
    api.send(&stranger).await.unwrap();

    let queries = queries();
    assert!(queries.len() > 15, "the dashboard lost its panels");
    // Told only where something went wrong that does not go wrong here.
    let elsewhere = ["watershed_api_refused_total", "watershed_tls_reloads_total"];
    eventually("everything is told", async || {
        let told = scraped(&stack).await;
        let missing: BTreeSet<String> = queries
            .iter()
            .flat_map(|query| missing(query, &told))
            .filter(|name| !elsewhere.contains(&name.as_str()))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?}"))
        }
    })
    .await;
}

#[test]
fn names_are_read_out_of_queries_and_what_is_not_told_is_missing() {
    let query = r#"histogram_quantile(0.9, sum by (le, a) (rate(m_bucket{b=~"x|y{", c!="$z"}[$__rate_interval])))
        / on (a) group_left () sum by (a) (n)"#;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = Metrics::from([
        ("m_bucket".to_owned(), names(&["a", "b", "c", "le"])),
        ("n".to_owned(), names(&["a", "le"])),
    ]);
    assert_eq!(asked(query), expected);

    let scrape =
        "# TYPE m histogram\nm_bucket{a=\"1\",b=\"x y\",le=\"1\"} 3\nm_bucket{c=\"\"} 1\nn 7\n";
    let told = told(scrape);
    assert_eq!(told["m_bucket"], names(&["a", "b", "c", "le"]));
    assert_eq!(
        missing("sum by (a, d) (m_bucket) + o", &told),
        ["m_bucket{d}", "o"]
    );
    assert_eq!(missing("n{container=\"x\"}", &told), [""; 0]);
}

#[test]
fn the_dashboard_asks_the_data_source_that_is_provisioned() {
    let folder = binaries::repository().join("envoy/grafana/provisioning");
    let text = fs::read_to_string(folder.join("datasources/prometheus.yaml")).unwrap();
    let sources: Value = serde_saphyr::from_str(&text).unwrap();
    let uid = &sources["datasources"][0]["uid"];
    for panel in dashboard()["panels"].as_array().unwrap() {
        if panel["type"] != "row" {
            assert_eq!(&panel["datasource"]["uid"], uid, "{}", panel["title"]);
        }
    }
}
