//! One unit behind many salts. What lives here: the part of MurmurHash3 x86_32 that depends on the unit
//! alone, done once. What does not: the hash of one salt (see [`hash`](crate::hash)), which this
//! agrees with.
//!
//! What a block of the unit does to the hash depends on the salt only by how the two are aligned. So
//! the blocks are cut and scrambled once for each alignment, and each salt only stirs them in. That
//! takes about as many instructions as hashing several salts side by side in vectors does, once
//! their states are brought together and apart again.

use crate::bucketer::{Bucketer, of_ten_thousand};
use crate::hash::{State, finalised, mix, scramble, stir};

/// Units of up to so many blocks are kept: a UUID has nine.
const BLOCKS: usize = 16;

/// The streams of the unit that was hashed last, by the alignment of the salt.
#[derive(Clone, Copy, Default)]
pub(crate) struct Streams([Option<Stream>; 4]);

/// A unit as the hash sees it behind a salt of one alignment.
#[derive(Clone, Copy)]
struct Stream {
    /// The unit's first word, moved to its place behind the salt's last bytes.
    first: u32,
    /// The whole blocks that follow, scrambled.
    blocks: [u32; BLOCKS],
    count: usize,
    /// The bytes that are left.
    tail: u32,
    length: u32,
}

impl Streams {
    /// The bucket of `unit`, which is the same one until the streams are made anew.
    #[inline]
    pub(crate) fn bucket(&mut self, bucketer: &Bucketer, unit: &[u8]) -> u16 {
        match bucketer.ours().and_then(|state| self.hash(state, unit)) {
            Some(hash) => of_ten_thousand(hash),
            None => bucketer.bucket(unit),
        }
    }

    /// `None` for a unit that is too short or too long.
    #[inline]
    fn hash(&mut self, state: State, unit: &[u8]) -> Option<u32> {
        let filled = state.filled();
        let slot = self.0.get_mut(filled)?;
        if slot.is_none() {
            *slot = Stream::new(unit, filled);
        }
        slot.as_ref().map(|stream| stream.hash(state))
    }
}

impl Stream {
    #[inline(never)]
    fn new(unit: &[u8], filled: usize) -> Option<Self> {
        let (first, rest) = if filled == 0 {
            (0, unit)
        } else {
            let word = u32::from_le_bytes(*unit.first_chunk()?);
            let missing = 4_usize.checked_sub(filled)?;
            let bits = u32::try_from(filled).ok()?.wrapping_mul(8);
            (word.wrapping_shl(bits), unit.get(missing..)?)
        };
        let (words, tail) = rest.as_chunks::<4>();
        let mut blocks = [0; BLOCKS];
        for (block, word) in blocks.get_mut(..words.len())?.iter_mut().zip(words) {
            *block = scramble(u32::from_le_bytes(*word));
        }
        Some(Self {
            first,
            blocks,
            count: words.len(),
            tail: crate::hash::tail(tail),
            length: u32::try_from(unit.len()).ok()?,
        })
    }

    #[inline]
    fn hash(&self, state: State) -> u32 {
        // The block that the salt began.
        let mut mixed = if state.filled() == 0 {
            state.mixed
        } else {
            mix(state.mixed, self.first | state.pending)
        };
        for block in self.blocks.get(..self.count).unwrap_or_default() {
            mixed = stir(mixed, *block);
        }
        let length = state.length.wrapping_add(self.length);
        finalised(mixed, self.tail, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_salt_has_its_hash(
            salts in prop::collection::vec("[a-z]{0,12}", 0..20), unit in prop::collection::vec(any::<u8>(), 0..90),
        ) {
            let mut streams = Streams::default();
            for salt in &salts {
                let bucketer = Bucketer::new(salt);
                prop_assert_eq!(streams.bucket(&bucketer, &unit), bucketer.bucket(&unit));
            }
        }
    }
}
