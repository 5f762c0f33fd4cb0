//! The response header by which an upstream tells what came of a request:
//! `x-experiment-outcome: cost_usd=0.014, output_tokens=412`. Pure; it is bounded, and what cannot be
//! read is counted and costs the others nothing.

pub use watershed_proto::OUTCOME_HEADER;

/// How many outcomes of one header are read.
pub const MAX_OUTCOMES: usize = 16;
/// How many bytes of a header are read.
pub const MAX_BYTES: usize = 2_048;
/// The longest name of a metric, in bytes.
pub const MAX_NAME: usize = 64;

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Metric and value, in the header's order.
    pub outcomes: Vec<(String, f64)>,
    /// How many items could not be read, or were too many.
    pub garbage: u32,
}

/// Reads the header's value: items with commas between them, each a name and a finite decimal number or
/// `true`, which counts as 1, or `false`, which counts as 0.
#[must_use]
pub fn parse(value: &str) -> Parsed {
    let mut parsed = Parsed::default();
    if value.len() > MAX_BYTES {
        parsed.garbage = 1;
        return parsed;
    }
    for item in value.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        match outcome(item) {
            Some(outcome) if parsed.outcomes.len() < MAX_OUTCOMES => parsed.outcomes.push(outcome),
            _ => parsed.garbage += 1,
        }
    }
    parsed
}

fn outcome(item: &str) -> Option<(String, f64)> {
    let (name, value) = item.split_once('=')?;
    let name = name.trim();
    if !is_metric_name(name) {
        return None;
    }
    let value: f64 = match value.trim() {
        "true" => 1.0,
        "false" => 0.0,
        number => number.parse().ok()?,
    };
    value.is_finite().then(|| (name.to_owned(), value))
}

/// Whether a metric may be called so: a letter, then letters, digits, `_`, `-`, `.`; at most
/// [`MAX_NAME`].
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    name.len() <= MAX_NAME
        && name
            .bytes()
            .next()
            .is_some_and(|it| it.is_ascii_alphabetic())
        && name.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn items_are_names_and_numbers() {
        let parsed = parse("cost_usd=0.014, output_tokens=412,done=true,,failed = false ");
        let expected = [
            ("cost_usd", 0.014),
            ("output_tokens", 412.0),
            ("done", 1.0),
            ("failed", 0.0),
        ];
        assert_eq!(parsed.outcomes, expected.map(|(n, v)| (n.to_owned(), v)));
        assert_eq!(parsed.garbage, 0);
    }

    #[test]
    fn an_item_that_cannot_be_read_costs_the_others_nothing() {
        let parsed = parse("a=1, b, =2, c=x, d=NaN, e=inf, 1f=3, g=-2e3");
        assert_eq!(
            parsed.outcomes,
            [("a".to_owned(), 1.0), ("g".to_owned(), -2_000.0)]
        );
        assert_eq!(parsed.garbage, 6);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let many: Vec<_> = (0..20).map(|i| format!("m{i}=1")).collect();
        let parsed = parse(&many.join(","));
        assert_eq!((parsed.outcomes.len(), parsed.garbage), (MAX_OUTCOMES, 4));
        let long = parse(&format!("a={}", "1".repeat(MAX_BYTES)));
        assert_eq!((long.outcomes.len(), long.garbage), (0, 1));
    }

    proptest! {
        #[test]
        fn any_text_gives_bounded_finite_values(text in ".{0,300}") {
            let parsed = parse(&text);
            prop_assert!(parsed.outcomes.len() <= MAX_OUTCOMES);
            prop_assert!(parsed.outcomes.iter().all(|(name, value)| is_metric_name(name) && value.is_finite()));
        }
    }
}
