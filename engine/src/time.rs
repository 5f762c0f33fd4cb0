//! The time of a request in words: time of day, day of the week, date, at a fixed offset from UTC.
//! What does not live here: time zones with a history, and the clock.

use std::fmt;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;

/// Minutes east of UTC, from -1440 to 1440.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Offset(i16);

impl Offset {
    /// The offset, `None` where it is more than a day.
    #[must_use]
    pub fn from_minutes(minutes: i32) -> Option<Self> {
        let minutes = i16::try_from(minutes).ok()?;
        (-1_440..=1_440).contains(&minutes).then_some(Self(minutes))
    }

    /// Minutes east of UTC.
    #[must_use]
    pub fn minutes(self) -> i16 {
        self.0
    }

    /// Whole days since 1970 and the minutes of the day.
    fn split(self, now_ms: i64) -> (i64, i64) {
        let minutes = now_ms
            .div_euclid(MINUTE_MS)
            .saturating_add(i64::from(self.0));
        (
            minutes.div_euclid(DAY_MINUTES),
            minutes.rem_euclid(DAY_MINUTES),
        )
    }

    /// `15:04`
    #[must_use]
    pub fn time_of_day(self, now_ms: i64) -> String {
        let (_, minutes) = self.split(now_ms);
        let (hour, minute) = (minutes.div_euclid(60), minutes.rem_euclid(60));
        format!("{hour:02}:{minute:02}")
    }

    /// `mon` to `sun`
    #[must_use]
    pub fn day_of_week(self, now_ms: i64) -> &'static str {
        let (days, _) = self.split(now_ms);
        // 1970 began on a Thursday.
        match days.rem_euclid(7) {
            0 => "thu",
            1 => "fri",
            2 => "sat",
            3 => "sun",
            4 => "mon",
            5 => "tue",
            _ => "wed",
        }
    }

    /// `2026-11-21`
    #[must_use]
    pub fn date(self, now_ms: i64) -> String {
        let (year, month, day) = civil(self.split(now_ms).0);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// `+05:30`
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Year, month and day of a count of days since 1970. Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`.
#[allow(clippy::arithmetic_side_effects)] // Milliseconds in an i64 are 10^11 days at most.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(now_ms: i64, minutes: i32) -> String {
        let at = Offset::from_minutes(minutes).unwrap();
        format!(
            "{} {} {}",
            at.day_of_week(now_ms),
            at.date(now_ms),
            at.time_of_day(now_ms)
        )
    }

    /// From `date -u -d @… "+%a %F %H:%M"`.
    #[test]
    fn known_times_come_out() {
        assert_eq!(words(0, 0), "thu 1970-01-01 00:00");
        assert_eq!(words(951_782_400_000, 0), "tue 2000-02-29 00:00");
        assert_eq!(words(1_795_003_199_999, 0), "wed 2026-11-18 11:59");
        assert_eq!(words(4_107_542_400_000, 0), "mon 2100-03-01 00:00");
        assert_eq!(words(-1, 0), "wed 1969-12-31 23:59");
    }

    #[test]
    fn an_offset_reads_as_in_iso_8601() {
        let said = |minutes| Offset::from_minutes(minutes).unwrap().to_string();
        assert_eq!(
            [said(0), said(330), said(-45)],
            ["+00:00", "+05:30", "-00:45"]
        );
    }

    #[test]
    fn an_offset_moves_the_day() {
        assert_eq!(words(0, -1), "wed 1969-12-31 23:59");
        assert_eq!(words(0, 330), "thu 1970-01-01 05:30");
        assert_eq!(words(0, 1_440), "fri 1970-01-02 00:00");
        assert_eq!(Offset::from_minutes(1_441), None);
        assert_eq!(Offset::from_minutes(i32::MIN), None);
    }

    proptest! {
        #[test]
        fn any_time_has_words(now_ms: i64, minutes in -1_440..=1_440_i32) {
            let words = words(now_ms, minutes);
            prop_assert!(words.len() >= "thu 1970-01-01 00:00".len());
        }

        /// One day on is the next day: the calendar has neither gaps nor repeats.
        #[test]
        fn days_follow_each_other(day in -800_000..800_000_i64) {
            let (year, month, date) = civil(day);
            let next = civil(day + 1);
            prop_assert!(
                next == (year, month, date + 1)
                    || next == (year, month + 1, 1)
                    || (month, next) == (12, (year + 1, 1, 1))
            );
        }
    }
}
