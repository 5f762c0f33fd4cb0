//! The one place where the time of day is read. Everything else takes it as an argument.

use jiff::Timestamp;

/// Tells the time of day.
pub type Clock = fn() -> Timestamp;

/// The time of day, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
