//! A set of texts that is asked often and never changes: one list of 100,000 values costs no more
//! to ask than one of ten. All texts lie in one piece of memory.

use crate::hash::{murmur3_x86_32, murmur3_x86_32_lowercase};

/// From so many texts on a table is asked; below, one after the other is compared.
const TABLE_FROM: usize = 9;

/// A set of texts, with or without ASCII case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Texts {
    ignore_case: bool,
    bytes: Box<[u8]>,
    /// Where each text ends in `bytes`; it starts where the one before ends.
    ends: Box<[u32]>,
    /// Open addressing with linear probing, at most half full: a text's number plus one, 0 where
    /// there is none. Empty for small sets.
    table: Box<[u32]>,
    longest: u32,
}

impl Texts {
    /// The set of `texts`; in lower case where case is ignored. Together they are shorter than
    /// 4 GiB: the limits of a configuration see to that.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>, ignore_case: bool) -> Self {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len()).sum());
        let ends = texts.iter().map(|text| {
            bytes.extend_from_slice(text.as_bytes());
            number(bytes.len())
        });
        let ends: Box<[u32]> = ends.collect();
        if ignore_case {
            bytes.make_ascii_lowercase();
        }
        let mut set = Self {
            ignore_case,
            bytes: bytes.into(),
            ends,
            table: Box::default(),
            longest: number(texts.iter().map(|text| text.len()).max().unwrap_or(0)),
        };
        if texts.len() >= TABLE_FROM {
            set.table = set.tabled();
        }
        set
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The texts, in ascending order as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).filter_map(|place| self.text(place))
    }

    /// Whether `value` is one of the texts.
    #[must_use]
    pub fn contain(&self, value: &[u8]) -> bool {
        if value.len() > self.longest as usize {
            return false;
        }
        if self.table.is_empty() {
            return self.iter().any(|text| self.is_same(text, value));
        }
        self.probe(value).any(|slot| {
            let place = (slot as usize).wrapping_sub(1);
            self.text(place)
                .is_some_and(|text| self.is_same(text, value))
        })
    }

    #[inline]
    fn is_same(&self, text: &[u8], value: &[u8]) -> bool {
        if self.ignore_case {
            text.eq_ignore_ascii_case(value)
        } else {
            text == value
        }
    }

    #[inline]
    fn text(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start as usize..end as usize)
    }

    /// The filled slots where `value` may be.
    fn probe(&self, value: &[u8]) -> impl Iterator<Item = u32> {
        let slots = self.table.iter().skip(self.home(value, self.table.len()));
        let round = slots.chain(&self.table);
        round.copied().take_while(|slot| *slot != 0)
    }

    /// Where probing for `value` starts in a table of `size`, a power of two.
    fn home(&self, value: &[u8], size: usize) -> usize {
        let hash = if self.ignore_case {
            murmur3_x86_32_lowercase(value, 0)
        } else {
            murmur3_x86_32(value, 0)
        };
        hash as usize & size.saturating_sub(1)
    }

    fn tabled(&self) -> Box<[u32]> {
        let size = self.len().saturating_mul(2).next_power_of_two();
        let mut table = vec![0; size];
        for (place, text) in self.iter().enumerate() {
            let (before, after) = table.split_at_mut(self.home(text, size).min(size));
            let mut slots = after.iter_mut().chain(before);
            if let Some(free) = slots.find(|slot| **slot == 0) {
                *free = number(place.saturating_add(1));
            }
        }
        table.into()
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hundred_thousand_texts_are_found_and_no_other() {
        let texts: Vec<String> = (0..100_000).map(|n| format!("user-{n}")).collect();
        let set = Texts::new(texts.iter().map(String::as_str), false);
        assert!(texts.iter().all(|text| set.contain(text.as_bytes())));
        assert!((100_000..200_000).all(|n| !set.contain(format!("user-{n}").as_bytes())));
        let longest = texts
            .iter()
            .map(|text| set.probe(text.as_bytes()).count())
            .max();
        assert!(longest < Some(200), "{longest:?}");
    }

    proptest! {
        #[test]
        fn it_answers_like_a_list(
            texts in prop::collection::vec("[a-bA-Bé]{0,3}|[ab]{6,9}", 0..40), values in prop::collection::vec("[a-bA-Bé]{0,3}|[ab]{6,9}", 20),
        ) {
            for ignore_case in [false, true] {
                let set = Texts::new(texts.iter().map(String::as_str), ignore_case);
                for value in &values {
                    let expected = texts.iter().any(|text| {
                        if ignore_case { text.eq_ignore_ascii_case(value) } else { text == value }
                    });
                    prop_assert_eq!(set.contain(value.as_bytes()), expected);
                }
            }
        }

        #[test]
        fn any_bytes_are_in_it_or_not(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let texts: Vec<String> = (0..20).map(|n| n.to_string()).collect();
            let set = Texts::new(texts.iter().map(String::as_str), true);
            let _ = set.contain(&bytes);
        }
    }
}
