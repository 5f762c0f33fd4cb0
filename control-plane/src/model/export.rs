//! Exports: a whole model as one document that people can read, and back. It holds what the store
//! holds, so that a restored model gives every unit the variant that it had: states, buckets, and the
//! secrets that sign cookies. Pure; asking for one and keeping one is done elsewhere.

use super::document::RestoreError;
use super::entry::Entry;
use super::integrity::{self, Conflict};
use super::{Faults, Kind, Meta, Model};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use thiserror::Error;

/// What an export says that it is. Another shape would say another.
pub const FORMAT: &str = "watershed/v1";

/// A whole model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// `watershed/v1`.
    pub format: String,
    /// When it was made.
    pub exported_at: Timestamp,
    /// The model's revision.
    pub revision: u64,
    /// Everything in it: by kind, what is referred to first, and by key.
    pub documents: Vec<ExportedDocument>,
}

/// One thing of a model, with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedDocument {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub key: String,
    /// The model's revision that last changed it.
    pub revision: u64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The `spec`; an experiment's state and buckets; the settings' `secrets`.
    #[serde(flatten)]
    pub body: Map<String, Value>,
}

/// Why an export is no model.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum NotAModel {
    /// Some of it cannot be read.
    #[error("the export is not valid: {0}")]
    Invalid(Faults),
    /// Each part is good, but not with another.
    #[error("the export contradicts itself: {0}")]
    Conflict(Box<Conflict>),
}

impl Export {
    /// All of `model`, at the time `now`.
    ///
    /// # Errors
    /// None in practice: every document is a JSON object.
    pub fn of(model: &Model, now: Timestamp) -> Result<Self, serde_json::Error> {
        let entries = Kind::ALL.into_iter().flat_map(|kind| model.entries(kind));
        Ok(Self {
            format: FORMAT.to_owned(),
            exported_at: now,
            revision: model.revision,
            documents: entries
                .map(|entry| ExportedDocument::of(&entry))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The model that it is of, checked as if anybody had written it.
    ///
    /// # Errors
    /// [`NotAModel`] with everything that is wrong with the documents, or with the first conflict
    /// between them.
    pub fn model(&self) -> Result<Model, NotAModel> {
        let mut faults = Faults::default();
        if self.format != FORMAT {
            let message = "is not a format that this version reads";
            faults.add("/format", message, FORMAT);
        }
        let mut model = Model {
            revision: self.revision,
            ..Model::default()
        };
        let (mut names, mut revisions) = (BTreeSet::new(), BTreeSet::new());
        for (index, document) in self.documents.iter().enumerate() {
            let place = format!("/documents/{index}");
            if !names.insert((document.kind, &document.key)) {
                let message = format!("{} `{}` is there twice", document.kind, document.key);
                faults.add(format!("{place}/key"), message, "each thing once");
            }
            let in_range = (1..=self.revision).contains(&document.revision);
            if !in_range || !revisions.insert(document.revision) {
                let expected = format!("a revision of its own, 1 to {}", self.revision);
                faults.add(format!("{place}/revision"), "cannot be", expected);
            }
            match document.entry() {
                Ok(entry) => model.insert(entry),
                Err(fault) => faults.add(place, fault.to_string(), "what an export wrote"),
            }
        }
        if !faults.is_empty() {
            return Err(NotAModel::Invalid(faults));
        }
        integrity::check(&model).map_err(NotAModel::Conflict)?;
        Ok(model)
    }
}

impl ExportedDocument {
    fn of(entry: &Entry) -> Result<Self, serde_json::Error> {
        let meta = entry.meta();
        Ok(Self {
            kind: entry.kind(),
            key: entry.key().to_string(),
            revision: meta.revision,
            created_at: meta.created_at,
            updated_at: meta.updated_at,
            body: serde_json::from_str(&entry.kept()?)?,
        })
    }

    fn entry(&self) -> Result<Entry, RestoreError> {
        let meta = Meta {
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        let body = serde_json::to_string(&self.body)?;
        Entry::restore(self.kind, &self.key, meta, &body)
    }
}
