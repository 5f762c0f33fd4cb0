//! A batch: what is kept in one transaction. [`BatchBuilder`] gathers it, a bounded number of bytes at a
//! time, and leaves out what came before.

use crate::block::{Block, BlockBuilder};
use crate::exposure::Exposure;
use crate::outcome::Outcome;
use crate::recent::{Recent, fingerprint};
use std::collections::BTreeMap;

/// What is kept in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Who writes: a number that each process draws for itself.
    pub writer: i64,
    /// The writer's own count of batches, from 1.
    pub number: i64,
    /// Exposures, a block for each experiment.
    pub blocks: Vec<Block>,
    /// Outcomes that were reported.
    pub outcomes: Vec<Outcome>,
    /// What arrived up to here, where that is kept with it: see [`crate::store::EvidenceStore::account`].
    pub account: Option<Vec<u8>>,
}

impl Batch {
    /// How many exposures and outcomes it has.
    #[must_use]
    pub fn entries(&self) -> u64 {
        let exposures: u64 = self.blocks.iter().map(|it| u64::from(it.rows)).sum();
        exposures + u64::try_from(self.outcomes.len()).unwrap_or(0)
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|it| it.data.len() + 128).sum();
        blocks + self.outcomes.len() * OUTCOME_BYTES + self.account.as_ref().map_or(0, Vec::len)
    }
}

/// What an outcome takes in memory, about.
pub const OUTCOME_BYTES: usize = 320;

/// Gathers exposures.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    blocks: BTreeMap<String, BlockBuilder>,
}

impl BatchBuilder {
    /// Adds an exposure. Whether `recent` did not know it; otherwise it is left out.
    pub fn push(&mut self, exposure: &Exposure, recent: &mut Recent) -> bool {
        if !recent.is_new(fingerprint(exposure.identity())) {
            return false;
        }
        if let Some(block) = self.blocks.get_mut(&exposure.experiment) {
            block.push(exposure);
        } else {
            let block = self.blocks.entry(exposure.experiment.clone());
            block.or_default().push(exposure);
        }
        true
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.values().map(BlockBuilder::bytes).sum()
    }

    /// How many exposures it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.blocks.values().map(|it| u64::from(it.rows())).sum()
    }

    /// What to keep.
    #[must_use]
    pub fn seal(self) -> Vec<Block> {
        let blocks = self.blocks.into_iter();
        blocks.map(|(experiment, it)| it.seal(experiment)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::Execution;
    use std::sync::Arc;

    fn exposure(experiment: &str, request_id: &str, time: i64) -> Exposure {
        Exposure {
            experiment: experiment.to_owned(),
            variant: "stable".to_owned(),
            served: None,
            fallback_used: false,
            reason: crate::Reason::Hashed,
            unit_type: String::new(),
            unit: crate::Unit::default(),
            probability: 0.0,
            mirror: None,
            execution: Arc::new(Execution {
                request_id: request_id.to_owned(),
                time,
                ..Execution::default()
            }),
        }
    }

    #[test]
    fn what_comes_twice_is_kept_once_and_a_request_id_sent_twice_is_no_duplicate() {
        let (mut batch, mut recent) = (BatchBuilder::default(), Recent::new(100));
        let mut push = |it| batch.push(&it, &mut recent);
        assert!(push(exposure("a", "r-1", 5)));
        assert!(push(exposure("b", "r-1", 5)));
        assert!(!push(exposure("a", "r-1", 5)));
        assert!(
            push(exposure("a", "r-1", 6)),
            "another request of a client that sends its own"
        );
        let rows: Vec<_> = batch
            .seal()
            .into_iter()
            .map(|it| (it.experiment, it.rows))
            .collect();
        assert_eq!(rows, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }
}
