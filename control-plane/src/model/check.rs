//! Checks that several aggregates share: keys, ports, bounded numbers, lists and texts. Each notes
//! a fault and gives nothing, so that a caller goes on to find the other faults.

use super::fault::Faults;
use super::key::{KEY_RULE, Key};
use std::fmt::Display;
use std::ops::RangeInclusive;
use watershed_engine::compile::limits;

/// Reads a key at `pointer`.
pub(super) fn key(name: &str, pointer: &str, faults: &mut Faults) -> Option<Key> {
    match Key::try_new(name) {
        Ok(key) => Some(key),
        Err(bad) => {
            faults.add(pointer, format!("`{}` is not a key", bad.shown), KEY_RULE);
            None
        }
    }
}

/// Reads a list of different keys at `pointer`.
pub(super) fn keys(names: &[String], pointer: &str, faults: &mut Faults) -> Option<Vec<Key>> {
    let read: Vec<Option<Key>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| key(name, &format!("{pointer}/{index}"), faults))
        .collect();
    unique(names, pointer, faults)?;
    read.into_iter().collect()
}

/// A number of `bounds`.
pub(super) fn number<T: TryFrom<u64>>(
    value: u64,
    bounds: &RangeInclusive<u64>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<T> {
    if bounds.contains(&value)
        && let Ok(value) = T::try_from(value)
    {
        return Some(value);
    }
    let (low, high) = (bounds.start(), bounds.end());
    faults.add(
        pointer,
        format!("{value} is out of bounds"),
        format!("an integer in {low}..={high}"),
    );
    None
}

/// A number of `bounds` that may be left out.
pub(super) fn given<T: TryFrom<u64>>(
    value: Option<u64>,
    bounds: &RangeInclusive<u64>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<Option<T>> {
    match value {
        Some(value) => number(value, bounds, pointer, faults).map(Some),
        None => Some(None),
    }
}

/// A TCP port.
pub(super) fn port(value: u64, pointer: &str, faults: &mut Faults) -> Option<u16> {
    number(value, &(1..=65_535), pointer, faults)
}

/// The length of a list.
pub(super) fn length(
    length: usize,
    bounds: &RangeInclusive<usize>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<()> {
    if bounds.contains(&length) {
        return Some(());
    }
    let (low, high) = (bounds.start(), bounds.end());
    faults.add(
        pointer,
        format!("has {length} entries"),
        format!("{low} to {high} entries"),
    );
    None
}

/// Entries that must differ from one another; the later of two is at fault.
pub(super) fn unique<T: Ord + Display>(
    entries: &[T],
    pointer: &str,
    faults: &mut Faults,
) -> Option<()> {
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Some(());
    for (index, entry) in entries.iter().enumerate() {
        if !seen.insert(entry) {
            faults.add(
                format!("{pointer}/{index}"),
                format!("`{entry}` is listed twice"),
                "each entry once",
            );
            found = None;
        }
    }
    found
}

/// Free text without control characters other than line breaks and tabs, of at most `most` bytes.
pub(super) fn text(
    value: Option<&String>,
    most: usize,
    pointer: &str,
    faults: &mut Faults,
) -> Option<String> {
    let value = value?;
    let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if value.len() > most || value.contains(strange) {
        faults.add(
            pointer,
            "is too long or has control characters",
            format!("text of at most {most} bytes"),
        );
    }
    Some(value.clone())
}

/// A salt: short, printable ASCII, so that it is the same bytes everywhere.
pub(super) fn salt(value: &str, pointer: &str, faults: &mut Faults) -> Option<String> {
    const MOST: usize = limits::TEXT_BYTES;
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
    if value.is_empty() || value.len() > MOST || !printable {
        faults.add(
            pointer,
            "is empty, too long or not printable ASCII",
            format!("1 to {MOST} printable ASCII characters without spaces"),
        );
        return None;
    }
    Some(value.to_owned())
}
