//! From unit to bucket, and nothing else: what the ways to compute the hash cost. What does not
//! live here: the hash.

use crate::case::{Answers, Case, Run};
use crate::work::{self, UNIT};
use anyhow::Context as _;
use std::hint::black_box;
use std::io::Cursor;
use watershed_engine::Bucketer;
use watershed_engine::hash::murmur3_x86_32;
use watershed_proto::filter::v1::Hash;

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
        case("MURMUR3_V1", || named(Hash::Murmur3V1)),
        case("FLAGD_V2", || named(Hash::FlagdV2)),
        case("UNLEASH", || named(Hash::Unleash)),
        case("GROWTHBOOK_V2", || named(Hash::GrowthbookV2)),
        case("GROWTHBOOK_V1", || named(Hash::GrowthbookV1)),
        case("murmur3_x86_32, salt and unit", || {
            salted(|bytes| murmur3_x86_32(bytes, 0) % 10_000)
        }),
        case("murmur3 crate, salt and unit", || {
            salted(|bytes| murmur3::murmur3_32(&mut Cursor::new(bytes), 0).unwrap_or(0) % 10_000)
        }),
    ]
}

/// A hash by its name in a configuration, with the salt absorbed beforehand where it can be.
fn named(hash: Hash) -> anyhow::Result<Run> {
    let bucketer = Bucketer::with_hash(hash, SALT, 0).context("a hash without buckets")?;
    let hash = move |unit: &[u8]| u32::from(bucketer.bucket(unit));
    Ok(each(units().collect(), hash))
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
