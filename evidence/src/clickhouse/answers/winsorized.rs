//! Between which values a winsorised measure's units are clipped: order statistics over all shards.

use super::Asked;
use crate::clickhouse::http::Statement;
use crate::clickhouse::row_binary::{Reader, row};
use crate::measure::Measure;
use crate::store::StoreError;
use crate::winsorize::{Clipping, Limits, Winsorize};

impl Asked<'_> {
    /// The limits, as of now; nothing where the measure is not winsorised. Shards send each unit's values.
    pub(super) async fn clipping(
        &self,
        experiment: &str,
        measure: &Measure,
    ) -> Result<Option<Clipping>, StoreError> {
        let Some(rule) = measure.winsorize else {
            return Ok(None);
        };
        let mut columns = vec!["x"];
        columns.extend(measure.denominator.is_some().then_some("y"));
        let found: Vec<_> = columns.iter().map(|it| quantiles(&rule, it)).collect();
        let each = self.each_unit(measure, &Clipping::default());
        let on_shard = format!("SELECT {} FROM ({each})", columns.join(", "));
        let question = Statement::new(format!(
            "SELECT {} FROM {}",
            found.join(", "),
            self.tables.on_shards(&on_shard)
        ))
        .with("experiment", experiment);
        row(&self.client.ask(question).await?, |it| {
            let x = limits(&rule, it)?;
            let y = columns.get(1).map(|_| limits(&rule, it)).transpose()?;
            Ok(Some(Clipping { x, y }))
        })
    }
}

/// How many values count, and the two order statistics. `quantileExact` takes the value at the place of its level times
/// the number of values, rounded down, in ascending order: for the upper limit, of what is turned round.
fn quantiles(rule: &Winsorize, column: &str) -> String {
    let counts = match rule.ignore_zeros {
        true => format!("{column} != 0"),
        false => "1".to_owned(),
    };
    let (lower, upper) = rule.shares();
    let at = |share: Option<f64>, value: &str| match share {
        Some(share) => format!("quantileExactIf({share:?})({value}, {counts})"),
        None => "toFloat64(0)".to_owned(),
    };
    format!(
        "countIf({counts}), {}, -{}",
        at(lower, column),
        at(upper, &format!("-{column}"))
    )
}

/// The limits, where there are any and values that they follow from.
fn limits(rule: &Winsorize, it: &mut Reader<'_>) -> Result<Limits, StoreError> {
    let is_any = it.u64()? > 0;
    let (lower, upper) = rule.shares();
    let found = (it.f64()?, it.f64()?);
    Ok(Limits {
        lower: lower.and(is_any.then_some(found.0)),
        upper: upper.and(is_any.then_some(found.1)),
        ignore_zeros: rule.ignore_zeros,
    })
}
