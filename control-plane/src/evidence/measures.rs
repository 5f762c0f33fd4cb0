//! What the evidence is summed up by: the model's metrics, and those that every experiment has, as
//! measures of the evidence's store. Pure.

use crate::model::builtin_metric;
use crate::model::metric::{Measure as Measured, MetricDesign, Seen, Source as From};
use crate::model::{Key, Model};
use watershed_evidence::measure::Aggregation;
use watershed_evidence::winsorize::Winsorize;
use watershed_evidence::{Measure, Measures, Source, header};

/// The measures of a model's metrics, by their keys.
#[must_use]
pub fn of(model: &Model) -> Measures {
    let builtin = builtin_metric::KEYS
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), measure(&builtin_metric::named(key)?))));
    let put = model.metrics.values();
    let put = put.map(|it| (it.key.to_string(), measure(&it.design)));
    // What was put comes later, and takes the place of what there is anyway.
    Measures(builtin.chain(put).collect())
}

fn measure(design: &MetricDesign) -> Measure {
    let mut measure = match &design.measure {
        Measured::Mean(value) | Measured::Quantile { value, .. } => Measure::of(source(value)),
        Measured::Proportion(value) => Measure {
            aggregation: Aggregation::Any,
            ..Measure::of(source(value))
        },
        Measured::Ratio {
            numerator,
            denominator,
        } => Measure::ratio(source(numerator), source(denominator)),
    };
    measure.window = Some(i64::from(design.window.get()).saturating_mul(1_000_000));
    measure.cap = design.cap.map(super::super::model::strategy::Real::get);
    measure.winsorize = design.winsorize.map(|it| Winsorize {
        lower: it.lower.get(),
        upper: it.upper.get(),
        ignore_zeros: it.ignore_zeros,
    });
    measure
}

fn source(from: &From) -> Source {
    match from {
        From::Outcome(name) => Source::Outcome(name.to_string()),
        From::Exposure(Seen::Requests) => Source::Requests,
        From::Exposure(Seen::Errors) => Source::Errors,
        From::Exposure(Seen::LatencyMs) => Source::Latency,
        From::Exposure(Seen::TtfbMs) => Source::Ttfb,
    }
}

/// Whether an outcome may be reported under this name: one that an upstream may use in its header, or a
/// metric's key.
#[must_use]
pub fn is_outcome_name(name: &str) -> bool {
    header::is_metric_name(name) || Key::try_new(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::{self, Change, Precondition, Spec};

    #[test]
    fn a_metric_becomes_the_measure_of_its_name() {
        let spec = "{type: proportion, value: {outcome: thumbs}, direction: increase, window: 2m}";
        let put = |key: &str, spec: &str| {
            let spec = serde_saphyr::from_str(spec).unwrap();
            Change::Put(Key::try_new(key).unwrap(), Spec::Metric(spec))
        };
        let own = "{type: mean, value: {exposure: errors}, direction: decrease, cap: 3}";
        let clipped =
            "{type: mean, direction: decrease, winsorize: {upper: 0.99, ignore_zeros: true}}";
        let changes = [
            put("liked", spec),
            put("error_rate", own),
            put("spend", clipped),
        ];
        let model = changes.iter().fold(Model::default(), |model, change| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let applied = change::apply(&model, change, Precondition::None, now);
            applied.unwrap().model
        });
        let measures = of(&model).0;
        let liked = &measures["liked"];
        assert_eq!(liked.source, Source::Outcome("thumbs".to_owned()));
        assert_eq!(liked.aggregation, Aggregation::Any);
        assert_eq!(liked.window, Some(120_000_000));
        assert_eq!(measures["error_rate"].cap, Some(3.0));
        assert_eq!(measures["error_rate"].denominator, None);
        assert_eq!(measures["latency_mean"].denominator, Some(Source::Requests));
        let upper = Winsorize {
            lower: 0.0,
            upper: 0.99,
            ignore_zeros: true,
        };
        assert_eq!(measures["spend"].winsorize, Some(upper));
        assert_eq!(measures.len(), builtin_metric::KEYS.len() + 2);
    }
}
