//! The configuration of the evidence: where it is kept, how long, and what of units.

use super::StoreConfig;
use crate::store::{BadUrl, PostgresUrl};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use watershed_evidence::Privacy;
use watershed_evidence::clickhouse::{BadClickHouseUrl, ClickHouseOptions};
use watershed_evidence::store::Retention;

/// Where evidence is kept, how long, and what of units.
#[derive(Clone, Debug, clap::Args)]
pub struct EvidenceConfig {
    /// The SQLite file of the evidence, of this replica alone; made where there is none, with a second one
    /// beside it. Without it, evidence is beside the model: in the PostgreSQL of --database-url, or in a
    /// file beside --database, `watershed-evidence.db`.
    #[arg(long, value_name = "FILE", conflicts_with = "evidence_url")]
    pub evidence_database: Option<PathBuf>,
    /// A database for the evidence alone, which the replicas share: PostgreSQL,
    /// `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full`, or ClickHouse,
    /// `clickhouse://USER:PASSWORD@HOST:PORT/NAME?secure=true`, with `&cluster=NAME` for a cluster.
    #[arg(
        long,
        value_name = "URL",
        env = "WATERSHED_EVIDENCE_URL",
        hide_env_values = true
    )]
    pub evidence_url: Option<EvidenceUrl>,
    /// What is kept of units: `hashed`, a keyed hash alone, or `plain`, their text as well.
    #[arg(long, value_name = "PRIVACY", default_value_t = Privacy::Hashed)]
    pub evidence_privacy: Privacy,
    /// How many MiB of evidence may wait in memory for the database; what does not fit is dropped and
    /// counted.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = buffer)]
    pub evidence_buffer: usize,
    /// For how many days raw exposures and outcomes are kept.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub evidence_raw_days: u32,
    /// For how many days units, their sums and the timeline are kept.
    #[arg(long, value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub evidence_unit_days: u32,
}

fn buffer(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(mib @ 1..=65_536) => Ok(mib),
        _ => Err("a whole number from 1 to 65536 is expected".to_owned()),
    }
}

/// A server for the evidence.
#[derive(Clone, Debug)]
pub enum EvidenceUrl {
    /// PostgreSQL.
    Postgres(PostgresUrl),
    /// ClickHouse.
    ClickHouse(Box<ClickHouseOptions>),
}

impl FromStr for EvidenceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("clickhouse:") {
            let options = text
                .parse()
                .map_err(|bad: BadClickHouseUrl| bad.to_string());
            return options.map(|options| Self::ClickHouse(Box::new(options)));
        }
        let url = text.parse().map_err(|bad: BadUrl| bad.to_string());
        url.map(Self::Postgres)
    }
}

/// Where evidence is kept.
#[derive(Clone, Debug)]
pub enum EvidenceDatabase {
    /// In a file of this process, and a second one beside it.
    Sqlite(PathBuf),
    /// On a server that the replicas share.
    Server(EvidenceUrl),
}

impl EvidenceDatabase {
    /// Whether replicas share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}

impl fmt::Display for EvidenceDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Server(EvidenceUrl::Postgres(url)) => write!(f, "{url}"),
            Self::Server(EvidenceUrl::ClickHouse(options)) => write!(f, "{options}"),
        }
    }
}

impl EvidenceConfig {
    /// The database to open, where the model is in that of `model`.
    #[must_use]
    pub fn target(&self, model: &StoreConfig) -> EvidenceDatabase {
        if let Some(path) = &self.evidence_database {
            return EvidenceDatabase::Sqlite(path.clone());
        }
        let of_model = || model.database_url.clone().map(EvidenceUrl::Postgres);
        match self.evidence_url.clone().or_else(of_model) {
            Some(url) => EvidenceDatabase::Server(url),
            None => EvidenceDatabase::Sqlite(beside(&model.database)),
        }
    }

    /// How long it is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        Retention {
            raw: days(self.evidence_raw_days),
            units: days(self.evidence_unit_days),
        }
    }
}

fn beside(model_database: &Path) -> PathBuf {
    let stem = model_database.file_stem().unwrap_or_default();
    model_database.with_file_name(format!("{}-evidence.db", stem.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Both {
        #[command(flatten)]
        evidence: EvidenceConfig,
        #[command(flatten)]
        store: StoreConfig,
    }

    fn target(arguments: &[&str]) -> String {
        let command = ["serve"].iter().chain(arguments);
        let both = Both::try_parse_from(command).unwrap();
        both.evidence.target(&both.store).to_string()
    }

    #[test]
    fn evidence_is_beside_the_model_unless_it_is_sent_elsewhere() {
        let model = "--database-url=postgres://me:secret@db/model";
        let own = "--evidence-url=postgres://me:secret@warehouse/evidence";
        let file = "--evidence-database=/data/e.db";
        let large = "--evidence-url=clickhouse://me:secret@house/evidence?cluster=all";
        let cases: [(&[&str], &str); 7] = [
            (&["--database=/data/model.db"], "/data/model-evidence.db"),
            (&[file], "/data/e.db"),
            (&[model], "postgres://db:5432/model"),
            (&[model, own], "postgres://warehouse:5432/evidence"),
            (&[model, large], "clickhouse://house:8123/evidence"),
            (&[own], "postgres://warehouse:5432/evidence"),
            (&[model, file], "/data/e.db"),
        ];
        for (arguments, expected) in cases {
            assert_eq!(target(arguments), expected, "{arguments:?}");
        }
        assert!(Both::try_parse_from(["serve", file, own]).is_err());
        for bad in ["sqlite:secret", "clickhouse://me:secret@house:port/x"] {
            let url = format!("--evidence-url={bad}");
            assert!(Both::try_parse_from(["serve", &url]).is_err(), "{bad}");
        }
    }
}
