//! From unit to bucket, and nothing else: what the ways to compute the hash cost. What does not
//! live here: the hash.

use crate::case::{Answers, Case, Run};
use crate::work::{self, UNIT};
use std::hint::black_box;
use std::io::Cursor;
use watershed_engine::Bucketer;
use watershed_engine::hash::murmur3_x86_32;

const SALT: &str = "experiment-00001";

/// The cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let case = |by, build| Case {
        work: "hash",
        by,
        answers: Answers::Exactly(1),
        magnitude: 7,
        build,
    };
    vec![
        case("salt absorbed beforehand", || {
            let bucketer = Bucketer::new(SALT);
            hashing(move |unit| u32::from(bucketer.bucket(unit)))
        }),
        case("slice of salt and unit", || {
            salted(|bytes| murmur3_x86_32(bytes, 0) % 10_000)
        }),
        case("murmur3 crate", || {
            salted(|bytes| murmur3::murmur3_32(&mut Cursor::new(bytes), 0).unwrap_or(0) % 10_000)
        }),
    ]
}

fn hashing(hash: impl Fn(&[u8]) -> u32 + 'static) -> anyhow::Result<Run> {
    let units: Vec<String> = units().collect();
    Ok(each(units, move |unit| hash(unit)))
}

/// With the salt in front of each unit already: a caller that must put them together pays more.
fn salted(hash: impl Fn(&[u8]) -> u32 + 'static) -> anyhow::Result<Run> {
    let texts = units().map(|unit| format!("{SALT}:{unit}")).collect();
    Ok(each(texts, hash))
}

fn units() -> impl Iterator<Item = String> {
    let requests = work::requests().into_iter();
    requests.map(|mut request| std::mem::take(&mut request[UNIT]))
}

fn each(texts: Vec<String>, hash: impl Fn(&[u8]) -> u32 + 'static) -> Run {
    let mut places = (0..texts.len()).cycle();
    Box::new(move |times| {
        let chosen = places.by_ref().take(times as usize);
        let texts = chosen.filter_map(|place| texts.get(place));
        texts
            .map(|text| u64::from(black_box(hash(black_box(text.as_bytes()))) < 10_000))
            .sum()
    })
}
