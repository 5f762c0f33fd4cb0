//! How commands show what they have: tables for people, JSON and YAML for programs.

use anyhow::Context as _;
use serde_json::Value;
use std::io::{ErrorKind, Write as _};

/// How an answer is shown.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// What the API answered.
    Json,
    /// The same as YAML; documents as the manifests that `apply` takes.
    Yaml,
}

impl Output {
    /// `value` as it was asked for; `table` makes the text for people.
    ///
    /// # Errors
    /// None in practice: every answer of the API is JSON, and JSON is YAML.
    pub fn show(self, value: &Value, table: impl FnOnce() -> String) -> anyhow::Result<String> {
        match self {
            Self::Table => Ok(table()),
            Self::Json => Ok(serde_json::to_string_pretty(value)? + "\n"),
            Self::Yaml => yaml(value),
        }
    }
}

/// One document of YAML, with a line break at its end.
pub(super) fn yaml(value: &impl serde::Serialize) -> anyhow::Result<String> {
    let mut text = serde_saphyr::to_string(value).context("write YAML")?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Writes to standard output. A reader that has gone, as `head` does, is no failure.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_on(text).map(drop)
}

/// The same for who has more to say: whether anybody still reads.
pub(super) fn print_on(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("write to standard output"),
    }
}

/// Columns as wide as what they hold, two spaces apart; without a ruler, so that `awk` reads them.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let header = header.into_iter().map(str::to_owned).collect();
        Self { rows: vec![header] }
    }

    /// Adds a row. What is empty is shown as `-`, so that every row has every column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| match cell.as_str() {
            "" => "-".to_owned(),
            _ => cell.replace(['\n', '\r', '\t'], " "),
        };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text at `field`; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whatever is at `field`, in one line; empty where there is nothing.
pub(super) fn cell(value: &Value, field: &str) -> String {
    match value.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The entries of a list; none where there is no list.
pub(super) fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let mut table = Table::new(["KEY", "STATE"]);
        table.row(["chat-model".to_owned(), "running".to_owned()]);
        table.row(["é".to_owned(), String::new()]);
        table.row(["two\nlines".to_owned(), "x".to_owned()]);
        assert_eq!(
            table.text(),
            "KEY         STATE\nchat-model  running\né           -\ntwo lines   x\n"
        );
    }

    #[test]
    fn an_answer_is_shown_as_it_was_asked_for() {
        let value = json!({"a": [1, "x"]});
        let show = |output: Output| output.show(&value, || "table".to_owned()).unwrap();
        assert_eq!(show(Output::Table), "table");
        assert_eq!(
            show(Output::Json),
            "{\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}\n"
        );
        let read: Value = serde_saphyr::from_str(&show(Output::Yaml)).unwrap();
        assert_eq!(read, value);
    }
}
