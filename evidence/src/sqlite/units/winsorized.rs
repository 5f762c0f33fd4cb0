//! Winsorised measures: all units of an experiment are read, twice, as of one moment.

use super::{measures, names, state};
use crate::fold::{Layout, Pool, UnitState, Winsorized, arms};
use crate::store::{StoreError, Sufficient};
use rusqlite::{Connection, Transaction};

/// Puts clipped sums in the place of an answer's, whose measure is winsorised.
pub(in crate::sqlite) fn winsorize(
    connection: &mut Connection,
    experiment: &str,
    measure: &str,
    answer: &mut Sufficient,
) -> Result<(), StoreError> {
    let moment = connection.transaction()?;
    let mut names = names(&moment)?;
    let layout = Layout::of(&measures(&moment)?, &mut names);
    // Somebody defined it anew meanwhile: the answer has no limits, which tells.
    let Some(winsorized) = Winsorized::of(measure, &layout, &names) else {
        return Ok(());
    };
    let number = names.find(experiment);
    let mut pool = Pool::new(winsorized);
    each(&moment, number, |unit| pool.add(unit))?;
    let mut clipped = pool.clipped();
    each(&moment, number, |unit| clipped.add(unit))?;
    let (clipping, summed) = clipped.summed(&names);
    answer.take_clipped(clipping, arms(&summed, true));
    Ok(())
}

/// Each unit of an experiment.
fn each(
    moment: &Transaction<'_>,
    experiment: Option<u32>,
    mut take: impl FnMut(&UnitState),
) -> Result<(), StoreError> {
    let mut query = moment.prepare_cached(
        "SELECT experiment, first, variant, contaminated, slots FROM units WHERE experiment = ?1",
    )?;
    let mut rows = query.query([experiment])?;
    while let Some(row) = rows.next()? {
        take(&state(row)?.1);
    }
    Ok(())
}
