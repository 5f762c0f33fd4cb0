//! ClickHouse's format `RowBinary`: rows as they are sent and as they come back. Pure.

use crate::store::StoreError;

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A number, or a `FixedString`, as it lies in memory: see `to_le_bytes`.
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes.extend_from_slice(&bytes);
    }

    /// A `Bool`.
    pub fn flag(&mut self, flag: bool) {
        self.bytes.push(flag.into());
    }

    /// A `String`.
    pub fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A `Nullable(String)`.
    pub fn optional(&mut self, text: Option<&str>) {
        self.flag(text.is_none());
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// How many elements of an `Array` follow: a varint.
    pub fn length(&mut self, length: usize) {
        let mut rest = length;
        loop {
            let low = u8::try_from(rest & 0x7f).unwrap_or(0);
            rest >>= 7;
            if rest == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// All of it.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads values one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// All rows of an answer.
pub(super) fn rows<'a, T>(
    bytes: &'a [u8],
    mut row: impl FnMut(&mut Reader<'a>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut reader = Reader { rest: bytes };
    let mut rows = Vec::new();
    while !reader.rest.is_empty() {
        rows.push(row(&mut reader)?);
    }
    Ok(rows)
}

/// The only row of an answer.
pub(super) fn row<'a, T>(
    bytes: &'a [u8],
    row: impl FnMut(&mut Reader<'a>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    rows(bytes, row)?.pop().ok_or_else(cut_off)
}

fn cut_off() -> StoreError {
    StoreError::Database("an answer ends too early, or is none in RowBinary".to_owned())
}

impl<'a> Reader<'a> {
    /// A number, or a `FixedString`: see `from_le_bytes`.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// An `Int64`.
    pub fn i64(&mut self) -> Result<i64, StoreError> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }

    /// A `UInt64`.
    pub fn u64(&mut self) -> Result<u64, StoreError> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    /// An `Int32`.
    pub fn i32(&mut self) -> Result<i32, StoreError> {
        Ok(i32::from_le_bytes(self.fixed()?))
    }

    /// A `UInt32`.
    pub fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    /// A `Float64`.
    pub fn f64(&mut self) -> Result<f64, StoreError> {
        Ok(f64::from_le_bytes(self.fixed()?))
    }

    /// A `Bool`.
    pub fn flag(&mut self) -> Result<bool, StoreError> {
        let [flag] = self.fixed()?;
        Ok(flag != 0)
    }

    /// A `String`.
    pub fn text(&mut self) -> Result<String, StoreError> {
        let length = self.length()?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// A `Nullable(String)`.
    pub fn optional(&mut self) -> Result<Option<String>, StoreError> {
        match self.flag()? {
            true => Ok(None),
            false => self.text().map(Some),
        }
    }

    /// An `Array`.
    pub fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        // Not reserved at once: who says how many there are may be wrong.
        (0..self.length()?).map(|_| element(self)).collect()
    }

    fn length(&mut self) -> Result<usize, StoreError> {
        let mut length = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(length).map_err(|_| cut_off());
            }
        }
        Err(cut_off())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            texts in proptest::collection::vec(proptest::option::of(".{0,300}"), 0..9),
            number: i64,
            share: f64,
        ) {
            let mut writer = Writer::default();
            writer.length(texts.len());
            texts.iter().for_each(|it| writer.optional(it.as_deref()));
            writer.fixed(number.to_le_bytes());
            writer.fixed(share.to_le_bytes());
            let bytes = writer.finish();
            let read = row(&bytes, |it| Ok((it.array(Reader::optional)?, it.i64()?, it.f64()?.to_bits())));
            prop_assert_eq!(read.unwrap(), (texts, number, share.to_bits()));
        }

        #[test]
        fn what_is_cut_off_or_garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let read = rows(&bytes, |it| Ok((it.array(Reader::text)?, it.optional()?, it.u64()?)));
            if let Err(fault) = read {
                prop_assert!(fault.to_string().contains("ends too early"));
            }
        }
    }

    #[test]
    fn a_length_beyond_all_memory_takes_none() {
        let mut endless = vec![0xff; 9];
        endless.push(1);
        assert!(row(&endless, |it| it.array(Reader::u64)).is_err());
        assert!(row(&endless, Reader::text).is_err());
        assert!(row(&[0xff; 20], Reader::text).is_err());
        assert!(row(&[], Reader::u64).is_err());
    }
}
