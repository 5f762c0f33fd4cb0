//! The evidence in SQLite: two files, the log ([`log`]) and what is folded from it ([`units`]), so that
//! taking in never waits for folding. What is folded can be made anew from the log.
//!
//! Statements go through rusqlite on threads for blocking work: a row each, a million rows a transaction.

mod log;
#[cfg(test)]
mod tests;
mod units;

use crate::batch::Batch;
use crate::fold::{Deltas, Layout, Names};
use crate::measure::Measures;
use crate::outcomes;
use crate::store::{
    Appended, Cursor, EvidenceStore, Folded, Forgotten, Minute, Page, Retained, Retention, Scan,
    Span, StoreError, Sufficient, Summary, UnitRecord,
};
use crate::unit::UnitKey;
use crate::{Micros, block::OpenBlock};
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// After how many units a fold ends: bounds memory, some 100 MB with all that is around it. The more at a
/// time, the fewer pages are written twice.
const FOLD_UNITS: usize = 200_000;

/// What SQLite keeps of a file in memory, in KiB: the log is read and written once, units again and again.
const LOG_CACHE: u32 = 8 << 10;
const UNITS_CACHE: u32 = 64 << 10;

/// The evidence in two files.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Writes the log.
    log: Mutex<Connection>,
    /// Reads the log.
    reader: Mutex<Connection>,
    /// Writes units, and is held by whoever folds, defines or forgets.
    units: Mutex<Folding>,
    /// Reads units.
    questions: Mutex<Connection>,
    /// Reads all units of an experiment, which takes seconds where there are millions: nobody else waits for it.
    scans: Mutex<Connection>,
}

/// The connection that folds, and what it knows by heart.
#[derive(Debug)]
struct Folding {
    connection: Connection,
    measures: Measures,
    names: Names,
    layout: Layout,
}

impl SqliteStore {
    /// Opens the log at `path` and the units beside it, at `path` with `-units` before its extension, and
    /// makes what is not there.
    ///
    /// # Errors
    /// [`StoreError`] where one cannot be opened or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folded = units_path(path);
        let log = connect(path, LOG_CACHE)?;
        log::migrate(&log)?;
        let mut units = connect(&folded, UNITS_CACHE)?;
        units::migrate(&units)?;
        let measures = units::measures(&units)?;
        let mut names = units::names(&units)?;
        let layout = Layout::of(&measures, &mut names);
        units::keep_names(&mut units, &names)?;
        Ok(Self(Arc::new(Shared {
            log: Mutex::new(log),
            reader: Mutex::new(connect(path, LOG_CACHE)?),
            questions: Mutex::new(connect(&folded, LOG_CACHE)?),
            scans: Mutex::new(connect(&folded, LOG_CACHE)?),
            units: Mutex::new(Folding {
                connection: units,
                measures,
                names,
                layout,
            }),
        })))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.0);
        let work = tokio::task::spawn_blocking(move || work(&shared));
        work.await
            .map_err(|fault| StoreError::Database(fault.to_string()))?
    }
}

/// Where what is folded from the log at `path` is kept.
#[must_use]
pub fn units_path(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-units.{}", extension.to_string_lossy()),
        None => format!("{stem}-units"),
    };
    path.with_file_name(name)
}

fn connect(path: &Path, cache_kib: u32) -> Result<Connection, StoreError> {
    let named =
        |fault: rusqlite::Error| StoreError::Database(format!("open {}: {fault}", path.display()));
    let connection = Connection::open(path).map_err(named)?;
    // A commit waits for the disk at each checkpoint of the log, and the WAL is synced with it: FULL.
    connection
        .execute_batch(&format!(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY;",
        ))
        .map_err(named)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// A thread that panicked while it held the connection left no transaction: dropping one rolls it back.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<rusqlite::Error> for StoreError {
    fn from(fault: rusqlite::Error) -> Self {
        match fault.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(fault.to_string()),
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure,
            ) => Self::Unavailable(fault.to_string()),
            _ => Self::Database(fault.to_string()),
        }
    }
}

impl Shared {
    fn fold(&self) -> Result<Folded, StoreError> {
        let mut folding = hold(&self.units);
        let folding = &mut *folding;
        let after = units::folded(&folding.connection)?;
        let mut deltas = Deltas::default();
        let mut upto = after;
        let more = loop {
            let (entries, further) = log::after(&hold(&self.reader), upto)?;
            for entry in entries {
                upto = entry.id;
                let bad = |fault| StoreError::Block {
                    id: entry.id,
                    fault,
                };
                if let Some(experiment) = &entry.experiment {
                    let block = OpenBlock::of(experiment.clone(), &entry.data).map_err(bad)?;
                    deltas.block(experiment, &block, &mut folding.layout, &mut folding.names);
                } else {
                    for outcome in outcomes::unpack(&entry.data).map_err(bad)? {
                        deltas.outcome(&outcome, &mut folding.layout, &mut folding.names);
                    }
                }
                if deltas.len() >= FOLD_UNITS {
                    break;
                }
            }
            let full = deltas.len() >= FOLD_UNITS;
            if full || !further {
                break full || further;
            }
        };
        let folded = Folded {
            entries: deltas.entries,
            more,
        };
        if upto > after {
            units::take_in(folding, deltas, upto)?;
        }
        Ok(folded)
    }

    fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        let mut folding = hold(&self.units);
        if folding.measures == *measures {
            return Ok(());
        }
        let mut names = folding.names.clone();
        let layout = Layout::of(measures, &mut names);
        units::begin_anew(&mut folding.connection, measures)?;
        units::keep_names(&mut folding.connection, &names)?;
        (folding.measures, folding.names, folding.layout) = (measures.clone(), names, layout);
        Ok(())
    }

    fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        let mut folding = hold(&self.units);
        let experiments = units::forget(&mut folding, key)?;
        let (exposures, outcomes) = log::forget(&mut hold(&self.log), key)?;
        Ok(Forgotten {
            exposures,
            outcomes,
            experiments,
        })
    }

    fn behind(&self) -> Result<u64, StoreError> {
        let folded = units::folded(&hold(&self.questions))?;
        log::entries_after(&hold(&self.reader), folded)
    }
}

#[async_trait]
impl EvidenceStore for SqliteStore {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        let batch = batch.clone();
        self.blocking(move |it| log::append(&mut hold(&it.log), &batch))
            .await
    }

    async fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        let measures = measures.clone();
        self.blocking(move |it| it.define(&measures)).await
    }

    async fn fold(&self) -> Result<Folded, StoreError> {
        self.blocking(Shared::fold).await
    }

    async fn sufficient(&self, experiment: &str, measure: &str) -> Result<Sufficient, StoreError> {
        let (experiment, measure) = (experiment.to_owned(), measure.to_owned());
        self.blocking(move |it| {
            let behind = it.behind()?;
            let mut answer =
                units::sufficient(&hold(&it.questions), &experiment, &measure, behind)?;
            if answer.measure.winsorize.is_some() {
                units::winsorize(&mut hold(&it.scans), &experiment, &measure, &mut answer)?;
            }
            Ok(answer)
        })
        .await
    }

    async fn summary(&self, experiment: &str) -> Result<Summary, StoreError> {
        let experiment = experiment.to_owned();
        self.blocking(move |it| {
            let behind = it.behind()?;
            units::summary(&hold(&it.questions), &experiment, behind)
        })
        .await
    }

    async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        let experiment = experiment.to_owned();
        self.blocking(move |it| units::timeline(&hold(&it.questions), &experiment, span))
            .await
    }

    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError> {
        let scan = scan.clone();
        self.blocking(move |it| log::exposures(&hold(&it.reader), &scan))
            .await
    }

    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError> {
        let reader = reader.to_owned();
        self.blocking(move |it| log::bookmark(&hold(&it.reader), &reader))
            .await
    }

    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError> {
        let reader = reader.to_owned();
        self.blocking(move |it| log::keep_bookmark(&hold(&it.log), &reader, place))
            .await
    }

    async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        self.blocking(move |it| units::unit(&hold(&it.questions), key))
            .await
    }

    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        self.blocking(move |it| it.forget(key)).await
    }

    async fn retain(&self, retention: &Retention, now: Micros) -> Result<Retained, StoreError> {
        let retention = *retention;
        self.blocking(move |it| {
            let before = |age: std::time::Duration| {
                now.saturating_sub(Micros::try_from(age.as_micros()).unwrap_or(Micros::MAX))
            };
            let folded = units::folded(&hold(&it.questions))?;
            let blocks = log::retain(&mut hold(&it.log), before(retention.raw), folded)?;
            let units = units::retain(&mut hold(&it.units), before(retention.units))?;
            Ok(Retained { blocks, units })
        })
        .await
    }

    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.blocking(move |it| log::secret(&hold(&it.log), candidate))
            .await
    }

    async fn account(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.blocking(|it| log::account(&hold(&it.reader))).await
    }

    fn keeps_accounts(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.blocking(|it| Ok(hold(&it.reader).execute_batch("SELECT 1")?))
            .await
    }
}
