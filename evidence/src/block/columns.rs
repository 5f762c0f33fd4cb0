//! The message inside a block. A column that is shorter than the block was not there when the block was
//! written, or is zero throughout.

use prost::Message;

/// The columns.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Columns {
    #[prost(uint32, tag = "1")]
    pub rows: u32,
    /// What `times` count from.
    #[prost(sint64, tag = "2")]
    pub base: i64,
    #[prost(sint64, repeated, tag = "3")]
    pub times: Vec<i64>,
    /// Text `i` has number `i + 1`.
    #[prost(string, repeated, tag = "4")]
    pub texts: Vec<String>,
    /// 16 bytes a row.
    #[prost(bytes = "vec", tag = "5")]
    pub units: Vec<u8>,
    #[prost(message, repeated, tag = "6")]
    pub plain: Vec<OddText>,
    #[prost(uint32, repeated, tag = "7")]
    pub variants: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    pub served: Vec<u32>,
    #[prost(uint32, repeated, tag = "9")]
    pub unit_types: Vec<u32>,
    #[prost(uint32, repeated, tag = "10")]
    pub services: Vec<u32>,
    #[prost(uint32, repeated, tag = "11")]
    pub config_versions: Vec<u32>,
    #[prost(uint32, repeated, tag = "12")]
    pub proxies: Vec<u32>,
    #[prost(uint32, repeated, tag = "13")]
    pub upstream_clusters: Vec<u32>,
    #[prost(uint32, repeated, tag = "14")]
    pub upstream_hosts: Vec<u32>,
    #[prost(uint32, repeated, tag = "15")]
    pub mirrors: Vec<u32>,
    #[prost(message, required, tag = "16")]
    pub request_ids: Ids,
    #[prost(message, required, tag = "17")]
    pub trace_ids: Ids,
    #[prost(uint32, repeated, tag = "18")]
    pub reasons: Vec<u32>,
    #[prost(uint32, repeated, tag = "19")]
    pub bits: Vec<u32>,
    #[prost(uint32, repeated, tag = "20")]
    pub flags: Vec<u32>,
    #[prost(uint32, repeated, tag = "21")]
    pub statuses: Vec<u32>,
    #[prost(uint32, repeated, tag = "22")]
    pub attempts: Vec<u32>,
    #[prost(uint64, repeated, tag = "23")]
    pub durations: Vec<u64>,
    #[prost(uint64, repeated, tag = "24")]
    pub ttfbs: Vec<u64>,
    #[prost(uint64, repeated, tag = "25")]
    pub ttlbs: Vec<u64>,
    #[prost(uint64, repeated, tag = "26")]
    pub bytes_in: Vec<u64>,
    #[prost(uint64, repeated, tag = "27")]
    pub bytes_out: Vec<u64>,
    /// None where all are 0.
    #[prost(double, repeated, tag = "28")]
    pub probabilities: Vec<f64>,
    #[prost(uint32, repeated, tag = "29")]
    pub value_rows: Vec<u32>,
    #[prost(uint32, repeated, tag = "30")]
    pub value_metrics: Vec<u32>,
    #[prost(double, repeated, tag = "31")]
    pub values: Vec<f64>,
}

/// A text of a row.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OddText {
    #[prost(uint32, tag = "1")]
    row: u32,
    #[prost(bytes = "vec", tag = "2")]
    text: Vec<u8>,
}

impl OddText {
    pub(super) fn row(&self) -> usize {
        usize::try_from(self.row).unwrap_or(usize::MAX)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

impl From<(u32, &[u8])> for OddText {
    fn from((row, text): (u32, &[u8])) -> Self {
        Self {
            row,
            text: text.to_vec(),
        }
    }
}

/// Identifiers: those of 32 lower-case hexadecimal digits (a trace) or of a UUID's form take 16 bytes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Ids {
    /// In order, those of rows that are not odd.
    #[prost(bytes = "vec", tag = "1")]
    regular: Vec<u8>,
    /// Rows whose identifier has another form, or that have none.
    #[prost(message, repeated, tag = "2")]
    odd: Vec<OddText>,
    /// Whether the regular ones have a UUID's hyphens; the first decides, and others are odd.
    #[prost(bool, optional, tag = "3")]
    hyphens: Option<bool>,
    /// So many rows at the end of what was written have none at all.
    #[prost(uint32, tag = "4")]
    all_empty: u32,
}

impl Ids {
    pub(super) fn push(&mut self, row: u32, text: &str) {
        // Where no row has one, nothing is written but how many there are.
        if text.is_empty() && self.all_empty == row {
            self.all_empty = row.saturating_add(1);
            return;
        }
        match regular(text) {
            Some((bytes, hyphens)) if *self.hyphens.get_or_insert(hyphens) == hyphens => {
                self.regular.extend_from_slice(&bytes);
            }
            _ => self.odd.push((row, text.as_bytes()).into()),
        }
    }

    pub(super) fn reader(&self) -> IdReader<'_> {
        let (regular, _) = self.regular.as_chunks::<16>();
        IdReader {
            regular: regular.iter(),
            odd: self.odd.iter().peekable(),
            hyphens: self.hyphens.unwrap_or(false),
            all_empty: usize::try_from(self.all_empty).unwrap_or(usize::MAX),
        }
    }
}

/// Reads identifiers row by row.
pub(super) struct IdReader<'a> {
    regular: std::slice::Iter<'a, [u8; 16]>,
    odd: std::iter::Peekable<std::slice::Iter<'a, OddText>>,
    hyphens: bool,
    all_empty: usize,
}

impl IdReader<'_> {
    /// Of the next row, which is `row`.
    pub(super) fn text(&mut self, row: usize) -> String {
        if row < self.all_empty {
            return String::new();
        }
        if let Some(odd) = self.odd.next_if(|it| it.row() == row) {
            return odd.text();
        }
        let Some(bytes) = self.regular.next() else {
            return String::new();
        };
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if self.hyphens && HYPHENS.contains(&index) {
                text.push('-');
            }
            text.extend(
                [byte >> 4, byte & 15].map(|it| char::from_digit(it.into(), 16).unwrap_or('0')),
            );
        }
        text
    }
}

/// The bytes of a UUID that a hyphen comes before.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

fn regular(text: &str) -> Option<([u8; 16], bool)> {
    let hyphens = match text.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut digits = text.bytes();
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        if hyphens && HYPHENS.contains(&index) && digits.next() != Some(b'-') {
            return None;
        }
        *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
    }
    Some((bytes, hyphens))
}

fn digit(text: u8) -> Option<u8> {
    match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        _ => None,
    }
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(0)
    }

    /// Whether what a row cannot do without is there for each.
    pub(super) fn is_even(&self) -> bool {
        let rows = self.len();
        self.units.len() == rows.saturating_mul(16)
            && [self.variants.len(), self.times.len(), self.bits.len()] == [rows; 3]
    }

    pub(super) fn text(&self, number: u32) -> &str {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let text = index.checked_sub(1).and_then(|it| self.texts.get(it));
        text.map_or("", String::as_str)
    }

    /// In the order of the fields from `variants` on.
    pub(super) fn push_numbered(&mut self, numbers: [u32; 8], mirror: u32) {
        let columns = [
            &mut self.variants,
            &mut self.served,
            &mut self.unit_types,
            &mut self.services,
            &mut self.config_versions,
            &mut self.proxies,
            &mut self.upstream_clusters,
            &mut self.upstream_hosts,
        ];
        for (column, number) in columns.into_iter().zip(numbers) {
            column.push(number);
        }
        self.mirrors.push(mirror);
    }

    pub(super) fn push_probability(&mut self, probability: f64) {
        if probability == 0.0 && self.probabilities.is_empty() {
            return;
        }
        let before = self.len();
        self.probabilities.resize(before, 0.0);
        self.probabilities.push(probability);
    }
}

/// The number in a row of a column.
pub(super) fn at<T: Copy + Default>(column: &[T], row: usize) -> T {
    column.get(row).copied().unwrap_or_default()
}

/// The same for times.
pub(super) fn number_at(column: &[i64], row: usize) -> i64 {
    at(column, row)
}
