//! An experiment's units, and what became of its requests and outcomes.

use super::Asked;
use crate::Micros;
use crate::clickhouse::http::{Statement, literal};
use crate::clickhouse::row_binary::{Reader, row, rows};
use crate::clickhouse::schema::Table;
use crate::measure::{Measures, Source};
use crate::store::{Counts, StoreError, Summary};
use std::collections::BTreeMap;

impl Asked<'_> {
    pub async fn summary(&self, experiment: &str) -> Result<Summary, StoreError> {
        let mut summary = self.variants(experiment).await?;
        summary.counts = self.requests(experiment).await?;
        self.outcomes(experiment, &mut summary.counts).await?;
        Ok(summary)
    }

    /// How many units each variant has, how many of these saw another one, and how many strayed.
    async fn variants(&self, experiment: &str) -> Result<Summary, StoreError> {
        let on_shard = format!(
            "SELECT variant, count() AS units, countIf(contaminated) AS contaminated_units,
                countIf(strayed) AS strayed_units
             FROM ({}) GROUP BY variant",
            self.units()
        );
        let question = Statement::new(format!(
            "SELECT variant, sum(units), sum(contaminated_units), sum(strayed_units)
             FROM {} GROUP BY variant",
            self.tables.on_shards(&on_shard)
        ))
        .with("experiment", experiment);
        let mut summary = Summary::default();
        let read = |it: &mut Reader<'_>| Ok((it.text()?, it.u64()?, it.u64()?, it.u64()?));
        for (variant, all, contaminated, strayed) in rows(&self.client.ask(question).await?, read)?
        {
            for (units, some) in [
                (&mut summary.contaminated, contaminated),
                (&mut summary.strayed, strayed),
            ] {
                if some > 0 {
                    units.insert(variant.clone(), some);
                }
            }
            summary.units.insert(variant, all);
        }
        Ok(summary)
    }

    async fn requests(&self, experiment: &str) -> Result<Counts, StoreError> {
        let question = Statement::new(format!(
            "SELECT sum(exposures), sum(execution_failures), sum(forced), sum(fallbacks)
             FROM {} WHERE experiment = {{experiment:String}}",
            self.tables.all(Table::Counts)
        ))
        .with("experiment", experiment);
        row(&self.client.ask(question).await?, |it| {
            Ok(Counts {
                exposures: it.u64()?,
                execution_failures: it.u64()?,
                forced: it.u64()?,
                fallbacks: it.u64()?,
                ..Counts::default()
            })
        })
    }

    /// What became of outcomes: within the narrowest window that somebody gave them, they are attributed.
    async fn outcomes(&self, experiment: &str, counts: &mut Counts) -> Result<(), StoreError> {
        let on_shard = format!(
            "SELECT countIf(is_in AND time >= began AND time - began < upto) AS attributed,
                countIf(is_in AND time < began) AS early,
                countIf(is_in AND time >= began AND time - began >= upto) AS late,
                countIf(named AND NOT is_in) AS orphans
             FROM (SELECT v.time AS time, v.named AS named, u.began AS began, u.variant != '' AS is_in, {upto} AS upto
                   FROM ({told}) AS v LEFT JOIN ({units}) AS u ON u.unit = v.unit)",
            upto = narrowest(&self.measures),
            told = self.told("1"),
            units = self.units(),
        );
        let question = Statement::new(format!(
            "SELECT sum(attributed), sum(early), sum(late), sum(orphans) FROM {}",
            self.tables.on_shards(&on_shard)
        ))
        .with("experiment", experiment);
        row(&self.client.ask(question).await?, |it| {
            (counts.attributed, counts.early) = (it.u64()?, it.u64()?);
            (counts.late, counts.orphans) = (it.u64()?, it.u64()?);
            Ok(())
        })
    }
}

/// The narrowest window of each metric, as SQL.
fn narrowest(measures: &Measures) -> String {
    let mut windows: BTreeMap<&str, Micros> = BTreeMap::new();
    for it in measures.0.values() {
        let sources = [Some(&it.source), it.denominator.as_ref()];
        for source in sources.into_iter().flatten() {
            if let (Source::Outcome(name), Some(window)) = (source, it.window) {
                let narrowest = windows.entry(name).or_insert(window);
                *narrowest = window.min(*narrowest);
            }
        }
    }
    let endless = format!("toInt64({})", Micros::MAX);
    if windows.is_empty() {
        return endless;
    }
    let names: Vec<_> = windows.keys().map(|name| literal(name)).collect();
    let upto: Vec<_> = windows
        .values()
        .map(|it| format!("toInt64({it})"))
        .collect();
    let (names, upto) = (names.join(", "), upto.join(", "));
    format!("transform(v.metric, [{names}], [{upto}], {endless})")
}
