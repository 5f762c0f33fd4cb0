//! Answers: each shard sums up its own units, in SQL, and only sums come back.

use super::http::{Client, Statement, literal};
use super::row_binary::{Reader, row, rows};
use super::schema::{Table, Tables, bin};
use crate::Micros;
use crate::attribution::{Attribution, attribute};
use crate::fold::{Days, Summed, arms};
use crate::measure::{Aggregation, DAY, Measure, Measures, Source};
use crate::sketch::Sketch;
use crate::store::{Counts, Minute, Span, StoreError, Sufficient, Summary, UnitRecord};
use crate::sums::Sums;
use crate::unit::UnitKey;
use std::collections::BTreeMap;

/// Where is asked, and what is measured.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub client: &'a Client,
    pub tables: &'a Tables,
    pub measures: Measures,
}

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
    pub async fn sufficient(&self, experiment: &str, name: &str) -> Result<Sufficient, StoreError> {
        let measure = self.measure(name).await?;
        let summed = self.summed(experiment, &measure).await?;
        let mut variants = arms(&summed, true);
        for (variant, values) in self.values(experiment, &measure.source).await? {
            if let Some(arm) = variants.get_mut(&variant) {
                arm.values = values;
            }
        }
        Ok(Sufficient {
            measure,
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

    /// The sums of units by variant and day of their first exposure, of those that strayed and of the others.
    async fn summed(&self, experiment: &str, measure: &Measure) -> Result<Summed, StoreError> {
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

/// A sketch, as `sumMap` has its bins.
fn sketch(it: &mut Reader<'_>) -> Result<Sketch, StoreError> {
    let bins = it.array(Reader::i32)?;
    let values = it.array(Reader::u64)?;
    Ok(Sketch::of_bins(bins.into_iter().zip(values)))
}
