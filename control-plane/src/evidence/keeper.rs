//! Opening the evidence and keeping it going: the store, the pipeline into it, the catalog that follows
//! the model, the hourly removal of what is too old, and who publishes exposures.

use super::catalog;
use super::jetstream::{Publisher, Target};
use crate::clock::Clock;
use crate::config::{EvidenceConfig, EvidenceDatabase, EvidenceUrl};
use crate::metrics::Metrics;
use crate::model::Model;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use watershed_evidence::pipeline::{Pipeline, PipelineConfig};
use watershed_evidence::store::Retention;
use watershed_evidence::{
    Catalog, ClickHouseStore, EvidenceStore, PostgresStore, SqliteStore, StoreError, UnitHasher,
};

/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The evidence of an installation.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Answers questions.
    pub store: Arc<dyn EvidenceStore>,
    /// Takes in what happens.
    pub pipeline: Pipeline,
    /// Writes units.
    pub units: UnitHasher,
    catalog: watch::Receiver<Arc<Catalog>>,
    is_shared: bool,
}

impl Evidence {
    /// Opens the evidence in `database`, and keeps it going until `stopping`. The task returned ends when
    /// all that came is kept.
    ///
    /// # Errors
    /// The store cannot be opened, or there is no randomness.
    pub async fn open(
        config: &EvidenceConfig,
        database: &EvidenceDatabase,
        models: watch::Receiver<Arc<Model>>,
        (clock, stopping): (Clock, &CancellationToken),
    ) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let store = store(database, config.retention())
            .await
            .with_context(|| format!("open the evidence at {database}"))?;
        let mut candidate = [0; 32];
        getrandom::fill(&mut candidate).context("no randomness")?;
        let secret = store.secret(candidate).await?;
        let units = UnitHasher::new(&secret, config.evidence_privacy);
        let writer = getrandom::u64().context("no randomness")?.cast_signed();
        let pipeline = PipelineConfig {
            max_bytes: config.evidence_buffer << 20,
            ..PipelineConfig::default()
        };
        let stopped = stopping.clone().cancelled_owned();
        let (pipeline, driver) = Pipeline::new(Arc::clone(&store), pipeline, writer, stopped);
        let catalog = follow(models, stopping.clone());
        tokio::spawn(sweep(
            Arc::clone(&store),
            config.retention(),
            clock,
            stopping.clone(),
        ));
        let evidence = Self {
            store,
            pipeline,
            units,
            catalog,
            is_shared: database.is_shared(),
        };
        Ok((evidence, tokio::spawn(driver)))
    }

    /// Publishes exposures to `target` until `stopping`. Replicas that share the evidence leave it to the one that
    /// `leads`; where each has its own, each publishes that.
    pub fn publish(
        &self,
        target: Target,
        metrics: Arc<Metrics>,
        leads: watch::Receiver<bool>,
        (clock, stopping): (Clock, &CancellationToken),
    ) {
        let publisher = Publisher {
            store: Arc::clone(&self.store),
            target,
            metrics,
            clock,
        };
        let (always, of_itself) = watch::channel(true);
        let leads = if self.is_shared { leads } else { of_itself };
        let stopping = stopping.clone();
        tokio::spawn(async move {
            publisher.run(leads, stopping).await;
            drop(always);
        });
    }

    /// What is known of variants as of now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.borrow())
    }
}

async fn store(
    database: &EvidenceDatabase,
    retention: Retention,
) -> Result<Arc<dyn EvidenceStore>, StoreError> {
    Ok(match database {
        EvidenceDatabase::Sqlite(path) => Arc::new(SqliteStore::open(path)?),
        EvidenceDatabase::Server(EvidenceUrl::Postgres(url)) => {
            Arc::new(PostgresStore::open(url.options()).await?)
        }
        EvidenceDatabase::Server(EvidenceUrl::ClickHouse(options)) => {
            let options = options.as_ref().clone().with_retention(retention);
            Arc::new(ClickHouseStore::open(options).await?)
        }
    })
}

/// The catalog of the newest model.
fn follow(
    mut models: watch::Receiver<Arc<Model>>,
    stopping: CancellationToken,
) -> watch::Receiver<Arc<Catalog>> {
    let newest = Arc::new(catalog::of(&models.borrow_and_update()));
    let (tell, told) = watch::channel(newest);
    tokio::spawn(stopping.run_until_cancelled_owned(async move {
        while models.changed().await.is_ok() {
            let newest = catalog::of(&models.borrow_and_update());
            tell.send_replace(Arc::new(newest));
        }
    }));
    told
}

async fn sweep(
    store: Arc<dyn EvidenceStore>,
    retention: Retention,
    clock: Clock,
    stopping: CancellationToken,
) {
    let mut hours = tokio::time::interval(SWEEP);
    let sweeping = async {
        loop {
            hours.tick().await;
            let now = clock().as_microsecond();
            if let Err(fault) = store.retain(&retention, now).await {
                tracing::warn!(%fault, "old evidence was not removed");
            }
        }
    };
    stopping.run_until_cancelled(sweeping).await;
}
