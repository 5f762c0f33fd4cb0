//! The configuration of the evidence: where it is kept, how long, and what of units.

use std::path::{Path, PathBuf};
use std::time::Duration;
use watershed_evidence::Privacy;
use watershed_evidence::store::Retention;

/// Where evidence is kept, how long, and what of units.
#[derive(Clone, Debug, clap::Args)]
pub struct EvidenceConfig {
    /// The SQLite file of the evidence; made where there is none, with a second one beside it. Else one
    /// beside --database: `watershed-evidence.db`.
    #[arg(long, value_name = "FILE")]
    pub evidence_database: Option<PathBuf>,
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

impl EvidenceConfig {
    /// The file to open, where the model's would be `model_database`.
    #[must_use]
    pub fn path(&self, model_database: &Path) -> PathBuf {
        if let Some(path) = &self.evidence_database {
            return path.clone();
        }
        let stem = model_database.file_stem().unwrap_or_default();
        model_database.with_file_name(format!("{}-evidence.db", stem.to_string_lossy()))
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
