//! The header map as proxy-wasm serialises it: a count, then for each header the lengths of name
//! and value, then names and values, each with a zero byte behind it. All numbers are 32-bit and
//! little-endian. What does not live here: any meaning of a header.

use crate::host::HostError;

/// Status code for bytes that can't be what they should be (`WasmResult::ParseFailure`).
const PARSE_FAILURE: u32 = 4;

/// Name and value of one header, as they lie in the buffer.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The serialised headers of one request.
#[derive(Clone, Debug, Default)]
pub struct HeaderMap(Vec<u8>);

impl HeaderMap {
    /// Takes what the host has written; it is looked at in [`HeaderMap::pairs`].
    #[must_use]
    pub fn new(serialised: Vec<u8>) -> Self {
        Self(serialised)
    }

    /// The headers in order.
    ///
    /// # Errors
    /// [`HostError`] where the buffer is no serialised map.
    pub fn pairs(&self) -> Result<Vec<Pair<'_>>, HostError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        parse(&self.0).ok_or(HostError {
            call: "get_header_map_pairs",
            status: PARSE_FAILURE,
        })
    }
}

fn parse(buffer: &[u8]) -> Option<Vec<Pair<'_>>> {
    let (count, rest) = number(buffer)?;
    // A false count must not become a large allocation.
    let (lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut pairs = Vec::with_capacity(count);
    for pair in lengths.chunks_exact(8) {
        let (name_length, value_length) = number(pair)?;
        let (value_length, _) = number(value_length)?;
        let (name, after) = text(texts, name_length)?;
        let (value, after) = text(after, value_length)?;
        pairs.push((name, value));
        texts = after;
    }
    Some(pairs)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

/// `length` bytes and, behind their zero byte, the rest.
fn text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    match rest.split_first()? {
        (0, rest) => Some((text, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::serialise;
    use proptest::prelude::*;

    #[test]
    fn no_bytes_are_no_headers() {
        assert!(HeaderMap::default().pairs().unwrap().is_empty());
    }

    #[test]
    fn a_count_beyond_the_buffer_is_refused() {
        let map = HeaderMap::new(vec![0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        let fault = map.pairs().unwrap_err();
        assert_eq!(
            fault.to_string(),
            "host call get_header_map_pairs answered with status 4"
        );
    }

    fn any_pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40);
        prop::collection::vec((bytes(), bytes()), 0..20)
    }

    proptest! {
        #[test]
        fn what_the_host_serialises_comes_back(pairs in any_pairs()) {
            let map = HeaderMap::new(serialise(&pairs));
            let read: Vec<_> = map.pairs().unwrap();
            let written: Vec<_> = pairs.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn any_bytes_are_a_map_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = HeaderMap::new(bytes).pairs();
        }

        #[test]
        fn a_map_cut_short_is_refused(pairs in any_pairs(), keep in 0.0..1.0_f64) {
            let whole = serialise(&pairs);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let cut = (whole.len() as f64 * keep) as usize;
            if cut > 0 && cut < whole.len() {
                prop_assert!(HeaderMap::new(whole[..cut].to_vec()).pairs().is_err());
            }
        }
    }
}
