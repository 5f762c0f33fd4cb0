//! What is wrong with an input: a list of faults, each with the place, the fault and what would
//! have been right. Here are the types only; which faults there are is known beside each field.

use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// One fault of an input document.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Fault {
    /// The field, as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// What is wrong with it.
    pub message: String,
    /// What would have been right.
    pub expected: String,
}

/// All faults that were found in one input, in the order of its fields.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault of the field at `pointer`.
    pub fn add(
        &mut self,
        pointer: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.0.push(Fault {
            pointer: pointer.into(),
            message: message.into(),
            expected: expected.into(),
        });
    }

    /// A list of one.
    pub fn one(
        pointer: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let mut faults = Self::default();
        faults.add(pointer, message, expected);
        faults
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// The same faults of a document within another, at the pointer `at`.
    #[must_use]
    pub fn below(mut self, at: &str) -> Self {
        for fault in &mut self.0 {
            fault.pointer.insert_str(0, at);
        }
        self
    }

    /// The value where nothing was found.
    ///
    /// # Errors
    /// The faults, where there are any or where there is no value.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let place = if fault.pointer.is_empty() {
                "document"
            } else {
                &fault.pointer
            };
            let Fault {
                message, expected, ..
            } = fault;
            write!(f, "{separator}{place}: {message} (expected {expected})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One segment of a JSON pointer, escaped.
#[must_use]
pub fn segment(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        Cow::Owned(name.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_faults_is_refused_with_all_of_them() {
        let mut faults = Faults::one("/a", "is missing", "a number");
        faults.add("", "is empty", "an object");
        let refused = faults.or(Some(1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "/a: is missing (expected a number); document: is empty (expected an object)"
        );
    }

    #[test]
    fn a_segment_escapes_what_a_pointer_means() {
        assert_eq!(segment("a/b~c"), "a~1b~0c");
        assert_eq!(segment("plain"), "plain");
    }
}
