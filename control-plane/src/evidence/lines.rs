//! Exposures as lines that other programs read: JSON objects, or CSV (RFC 4180). Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use watershed_evidence::Exposure;
use watershed_evidence::store::{Cursor, Page};
use watershed_report::csv_quoted;

/// How lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A JSON object a line.
    Ndjson,
    /// CSV with a header.
    Csv,
    /// A Parquet file: see [`super::parquet`].
    Parquet,
}

impl Shape {
    /// The content type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// The first line of CSV.
pub const HEADER: &str = "cursor,time_us,experiment,variant,served,fallback_used,inherited,forced,counts,\
unit_type,unit_key,unit,service,proxy,request_id,upstream_cluster,upstream_host,reached_upstream,status,\
response_flags,attempts,duration_us,ttfb_us,bytes_in,bytes_out\r\n";

/// A JSON line.
#[derive(Serialize)]
struct Line<'a> {
    /// Where to go on after this line: some lines may then come again, none is left out.
    cursor: Cursor,
    inherited: bool,
    forced: bool,
    counts: bool,
    #[serde(flatten)]
    exposure: &'a Exposure,
}

/// The exposures of a page that was read after `start`, each with its line's cursor. That is the start, because
/// the store goes on page by page, and the last line's is the page's end.
pub fn of(page: &Page, start: Cursor) -> impl Iterator<Item = (Cursor, &Exposure)> {
    let last = page.exposures.len().saturating_sub(1);
    let cursor = move |index| if index == last { page.next } else { start };
    let exposures = page.exposures.iter().enumerate();
    exposures.map(move |(index, exposure)| (cursor(index), exposure))
}

/// Writes the exposures of a page that was read after `start`.
pub fn write(text: &mut String, shape: Shape, page: &Page, start: Cursor) {
    for (cursor, exposure) in of(page, start) {
        match shape {
            Shape::Ndjson => json(text, cursor, exposure),
            Shape::Csv => csv(text, cursor, exposure),
            // Not lines.
            Shape::Parquet => {}
        }
    }
}

fn json(text: &mut String, cursor: Cursor, exposure: &Exposure) {
    text.push_str(&object(cursor, exposure));
    text.push('\n');
}

/// An exposure as the JSON object of its line.
#[must_use]
pub fn object(cursor: Cursor, exposure: &Exposure) -> String {
    let line = Line {
        cursor,
        inherited: exposure.inherited(),
        forced: exposure.forced(),
        counts: exposure.counts(),
        exposure,
    };
    // An exposure is plain data, which JSON can always say.
    serde_json::to_string(&line).unwrap_or_default()
}

fn csv(text: &mut String, cursor: Cursor, it: &Exposure) {
    let ran = &it.execution;
    let flags: Vec<&str> = ran.flags.names().collect();
    let _ = write!(text, "{},{},", cursor.0, ran.time);
    for field in [
        &it.experiment,
        &it.variant,
        it.served.as_deref().unwrap_or_default(),
    ] {
        quoted(text, field);
    }
    let (inherited, forced, counts) = (it.inherited(), it.forced(), it.counts());
    let _ = write!(text, "{},{inherited},{forced},{counts},", it.fallback_used);
    quoted(text, &it.unit_type);
    let _ = write!(text, "{},", it.unit.key);
    for field in [
        it.unit.plain.as_deref().unwrap_or_default(),
        &ran.service,
        &ran.proxy,
        &ran.request_id,
        &ran.upstream_cluster,
        &ran.upstream_host,
    ] {
        quoted(text, field);
    }
    let _ = write!(
        text,
        "{},{},{},{},{},{},{},{}\r\n",
        ran.reached_upstream,
        ran.status,
        flags.join(" "),
        ran.attempts,
        ran.duration_us,
        ran.ttfb_us,
        ran.bytes_in,
        ran.bytes_out
    );
}

/// A field and its comma.
fn quoted(text: &mut String, field: &str) {
    text.push_str(&csv_quoted(field));
    text.push(',');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let exposure = |plain: &str| {
            let mut it = Exposure {
                experiment: "chat".to_owned(),
                variant: "b".to_owned(),
                unit_type: "user".to_owned(),
                ..crate::evidence::fake::exposure()
            };
            it.unit.plain = Some(plain.to_owned());
            it
        };
        Page {
            exposures: vec![exposure("u-1"), exposure("a \"b\", c")],
            next: Cursor(9),
            more: false,
        }
    }

    #[test]
    fn a_line_is_an_object_and_the_last_one_says_where_the_page_ends() {
        let mut text = String::new();
        write(&mut text, Shape::Ndjson, &page(), Cursor(4));
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            (&lines[0]["cursor"], &lines[1]["cursor"]),
            (&4.into(), &9.into())
        );
        assert_eq!(lines[1]["unit"], "a \"b\", c");
        assert_eq!(lines[0]["experiment"], "chat");
    }

    #[test]
    fn csv_has_as_many_fields_as_its_header() {
        let mut text = HEADER.to_owned();
        write(&mut text, Shape::Csv, &page(), Cursor(4));
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        let fields = |line: &str| line.matches(',').count();
        assert_eq!(fields(lines[1]), fields(lines[0]));
        assert!(lines[2].contains(",\"a \"\"b\"\", c\","), "{}", lines[2]);
    }
}
