//! Lists: which documents are asked for, and the page of them that is answered.

use super::error::Problem;
use crate::model::Key;
use crate::model::entry::Entry;
use crate::model::lifecycle::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The most documents of a page, also where nothing is said.
const MAX_PAGE: u32 = 1_000;
/// A page ends after the document that reaches this many bytes: documents can be large.
pub(super) const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The longest text that is looked for.
const MAX_TEXT: usize = 256;

/// Which documents of a kind are asked for.
pub(super) trait ListQuery: DeserializeOwned + JsonSchema + Send + 'static {
    /// Which page of them.
    fn page(&self) -> Result<Page, Problem>;

    /// Whether it is one of them, beside what all kinds can be asked for.
    fn wants(&self, entry: &Entry) -> bool;
}

/// A page as it is asked for, read.
pub(super) struct Page {
    pub(super) limit: usize,
    after: Option<Key>,
    prefix: String,
}

/// Which documents are asked for, of any kind.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyQuery {
    /// Those whose key begins with this.
    #[schemars(length(max = 256))]
    prefix: Option<String>,
    /// The most documents; 1000 where not given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Where the page before ended: its `next`.
    #[schemars(length(max = 256))]
    cursor: Option<String>,
}

/// Which experiments are asked for: those for which all that is given is so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExperimentQuery {
    /// Those whose key begins with this.
    #[schemars(length(max = 256))]
    prefix: Option<String>,
    /// Those in this state.
    state: Option<State>,
    /// Those of this layer.
    #[schemars(length(max = 256))]
    layer: Option<String>,
    /// Those that cover this service.
    #[schemars(length(max = 256))]
    service: Option<String>,
    /// Those with a variant that this cluster serves.
    #[schemars(length(max = 256))]
    cluster: Option<String>,
    /// Those of this owner.
    #[schemars(length(max = 256))]
    owner: Option<String>,
    /// The most documents; 1000 where not given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Where the page before ended: its `next`.
    #[schemars(length(max = 256))]
    cursor: Option<String>,
}

impl ListQuery for AnyQuery {
    fn page(&self) -> Result<Page, Problem> {
        Page::read(self.limit, self.cursor.as_deref(), self.prefix.as_deref())
    }

    fn wants(&self, _: &Entry) -> bool {
        true
    }
}

impl ListQuery for ExperimentQuery {
    fn page(&self) -> Result<Page, Problem> {
        let texts = [&self.layer, &self.service, &self.cluster, &self.owner];
        for text in texts.into_iter().flatten() {
            bounded("a filter", text)?;
        }
        Page::read(self.limit, self.cursor.as_deref(), self.prefix.as_deref())
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Entry::Experiment(experiment) = entry else {
            return false;
        };
        let design = &experiment.design;
        let is = |asked: &Option<String>, said: Option<&str>| {
            asked.is_none() || asked.as_deref() == said
        };
        let clusters = || design.variants.iter().filter_map(|it| it.cluster.as_ref());
        self.state.is_none_or(|state| state == experiment.state)
            && is(&self.layer, Some(design.layer.as_str()))
            && is(&self.owner, design.owner.as_deref())
            && self
                .service
                .as_ref()
                .is_none_or(|name| Key::try_new(name).is_ok_and(|service| design.covers(&service)))
            && self
                .cluster
                .as_ref()
                .is_none_or(|name| clusters().any(|cluster| cluster.as_str() == name))
    }
}

impl Page {
    fn read(
        limit: Option<u32>,
        cursor: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(MAX_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            let detail = format!("in the query, limit is {limit}, expected 1 to {MAX_PAGE}");
            return Err(Problem::malformed(detail));
        }
        let prefix = prefix.unwrap_or_default();
        bounded("prefix", prefix)?;
        let after = cursor.map(Key::try_new).transpose();
        let after = after.map_err(|_| {
            Problem::malformed("in the query, cursor is not the `next` of a page before")
        })?;
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            after,
            prefix: prefix.to_owned(),
        })
    }

    /// Whether an entry is on this page or a later one.
    pub(super) fn reaches(&self, entry: &Entry) -> bool {
        let key = entry.key();
        key.as_str().starts_with(&self.prefix) && self.after.as_ref().is_none_or(|at| at < key)
    }
}

fn bounded(name: &str, text: &str) -> Result<(), Problem> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    let detail = format!("in the query, {name} has more than {MAX_TEXT} bytes");
    Err(Problem::malformed(detail))
}
