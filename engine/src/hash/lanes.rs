//! One unit, hashed behind several salts side by side. What lives here: the part of MurmurHash3 that
//! depends on the unit alone, done once for all salts, and the rest for [`LANES`] salts at a time.
//! What does not: one hash on its own (see [`hash`](super)).
//!
//! A salt is absorbed already (see [`State`]). It leaves up to three bytes of an unfinished block,
//! which the unit's first bytes complete, so that the blocks behind lie at one of four places: where
//! they lie depends on the salt's length, what is in them on the unit. Scrambling them is half of
//! the work. The other half is a chain of steps of which each waits for the one before; several
//! chains side by side keep a processor busy, and the compiler can put them into one register.

use super::{BLOCK, State, bits, finalised, low, scramble, stir};

/// How many hashes are computed side by side.
pub(crate) const LANES: usize = 4;

/// The longest unit that is hashed side by side, in bytes.
const LONGEST: usize = 64;

/// The ways in which a block can begin inside a unit.
const ALIGNMENTS: usize = BLOCK as usize;

/// Something for each of the hashes that are computed side by side.
pub(crate) type Lanes<T> = [T; LANES];

/// Hashes that have absorbed their salts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct States {
    mixed: Lanes<u32>,
    pending: Lanes<u32>,
    length: Lanes<u32>,
}

impl From<Lanes<State>> for States {
    #[inline]
    fn from(states: Lanes<State>) -> Self {
        Self {
            mixed: states.map(|state| state.mixed),
            pending: states.map(|state| state.pending),
            length: states.map(|state| state.length),
        }
    }
}

/// A unit's blocks behind a salt of any length: something for each length modulo four.
type Aligned = [u32; ALIGNMENTS];

/// The part of the hash that depends on the unit alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// The first bytes, at their places in the block that the salt began.
    first: Aligned,
    /// The whole blocks behind, scrambled.
    whole: [Aligned; LONGEST / BLOCK as usize],
    /// How many there are whatever the alignment; some alignments have one more.
    count: usize,
    /// What is left behind the whole blocks, scrambled.
    left: Aligned,
    /// The unit's length in bytes.
    length: u32,
}

impl Blocks {
    /// `None` where the unit is not worth it: shorter than a block, or longer than [`LONGEST`].
    pub(crate) fn new(unit: &[u8]) -> Option<Self> {
        if unit.len() > LONGEST {
            return None;
        }
        let (first, last) = (unit.first_chunk()?, unit.last_chunk()?);
        let first = u32::from_le_bytes(*first);
        let last = u64::from(u32::from_le_bytes(*last));
        let length = low(unit.len() as u64);
        let mut blocks = Self {
            first: [0, 8, 16, 24].map(|shift| first.wrapping_shl(shift)),
            whole: [[0; ALIGNMENTS]; LONGEST / BLOCK as usize],
            count: (unit.len() / ALIGNMENTS).wrapping_sub(1),
            // The first four bytes of the salt's and the unit's end that are no whole block.
            left: [0, 1, 2, 3].map(|salt: u32| {
                let left = last.wrapping_shl(bits(salt.wrapping_add(length)));
                scramble(low(left.wrapping_shr(32)))
            }),
            length,
        };
        for alignment in 0..ALIGNMENTS {
            let missing = ALIGNMENTS.wrapping_sub(alignment);
            let (whole, _) = unit.get(missing..)?.as_chunks();
            for (row, block) in blocks.whole.iter_mut().zip(whole) {
                if let Some(place) = row.get_mut(alignment) {
                    *place = scramble(u32::from_le_bytes(*block));
                }
            }
        }
        Some(blocks)
    }

    /// The hashes of what each state has absorbed and of the unit.
    #[inline(always)]
    pub(crate) fn finish(&self, states: &States) -> Lanes<u32> {
        let alignments = states.length.map(|length| length % BLOCK);
        let of = |row: &Aligned| {
            alignments.map(|alignment| row.get(alignment as usize).copied().unwrap_or_default())
        };
        let first = each(of(&self.first), states.pending, |unit, salt| {
            scramble(unit | salt)
        });
        let mut mixed = each(states.mixed, first, stir);
        let (whole, more) = self.whole.split_at_checked(self.count).unwrap_or_default();
        for row in whole {
            mixed = each(mixed, of(row), stir);
        }
        let beyond = self.length % BLOCK;
        if beyond > 0
            && let Some(row) = more.first()
        {
            let longer = each(mixed, of(row), |mixed, block| (mixed, stir(mixed, block)));
            mixed = each(alignments, longer, |alignment, (as_is, longer)| {
                let is_longer = alignment.wrapping_add(beyond) >= BLOCK;
                if is_longer { longer } else { as_is }
            });
        }
        let mixed = each(mixed, of(&self.left), |mixed, left| mixed ^ left);
        each(mixed, states.length, |mixed, salt| {
            finalised(mixed, salt.wrapping_add(self.length))
        })
    }
}

/// What `act` makes of both in each lane.
#[inline(always)]
pub(crate) fn each<A: Copy, B: Copy, C>(
    [a, b, c, d]: Lanes<A>,
    [e, f, g, h]: Lanes<B>,
    act: impl Fn(A, B) -> C,
) -> Lanes<C> {
    [act(a, e), act(b, f), act(c, g), act(d, h)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agree(salts: &Lanes<Vec<u8>>, unit: &[u8]) {
        let states = salts.each_ref().map(|salt| State::new(0).absorb(salt));
        let blocks = Blocks::new(unit).unwrap();
        let alone = states.map(|state| state.finish_with(unit));
        assert_eq!(blocks.finish(&states.into()), alone, "{salts:?} {unit:?}");
    }

    #[test]
    fn units_of_any_length_and_salts_of_any_alignment_hash_as_they_do_alone() {
        let text: Vec<u8> = (1..=u8::MAX).collect();
        for length in 4..=LONGEST {
            for start in 0..ALIGNMENTS {
                let salts = [0, 1, 2, 3].map(|more| text[..start + more].to_vec());
                agree(&salts, &text[start..start + length]);
            }
        }
    }

    #[test]
    fn units_that_are_not_worth_it_are_left_to_the_hash_alone() {
        for length in [0, 1, 3, LONGEST + 1, 256] {
            assert!(Blocks::new(&vec![b'a'; length]).is_none(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn hashes_side_by_side_are_those_of_the_murmur3_crate(
            salts in prop::array::uniform4(prop::collection::vec(any::<u8>(), 0..40)),
            unit in prop::collection::vec(any::<u8>(), 4..=LONGEST), seed: u32,
        ) {
            let states = salts.each_ref().map(|salt| State::new(seed).absorb(salt));
            let reference = salts.map(|salt| {
                let mut text = std::io::Cursor::new([salt, unit.clone()].concat());
                murmur3::murmur3_32(&mut text, seed).unwrap()
            });
            prop_assert_eq!(Blocks::new(&unit).unwrap().finish(&states.into()), reference);
        }
    }
}
