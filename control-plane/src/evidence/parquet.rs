//! Exposures as a Parquet file that a warehouse reads: the columns of the CSV, with their types. Pure.

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;
use watershed_evidence::Exposure;

/// What a column has of an exposure.
enum Column {
    /// When, in microseconds, UTC.
    Time(fn(&Exposure) -> i64),
    Number(fn(&Exposure) -> u64),
    Flag(fn(&Exposure) -> bool),
    Text(fn(&Exposure) -> String),
    /// Null where there is none.
    Optional(fn(&Exposure) -> Option<String>),
}

use Column::{Flag, Number, Optional, Text, Time};

const COLUMNS: [(&str, Column); 25] = [
    ("time", Time(|it| it.execution.time)),
    ("experiment", Text(|it| it.experiment.clone())),
    ("variant", Text(|it| it.variant.clone())),
    ("served", Optional(|it| it.served.clone())),
    ("fallback_used", Flag(|it| it.fallback_used)),
    ("inherited", Flag(Exposure::inherited)),
    ("forced", Flag(Exposure::forced)),
    ("counts", Flag(Exposure::counts)),
    ("unit_type", Text(|it| it.unit_type.clone())),
    ("unit_key", Text(|it| it.unit.key.to_string())),
    ("unit", Optional(|it| it.unit.plain.clone())),
    ("service", Text(|it| it.execution.service.clone())),
    ("proxy", Text(|it| it.execution.proxy.clone())),
    ("request_id", Text(|it| it.execution.request_id.clone())),
    ("trace_id", Text(|it| it.execution.trace_id.clone())),
    (
        "upstream_cluster",
        Text(|it| it.execution.upstream_cluster.clone()),
    ),
    (
        "upstream_host",
        Text(|it| it.execution.upstream_host.clone()),
    ),
    ("reached_upstream", Flag(|it| it.execution.reached_upstream)),
    ("status", Number(|it| it.execution.status.into())),
    ("response_flags", Text(|it| it.execution.flags.to_string())),
    ("attempts", Number(|it| it.execution.attempts.into())),
    ("duration_us", Number(|it| it.execution.duration_us)),
    ("ttfb_us", Number(|it| it.execution.ttfb_us)),
    ("bytes_in", Number(|it| it.execution.bytes_in)),
    ("bytes_out", Number(|it| it.execution.bytes_out)),
];

impl Column {
    fn is(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Time(_) => ("required", "int64", "(TIMESTAMP(MICROS, true))"),
            Number(_) => ("required", "int64", ""),
            Flag(_) => ("required", "boolean", ""),
            Text(_) => ("required", "binary", "(STRING)"),
            Optional(_) => ("optional", "binary", "(STRING)"),
        }
    }

    fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        all: &[Exposure],
    ) -> Result<(), ParquetError> {
        let bytes = |text: String| ByteArray::from(text.into_bytes());
        match self {
            Time(of) => values::<Int64Type>(group, &all.iter().map(of).collect::<Vec<_>>(), None),
            Number(of) => {
                let number = |it| i64::try_from(of(it)).unwrap_or(i64::MAX);
                values::<Int64Type>(group, &all.iter().map(number).collect::<Vec<_>>(), None)
            }
            Flag(of) => values::<BoolType>(group, &all.iter().map(of).collect::<Vec<_>>(), None),
            Text(of) => {
                let texts: Vec<_> = all.iter().map(|it| bytes(of(it))).collect();
                values::<ByteArrayType>(group, &texts, None)
            }
            Optional(of) => {
                let texts: Vec<Option<String>> = all.iter().map(of).collect();
                let is_there: Vec<i16> = texts.iter().map(|it| i16::from(it.is_some())).collect();
                let texts: Vec<_> = texts.into_iter().flatten().map(bytes).collect();
                values::<ByteArrayType>(group, &texts, Some(&is_there))
            }
        }
    }
}

/// Writes the next column. `is_there` is 1 for each row that has a value and 0 for the others, where some
/// may have none.
fn values<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    is_there: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let none = || ParquetError::General("more columns than the schema has".to_owned());
    let mut column = group.next_column()?.ok_or_else(none)?;
    column.typed::<T>().write_batch(values, is_there, None)?;
    column.close()
}

/// A file of exposures, in their order.
///
/// # Errors
/// A fault of this program's: any exposures can be written.
pub fn file(exposures: &[Exposure]) -> Result<Vec<u8>, ParquetError> {
    let fields = COLUMNS.iter().map(|(name, column)| {
        let (repetition, primitive, logical) = column.is();
        format!("{repetition} {primitive} {name} {logical};")
    });
    let fields: String = fields.collect();
    let schema = parse_message_type(&format!("message exposure {{ {fields} }}"))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let properties = Arc::new(properties.build());
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
    if !exposures.is_empty() {
        let mut group = file.next_row_group()?;
        for (_, column) in &COLUMNS {
            column.write(&mut group, exposures)?;
        }
        group.close()?;
    }
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::fake;
    use crate::evidence::lines::HEADER;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{Field, Row};
    use std::collections::BTreeMap;
    use watershed_harness::ClickHouse;

    fn exposures() -> Vec<Exposure> {
        let mut first = fake::exposure();
        first.experiment = "chat".to_owned();
        first.variant = "a, \"quoted\"\n".to_owned();
        first.unit.plain = Some("u-1".to_owned());
        let execution = Arc::make_mut(&mut first.execution);
        (execution.time, execution.status) = (1_700_000_000_000_001, 503);
        execution.bytes_out = u64::MAX;
        let mut second = first.clone();
        second.unit.plain = None;
        second.served = Some("b".to_owned());
        vec![first, second]
    }

    #[test]
    fn a_file_is_read_back_column_by_column() {
        let bytes = file(&exposures()).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        let fields = |row: Row| -> BTreeMap<String, Field> {
            let columns = row.get_column_iter();
            columns
                .map(|(name, it)| (name.clone(), it.clone()))
                .collect()
        };
        let rows: Vec<_> = rows.map(fields).collect();
        let text = |text: &str| Field::Str(text.to_owned());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["variant"], text("a, \"quoted\"\n"));
        assert_eq!(
            (&rows[0]["unit"], &rows[0]["served"]),
            (&text("u-1"), &Field::Null)
        );
        assert_eq!(
            (&rows[1]["unit"], &rows[1]["served"]),
            (&Field::Null, &text("b"))
        );
        assert_eq!(
            (&rows[1]["status"], &rows[1]["bytes_out"]),
            (&Field::Long(503), &Field::Long(i64::MAX))
        );
    }

    #[test]
    fn a_file_has_the_columns_of_the_csv_but_for_the_cursor_and_with_the_trace() {
        let csv = HEADER.trim_end().split(',').filter(|it| *it != "cursor");
        let mut csv: Vec<_> = csv
            .map(|it| if it == "time_us" { "time" } else { it })
            .collect();
        let mut ours: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
        ours.retain(|it| *it != "trace_id");
        csv.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, csv);
    }

    #[test]
    fn nothing_is_a_file_without_rows() {
        let bytes = file(&[]).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
        assert_eq!(
            reader
                .metadata()
                .file_metadata()
                .schema()
                .get_fields()
                .len(),
            COLUMNS.len()
        );
    }

    #[test]
    fn another_implementation_reads_the_same() {
        let Some(engine) = ClickHouse::start() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exposures.parquet");
        std::fs::write(&path, file(&exposures()).unwrap()).unwrap();
        let read = engine.sql(&format!(
            "SELECT toUnixTimestamp64Micro(time), experiment, unit, served, status, counts
             FROM file('{}', Parquet) ORDER BY served NULLS FIRST",
            path.display()
        ));
        let rows: Vec<_> = read.lines().collect();
        assert_eq!(
            rows,
            [
                "1700000000000001\tchat\tu-1\t\\N\t503\tfalse",
                "1700000000000001\tchat\t\\N\tb\t503\tfalse",
            ]
        );
    }
}
