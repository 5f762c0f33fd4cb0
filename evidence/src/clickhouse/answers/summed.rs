//! Sums over units, by variant and day: SQL made of a measure, for each shard and over all.

use super::{Asked, is_one_of};
use crate::Micros;
use crate::clickhouse::http::{Statement, literal};
use crate::clickhouse::row_binary::rows;
use crate::fold::{Days, Summed};
use crate::measure::{Aggregation, DAY, Measure, Source};
use crate::store::StoreError;
use crate::sums::Sums;

/// The parts of [`Sums`], in their order.
const PARTS: [(&str, &str); 9] = [
    ("x", "x"),
    ("xx", "x * x"),
    ("y", "y"),
    ("yy", "y * y"),
    ("xy", "x * y"),
    ("c", "c"),
    ("cc", "c * c"),
    ("xc", "x * c"),
    ("yc", "y * c"),
];

impl Asked<'_> {
    /// The sums of units by variant and day of their first exposure, of those that strayed and of the others.
    pub(super) async fn summed(
        &self,
        experiment: &str,
        measure: &Measure,
    ) -> Result<Summed, StoreError> {
        let (x, c) = sums_of(&measure.source, measure.window);
        let y = match &measure.denominator {
            Some(source) => sums_of(source, measure.window).0,
            None => "1.".to_owned(),
        };
        let sources = [Some(&measure.source), measure.denominator.as_ref()];
        let ages = measure.ages();
        let on_shard = format!(
            "SELECT variant, day, strayed, toInt64(count()) AS units, {parts} FROM (
                SELECT u.variant AS variant, {day} AS day, u.strayed AS strayed,
                    {x} AS x, {y} AS y, {c} AS c{of_ages}
                FROM ({units}) AS u
                LEFT JOIN (SELECT unit, groupArray((metric, time, value)) AS told FROM ({told}) GROUP BY unit) AS v
                ON u.unit = v.unit)
             GROUP BY variant, day, strayed",
            parts = parts(ages, |name, product| format!("sum({product}) AS sum_{name}")),
            day = "toInt32(intDiv(u.began - positiveModulo(u.began, 86400000000), 86400000000))",
            x = value(measure, &x),
            c = value(measure, &c),
            of_ages = (0..ages)
                .map(|age| format!(", {} AS a{age}", value(measure, &sum_of_age(measure, age))))
                .collect::<String>(),
            units = self.units(),
            told = self.told(&is_one_of(sources.into_iter().flatten())),
        );
        let question = Statement::new(format!(
            "SELECT variant, day, strayed, sum(units), {} FROM {} GROUP BY variant, day, strayed",
            parts(ages, |name, _| format!("sum(sum_{name})")),
            self.tables.on_shards(&on_shard)
        ))
        .with("experiment", experiment);
        let found = rows(&self.client.ask(question).await?, |it| {
            let key = (it.text()?, it.i32()?);
            let (strayed, units) = (it.flag()?, it.i64()?);
            let mut parts = [0.0; PARTS.len()];
            for part in &mut parts {
                *part = it.f64()?;
            }
            let mut of_ages = Vec::with_capacity(ages);
            for _ in 0..ages {
                let (x, xx) = (it.f64()?, it.f64()?);
                of_ages.push(Sums {
                    x,
                    xx,
                    ..Sums::default()
                });
            }
            Ok((key, strayed, Sums::from_parts(units, parts), of_ages))
        })?;
        let mut summed = Summed {
            ages: vec![Days::new(); ages],
            ..Summed::default()
        };
        for (key, strayed, sums, of_ages) in found {
            summed.all.entry(key.clone()).or_default().add(&sums);
            for (days, sums) in summed.ages.iter_mut().zip(of_ages) {
                if !sums.is_nothing() {
                    days.entry(key.clone()).or_default().add(&sums);
                }
            }
            if strayed {
                summed.strayed.insert(key, sums);
            }
        }
        summed.units = summed.all.clone();
        summed.strayed_units = summed.strayed.clone();
        Ok(summed)
    }
}

/// The columns of the parts of [`Sums`], and of what units had on each of so many days since their first exposure.
fn parts(ages: usize, column: impl Fn(&str, &str) -> String) -> String {
    let of_sums = PARTS.iter().map(|(name, product)| column(name, product));
    let of_ages = (0..ages).flat_map(|age| {
        let (x, xx) = (format!("a{age}"), format!("a{age} * a{age}"));
        [column(&x, &x), column(&format!("a{age}a{age}"), &xx)]
    });
    of_sums.chain(of_ages).collect::<Vec<_>>().join(", ")
}

/// The sums of a source over a unit, as SQL: within the window, and before the first exposure.
fn sums_of(source: &Source, window: Option<Micros>) -> (String, String) {
    if let Source::Outcome(name) = source {
        let within = match window {
            Some(window) => format!("it.2 >= u.began AND it.2 - u.began < {window}"),
            None => "it.2 >= u.began".to_owned(),
        };
        return (sum_where(name, &within), sum_where(name, "it.2 < u.began"));
    }
    (format!("u.{}_of", source.name()), "0.".to_owned())
}

/// The sum of a measure's outcomes on a day since the first exposure, as SQL.
fn sum_of_age(measure: &Measure, age: usize) -> String {
    let Source::Outcome(name) = &measure.source else {
        return "0.".to_owned();
    };
    let from = i64::try_from(age).unwrap_or(i64::MAX).saturating_mul(DAY);
    let upto = from.saturating_add(DAY);
    sum_where(
        name,
        &format!("it.2 - u.began >= {from} AND it.2 - u.began < {upto}"),
    )
}

fn sum_where(name: &str, when: &str) -> String {
    let name = literal(name);
    format!("arraySum(arrayMap(it -> if(it.1 = {name} AND {when}, it.3, 0.), v.told))")
}

/// What a sum comes down to for a measure, as SQL: see [`Measure::sums`].
fn value(measure: &Measure, sum: &str) -> String {
    let value = match measure.aggregation {
        Aggregation::Sum => sum.to_owned(),
        Aggregation::Any => format!("if({sum} = 0, 0., 1.)"),
    };
    match measure.cap {
        Some(cap) => format!("least({value}, toFloat64({cap:?}))"),
        None => value,
    }
}
