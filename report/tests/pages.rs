//! Pages and tables of whole experiments against golden files, and what a hostile name can do to them: nothing.
//! `WATERSHED_GOLDEN=write` writes them anew; the evidence is that of the statistics' own golden files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use watershed_report::{Distribution, Page, csv, html};
use watershed_stats::results::{self, Clip, Evidence, Limit, Method, Results, View, Winsorized};

fn results(name: &str) -> Results {
    results::of(&evidence(name)).unwrap()
}

fn evidence(name: &str) -> Evidence {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../stats/tests/golden")
        .join(format!("{name}.evidence.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn distributions() -> Vec<Distribution> {
    vec![Distribution {
        metric: "revenue".into(),
        edges: vec![0.0, 5.0, 10.0, 15.0, 20.0, 30.0],
        counts: vec![
            vec![1_900.0, 2_600.0, 2_700.0, 1_500.0, 792.0],
            vec![1_000.0, 1_400.0, 1_700.0, 950.0, 458.0],
        ],
    }]
}

fn page(results: &Results, served: Option<&Results>, of: &[Distribution]) -> String {
    html(&Page {
        experiment: "small-model",
        computed: "2026-03-04 12:00 UTC",
        results,
        served,
        distributions: of,
    })
}

fn holds(file: &str, found: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(&file, found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), found, "{file:?}");
}

#[test]
fn a_ramp_with_every_kind_of_metric_has_its_page() {
    let results = results("ramp");
    let served = Results {
        view: View::Served,
        ..results.clone()
    };
    holds(
        "ramp.html",
        &page(&results, Some(&served), &distributions()),
    );
}

#[test]
fn a_mixture_test_has_its_effect_over_time_with_intervals_that_hold_on_all_days() {
    let mut evidence = evidence("ramp");
    let sequential = results::of(&evidence).unwrap();
    evidence.plan.method = Method::Msprt;
    let mixture = results::of(&evidence).unwrap();
    let page_of = |results: &Results| page(results, None, &[]);
    let (text, before) = (page_of(&mixture), page_of(&sequential));
    let plots = |text: &str| text.matches(" over time</title>").count();
    assert!(plots(&text) > 0, "{text}");
    assert_eq!(plots(&text), plots(&before));
    assert!(text.contains("<td>msprt</td>"), "{text}");
    assert!(
        text.contains("Intervals hold on all days together"),
        "{text}"
    );
    assert!(
        text.contains("Effects that mixtures are tuned to"),
        "{text}"
    );
    // The last day's interval is that of the whole.
    let (metric, whole) = (&mixture.metrics[0], &sequential.metrics[0]);
    let last = metric.series.last().unwrap().effects[0].unwrap();
    let numbers = metric.comparisons[0].numbers.as_ref().unwrap();
    assert_eq!(last, numbers.absolute);
    let other = whole.series.last().unwrap().effects[0].unwrap();
    assert!(last.upper != other.upper && last.estimate == other.estimate);
}

#[test]
fn a_split_that_went_wrong_says_so_before_all_else() {
    let text = page(&results("mismatch"), None, &[]);
    let (alarm, effect) = (
        text.find("No verdict").unwrap(),
        text.find("Effect").unwrap(),
    );
    assert!(alarm < effect);
    assert!(!text.contains(">winner<"), "{text}");
}

#[test]
fn a_table_has_a_line_for_each_metric_and_variant() {
    let text = csv(&results("planned-look"), None);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[1].starts_with("intent_to_treat,answer_rating,primary,mean,a,10060,3.71"),
        "{text}"
    );
    assert!(lines[1].contains(",winner,"), "{text}");
    assert!(lines[2].ends_with(",control,,,,,"), "{text}");
    let columns = lines[0].split(',').count();
    assert!(
        lines
            .iter()
            .take(3)
            .all(|line| line.split(',').count() == columns),
        "{text}"
    );
}

#[test]
fn limits_that_units_were_clipped_at_are_on_the_page_and_in_the_table() {
    let mut results = results("planned-look");
    let upper = Limit {
        quantile: 0.99,
        at: 19.25,
    };
    let metric = results.metrics.first_mut().unwrap();
    metric.winsorized = Some(Winsorized {
        value: Clip {
            upper: Some(upper),
            ..Clip::default()
        },
        ..Winsorized::default()
    });
    let page = page(&results, None, &[]);
    let told = "; winsorised: values at most 19.25 (quantile 0.99), over all units</p>";
    assert!(page.contains(told), "{page}");
    let text = csv(&results, None);
    let first = text.lines().nth(1).unwrap();
    assert!(first.ends_with(",,19.25,,"), "{text}");
}

#[test]
fn the_second_view_has_lines_of_its_own() {
    let results = results("planned-look");
    let served = Results {
        view: View::Served,
        ..results.clone()
    };
    let text = csv(&results, Some(&served));
    let of = |view: &str| text.lines().filter(|it| it.starts_with(view)).count();
    assert_eq!((of("intent_to_treat,"), of("served,")), (3, 3));
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    let text = page(&results("ramp"), None, &distributions());
    let loads = [
        "<script", "<link", "<img", "<iframe", "http:", "https:", "url(", "@import", "src=",
    ];
    for what in loads {
        assert!(!text.contains(what), "{what}");
    }
}

#[test]
fn names_from_outside_stay_text() {
    const EVIL: &str = "\"><script>alert(1)</script><b x='";
    let mut results = results("ramp");
    for metric in results.metrics.iter_mut().chain(&mut results.guardrails) {
        metric.metric = EVIL.into();
        metric.kind = EVIL.into();
        metric
            .arms
            .iter_mut()
            .for_each(|arm| arm.variant = EVIL.into());
        for comparison in &mut metric.comparisons {
            comparison.variant = EVIL.into();
            comparison.reasons = vec![EVIL.into()];
        }
        metric
            .series
            .iter_mut()
            .for_each(|day| day.day = EVIL.into());
    }
    results.control = EVIL.into();
    results.method.name = EVIL.into();
    results.method.notes = vec![EVIL.into()];
    results
        .trust
        .checks
        .iter_mut()
        .for_each(|check| check.detail = EVIL.into());
    for arm in results.phases.iter_mut().flat_map(|phase| &mut phase.arms) {
        arm.variant = EVIL.into();
    }
    let bins = [Distribution {
        metric: EVIL.into(),
        ..distributions().remove(0)
    }];
    let text = html(&Page {
        experiment: EVIL,
        computed: EVIL,
        results: &results,
        served: Some(&results),
        distributions: &bins,
    });
    assert!(!text.contains("<script"), "a script came through");
    assert!(!text.contains("<b "), "an element came through");
    assert!(text.contains("&lt;script&gt;"));
}
