//! Two replicas on one PostgreSQL: a change through one, to a proxy of the other.

use crate::documents::{self, EXPERIMENT, weights};
use crate::fleet::Fleet;
use crate::server::{Programs, Server};
use crate::summary::Summary;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use watershed_harness::{Durability, Postgres};

/// How long changes took to a proxy of another replica.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// From the call of the API to the acknowledgement that a proxy of the same replica sent.
    pub same: Summary,
    /// To that of a proxy of the other one.
    pub other: Summary,
}

/// Makes `changes`; nothing where there is no PostgreSQL.
///
/// # Errors
/// Something does not come up, or does not come through.
pub async fn measure(
    programs: &Programs,
    folder: &Path,
    changes: usize,
) -> anyhow::Result<Option<Figures>> {
    let Some(postgres) = Postgres::start(Durability::Disk) else {
        return Ok(None);
    };
    let url = postgres.create("watershed");
    let here = Server::start(programs, &folder.join("here"), Some(&url)).await?;
    let there = Server::start(programs, &folder.join("there"), Some(&url)).await?;
    let nobody = ([127, 0, 0, 1], 1).into();
    documents::small(&here.api, nobody, [nobody; 2]).await?;
    let near = Fleet::connect(here.xds, 1).await?;
    let far = Fleet::connect(there.xds, 1).await?;
    here.api.until_acknowledged(EXPERIMENT, 1).await?;
    there.api.until_acknowledged(EXPERIMENT, 1).await?;
    let (mut same, mut other) = (Vec::new(), Vec::new());
    let path = format!("/v1/experiments/{EXPERIMENT}/weights");
    for turn in 0..changes {
        near.expect(1);
        far.expect(1);
        let began = Instant::now();
        here.api.patch(&path, &weights(turn + 1)).await?;
        same.push(near.until_accepted().await? - began);
        other.push(far.until_accepted().await? - began);
    }
    Ok(Some(Figures {
        same: Summary::of(same),
        other: Summary::of(other),
    }))
}
