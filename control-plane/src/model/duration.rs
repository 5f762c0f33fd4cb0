//! Durations as people write them: whole seconds, minutes, hours or days, as `90s` and `30d`.

use super::fault::Faults;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use thiserror::Error;

/// A duration of whole seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Seconds(u32);

/// A text that is no duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("is not a number of seconds, minutes, hours or days, as `90s`, `15m`, `12h` or `30d`")]
pub struct BadDuration;

/// Each unit's letter and its seconds, the largest first.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Seconds {
    /// That many seconds.
    #[must_use]
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// That many days; as many as fit where there are too many.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(days.saturating_mul(86_400))
    }

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Reads a duration of `bounds`, noting a fault at the JSON pointer `at`.
    pub fn within(
        text: &str,
        bounds: &RangeInclusive<Self>,
        at: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let read = text.parse().ok().filter(|read| bounds.contains(read));
        if read.is_none() {
            let shown: String = text.escape_debug().take(32).collect();
            let (least, most) = (bounds.start(), bounds.end());
            faults.add(
                at,
                format!("`{shown}` does not fit"),
                format!("a duration from {least} to {most}, as `90s`, `15m`, `12h` or `30d`"),
            );
        }
        read
    }
}

impl FromStr for Seconds {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let unit = text.chars().next_back().ok_or(BadDuration)?;
        let (_, seconds) = UNITS
            .iter()
            .find(|(letter, _)| *letter == unit)
            .ok_or(BadDuration)?;
        let digits = text.strip_suffix(unit).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadDuration);
        }
        let count: u32 = digits.parse().map_err(|_| BadDuration)?;
        count.checked_mul(*seconds).map(Self).ok_or(BadDuration)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, seconds): &&(char, u32)| self.0.is_multiple_of(*seconds);
        let (letter, seconds) = UNITS.iter().find(whole).unwrap_or(&('s', 1));
        write!(f, "{}{letter}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(text.parse(), Ok(Seconds::new(seconds)));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "", "s", "1", "-1s", "+1s", "1.5h", "1 h", "1h30m", "1w", "50000d", "1é",
        ] {
            assert_eq!(text.parse::<Seconds>(), Err(BadDuration), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_is_the_same_after_it_is_written(seconds in any::<u32>()) {
            let duration = Seconds::new(seconds);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
