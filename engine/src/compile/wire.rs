//! From Protobuf to what is compiled. What lives here: reading experiments so that what many of them
//! say in the same words is read once. What does not: any check beyond the encoding.
//!
//! A thousand experiments have a handful of services, units and audiences between them. In the bytes of
//! an experiment they lie side by side, and equal bytes mean the same: whoever met them before need not
//! read them again, nor compile them.

use super::tables::Map;
use prost::{DecodeError, Message as _};
use watershed_proto::filter::v1::{Experiment, FilterConfig};

/// `FilterConfig.experiments`
const EXPERIMENTS: u64 = 5;

/// From `Experiment.services` over `unit_type` and `unit_sources` to `audience`: who is in it.
const WHO: std::ops::RangeInclusive<u64> = 4..=7;

/// A configuration as it is compiled.
pub(super) struct Specs<'c> {
    /// Its experiments are not looked at.
    pub(super) config: &'c FilterConfig,
    pub(super) experiments: Vec<Spec<'c>>,
}

/// One experiment.
#[derive(Clone, Copy)]
pub(super) struct Spec<'c> {
    /// Everything but who is in it.
    pub(super) rest: &'c Experiment,
    /// Who is in it: its services, unit type, unit sources and audience.
    pub(super) who: &'c Experiment,
    /// The number of `who` among those that may be met again.
    pub(super) number: Option<usize>,
}

impl<'c> Specs<'c> {
    pub(super) fn of(config: &'c FilterConfig) -> Self {
        let spec = |whole| Spec {
            rest: whole,
            who: whole,
            number: None,
        };
        Self {
            config,
            experiments: config.experiments.iter().map(spec).collect(),
        }
    }
}

/// What was read, as [`Specs`] borrow it.
pub(super) struct Decoded {
    config: FilterConfig,
    experiments: Vec<Read>,
    /// Experiments that have nothing but who is in them, each one different.
    who: Vec<Experiment>,
}

struct Read {
    rest: Experiment,
    who: Option<usize>,
}

impl Decoded {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::default();
        let mut experiments = Vec::new();
        let mut others = Vec::new();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next() {
            match field.content {
                Some(bytes) if field.number == EXPERIMENTS => {
                    experiments.push(reader.experiment(bytes)?);
                }
                _ => others.extend_from_slice(field.whole),
            }
        }
        // What is no field is left to a reader that can say why.
        others.extend_from_slice(fields.0);
        let mut config = FilterConfig::decode(&others[..])?;
        let left = std::mem::take(&mut config.experiments);
        experiments.extend(left.into_iter().map(|rest| Read { rest, who: None }));
        Ok(Self {
            config,
            experiments,
            who: reader.who,
        })
    }

    pub(super) fn specs(&self) -> Specs<'_> {
        let specs = self.experiments.iter().map(|read| {
            let who = read.who.and_then(|number| self.who.get(number));
            Spec {
                rest: &read.rest,
                who: who.unwrap_or(&read.rest),
                number: read.who,
            }
        });
        Specs {
            config: &self.config,
            experiments: specs.collect(),
        }
    }
}

/// Reads one experiment after the other.
#[derive(Default)]
struct Reader<'b> {
    who: Vec<Experiment>,
    numbers: Map<&'b [u8], usize>,
    rest: Vec<u8>,
}

impl<'b> Reader<'b> {
    fn experiment(&mut self, bytes: &'b [u8]) -> Result<Read, DecodeError> {
        let Some([before, who, after]) = parts(bytes) else {
            let rest = Experiment::decode(bytes)?;
            return Ok(Read { rest, who: None });
        };
        self.rest.clear();
        self.rest.extend_from_slice(before);
        self.rest.extend_from_slice(after);
        let rest = Experiment::decode(&self.rest[..])?;
        let number = match self.numbers.get(who) {
            Some(number) => *number,
            None => {
                let number = self.who.len();
                self.who.push(Experiment::decode(who)?);
                self.numbers.insert(who, number);
                number
            }
        };
        Ok(Read {
            rest,
            who: Some(number),
        })
    }
}

/// The bytes of an experiment before who is in it, those that say it, and those behind; `None` where
/// they don't lie side by side, or where the bytes are no message.
fn parts(bytes: &[u8]) -> Option<[&[u8]; 3]> {
    let mut fields = Fields(bytes);
    let mut place = 0_usize;
    let mut who = None;
    while let Some(field) = fields.next() {
        let end = place.wrapping_add(field.whole.len());
        if WHO.contains(&field.number) {
            who = match who {
                None => Some((place, end)),
                Some((start, last)) if last == place => Some((start, end)),
                Some(_) => return None,
            };
        }
        place = end;
    }
    if !fields.0.is_empty() {
        return None;
    }
    let (start, end) = who?;
    let (before, rest) = bytes.split_at_checked(start)?;
    let (who, after) = rest.split_at_checked(end.wrapping_sub(start))?;
    Some([before, who, after])
}

/// The fields of a message. Ends in front of what is none, and in front of a group, which nobody has
/// written for years.
struct Fields<'b>(&'b [u8]);

struct Field<'b> {
    number: u64,
    /// Its tag and everything behind that belongs to it.
    whole: &'b [u8],
    /// What is in it, where it has a length of its own.
    content: Option<&'b [u8]>,
}

impl<'b> Fields<'b> {
    #[inline]
    fn next(&mut self) -> Option<Field<'b>> {
        let (tag, rest) = varint(self.0)?;
        let (content, rest) = match tag & 7 {
            0 => (None, varint(rest)?.1),
            1 => (None, rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(content), rest)
            }
            5 => (None, rest.get(4..)?),
            _ => return None,
        };
        let length = self.0.len().wrapping_sub(rest.len());
        let whole = self.0.get(..length)?;
        self.0 = rest;
        Some(Field {
            number: tag >> 3,
            whole,
            content,
        })
    }
}

/// A number in base 128, and what is behind it.
#[inline]
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    const MOST: usize = 10;
    let mut value = 0_u64;
    let mut shift = 0_u32;
    for (place, byte) in bytes.iter().enumerate().take(MOST) {
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if *byte < 0x80 {
            return Some((value, bytes.get(place.wrapping_add(1)..)?));
        }
        shift = shift.wrapping_add(7);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use watershed_proto::filter::v1::{Attribute, Rule, attribute, rule};

    fn attribute(name: &str) -> Attribute {
        let source = Some(attribute::Source::Header(name.to_owned()));
        Attribute { source }
    }

    fn experiment(key: &str, header: &str, segment: &str) -> Experiment {
        let rule = Some(rule::Rule::Segment(segment.to_owned()));
        Experiment {
            key: key.to_owned(),
            services: vec!["chat".to_owned()],
            unit_type: "user".to_owned(),
            unit_sources: vec![attribute(header), attribute("x-other")],
            audience: Some(Rule { rule }),
            fallback: "a".to_owned(),
            ..Experiment::default()
        }
    }

    /// The specs put together again.
    fn whole(specs: &Specs<'_>) -> FilterConfig {
        let experiments = specs.experiments.iter().map(|spec| Experiment {
            services: spec.who.services.clone(),
            unit_type: spec.who.unit_type.clone(),
            unit_sources: spec.who.unit_sources.clone(),
            audience: spec.who.audience.clone(),
            ..spec.rest.clone()
        });
        FilterConfig {
            experiments: experiments.collect(),
            ..specs.config.clone()
        }
    }

    #[test]
    fn what_experiments_share_is_read_once() {
        let config = FilterConfig {
            version: "1".to_owned(),
            experiments: vec![
                experiment("one", "x-user", "s"),
                experiment("two", "x-user", "s"),
                experiment("three", "x-user", "t"),
            ],
            body_limit_bytes: 7,
            ..FilterConfig::default()
        };
        let decoded = Decoded::new(&config.encode_to_vec()).unwrap();
        assert_eq!(decoded.who.len(), 2);
        let numbers: Vec<_> = decoded.experiments.iter().map(|one| one.who).collect();
        assert_eq!(numbers, [Some(0), Some(0), Some(1)]);
        assert_eq!(whole(&decoded.specs()), config);
        assert_eq!(whole(&Specs::of(&config)), config);
    }

    /// Fields may come in any order and more than once: later ones are merged into earlier ones.
    #[test]
    fn fields_out_of_order_are_read_as_they_are_elsewhere() {
        let units = Experiment {
            unit_sources: vec![attribute("x-user")],
            ..Experiment::default()
        };
        let rest = Experiment {
            key: "e".to_owned(),
            ..Experiment::default()
        };
        let bytes = [&units, &rest, &units]
            .map(Experiment::encode_to_vec)
            .concat();
        assert!(parts(&bytes).is_none());
        let mut config = vec![0x2a];
        prost::encode_length_delimiter(bytes.len(), &mut config).unwrap();
        config.extend(bytes);
        let decoded = Decoded::new(&config).unwrap();
        assert_eq!(
            whole(&decoded.specs()),
            FilterConfig::decode(&config[..]).unwrap()
        );
        assert_eq!(decoded.experiments[0].rest.unit_sources.len(), 2);
    }

    #[test]
    fn experiments_behind_what_is_no_field_to_us_keep_their_order() {
        let one = |key: &str| FilterConfig {
            experiments: vec![experiment(key, "x-user", "s")],
            ..FilterConfig::default()
        };
        let group = vec![0x9b, 0x06, 0x9c, 0x06];
        let parts = [one("a").encode_to_vec(), group, one("b").encode_to_vec()];
        let bytes = parts.concat();
        let decoded = Decoded::new(&bytes).unwrap();
        let expected = FilterConfig::decode(&bytes[..]).unwrap();
        assert_eq!(expected.experiments.len(), 2);
        assert_eq!(whole(&decoded.specs()), expected);
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_read_as_they_are_elsewhere(
            at in 0..400_usize, byte: u8, cut in 0..400_usize, headers in prop::collection::vec("[a-c]", 1..5),
        ) {
            let experiments = headers.iter().map(|header| experiment("e", header, "s"));
            let config = FilterConfig { experiments: experiments.collect(), ..FilterConfig::default() };
            let mut bytes = config.encode_to_vec();
            let place = at % bytes.len();
            bytes[place] = byte;
            bytes.truncate(bytes.len() - cut.min(bytes.len()) / 8);
            let ours = Decoded::new(&bytes);
            match FilterConfig::decode(&bytes[..]) {
                Ok(config) => prop_assert_eq!(whole(&ours.unwrap().specs()), config),
                Err(_) => prop_assert!(ours.is_err()),
            }
        }
    }
}
