//! The table of what each replica heard of proxies, for the others: a row for each time that one told, by
//! the replica's own number, let go of soon after. What is told is the evidence's.

use super::{Store, StoreError, bounded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use std::collections::BTreeMap;

/// How long what was told is there for the others. Who hears nothing for longer has missed it.
pub const KEPT: SignedDuration = SignedDuration::from_secs(60);
/// When what a replica told is let go of by others, because it may be gone; more than clocks differ.
const ABANDONED: SignedDuration = SignedDuration::from_hours(1);

/// Something that a replica told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Who.
    pub replica: String,
    /// Its number.
    pub number: i64,
    /// What, as it was told; nothing where that cannot be read.
    pub body: Option<Vec<u8>>,
}

impl Store {
    /// Tells the others. The same replica and number once more changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where it could not be kept; it may be told again.
    pub async fn say(&self, said: (&str, i64, &[u8]), now: Timestamp) -> Result<(), StoreError> {
        let (replica, number, body) = said;
        let before = |age: SignedDuration| now.saturating_sub(age).map(Timestamp::as_millisecond);
        let (own, others) = (before(KEPT), before(ABANDONED));
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            sqlx::query("DELETE FROM hearsay WHERE (replica = $1 AND at < $2) OR at < $3")
                .bind(replica.to_owned())
                .bind(own.unwrap_or(i64::MIN))
                .bind(others.unwrap_or(i64::MIN))
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO hearsay (replica, number, at, body) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(replica.to_owned())
            .bind(number)
            .bind(now.as_millisecond())
            .bind(STANDARD_NO_PAD.encode(body))
            .execute(&mut *transaction)
            .await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// What others than `own` told after the numbers in `known`, each one's in its order.
    ///
    /// # Errors
    /// [`StoreError`] of the database.
    pub async fn heard(
        &self,
        own: &str,
        known: &BTreeMap<String, i64>,
    ) -> Result<Vec<Said>, StoreError> {
        bounded(async {
            let mut snapshot = self.snapshot().await?;
            let newest =
                "SELECT replica, MAX(number) FROM hearsay WHERE replica <> $1 GROUP BY replica";
            let newest = sqlx::query(newest)
                .bind(own.to_owned())
                .fetch_all(&mut *snapshot)
                .await?;
            let mut said = Vec::new();
            for row in newest {
                let (replica, newest): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
                let after = known.get(&replica).copied().unwrap_or(i64::MIN);
                if newest <= after {
                    continue;
                }
                let rows = "SELECT number, body FROM hearsay WHERE replica = $1 AND number > $2 \
                            ORDER BY number";
                let rows = sqlx::query(rows).bind(replica.clone()).bind(after);
                for row in rows.fetch_all(&mut *snapshot).await? {
                    let body: String = row.try_get(1)?;
                    said.push(Said {
                        replica: replica.clone(),
                        number: row.try_get(0)?,
                        body: STANDARD_NO_PAD.decode(body).ok(),
                    });
                }
            }
            snapshot.commit().await?;
            Ok(said)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn what_one_tells_the_others_hear_once(database: TestDatabase) {
        let store = database.open().await;
        let mut known = BTreeMap::new();
        for (number, body) in [(1, b"one"), (2, b"two")] {
            store.say(("a", number, body), NOW).await.unwrap();
            // The answer was lost: it is told again.
            store.say(("a", number, body), NOW).await.unwrap();
        }
        store.say(("b", 7, b"its own"), NOW).await.unwrap();
        let heard = store.heard("b", &known).await.unwrap();
        let bodies: Vec<_> = heard.iter().filter_map(|it| it.body.as_deref()).collect();
        assert_eq!(bodies, [b"one", b"two"]);
        known.extend(heard.into_iter().map(|it| (it.replica, it.number)));
        assert_eq!(store.heard("b", &known).await.unwrap(), []);

        // What is old is gone: its own soon, others' when they can be taken for gone.
        let later = NOW + KEPT + SignedDuration::from_secs(1);
        store.say(("a", 3, b"three"), later).await.unwrap();
        let all = store.heard("c", &BTreeMap::new()).await.unwrap();
        let numbers: Vec<_> = all.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [3, 7]);
        let much_later = later + ABANDONED;
        store.say(("a", 4, b"four"), much_later).await.unwrap();
        let all = store.heard("c", &BTreeMap::new()).await.unwrap();
        assert_eq!(all.len(), 1);
    }

    async fn what_cannot_be_read_is_passed_over(database: TestDatabase) {
        let store = database.open().await;
        let mut raw = database.raw().await;
        sqlx::query("INSERT INTO hearsay VALUES ('a', 1, 0, 'no base64!')")
            .execute(&mut raw)
            .await
            .unwrap();
        let heard = store.heard("b", &BTreeMap::new()).await.unwrap();
        assert_eq!((heard[0].number, &heard[0].body), (1, &None));
    }

    #[tokio::test]
    async fn in_sqlite_it_is_kept_and_let_go() {
        what_one_tells_the_others_hear_once(TestDatabase::sqlite()).await;
        what_cannot_be_read_is_passed_over(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn in_postgresql_it_is_kept_and_let_go() {
        let Some(database) = TestDatabase::postgres() else {
            return;
        };
        let database = database.anew("told");
        what_one_tells_the_others_hear_once(database).await;
        let Some(database) = TestDatabase::postgres() else {
            return;
        };
        what_cannot_be_read_is_passed_over(database.anew("unreadable")).await;
    }
}
