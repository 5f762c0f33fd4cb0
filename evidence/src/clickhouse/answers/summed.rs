//! Sums over units, by variant and day: SQL made of a measure, for each shard and over all.

use super::{Asked, is_one_of};
use crate::Micros;
use crate::clickhouse::http::{Statement, literal};
use crate::clickhouse::row_binary::rows;
use crate::fold::Summed;
use crate::measure::{Aggregation, DAY, Measure, Source};
use crate::store::StoreError;
use crate::sums::Sums;
use crate::winsorize::{Clipping, Limits};

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
    /// The sums of units, clipped, by variant and day of their first exposure.
    pub(super) async fn summed(
        &self,
        experiment: &str,
        measure: &Measure,
        clipping: &Clipping,
    ) -> Result<Summed, StoreError> {
        let ages = measure.ages();
        let on_shard = format!(
            "SELECT variant, day, strayed, toInt64(count()) AS units, {} FROM ({})
             GROUP BY variant, day, strayed",
            parts(ages, |name, product| format!(
                "sum({product}) AS sum_{name}"
            )),
            self.each_unit(measure, clipping)
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
        Ok(Summed::of_groups(found, ages))
    }

    /// Each unit on a shard, as SQL: its variant, the day of its first exposure, whether it strayed, and what it adds.
    pub(super) fn each_unit(&self, measure: &Measure, clipping: &Clipping) -> String {
        let (x, c) = sums_of(&measure.source, measure.window);
        let y = match &measure.denominator {
            Some(source) => sums_of(source, measure.window).0,
            None => "1.".to_owned(),
        };
        let sources = [Some(&measure.source), measure.denominator.as_ref()];
        let value = |sum: &str, limits: &Limits| clip(&value(measure, sum), limits);
        let of_age = |age| value(&sum_of_age(measure, age), &clipping.x.of_part());
        format!(
            "SELECT u.variant AS variant, {day} AS day, u.strayed AS strayed,
                {x} AS x, {y} AS y, {c} AS c{of_ages}
             FROM ({units}) AS u
             LEFT JOIN (SELECT unit, groupArray((metric, time, value)) AS told FROM ({told}) GROUP BY unit) AS v
             ON u.unit = v.unit",
            day = "toInt32(intDiv(u.began - positiveModulo(u.began, 86400000000), 86400000000))",
            x = value(&x, &clipping.x),
            y = clip(&y, &clipping.y.unwrap_or_default()),
            c = value(&c, &clipping.x),
            of_ages = (0..measure.ages())
                .map(|age| format!(", {} AS a{age}", of_age(age)))
                .collect::<String>(),
            units = self.units(),
            told = self.told(&is_one_of(sources.into_iter().flatten())),
        )
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

/// A value within limits, as SQL: see [`Limits::clip`].
fn clip(value: &str, limits: &Limits) -> String {
    let mut clipped = value.to_owned();
    if let Some(lower) = limits.lower {
        clipped = format!("greatest({clipped}, toFloat64({lower:?}))");
    }
    if let Some(upper) = limits.upper {
        clipped = format!("least({clipped}, toFloat64({upper:?}))");
    }
    match limits.ignore_zeros && clipped != value {
        true => format!("if({value} = 0, 0., {clipped})"),
        false => clipped,
    }
}
