//! What a case puts in. Non-finite numbers are written as strings. A case that lacks what its function needs panics,
//! which the caller reports as that case's failure.

use serde_json::Value;

/// The `inputs` object of one case, or an object within.
pub struct Inputs<'a>(&'a Value);

impl<'a> Inputs<'a> {
    pub const fn new(value: &'a Value) -> Self {
        Self(value)
    }

    pub fn has(&self, name: &str) -> bool {
        !self.0[name].is_null()
    }

    pub fn raw(&self, name: &str) -> &'a Value {
        &self.0[name]
    }

    pub fn number(&self, name: &str) -> f64 {
        number(&self.0[name]).unwrap_or_else(|| panic!("no number `{name}`"))
    }

    pub fn number_or(&self, name: &str, default: f64) -> f64 {
        number(&self.0[name]).unwrap_or(default)
    }

    pub fn count(&self, name: &str) -> usize {
        self.0[name]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or_else(|| panic!("no count `{name}`"))
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        list(&self.0[name]).unwrap_or_else(|| panic!("no list of numbers `{name}`"))
    }

    pub fn rows(&self, name: &str) -> Vec<Vec<f64>> {
        let rows = self.0[name]
            .as_array()
            .unwrap_or_else(|| panic!("no list of lists `{name}`"));
        rows.iter()
            .map(|row| list(row).unwrap_or_else(|| panic!("no numbers in `{name}`")))
            .collect()
    }

    pub fn objects(&self, name: &str) -> Vec<Inputs<'a>> {
        self.0[name]
            .as_array()
            .unwrap_or_else(|| panic!("no list `{name}`"))
            .iter()
            .map(Inputs)
            .collect()
    }

    pub fn object(&self, name: &str) -> Inputs<'a> {
        Inputs(&self.0[name])
    }

    pub fn text(&self, name: &str) -> &'a str {
        self.0[name]
            .as_str()
            .unwrap_or_else(|| panic!("no text `{name}`"))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0[name]
            .as_bool()
            .unwrap_or_else(|| panic!("no flag `{name}`"))
    }
}

/// Arms a and b, as the fields `n_a`, `mean_a`, `var_a` and so on give them.
pub fn arms(inputs: &Inputs) -> (watershed_stats::Summary, watershed_stats::Summary) {
    let arm = |arm: &str| {
        let field = |name: &str| inputs.number(&format!("{name}_{arm}"));
        watershed_stats::Summary::new(field("n"), field("mean"), field("var"))
    };
    (arm("a"), arm("b"))
}

/// A number, be it written as one or as "NaN", "Infinity", "-Infinity".
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn list(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(number).collect()
}
