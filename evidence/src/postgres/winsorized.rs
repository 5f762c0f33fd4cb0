//! Winsorised measures: all units of an experiment are read, twice, as of one moment.

use super::answers::measures;
use super::units::{names, unit};
use crate::fold::{Layout, Pool, UnitState, Winsorized, arms};
use crate::store::{StoreError, Sufficient};
use futures::TryStreamExt as _;
use sqlx::PgConnection;

/// Puts clipped sums in the place of an answer's, whose measure is winsorised. The connection is in a transaction that
/// sees one moment.
pub(super) async fn winsorize(
    connection: &mut PgConnection,
    experiment: &str,
    measure: &str,
    answer: &mut Sufficient,
) -> Result<(), StoreError> {
    let mut names = names(&mut *connection).await?;
    let layout = Layout::of(&measures(connection).await?, &mut names);
    let Some(winsorized) = Winsorized::of(measure, &layout, &names) else {
        return Ok(());
    };
    let number = names.find(experiment);
    let mut pool = Pool::new(winsorized);
    each(connection, number, |unit| pool.add(unit)).await?;
    let mut clipped = pool.clipped();
    each(connection, number, |unit| clipped.add(unit)).await?;
    let (clipping, summed) = clipped.summed(&names);
    answer.take_clipped(clipping, arms(&summed, true));
    Ok(())
}

/// Each unit of an experiment, as it comes from the server: all of them together may be gigabytes.
async fn each(
    connection: &mut PgConnection,
    experiment: Option<u32>,
    mut take: impl FnMut(&UnitState) + Send,
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(
        "SELECT unit, experiment, first_time, variant, contaminated, slots
         FROM evidence_units WHERE experiment = $1",
    )
    .bind(experiment.map(super::integer))
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        take(&unit(&row)?.1);
    }
    Ok(())
}
