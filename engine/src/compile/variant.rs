//! Variants: names, clusters, headers and buckets.

use super::fault::{At, CompileError, Fault};
use super::path::Path;
use super::{attribute, limits, small, text};
use crate::experiment::{Header, Headers, Share, Variant};
use crate::ranges::Ranges;
use std::collections::BTreeSet;
use watershed_proto::filter::v1::{Header as HeaderSpec, Variant as Spec};

/// How a message travels is Envoy's business, and some have a place of their own.
const NOT_SETTABLE: [&str; 13] = [
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The variants; `ordinal` counts them over all experiments.
pub(super) fn variants(
    at: At<'_>,
    specs: &[Spec],
    routes: bool,
    ordinal: &mut u32,
) -> Result<Box<[Variant]>, CompileError> {
    let list = Path::new("variants");
    if specs.is_empty() {
        return Err(at.fault(list, Fault::Missing));
    }
    text::count(specs.len(), limits::VARIANTS).map_err(|fault| at.fault(list, fault))?;
    let mut variants: Vec<Variant> = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let field = list.index(index);
        let key = field.field("key");
        text::key(&spec.key).map_err(|fault| at.fault(key, fault))?;
        if variants.iter().any(|other| *other.key == *spec.key) {
            return Err(at.fault(key, Fault::Duplicate));
        }
        cluster(spec, routes).map_err(|fault| at.fault(field.field("cluster"), fault))?;
        variants.push(Variant {
            key: spec.key.as_str().into(),
            cluster: routes.then(|| spec.cluster.as_str().into()),
            ordinal: *ordinal,
            place: small(index),
            headers: headers(at, &field, spec)?,
        });
        *ordinal = ordinal.saturating_add(1);
    }
    Ok(variants.into())
}

fn cluster(spec: &Spec, routes: bool) -> Result<(), Fault> {
    match (routes, spec.cluster.as_str()) {
        (false, _) => Ok(()),
        (true, "") => Err(Fault::MissingCluster),
        (true, name) => text::cluster(name),
    }
}

fn headers(
    at: At<'_>,
    field: &Path<'_>,
    spec: &Spec,
) -> Result<Option<Box<Headers>>, CompileError> {
    let is_plain = spec.request_headers.is_empty()
        && spec.response_headers.is_empty()
        && spec.baggage.is_empty();
    if is_plain {
        return Ok(None);
    }
    let settable = |name: &str| {
        let name = attribute::header(name)?;
        if NOT_SETTABLE.contains(&&*name) {
            return Err(Fault::NotSettable { name: name.into() });
        }
        Ok(name)
    };
    let token = |name: &str| text::token(name).map(|()| name.into());
    let headers = Headers {
        request: list(
            at,
            &field.field("request_headers"),
            &spec.request_headers,
            settable,
        )?,
        response: list(
            at,
            &field.field("response_headers"),
            &spec.response_headers,
            settable,
        )?,
        baggage: list(at, &field.field("baggage"), &spec.baggage, token)?,
    };
    Ok(Some(headers.into()))
}

fn list(
    at: At<'_>,
    field: &Path<'_>,
    specs: &[HeaderSpec],
    name: impl Fn(&str) -> Result<Box<str>, Fault>,
) -> Result<Box<[Header]>, CompileError> {
    text::count(specs.len(), limits::HEADERS).map_err(|fault| at.fault(field, fault))?;
    let mut names = BTreeSet::new();
    let mut headers = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let place = field.index(index);
        let name = name(&spec.name).map_err(|fault| at.fault(place.field("name"), fault))?;
        if !names.insert(name.clone()) {
            return Err(at.fault(place.field("name"), Fault::Duplicate));
        }
        value(&spec.value).map_err(|fault| at.fault(place.field("value"), fault))?;
        headers.push(Header {
            name,
            value: spec.value.as_str().into(),
        });
    }
    Ok(headers.into())
}

fn value(value: &str) -> Result<(), Fault> {
    text::length(value, limits::HEADER_VALUE_BYTES)?;
    let is_legal = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    text::require(
        value.bytes().all(is_legal) && value.trim() == value,
        value,
        "printable ASCII without space at its ends",
    )
}

/// The variants' buckets in ascending order, each of `buckets` owned once and none left over.
pub(super) fn shares(
    at: At<'_>,
    specs: &[Spec],
    buckets: u16,
) -> Result<Box<[Share]>, CompileError> {
    match in_turn(specs, buckets) {
        Some(shares) => Ok(shares),
        None => scattered(at, specs, buckets),
    }
}

/// The short way for variants that own one range each, one behind the other: before any weight was
/// changed all are like that.
fn in_turn(specs: &[Spec], buckets: u16) -> Option<Box<[Share]>> {
    let mut next = 0;
    let mut shares = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let [range] = *spec.ranges else {
            return None;
        };
        if range.start != next || range.end < range.start {
            return None;
        }
        next = range.end.checked_add(1)?;
        shares.push(Share {
            end: u16::try_from(range.end).ok()?,
            variant: small(index),
        });
    }
    (next == u32::from(buckets)).then(|| shares.into())
}

fn scattered(at: At<'_>, specs: &[Spec], buckets: u16) -> Result<Box<[Share]>, CompileError> {
    let list = Path::new("variants");
    let mut owned: Vec<(&str, Ranges)> = Vec::with_capacity(specs.len());
    let mut shares: Vec<(u16, Share)> = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let place = list.index(index);
        let field = place.field("ranges");
        let ranges =
            Ranges::from_proto(&spec.ranges).map_err(|fault| at.fault(field, fault.into()))?;
        within(&ranges, buckets).map_err(|fault| at.fault(field, fault))?;
        let mut others = owned.iter();
        let common = others.find_map(|(key, other)| Some((*key, other.first_common(&ranges)?)));
        if let Some((key, bucket)) = common {
            let fault = Fault::Overlap {
                kind: "variant",
                key: key.to_owned(),
                bucket,
            };
            return Err(at.fault(field, fault));
        }
        let variant = small(index);
        shares.extend(
            ranges
                .iter()
                .map(|(start, end)| (start, Share { end, variant })),
        );
        owned.push((&spec.key, ranges));
    }
    shares.sort_unstable();
    let mut next = 0;
    for (start, share) in &shares {
        if *start != next {
            return Err(at.fault(list, Fault::Uncovered { bucket: next }));
        }
        next = share.end.saturating_add(1);
    }
    if next != buckets {
        return Err(at.fault(list, Fault::Uncovered { bucket: next }));
    }
    Ok(shares.into_iter().map(|(_, share)| share).collect())
}

/// Refuses a bucket that there isn't.
pub(super) fn within(ranges: &Ranges, buckets: u16) -> Result<(), Fault> {
    match ranges.iter().last() {
        Some((_, bucket)) if bucket >= buckets => Err(Fault::BeyondBuckets { bucket, buckets }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use watershed_proto::filter::v1::BucketRange;

    fn variant(key: usize, start: u32, end: u32) -> Spec {
        Spec {
            key: key.to_string(),
            ranges: vec![BucketRange { start, end }],
            ..Spec::default()
        }
    }

    proptest! {
        #[test]
        fn the_short_way_comes_where_the_long_one_does(
            ends in prop::collection::vec(0..12_u32, 0..5), late in 0..3_u32, buckets in 1..12_u16,
        ) {
            let mut next = late / 2;
            let specs = ends.iter().enumerate().map(|(key, end)| {
                let spec = variant(key, next, *end);
                next = end.saturating_add(1);
                spec
            });
            let specs: Vec<Spec> = specs.collect();
            let long = scattered(At::config(), &specs, buckets);
            if let Some(shares) = in_turn(&specs, buckets) {
                prop_assert_eq!(Ok(shares), long);
            }
        }
    }

    #[test]
    fn most_variants_go_the_short_way() {
        let specs = [variant(0, 0, 4_999), variant(1, 5_000, 9_999)];
        let ends = in_turn(&specs, 10_000).map(|shares| shares.iter().map(|one| one.end).collect());
        assert_eq!(ends, Some(vec![4_999, 9_999]));
        assert_eq!(in_turn(&specs, 9_999), None);
        assert_eq!(in_turn(&[variant(0, 0, u32::MAX)], 10_000), None);
    }
}
