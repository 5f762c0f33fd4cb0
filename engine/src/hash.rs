//! Hashes. What lives here: MurmurHash3 x86_32 in a form that can be interrupted, and FNV-1a; in
//! `lanes`, several hashes of one unit side by side. What does not: what is hashed and what becomes of
//! the result (see [`bucketer`](crate::bucketer)).
//!
//! Sources: Austin Appleby's SMHasher, `MurmurHash3.cpp`, public domain; Fowler, Noll and Vo,
//! "The FNV Non-Cryptographic Hash Algorithm", RFC 9923.

pub(crate) mod lanes;

/// 2^64 over the golden ratio, odd: spreads numbers that lie close together.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const BLOCK: u32 = 4;

/// The length of a UUID as text.
const UUID_BYTES: usize = 36;

/// What each block adds to the state.
const STEP: u32 = 0xe654_6b64;

/// MurmurHash3 x86_32 of `bytes`.
#[must_use]
pub fn murmur3_x86_32(bytes: &[u8], seed: u32) -> u32 {
    State::new(seed).finish_with(bytes)
}

/// MurmurHash3 x86_32 of `bytes` with ASCII letters in lower case.
#[must_use]
pub(crate) fn murmur3_x86_32_lowercase(bytes: &[u8], seed: u32) -> u32 {
    const PIECE: usize = 64;
    let mut state = State::new(seed);
    for piece in bytes.chunks(PIECE) {
        let mut lower = [0; PIECE];
        if let Some(lower) = lower.get_mut(..piece.len()) {
            lower.copy_from_slice(piece);
            lower.make_ascii_lowercase();
            state = state.absorb(lower);
        }
    }
    state.finish()
}

/// A hash that has absorbed some bytes: whole blocks are mixed in, the up to three bytes of an
/// unfinished block wait in `pending`, lowest byte first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct State {
    mixed: u32,
    pending: u32,
    length: u32,
}

impl State {
    pub(crate) const fn new(seed: u32) -> Self {
        Self {
            mixed: seed,
            pending: 0,
            length: 0,
        }
    }

    #[inline]
    pub(crate) fn absorb(self, bytes: &[u8]) -> Self {
        let shift = bits(self.length);
        let (blocks, rest) = bytes.as_chunks::<4>();
        let mut mixed = self.mixed;
        let mut pending = u64::from(self.pending);
        for block in blocks {
            pending |= u64::from(u32::from_le_bytes(*block)).wrapping_shl(shift);
            mixed = mix(mixed, low(pending));
            pending = pending.wrapping_shr(32);
        }
        let tail = rest
            .iter()
            .rev()
            .fold(0_u64, |tail, byte| tail.wrapping_shl(8) | u64::from(*byte));
        pending |= tail.wrapping_shl(shift);
        let rest_length = low(rest.len() as u64);
        if (self.length % BLOCK).wrapping_add(rest_length) >= BLOCK {
            mixed = mix(mixed, low(pending));
            pending = pending.wrapping_shr(32);
        }
        Self {
            mixed,
            pending: low(pending),
            length: self.length.wrapping_add(low(bytes.len() as u64)),
        }
    }

    pub(crate) fn finish(self) -> u32 {
        finalised(self.mixed ^ scramble(self.pending), self.length)
    }

    /// The hash of what was absorbed and of `bytes`: the short way for a unit. Its first bytes
    /// complete the block that the salt began; the other blocks lie in it as they are, and what is
    /// left over is the end of its last four bytes.
    #[inline(always)]
    pub(crate) fn finish_with(self, bytes: &[u8]) -> u32 {
        if let Ok(uuid) = bytes.try_into() {
            return self.finish_with_uuid(uuid);
        }
        self.finish_with_any(bytes)
    }

    /// As [`State::finish_with`] for the most usual unit of all: its length is known, and with it how
    /// many blocks there are and that what is left over is as long as what the salt left over.
    #[inline(always)]
    fn finish_with_uuid(self, uuid: &[u8; UUID_BYTES]) -> u32 {
        const WHOLE: usize = UUID_BYTES - BLOCK as usize;
        let over = self.length % BLOCK;
        let (Some(first), Some(last)) = (uuid.first_chunk(), uuid.last_chunk()) else {
            return 0;
        };
        let first = u32::from_le_bytes(*first).wrapping_shl(bits(over)) | self.pending;
        let mixed = mix(self.mixed, first);
        let missing = BLOCK.wrapping_sub(over) as usize;
        let whole = uuid.get(missing..missing.wrapping_add(WHOLE));
        let mixed = mix_all(mixed, whole.unwrap_or_default());
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(bits(over));
        let length = self.length.wrapping_add(low(UUID_BYTES as u64));
        finalised(mixed ^ scramble(low(last.wrapping_shr(32))), length)
    }

    /// As [`State::finish_with`].
    #[inline]
    fn finish_with_any(self, bytes: &[u8]) -> u32 {
        let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
            return self.absorb(bytes).finish();
        };
        let first = u32::from_le_bytes(*first).wrapping_shl(bits(self.length)) | self.pending;
        let mut mixed = mix(self.mixed, first);
        let missing = BLOCK.wrapping_sub(self.length % BLOCK) as usize;
        let rest = bytes.get(missing..).unwrap_or_default();
        // Four blocks a turn, then two, then one: few turns.
        let (fours, rest) = rest.as_chunks::<16>();
        for four in fours {
            mixed = mix_all(mixed, four);
        }
        let rest = match rest.split_first_chunk::<8>() {
            Some((two, rest)) => {
                mixed = mix_all(mixed, two);
                rest
            }
            None => rest,
        };
        let left = match rest.split_first_chunk::<4>() {
            Some((one, left)) => {
                mixed = mix_all(mixed, one);
                left
            }
            None => rest,
        };
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(bits(low(left.len() as u64)));
        let length = self.length.wrapping_add(low(bytes.len() as u64));
        finalised(mixed ^ scramble(low(last.wrapping_shr(32))), length)
    }
}

/// What is left to do when every block is mixed in, and what is left over is scrambled and added.
/// With nothing left over that is scramble(0) = 0, as the reference does by skipping it.
#[inline]
const fn finalised(mixed: u32, length: u32) -> u32 {
    let mut hash = mixed ^ length;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// FNV-1a with 32 bits of `bytes`, going on from `state`.
#[must_use]
pub(crate) fn fnv1a_32(state: u32, bytes: &[u8]) -> u32 {
    const PRIME: u32 = 0x0100_0193;
    bytes.iter().fold(state, |state, byte| {
        (state ^ u32::from(*byte)).wrapping_mul(PRIME)
    })
}

/// Where FNV-1a with 32 bits starts.
pub(crate) const FNV1A_32_START: u32 = 0x811c_9dc5;

/// How many bits of the current block are filled.
const fn bits(length: u32) -> u32 {
    (length % BLOCK).wrapping_mul(8)
}

/// The lower half; the hash is defined over 32-bit words and a 32-bit length.
#[allow(clippy::cast_possible_truncation)]
const fn low(wide: u64) -> u32 {
    wide as u32
}

const fn scramble(block: u32) -> u32 {
    block
        .wrapping_mul(0xcc9e_2d51)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593)
}

const fn mix(state: u32, block: u32) -> u32 {
    stir(state, scramble(block))
}

/// Mixes in as many blocks as there are bytes for.
#[inline(always)]
fn mix_all(state: u32, bytes: &[u8]) -> u32 {
    let (blocks, _) = bytes.as_chunks();
    let blocks = blocks.iter().map(|block| u32::from_le_bytes(*block));
    blocks.fold(state, mix)
}

/// What a scrambled block does to the state.
const fn stir(state: u32, scrambled: u32) -> u32 {
    (state ^ scrambled)
        .rotate_left(13)
        .wrapping_mul(5)
        .wrapping_add(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// SMHasher's `VerificationTest` (KeysetTest.cpp): hash the keys {}, {0}, {0,1}, … with seed
    /// 256 - length, then hash all 256 results with seed 0.
    #[test]
    fn the_verification_value_of_the_reference_implementation_comes_out() {
        let key: Vec<u8> = (0..=255).collect();
        let hashes: Vec<u8> = (0..256_usize)
            .flat_map(|length| {
                let seed = 256 - u32::try_from(length).unwrap();
                murmur3_x86_32(&key[..length], seed).to_le_bytes()
            })
            .collect();
        assert_eq!(murmur3_x86_32(&hashes, 0), 0xB0F5_7EE3);
    }

    /// Published with the descriptions of the algorithm.
    #[test]
    fn published_vectors_come_out() {
        let vectors: [(&[u8], u32, u32); 12] = [
            (b"", 0, 0),
            (b"", 1, 0x514E_28B7),
            (b"", 0xFFFF_FFFF, 0x81F1_6F39),
            (&[0xFF; 4], 0, 0x7629_3B50),
            (&[0x21, 0x43, 0x65, 0x87], 0, 0xF55B_516B),
            (&[0x21, 0x43, 0x65, 0x87], 0x5082_EDEE, 0x2362_F9DE),
            (&[0x21, 0x43, 0x65], 0, 0x7E4A_8634),
            (&[0x21, 0x43], 0, 0xA0F7_B07A),
            (&[0x21], 0, 0x7266_1CF4),
            (&[0; 4], 0, 0x2362_F9DE),
            (b"Hello, world!", 0x9747_B28C, 0x2488_4CBA),
            (
                b"The quick brown fox jumps over the lazy dog",
                0x9747_B28C,
                0x2FA8_26CD,
            ),
        ];
        for (bytes, seed, expected) in vectors {
            assert_eq!(murmur3_x86_32(bytes, seed), expected, "{bytes:?}, {seed}");
        }
    }

    /// The test vectors of the `murmur3` crate.
    #[test]
    fn vectors_of_the_murmur3_crate_come_out() {
        let vectors: [(&[u8], u32); 6] = [
            (b"test", 0xba6b_d213),
            (b"Hello, world!", 0xc036_3e43),
            (b"The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
            (b"a", 0x3c25_69b2),
            (b"ab", 0x9bbf_d75f),
            (b"abc", 0xb3dd_93fa),
        ];
        for (bytes, expected) in vectors {
            assert_eq!(murmur3_x86_32(bytes, 0), expected);
            assert_eq!(
                murmur3::murmur3_32(&mut Cursor::new(bytes), 0).unwrap(),
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn the_murmur3_crate_agrees(bytes in prop::collection::vec(any::<u8>(), 0..300), seed: u32) {
            let reference = murmur3::murmur3_32(&mut Cursor::new(&bytes), seed).unwrap();
            prop_assert_eq!(murmur3_x86_32(&bytes, seed), reference);
        }

        #[test]
        fn bytes_absorbed_in_pieces_change_nothing(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6), seed: u32,
        ) {
            let state = pieces.iter().fold(State::new(seed), |state, piece| state.absorb(piece));
            prop_assert_eq!(state.finish(), murmur3_x86_32(&pieces.concat(), seed));
            let last = pieces.last().map_or(&[][..], Vec::as_slice);
            let before = pieces.iter().take(pieces.len().saturating_sub(1));
            let state = before.fold(State::new(seed), |state, piece| state.absorb(piece));
            prop_assert_eq!(state.finish_with(last), murmur3_x86_32(&pieces.concat(), seed));
        }

        #[test]
        fn a_uuid_behind_any_salt_is_hashed_like_any_other_text(
            salt in prop::collection::vec(any::<u8>(), 0..9), unit in prop::collection::vec(any::<u8>(), UUID_BYTES), seed: u32,
        ) {
            let state = State::new(seed).absorb(&salt);
            let reference = murmur3::murmur3_32(&mut Cursor::new([&salt[..], &unit].concat()), seed).unwrap();
            prop_assert_eq!(state.finish_with(&unit), reference);
            prop_assert_eq!(state.finish_with_any(&unit), reference);
        }

        #[test]
        fn the_hash_in_lower_case_is_that_of_the_lower_case(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let lower = bytes.to_ascii_lowercase();
            prop_assert_eq!(murmur3_x86_32_lowercase(&bytes, 1), murmur3_x86_32(&lower, 1));
        }
    }

    /// RFC 9923, appendix C.
    #[test]
    fn published_vectors_of_fnv_come_out() {
        assert_eq!(fnv1a_32(FNV1A_32_START, b""), 0x811c_9dc5);
        assert_eq!(fnv1a_32(FNV1A_32_START, b"a"), 0xe40c_292c);
        assert_eq!(fnv1a_32(FNV1A_32_START, b"foobar"), 0xbf9c_f968);
    }
}
