//! Short texts as numbers: most values that rules name have at most seven bytes, and comparing one
//! number is a call to `memcmp` less.

/// A text with the number that it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text {
    head: u64,
    bytes: Box<[u8]>,
}

impl Text {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            head: head(bytes),
            bytes: bytes.into(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the text with this head is this text; `None` where heads don't tell.
    #[inline]
    pub(super) fn is_quickly(&self, head: Option<u64>) -> Option<bool> {
        match head {
            None => Some(false),
            Some(LONG) if self.head == LONG => None,
            Some(head) => Some(head == self.head),
        }
    }
}

/// The number of every text that is longer than seven bytes.
pub(super) const LONG: u64 = u64::MAX;

/// A number of its own for each text of up to seven bytes: the bytes, and in the highest place the
/// length. All longer texts have one number.
#[inline]
#[must_use]
pub fn head(bytes: &[u8]) -> u64 {
    let packed = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The last four bytes overlap with the first four and are shifted to their places.
        let Some(places) = [0, 8, 16, 24].get(bytes.len().wrapping_sub(4)) else {
            return LONG;
        };
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(*places);
        u64::from(u32::from_le_bytes(*first)) | last
    } else {
        match *bytes {
            [one] => one.into(),
            [one, two] => u16::from_le_bytes([one, two]).into(),
            [one, two, three] => u32::from_le_bytes([one, two, three, 0]).into(),
            _ => 0,
        }
    };
    packed | (bytes.len() as u64).wrapping_shl(56)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_tell_short_texts_apart(
            text in prop::collection::vec(0..3_u8, 0..12), value in prop::collection::vec(0..3_u8, 0..12),
            at: prop::sample::Index, other: u8,
        ) {
            let expected = Text::new(&text);
            let is = |value: &[u8]| expected.is_quickly(Some(head(value)));
            prop_assert!(is(&text) != Some(false));
            prop_assert!(is(&value).is_none_or(|is| is == (text == value)));
            prop_assert_eq!(is(&text).is_none(), text.len() > 7);
            prop_assert_eq!(expected.is_quickly(None), Some(false));
            if !text.is_empty() {
                let mut changed = text.clone();
                changed[at.index(text.len())] = other;
                prop_assert!(is(&changed).is_none_or(|is| is == (text == changed)));
            }
        }
    }
}
