//! All that is known of one unit.

use super::Asked;
use crate::Micros;
use crate::attribution::{Attribution, attribute};
use crate::clickhouse::http::Statement;
use crate::clickhouse::row_binary::{Reader, rows};
use crate::clickhouse::schema::Table;
use crate::measure::Source;
use crate::store::{StoreError, UnitRecord};
use crate::unit::UnitKey;
use std::collections::BTreeMap;

impl Asked<'_> {
    pub async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        let question = Statement::new(format!(
            "SELECT toString(experiment) AS of, min(first), min(lowest) != max(highest),
                toFloat64(sum(requests)), toFloat64(sum(errors)), sum(latency), sum(ttfb)
             FROM {} WHERE unit = unhex({{unit:String}}) GROUP BY of ORDER BY of",
            self.tables.all(Table::Units)
        ))
        .with("unit", key);
        let mut records = rows(&self.client.ask(question).await?, |it| {
            let experiment = it.text()?;
            let (first_exposure, variant) = (it.i64()?, it.text()?);
            let contaminated = it.flag()?;
            let mut sums = BTreeMap::new();
            for source in Source::BUILT_IN {
                sums.insert(source.name(), it.f64()?);
            }
            sums.retain(|_, sum| *sum != 0.0);
            Ok(UnitRecord {
                experiment,
                variant,
                first_exposure,
                contaminated,
                sums,
            })
        })?;
        let question = Statement::new(format!(
            "SELECT toString(experiment), toString(metric), time, value FROM {} FINAL
             WHERE unit = unhex({{unit:String}})",
            self.tables.all(Table::Values)
        ))
        .with("unit", key);
        let read = |it: &mut Reader<'_>| Ok((it.text()?, it.text()?, it.i64()?, it.f64()?));
        for (experiment, metric, time, value) in rows(&self.client.ask(question).await?, read)? {
            let of = |it: &&mut UnitRecord| experiment.is_empty() || experiment == it.experiment;
            for record in records.iter_mut().filter(of) {
                self.add(record, &Source::Outcome(metric.clone()), (time, value));
            }
        }
        Ok(records)
    }

    /// Adds a value to what a unit has of its source, without a window and within each that is measured.
    fn add(&self, record: &mut UnitRecord, source: &Source, (time, value): (Micros, f64)) {
        let measures = self.measures.0.values();
        let windows =
            measures.filter(|it| it.source == *source || it.denominator.as_ref() == Some(source));
        let mut windows: Vec<_> = windows.map(|it| it.window).chain([None]).collect();
        windows.sort_unstable();
        windows.dedup();
        for window in windows {
            if attribute(time, Some(record.first_exposure), window) == Attribution::Within {
                let name = match window {
                    Some(window) => format!("{}@{window}", source.name()),
                    None => source.name(),
                };
                *record.sums.entry(name).or_default() += value;
            }
        }
    }
}
