//! The store: the model's documents, the record of every change, who may use the API and what they
//! did, in SQL. It keeps what it is
//! given and gives back what it kept; whether a change may be made is the model's to say.
//!
//! A change and its record are one transaction, and [`Store::commit`] returns after it is on disk.
//! The statements are plain SQL over sqlx's `Any` driver, so that a shared database can take the
//! embedded one's place.

pub mod audit;
mod changes;
mod documents;
mod error;
mod keys;
mod open;
pub mod receipts;
#[cfg(test)]
mod tests;

pub use error::StoreError;

use crate::model::Model;
use crate::model::change::Edit;
use crate::model::integrity;
use receipts::Receipt;
use sqlx::AnyPool;

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
}

/// Who made a change, and why.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Author {
    /// Who: `key:NAME`, `oidc:SUBJECT`, `anonymous`, …
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The address that it came from, without port.
    pub peer: Option<String>,
    /// What the client calls itself; not to be trusted.
    pub user_agent: Option<String>,
}

impl Store {
    /// The model as it was last committed, checked as if it came from outside.
    ///
    /// # Errors
    /// [`StoreError`] naming the row that cannot be read, or the conflict between rows.
    pub async fn load(&self) -> Result<Model, StoreError> {
        // One transaction, so that documents and revision are of the same moment.
        let mut snapshot = self.pool.begin().await?;
        let mut model = Model {
            revision: changes::last_revision(&mut snapshot).await?,
            ..Model::default()
        };
        for entry in documents::all(&mut snapshot).await? {
            model.insert(entry);
        }
        snapshot.commit().await?;
        integrity::check(&model).map_err(StoreError::Inconsistent)?;
        Ok(model)
    }

    /// Keeps one edit and its records, and the receipt of whoever may send it again, all or nothing. When it returns, they are on disk.
    ///
    /// # Errors
    /// [`StoreError::Raced`] where another writer has made this revision: nothing was kept. After
    /// any other error only [`Store::load`] can tell what was.
    pub async fn commit(
        &self,
        edit: &Edit,
        author: &Author,
        receipt: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        changes::insert(&mut transaction, edit, author).await?;
        audit::insert(&mut transaction, &audit::Event::of(edit, author)).await?;
        if let Some(receipt) = receipt {
            receipts::insert(&mut transaction, receipt).await?;
        }
        match &edit.after {
            Some(entry) => documents::put(&mut transaction, entry).await?,
            None => documents::delete(&mut transaction, edit.kind, &edit.key).await?,
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Lets the file go, once what is under way is done. Nothing can be read or kept afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }
}
