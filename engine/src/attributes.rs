//! What a plan may ask of a request. What lives here: [`Attributes`], the plan's table of attributes,
//! which finds those that are headers by the headers' names, so that a request is gone through
//! once. What does not: how a value is read (see [`surroundings`](crate::surroundings)).

use crate::attribute::{Attribute, AttributeId};
use crate::hash::GOLDEN;
use crate::request::is_name;
use std::ops::Deref;

/// Every attribute that a plan may ask for, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes {
    list: Box<[Attribute]>,
    /// Open addressing with linear probing, at most a quarter full: its size is a power of two; empty
    /// where no header is asked for.
    by_name: Box<[Option<Entry>]>,
    /// A bit for each length that a name in the table has: most headers of a request have another
    /// one and need not be looked for.
    lengths: u64,
}

/// A header that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    /// Of its name.
    ends: Ends,
    id: AttributeId,
}

/// A name's length, and its first and last bytes: eight each, or four of a short name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ends {
    first: u64,
    last: u64,
    length: usize,
}

impl Ends {
    /// `None` for a name that is too short for the table.
    #[inline]
    fn of(name: &[u8]) -> Option<Self> {
        let length = name.len();
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Some(Self {
                first: u64::from_le_bytes(*first),
                last: u64::from_le_bytes(*last),
                length,
            });
        }
        Some(Self {
            first: u32::from_le_bytes(*name.first_chunk()?).into(),
            last: u64::from(u32::from_le_bytes(*name.last_chunk()?)).wrapping_shl(32),
            length,
        })
    }

    /// Whether there is nothing in the name that is not at its ends.
    #[inline]
    fn are_all(self) -> bool {
        self.length <= 16
    }

    /// Where probing for the name starts in a table of `size`, the same for every case of its letters.
    /// `None` for an empty table.
    #[inline]
    fn home(self, size: usize) -> Option<usize> {
        const CASE: u64 = 0x2020_2020_2020_2020;
        let mask = size.checked_sub(1)?;
        let both = (self.first | CASE).rotate_left(9) ^ (self.last | CASE);
        #[allow(clippy::cast_possible_truncation)] // Half of the bits are more than a table has.
        let spread = both.wrapping_mul(GOLDEN).wrapping_shr(32) as usize;
        Some(spread & mask)
    }
}

impl Attributes {
    /// The table of these attributes.
    #[must_use]
    pub fn new(list: impl Into<Box<[Attribute]>>) -> Self {
        let list = list.into();
        let names = || {
            let ids = (0_u32..).map(AttributeId);
            list.iter().zip(ids).filter_map(|(one, id)| match one {
                Attribute::Header(name) => Some((Ends::of(name.as_bytes())?, id)),
                _ => None,
            })
        };
        let size = match names().count() {
            0 => 0,
            count => count.saturating_mul(4).next_power_of_two(),
        };
        let mut by_name = vec![None; size].into_boxed_slice();
        for (ends, id) in names() {
            if let Some(home) = ends.home(size) {
                let (before, behind) = by_name.split_at_mut(home);
                let mut slots = behind.iter_mut().chain(before);
                if let Some(free) = slots.find(|slot| slot.is_none()) {
                    *free = Some(Entry { ends, id });
                }
            }
        }
        let lengths = names().fold(0, |lengths, (ends, _)| lengths | length_bit(ends.length));
        Self {
            list,
            by_name,
            lengths,
        }
    }

    /// Whether a header is looked for by [`Attributes::header`].
    pub(crate) fn is_found(&self, attribute: &Attribute) -> bool {
        matches!(attribute, Attribute::Header(name) if Ends::of(name.as_bytes()).is_some())
    }

    /// The attribute that is the header of this name, in any case.
    #[inline]
    pub(crate) fn header(&self, name: &[u8]) -> Option<AttributeId> {
        if self.lengths & length_bit(name.len()) == 0 {
            return None;
        }
        let ends = Ends::of(name)?;
        let mut slot = ends.home(self.by_name.len())?;
        // A quarter full, so that this ends soon.
        loop {
            let entry = self.by_name.get(slot)?.as_ref()?;
            if entry.ends == ends && ends.are_all() || self.is_name(entry, name) {
                return Some(entry.id);
            }
            slot = slot.wrapping_add(1) & self.by_name.len().wrapping_sub(1);
        }
    }

    /// Whether the entry's name is this one, in another case or with more than ends.
    #[cold]
    #[inline(never)]
    fn is_name(&self, entry: &Entry, name: &[u8]) -> bool {
        match self.list.get(entry.id.index()) {
            Some(Attribute::Header(other)) => is_name(name, other.as_bytes()),
            _ => false,
        }
    }
}

impl Deref for Attributes {
    type Target = [Attribute];

    fn deref(&self) -> &[Attribute] {
        &self.list
    }
}

/// The bit of a name's length; names whose lengths differ by 64 share one.
#[inline]
fn length_bit(length: usize) -> u64 {
    #[allow(clippy::cast_possible_truncation)] // Only the lowest six bits count.
    1_u64.wrapping_shl(length as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(names: &[String]) -> Attributes {
        let list = names
            .iter()
            .map(|name| Attribute::Header(name.as_str().into()));
        let mut list: Vec<Attribute> = list.chain([Attribute::Path]).collect();
        list.sort();
        list.dedup();
        Attributes::new(list)
    }

    proptest! {
        #[test]
        fn a_header_is_found_by_its_name_in_any_case(
            names in prop::collection::vec("[a-c-]{0,6}|[ab]{7,9}|[ab]{15,18}", 0..200), other in "[a-c-]{0,6}|[ab]{15,18}",
        ) {
            let attributes = headers(&names);
            for name in names.iter().chain([&other]) {
                let expected = Attribute::Header(name.as_str().into());
                let place = attributes.iter().position(|one| *one == expected);
                let place = place.filter(|_| name.len() >= 4);
                for name in [name.clone(), name.to_ascii_uppercase()] {
                    let found = attributes.header(name.as_bytes());
                    prop_assert_eq!(found.map(AttributeId::index), place, "{}", name);
                }
            }
        }

        #[test]
        fn any_bytes_may_be_a_name(name: Vec<u8>) {
            prop_assert_eq!(headers(&[]).header(&name), None);
            prop_assert_eq!(headers(&["x-user".to_owned()]).header(&name), None);
        }
    }
}
