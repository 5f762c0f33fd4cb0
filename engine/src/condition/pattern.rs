//! Texts that are searched for in values, in time linear in the value's length whatever the text:
//! fixed ones and regular expressions.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use std::fmt;

/// The longest regular expression, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// What one compiled expression may take, in bytes. It bounds what `(a{100}){100}` would.
const MAX_COMPILED_BYTES: usize = 1 << 18;

/// A regular expression in the syntax of the `regex` crate. Values are bytes: `\w`, `\d`, `\s` and
/// case are ASCII, and `.` is any byte but a line feed.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The expression.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, String> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("longer than {MAX_PATTERN_BYTES} bytes"));
        }
        RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(ignore_case)
            .size_limit(MAX_COMPILED_BYTES)
            .nest_limit(32)
            .build()
            .map(Self)
            .map_err(|error| last_line(&error.to_string()))
    }

    /// Whether it matches anywhere in `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        self.0.is_match(value)
    }

    /// The expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_str()
    }
}

/// What a syntax error says below the picture of where it is.
fn last_line(error: &str) -> String {
    let last = error.lines().last().unwrap_or(error);
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

/// A fixed text to be found in values.
#[derive(Clone)]
pub struct Needle {
    finder: memmem::Finder<'static>,
    ignore_case: bool,
}

impl Needle {
    /// The text to be found, with or without ASCII case.
    #[must_use]
    pub fn new(text: &str, ignore_case: bool) -> Self {
        let text = if ignore_case {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        };
        Self {
            finder: memmem::Finder::new(&text).into_owned(),
            ignore_case,
        }
    }

    /// Whether it is in `value`.
    #[must_use]
    pub fn is_in(&self, value: &[u8]) -> bool {
        if self.ignore_case {
            return self.finder.find(&value.to_ascii_lowercase()).is_some();
        }
        self.finder.find(value).is_some()
    }

    /// The text; in lower case where case is ignored.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.finder.needle()
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        (self.text(), self.ignore_case) == (other.text(), other.ignore_case)
    }
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(self.text()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(text: &str, value: &[u8]) -> bool {
        Pattern::new(text, false).unwrap().matches(value)
    }

    #[test]
    fn a_pattern_matches_anywhere_unless_anchored() {
        assert!(matches(r"\d{2}", b"a12b"));
        assert!(!matches(r"^\d{2}$", b"a12b"));
        assert!(matches("é", "café".as_bytes()));
        assert!(matches(r"a.c", b"a\xffc"));
        assert!(!matches(r"^.$", "é".as_bytes()), "a value is bytes");
    }

    #[test]
    fn a_pattern_that_would_take_too_much_is_refused() {
        assert!(Pattern::new("((a{100}){100}){100}", false).is_err());
        assert!(Pattern::new(&"(".repeat(1_000), false).is_err());
        assert!(Pattern::new(&"a".repeat(MAX_PATTERN_BYTES + 1), false).is_err());
        assert!(Pattern::new("a(", false).is_err());
        assert!(
            Pattern::new(r"(?=a)", false).is_err(),
            "look-around is not linear"
        );
        assert!(Pattern::new(r"\p{Greek}", false).is_err());
    }

    /// What takes a backtracking engine longer than anybody waits.
    #[test]
    fn a_hostile_value_takes_no_longer_than_any_other() {
        assert!(!matches("^(a+)+$", &[&[b'a'; 20_000][..], b"!"].concat()));
        assert!(!matches("^(a|a)*b$", &[b'a'; 20_000]));
    }

    proptest! {
        #[test]
        fn any_pattern_compiles_or_is_refused(text in "\\PC{0,12}", value in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(pattern) = Pattern::new(&text, true) {
                let _ = pattern.matches(&value);
            }
        }

        #[test]
        fn a_needle_is_found_where_it_is(text in "[a-cA-C]{0,3}", value in "[a-cA-C]{0,12}") {
            prop_assert_eq!(Needle::new(&text, false).is_in(value.as_bytes()), value.contains(&text));
            let lower = value.to_ascii_lowercase().contains(&text.to_ascii_lowercase());
            prop_assert_eq!(Needle::new(&text, true).is_in(value.as_bytes()), lower);
        }
    }
}
