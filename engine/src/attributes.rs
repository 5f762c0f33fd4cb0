//! What a plan may ask of a request. What lives here: [`Attributes`], the plan's table of attributes,
//! which finds those that are headers by the headers' names, so that a request is gone through
//! once. What does not: how a value is read (see [`surroundings`](crate::surroundings)).

use crate::attribute::{Attribute, AttributeId};
use crate::request::is_name;
use std::ops::Deref;

/// Every attribute that a plan may ask for, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes {
    list: Box<[Attribute]>,
    /// Open addressing with linear probing, at most a quarter full: the place of an attribute plus
    /// one, 0 where there is none. Its size is a power of two; empty where no header is asked for.
    by_name: Box<[u32]>,
    /// A bit for each length that a name in the table has: most headers of a request have another
    /// one and need not be looked for.
    lengths: u64,
}

/// Shorter names are not in the table.
const SHORTEST: usize = 4;

impl Attributes {
    /// The table of these attributes.
    #[must_use]
    pub fn new(list: impl Into<Box<[Attribute]>>) -> Self {
        let list = list.into();
        let names = || {
            list.iter()
                .zip(1_u32..)
                .filter_map(|(one, number)| match one {
                    Attribute::Header(name) if name.len() >= SHORTEST => Some((name, number)),
                    _ => None,
                })
        };
        let size = match names().count() {
            0 => 0,
            count => count.saturating_mul(4).next_power_of_two(),
        };
        let mut by_name = vec![0; size].into_boxed_slice();
        for (name, number) in names() {
            if let Some(home) = home(name.as_bytes(), size) {
                let (before, behind) = by_name.split_at_mut(home);
                let mut slots = behind.iter_mut().chain(before);
                if let Some(free) = slots.find(|slot| **slot == 0) {
                    *free = number;
                }
            }
        }
        let lengths = names().fold(0, |lengths, (name, _)| {
            lengths | length_bit(name.as_bytes())
        });
        Self {
            list,
            by_name,
            lengths,
        }
    }

    /// Whether a header is looked for by [`Attributes::header`].
    pub(crate) fn is_found(&self, attribute: &Attribute) -> bool {
        matches!(attribute, Attribute::Header(name) if name.len() >= SHORTEST)
    }

    /// The attribute that is the header of this name, in any case.
    #[inline]
    pub(crate) fn header(&self, name: &[u8]) -> Option<AttributeId> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        let mut slot = home(name, self.by_name.len())?;
        // A quarter full, so that this ends soon.
        loop {
            let number = *self.by_name.get(slot)?;
            let id = AttributeId(number.checked_sub(1)?);
            if let Some(Attribute::Header(other)) = self.list.get(id.index())
                && is_name(name, other.as_bytes())
            {
                return Some(id);
            }
            slot = slot.wrapping_add(1) & self.by_name.len().wrapping_sub(1);
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
fn length_bit(name: &[u8]) -> u64 {
    #[allow(clippy::cast_possible_truncation)] // Only the lowest six bits count.
    1_u64.wrapping_shl(name.len() as u32)
}

/// Where probing for a name starts in a table of `size`, the same for every case of its letters.
/// `None` for a short name and for an empty table.
#[inline]
fn home(name: &[u8], size: usize) -> Option<usize> {
    const CASE: u32 = 0x2020_2020;
    /// 2^32 over the golden ratio.
    const SPREAD: u32 = 0x9e37_79b9;
    let mask = size.checked_sub(1)?;
    let first = u32::from_le_bytes(*name.first_chunk()?) | CASE;
    let last = u32::from_le_bytes(*name.last_chunk()?) | CASE;
    let mixed = (first.rotate_left(9) ^ last).wrapping_mul(SPREAD);
    Some(mixed.wrapping_shr(16) as usize & mask)
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
            names in prop::collection::vec("[a-c-]{0,6}", 0..200), other in "[a-c-]{0,6}",
        ) {
            let attributes = headers(&names);
            for name in names.iter().chain([&other]) {
                let expected = Attribute::Header(name.as_str().into());
                let place = attributes.iter().position(|one| *one == expected);
                let place = place.filter(|_| name.len() >= SHORTEST);
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
