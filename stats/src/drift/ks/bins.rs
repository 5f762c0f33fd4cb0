//! Values as whole numbers of the same order, and bins over them that are about equally full. What is done with the
//! counts lives in the file above.

/// Cells that the range of the values is cut into first, by the leading bits of their keys.
const CELLS: usize = 1 << 14;
/// Bins that are dealt out over the cells, in proportion to a sample.
const BINS: u64 = 1 << 15;
/// Every so many values one is in that sample, at the most.
const SAMPLE: usize = 1 << 15;
/// A value as a whole number of the same order; both zeros are one.
#[inline]
pub(super) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    // All bits of a negative value, the sign of a positive one; without a branch that no one can predict.
    bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | 1 << 63)
}

/// The value of a key.
fn value(key: u64) -> f64 {
    let flip = if key >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(key ^ flip)
}

pub(super) fn keys(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| key(*value)).collect()
}

/// A monotone map from keys to bins that are about equally full. What is beyond the sample that they were
/// dealt out by is in the first or the last.
pub(super) struct Bins {
    low: u64,
    high: u64,
    /// Keys are moved up so that the range fills all bits.
    up: u32,
    /// Per cell its first bin and how many it has.
    cells: Vec<(u32, u32)>,
    pub(super) count: usize,
}

const CELL_BITS: u32 = CELLS.trailing_zeros();

impl Bins {
    pub(super) fn dealt(a: &[f64], b: &[f64]) -> Self {
        let stride = ((a.len() + b.len()) / SAMPLE).max(1);
        let sample: Vec<f64> = a
            .iter()
            .step_by(stride)
            .chain(b.iter().step_by(stride))
            .copied()
            .collect();
        let (low, high) = sample.iter().fold((u64::MAX, 0), |(low, high), value| {
            let key = key(*value);
            (low.min(key), high.max(key))
        });
        let up = high.saturating_sub(low).leading_zeros().min(63);
        let mut bins = Self {
            low,
            high,
            up,
            cells: vec![(0, 0); CELLS],
            count: 0,
        };
        for value in &sample {
            let (cell, _) = bins.cell(*value);
            if let Some(cell) = bins.cells.get_mut(cell) {
                cell.1 += 1;
            }
        }
        let sampled = (sample.len() as u64).max(1);
        let mut first = 0_u32;
        for cell in &mut bins.cells {
            let share = u64::from(cell.1) * BINS / sampled;
            let count = u32::try_from(share).unwrap_or(u32::MAX >> 8) + 1;
            *cell = (first, count);
            first += count;
        }
        bins.count = first as usize;
        bins
    }

    /// The cell of a value, and where in the cell it is, as a fraction of 2^32.
    #[inline]
    fn cell(&self, value: f64) -> (usize, u64) {
        let place = (key(value).max(self.low).min(self.high) - self.low) << self.up;
        (
            (place >> (64 - CELL_BITS)) as usize,
            (place << CELL_BITS) >> 32,
        )
    }

    #[inline]
    pub(super) fn of(&self, value: f64) -> usize {
        let (cell, place) = self.cell(value);
        let (first, count) = self.cells.get(cell).copied().unwrap_or_default();
        first as usize + ((place * u64::from(count)) >> 32) as usize
    }

    /// The counts per bin, and whether all values are finite.
    pub(super) fn counts(&self, values: &[f64]) -> (Vec<u32>, bool) {
        let mut counts = vec![0; self.count];
        let mut finite = true;
        for value in values {
            finite &= value.is_finite();
            if let Some(count) = counts.get_mut(self.of(*value)) {
                *count += 1;
            }
        }
        (counts, finite)
    }

    /// Values between which all of these bins lie, and perhaps a little more: their cells.
    pub(super) fn around(&self, first_bin: usize, last_bin: usize) -> (f64, f64) {
        let cell = |bin: usize| {
            self.cells
                .partition_point(|(first, _)| *first as usize <= bin)
                .saturating_sub(1)
        };
        let edge = |cell: usize| {
            self.low
                .saturating_add(((cell as u64) << (64 - CELL_BITS)) >> self.up)
        };
        let (low, high) = (cell(first_bin), cell(last_bin) + 1);
        let low = if low == 0 {
            f64::NEG_INFINITY
        } else {
            value(edge(low))
        };
        let high = if high >= CELLS || edge(high) >= self.high {
            f64::INFINITY
        } else {
            value(edge(high))
        };
        (low, high)
    }
}
