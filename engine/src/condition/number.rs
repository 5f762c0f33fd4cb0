//! Numbers as text, compared exactly: no float comes between a rule and what a request says.
//! Grammar: an optional `-`, digits, and optionally `.` and digits. No exponents.

use std::cmp::Ordering;
use std::fmt;

/// A decimal number of any length, in its parts. `B` holds digits: borrowed from a request, owned
/// in a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Number<B> {
    is_negative: bool,
    /// Without leading zeros.
    whole: B,
    /// Without trailing zeros.
    fraction: B,
}

impl<'a> Number<&'a [u8]> {
    /// The number, `None` where the text is none.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = match digits.iter().position(|&byte| byte == b'.') {
            None => (digits, None),
            Some(dot) => {
                let (whole, fraction) = digits.split_at_checked(dot)?;
                (whole, Some(fraction.get(1..)?))
            }
        };
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return None;
        }
        let whole = without_leading_zeros(whole);
        let fraction = without_trailing_zeros(fraction.unwrap_or_default());
        Some(Self {
            is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    /// The number for a plan.
    #[must_use]
    pub fn to_owned(self) -> Number<Box<[u8]>> {
        Number {
            is_negative: self.is_negative,
            whole: self.whole.into(),
            fraction: self.fraction.into(),
        }
    }
}

impl<B: AsRef<[u8]>> Number<B> {
    /// How this number compares to `other`.
    #[must_use]
    pub fn compare<C: AsRef<[u8]>>(&self, other: &Number<C>) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_size(other),
            (true, true) => self.compare_size(other).reverse(),
        }
    }

    fn compare_size<C: AsRef<[u8]>>(&self, other: &Number<C>) -> Ordering {
        compare_digits(self.whole.as_ref(), other.whole.as_ref())
            .then_with(|| self.fraction.as_ref().cmp(other.fraction.as_ref()))
    }
}

impl<B: AsRef<[u8]>> fmt::Display for Number<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |digits: &B| String::from_utf8_lossy(digits.as_ref()).into_owned();
        let (whole, fraction) = (text(&self.whole), text(&self.fraction));
        let sign = if self.is_negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{dot}{fraction}")
    }
}

/// Whole numbers without leading zeros: the longer one is larger.
pub(super) fn compare_digits(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

pub(super) fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let first = digits.iter().position(|&digit| digit != b'0');
    first
        .and_then(|first| digits.get(first..))
        .unwrap_or_default()
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let last = digits.iter().rposition(|&digit| digit != b'0');
    last.and_then(|last| digits.get(..=last))
        .unwrap_or_default()
}

/// A float for a feature vector; `None` where the text is no number or too large for one.
#[must_use]
pub fn float(text: &[u8]) -> Option<f64> {
    Number::parse(text)?;
    let float: f64 = str::from_utf8(text).ok()?.parse().ok()?;
    float.is_finite().then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(left: &str, right: &str) -> Option<Ordering> {
        let left = Number::parse(left.as_bytes())?;
        Some(left.compare(&Number::parse(right.as_bytes())?.to_owned()))
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let equal = [
            ("1", "1.0"),
            ("0", "-0"),
            ("007", "7"),
            ("-1.50", "-1.5"),
            ("0.0", "-0.00"),
        ];
        for (left, right) in equal {
            assert_eq!(
                compare(left, right),
                Some(Ordering::Equal),
                "{left} {right}"
            );
        }
        let ascending = [
            "-100000000000000000000000000000000000001",
            "-100000000000000000000000000000000000000",
            "-2",
            "-1.5",
            "-1.49",
            "-0.001",
            "0",
            "0.1",
            "0.10000000000000000000000000001",
            "0.2",
            "9",
            "9.99",
            "10",
            "123456789012345678901234567890.1",
            "123456789012345678901234567890.2",
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), Some(at.cmp(&other)), "{left} {right}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "+1", "1e3", "0x1", " 1", "1 ", "1.2.3", "--1", "NaN", "inf",
            "١",
        ] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Number::parse(b"1\xff"), None);
    }

    #[test]
    fn a_float_is_finite_or_not_there() {
        assert_eq!(float(b"-2.50"), Some(-2.5));
        assert_eq!(float(b"1e3"), None);
        assert_eq!(float("9".repeat(400).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(left: i128, right: i128) {
            prop_assert_eq!(compare(&left.to_string(), &right.to_string()), Some(left.cmp(&right)));
        }

        #[test]
        fn decimals_compare_as_scaled_integers(left in -100_000..100_000_i64, right in -100_000..100_000_i64) {
            let text = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
            prop_assert_eq!(compare(&text(left), &text(right)), Some(left.cmp(&right)));
        }

        #[test]
        fn any_bytes_are_a_number_or_none(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = (Number::parse(&bytes), float(&bytes));
        }
    }
}
