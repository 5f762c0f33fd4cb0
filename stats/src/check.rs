//! The checks that inputs pass before any method counts with them. `finite` goes first, with every input of a
//! function at once, so that a NaN is reported before anything else that is wrong.

use crate::{Result, StatsError};

/// Every named input is a finite number.
pub(crate) fn finite<const N: usize>(inputs: [(&'static str, f64); N]) -> Result<()> {
    for (input, value) in inputs {
        if !value.is_finite() {
            return Err(StatsError::NonFiniteInput { input });
        }
    }
    Ok(())
}

/// Every element of a list is a finite number.
pub(crate) fn all_finite(input: &'static str, values: &[f64]) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(StatsError::NonFiniteInput { input })
    }
}

/// A list with something in it.
pub(crate) fn not_empty<T>(input: &'static str, values: &[T]) -> Result<()> {
    if values.is_empty() {
        Err(StatsError::EmptyInput { input })
    } else {
        Ok(())
    }
}

/// Lists that belong together.
pub(crate) fn same_length<A, B>(input: &'static str, a: &[A], b: &[B]) -> Result<()> {
    if a.len() == b.len() {
        Ok(())
    } else {
        Err(StatsError::LengthMismatch { input })
    }
}

/// Any condition on an input's range; `expected` says it in words.
pub(crate) fn range(input: &'static str, holds: bool, expected: &'static str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(StatsError::OutOfRange { input, expected })
    }
}

/// A level or a power: strictly between 0 and 1.
pub(crate) fn open_unit(input: &'static str, value: f64) -> Result<()> {
    range(
        input,
        value > 0.0 && value < 1.0,
        "a number strictly between 0 and 1",
    )
}

/// A probability: 0 and 1 included.
pub(crate) fn unit(input: &'static str, value: f64) -> Result<()> {
    range(input, (0.0..=1.0).contains(&value), "a number from 0 to 1")
}

/// Greater than zero.
pub(crate) fn positive(input: &'static str, value: f64) -> Result<()> {
    range(input, value > 0.0, "a number greater than 0")
}

/// Zero or more.
pub(crate) fn non_negative(input: &'static str, value: f64) -> Result<()> {
    range(input, value >= 0.0, "a number that is 0 or more")
}
