//! The tables, as one server or a cluster has them. Pure: text out of names.
//!
//! In a cluster each table is a replicated one on every shard (`_local`) and a `Distributed` one over them.
//! Rows are placed by unit, so all of a unit is on one shard, and what is asked of units is answered by each
//! shard for itself and then added up.

use super::options::ClickHouseOptions;
use crate::exposure::Reason;
use crate::sketch::{GAMMA, LARGEST, SIDE, SMALLEST};
use std::time::Duration;

const SCHEMA: &str = include_str!("schema.sql");

/// How many inserts are remembered by their tokens: what is sent again is known among them.
const REMEMBERED: u32 = 10_000;

/// Which table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Table {
    Log,
    Writers,
    Units,
    Values,
    Minutes,
    Counts,
    Settings,
    Secrets,
}

use Table::{Counts, Log, Minutes, Secrets, Settings, Units, Values, Writers};

impl Table {
    const ALL: [Self; 8] = [
        Log, Writers, Units, Values, Minutes, Counts, Settings, Secrets,
    ];

    fn key(self) -> &'static str {
        match self {
            Log => "log",
            Writers => "writers",
            Units => "units",
            Values => "values",
            Minutes => "minutes",
            Counts => "counts",
            Settings => "settings",
            Secrets => "secrets",
        }
    }

    /// By what rows are placed on shards; settings are on the first.
    fn shard(self) -> &'static str {
        match self {
            Log | Units | Values => "cityHash64(unit)",
            Writers | Minutes | Counts => "rand()",
            Settings | Secrets => "0",
        }
    }
}

/// Names of tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    database: String,
    cluster: Option<String>,
}

impl Tables {
    pub fn of(options: &ClickHouseOptions) -> Self {
        Self {
            database: options.database.clone(),
            cluster: options.cluster.clone(),
        }
    }

    /// The whole table, to insert into and to read from.
    pub fn all(&self, table: Table) -> String {
        format!("`{}`.evidence_{}", self.database, table.key())
    }

    /// What one shard has of it, to change.
    pub fn local(&self, table: Table) -> String {
        match self.cluster {
            Some(_) => format!("{}_local", self.all(table)),
            None => self.all(table),
        }
    }

    /// ` ON CLUSTER …`, where there is one.
    pub fn on_cluster(&self) -> String {
        let on = |name| format!("ON CLUSTER '{name}'");
        self.cluster.as_ref().map(on).unwrap_or_default()
    }

    /// What a question over [`Tables::local`] tables has for an answer on each shard, one after the other.
    pub fn on_shards(&self, question: &str) -> String {
        match &self.cluster {
            Some(name) => format!("cluster('{name}', view({question}))"),
            None => format!("({question})"),
        }
    }

    /// The statements that make what is not there.
    pub fn schema(&self, raw: Option<Duration>) -> Vec<String> {
        let mut filled = self.fill_in(SCHEMA, raw);
        for table in Table::ALL {
            filled = filled.replace(&format!("{{{}}}", table.key()), &self.local(table));
        }
        let without_remarks = filled.lines().filter(|it| !it.starts_with("--"));
        let text: String = without_remarks.flat_map(|it| [it, "\n"]).collect();
        let mut statements: Vec<_> = text
            .split(";\n")
            .map(|it| it.trim().to_owned())
            .filter(|it| !it.is_empty())
            .collect();
        if let Some(cluster) = &self.cluster {
            statements.extend(Table::ALL.map(|it| self.distributed(it, cluster)));
        }
        if let Some(raw) = raw {
            // Where the table was made with another one.
            let (table, cluster) = (self.local(Log), self.on_cluster());
            statements.push(format!("ALTER TABLE {table} {cluster} MODIFY {}", ttl(raw)));
        }
        statements
    }

    fn distributed(&self, table: Table, cluster: &str) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} ON CLUSTER '{cluster}' AS {} \
             ENGINE = Distributed('{cluster}', '{}', 'evidence_{}_local', {})",
            self.all(table),
            self.local(table),
            self.database,
            table.key(),
            table.shard()
        )
    }

    fn fill_in(&self, text: &str, raw: Option<Duration>) -> String {
        let replicated = if self.cluster.is_some() {
            "Replicated"
        } else {
            ""
        };
        // A part is on disk when the insert is answered.
        let window = match self.cluster {
            Some(_) => format!("replicated_deduplication_window = {REMEMBERED}"),
            None => format!("non_replicated_deduplication_window = {REMEMBERED}"),
        };
        let engine = |name: &str| format!("{replicated}{name}");
        let forced = Reason::Forced.number();
        [
            ("{on_cluster}", self.on_cluster()),
            ("{merge_tree}", engine("MergeTree")),
            ("{aggregating}", engine("AggregatingMergeTree")),
            ("{replacing}", engine("ReplacingMergeTree")),
            (
                "{replacing_at}",
                format!("{}(at)", engine("ReplacingMergeTree")),
            ),
            (
                "{durable}",
                format!("{window}, fsync_after_insert = 1, fsync_part_directory = 1"),
            ),
            ("{log_ttl}", raw.map(ttl).unwrap_or_default()),
            ("{forced}", forced.to_string()),
            ("{latency_bin}", bin("duration_us / 1000")),
            ("{ttfb_bin}", bin("ttfb_us / 1000")),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, &value)
        })
    }
}

fn ttl(raw: Duration) -> String {
    // Parts go whole, a day at a time.
    format!(
        "TTL toDateTime(intDiv(kept, 1000000)) + toIntervalSecond({})",
        raw.as_secs()
    )
}

/// The bin of a [`crate::sketch::Sketch`] that a number goes to, as [`crate::sketch::Sketch::of_bins`] reads it.
pub(super) fn bin(number: &str) -> String {
    format!(
        "toInt32(if(abs({number}) < {SMALLEST:?}, 0, if({number} < 0, -1, 1) * \
         ({SIDE} + ceil(log(least(abs({number}), {LARGEST:?})) / {:?}))))",
        GAMMA.ln()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(url: &str) -> Vec<String> {
        let options: ClickHouseOptions = url.parse().unwrap();
        Tables::of(&options).schema(Some(Duration::from_secs(60)))
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for url in ["clickhouse://db/ours", "clickhouse://db/ours?cluster=main"] {
            for statement in schema(url) {
                assert!(!statement.contains(['{', '}', ';']), "{statement}");
            }
        }
    }

    #[test]
    fn one_server_has_plain_tables() {
        let text = schema("clickhouse://db/ours").join("\n");
        assert!(
            text.contains("CREATE TABLE IF NOT EXISTS `ours`.evidence_units  ("),
            "{text}"
        );
        assert!(!text.contains("Replicated") && !text.contains("CLUSTER"));
    }

    #[test]
    fn a_cluster_has_replicated_tables_and_distributed_ones_that_keep_a_unit_together() {
        let text = schema("clickhouse://db/ours?cluster=main").join("\n");
        for engine in ["MergeTree", "AggregatingMergeTree", "ReplacingMergeTree"] {
            assert!(text.contains(&format!("ENGINE = Replicated{engine}")));
            assert!(!text.contains(&format!("ENGINE = {engine}")));
        }
        for table in ["log", "units", "values"] {
            let placed = format!("'evidence_{table}_local', cityHash64(unit))");
            assert!(text.contains(&placed), "{text}");
        }
        assert_eq!(
            text.matches("ENGINE = Distributed('main'").count(),
            Table::ALL.len()
        );
        assert_eq!(text.matches("ON CLUSTER 'main'").count(), 8 + 5 + 8 + 1);
    }
}
