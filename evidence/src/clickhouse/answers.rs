//! Answers: each shard sums up its own units, in SQL, and only sums come back ([`summed`]), and values for
//! order statistics ([`winsorized`]).

mod summary;
mod summed;
mod unit;
mod winsorized;

use super::http::{Client, Statement, literal};
use super::row_binary::{Reader, row, rows};
use super::schema::{Table, Tables, bin};
use crate::fold::arms;
use crate::measure::{Measure, Measures, Source};
use crate::sketch::Sketch;
use crate::store::{Minute, Span, StoreError, Sufficient};

/// Where is asked, and what is measured.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub client: &'a Client,
    pub tables: &'a Tables,
    pub measures: Measures,
}

impl Asked<'_> {
    pub async fn sufficient(&self, experiment: &str, name: &str) -> Result<Sufficient, StoreError> {
        let measure = self.measure(name).await?;
        let clipping = self.clipping(experiment, &measure).await?;
        let limits = clipping.unwrap_or_default();
        let summed = self.summed(experiment, &measure, &limits).await?;
        let mut variants = arms(&summed, true);
        for (variant, values) in self.values(experiment, &measure.source).await? {
            if let Some(arm) = variants.get_mut(&variant) {
                arm.values = values;
            }
        }
        Ok(Sufficient {
            measure,
            clipping,
            variants,
            behind: 0,
        })
    }

    /// The measure of a name: a defined one, a built-in one, or the sum of outcomes that are called so.
    async fn measure(&self, name: &str) -> Result<Measure, StoreError> {
        if let Some(measure) = self.measures.with_built_in().0.remove(name) {
            return Ok(measure);
        }
        let question = Statement::new(format!(
            "SELECT count() FROM (SELECT 1 FROM {} WHERE metric = {{metric:String}} LIMIT 1)",
            self.tables.all(Table::Values)
        ))
        .with("metric", name);
        match row(&self.client.ask(question).await?, Reader::u64)? {
            0 => Err(StoreError::UnknownMeasure(name.to_owned())),
            _ => Ok(Measure::of(Source::Outcome(name.to_owned()))),
        }
    }

    /// Each unit of an experiment on a shard: its variant, when it was first exposed, and what it did.
    fn units(&self) -> String {
        format!(
            "SELECT unit, min(first) AS earliest, earliest.1 AS began, earliest.2 AS variant,
                min(lowest) != max(highest) AS contaminated, contaminated OR sum(fallbacks) > 0 AS strayed, toFloat64(sum(requests)) AS requests_of,
                toFloat64(sum(errors)) AS errors_of, sum(latency) AS latency_of, sum(ttfb) AS ttfb_of
             FROM {} WHERE experiment = {{experiment:String}} GROUP BY unit",
            self.tables.local(Table::Units)
        )
    }

    /// The values on a shard that are of an experiment or of any, each once, where `which` holds.
    fn told(&self, which: &str) -> String {
        format!(
            "SELECT unit, toString(metric) AS metric, time, value, experiment != '' AS named FROM {} FINAL
             WHERE experiment IN ('', {{experiment:String}}) AND {which}",
            self.tables.local(Table::Values)
        )
    }

    /// The single values of a source: of outcomes by their unit's variant, of requests by their own.
    async fn values(
        &self,
        experiment: &str,
        source: &Source,
    ) -> Result<Vec<(String, Sketch)>, StoreError> {
        let on_shard = match source {
            Source::Requests | Source::Errors => return Ok(Vec::new()),
            Source::Latency | Source::Ttfb => format!(
                "SELECT toString(variant) AS variant, sumMap({}) AS bins FROM {}
                 WHERE experiment = {{experiment:String}} GROUP BY variant",
                source.name(),
                self.tables.local(Table::Minutes)
            ),
            Source::Outcome(_) => format!(
                "SELECT u.variant AS variant, sumMap([{}], [toUInt64(1)]) AS bins
                 FROM ({}) AS v INNER JOIN ({}) AS u ON u.unit = v.unit
                 WHERE v.time >= u.began GROUP BY variant",
                bin("v.value"),
                self.told(&is_one_of([source].into_iter())),
                self.units()
            ),
        };
        let question = Statement::new(format!(
            "SELECT variant, sumMap(bins) FROM {} GROUP BY variant",
            self.tables.on_shards(&on_shard)
        ))
        .with("experiment", experiment);
        rows(&self.client.ask(question).await?, |it| {
            Ok((it.text()?, sketch(it)?))
        })
    }

    pub async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        let question = Statement::new(format!(
            "SELECT minute, variant, sum(requests), sum(errors), sum(execution_failures),
                sumMap(latency), sumMap(ttfb)
             FROM {}
             WHERE experiment = {{experiment:String}} AND minute >= {{from:Int64}} AND minute < {{to:Int64}}
             GROUP BY minute, variant ORDER BY minute, variant",
            self.tables.all(Table::Minutes)
        ))
        .with("experiment", experiment)
        .with("from", span.from)
        .with("to", span.to);
        rows(&self.client.ask(question).await?, |it| {
            Ok(Minute {
                at: it.i64()?,
                variant: it.text()?,
                requests: it.u64()?,
                errors: it.u64()?,
                execution_failures: it.u64()?,
                latency: sketch(it)?,
                ttfb: sketch(it)?,
            })
        })
    }
}

/// Whether a value is of one of the sources, as SQL.
fn is_one_of<'a>(sources: impl Iterator<Item = &'a Source>) -> String {
    let names = sources.filter_map(|it| match it {
        Source::Outcome(name) => Some(literal(name)),
        _ => None,
    });
    let names: Vec<_> = names.collect();
    match names.is_empty() {
        true => "0".to_owned(),
        false => format!("metric IN ({})", names.join(", ")),
    }
}

/// A sketch, as `sumMap` has its bins.
fn sketch(it: &mut Reader<'_>) -> Result<Sketch, StoreError> {
    let bins = it.array(Reader::i32)?;
    let values = it.array(Reader::u64)?;
    Ok(Sketch::of_bins(bins.into_iter().zip(values)))
}
