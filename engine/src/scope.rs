//! One layer as one service sees it: from a layer bucket to the experiment in scope that owns it.

use crate::attribute::AttributeId;
use crate::plan::{ExperimentId, LayerId, UnitId};

/// From so many slots on there is an index; below, one slot after the other is looked at.
const INDEXED_FROM: usize = 9;

/// Buckets that share an entry of the index: as a shift.
const BLOCK: u32 = 4;

/// One layer as a service sees it: the experiments in scope there, by layer bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub(crate) layer: LayerId,
    /// What is hashed; the same for every experiment of the scope.
    pub(crate) unit: UnitId,
    /// Where that is read first.
    pub(crate) source: AttributeId,
    /// Disjoint and in ascending order.
    slots: Box<[Slot]>,
    /// For each block of 16 buckets, the first slot that ends in it or later. Empty for few slots.
    index: Box<[u16]>,
}

/// Layer buckets `start..=end` belong to the experiment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Slot {
    pub(crate) start: u16,
    pub(crate) end: u16,
    pub(crate) experiment: ExperimentId,
}

impl Scope {
    /// `slots` are disjoint; their order doesn't matter.
    pub(crate) fn new(
        layer: LayerId,
        unit: UnitId,
        source: AttributeId,
        mut slots: Vec<Slot>,
    ) -> Self {
        slots.sort_unstable();
        let index = if slots.len() < INDEXED_FROM {
            Box::default()
        } else {
            indexed(&slots)
        };
        Self {
            layer,
            unit,
            source,
            slots: slots.into(),
            index,
        }
    }

    /// The experiment that owns `bucket`.
    #[inline]
    pub(crate) fn experiment(&self, bucket: u16) -> Option<ExperimentId> {
        if let Some(first) = self.slots.first()
            && (first.start..=first.end).contains(&bucket)
        {
            return Some(first.experiment);
        }
        let first = if self.index.is_empty() {
            0
        } else {
            let block = usize::from(bucket.wrapping_shr(BLOCK));
            usize::from(*self.index.get(block)?)
        };
        let mut slots = self.slots.get(first..)?.iter();
        let slot = slots.find(|slot| bucket <= slot.end)?;
        (slot.start <= bucket).then_some(slot.experiment)
    }
}

/// The index up to the last slot's last block.
fn indexed(slots: &[Slot]) -> Box<[u16]> {
    let last = slots.last().map_or(0, |slot| slot.end.wrapping_shr(BLOCK));
    (0..=last)
        .map(|block| {
            let start = block.wrapping_shl(BLOCK);
            let first = slots.partition_point(|slot| slot.end < start);
            u16::try_from(first).unwrap_or(u16::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot(start: u16, end: u16, experiment: u32) -> Slot {
        Slot {
            start,
            end,
            experiment: ExperimentId(experiment),
        }
    }

    #[test]
    fn a_bucket_between_slots_belongs_to_nobody() {
        let slots = vec![slot(30, 30, 1), slot(31, 9_999, 0), slot(10, 19, 0)];
        let scope = Scope::new(LayerId(0), UnitId(0), AttributeId(0), slots);
        let owner = |bucket| scope.experiment(bucket).map(|id| id.0);
        assert_eq!(owner(9), None);
        assert_eq!(owner(10), Some(0));
        assert_eq!(owner(19), Some(0));
        assert_eq!(owner(20), None);
        assert_eq!(owner(30), Some(1));
        assert_eq!(owner(9_999), Some(0));
    }

    proptest! {
        /// Slots of any width with gaps of any width between them, few or many.
        #[test]
        fn the_owner_is_found_among_any_number_of_slots(
            widths in prop::collection::vec((0..40_u16, 0..60_u16), 0..200),
        ) {
            let mut next = 0;
            let slots: Vec<Slot> = (0..).zip(&widths).map(|(experiment, (gap, width))| {
                let start = next + gap;
                next = start + width + 1;
                slot(start, start + width, experiment)
            }).filter(|slot| slot.end < 10_000).collect();
            let scope = Scope::new(LayerId(0), UnitId(0), AttributeId(0), slots.clone());
            for bucket in 0..10_000 {
                let owner = slots.iter().find(|slot| slot.start <= bucket && bucket <= slot.end);
                prop_assert_eq!(scope.experiment(bucket), owner.map(|slot| slot.experiment));
            }
        }
    }
}
