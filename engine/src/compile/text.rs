//! Checks of names and lengths. Names become header values, metric names and log lines, so what
//! they may hold is narrow.

use super::fault::{Fault, readable};
use super::limits;

const KEY: &str = "a key of 1 to 64 of a-z 0-9 . _ -, with a letter or digit at both ends,";

/// Keys of services, layers, experiments and variants:
/// `[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?`.
pub(super) fn key(key: &str) -> Result<(), Fault> {
    name(key, limits::NAME_BYTES)?;
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let legal = key
        .bytes()
        .all(|byte| outer(byte) || b"._-".contains(&byte))
        && key.bytes().next().is_some_and(outer)
        && key.bytes().next_back().is_some_and(outer);
    require(legal, key, KEY)
}

/// Cluster names: printable ASCII without space and comma.
pub(super) fn cluster(cluster: &str) -> Result<(), Fault> {
    name(cluster, limits::CLUSTER_BYTES)?;
    let legal = cluster
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',');
    require(legal, cluster, "printable ASCII without space and comma")
}

/// Names of headers and cookies: a token (RFC 9110, section 5.6.2).
pub(super) fn token(token: &str) -> Result<(), Fault> {
    name(token, limits::NAME_BYTES)?;
    let legal = token
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    require(legal, token, "a token as HTTP defines it")
}

/// A name that is there and not too long.
pub(super) fn name(name: &str, limit: usize) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::Missing);
    }
    length(name, limit)
}

/// A text that may be empty and may hold anything but control characters.
pub(super) fn printable(text: &str, limit: usize) -> Result<(), Fault> {
    length(text, limit)?;
    let legal = !text.chars().any(char::is_control);
    require(legal, text, "text without control characters")
}

pub(super) fn length(text: &str, limit: usize) -> Result<(), Fault> {
    if text.len() > limit {
        return Err(Fault::TooLong {
            bytes: text.len(),
            limit,
        });
    }
    Ok(())
}

pub(super) fn count(count: usize, limit: usize) -> Result<(), Fault> {
    if count > limit {
        return Err(Fault::TooMany { count, limit });
    }
    Ok(())
}

pub(super) fn require(legal: bool, value: &str, expected: &'static str) -> Result<(), Fault> {
    if legal {
        return Ok(());
    }
    Err(Fault::Illegal {
        value: readable(value),
        expected,
    })
}
