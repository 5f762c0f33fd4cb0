//! The ring of all keys, and whom a presented one lets in.

use super::key::{KeyHash, KeyRecord, id_of};
use super::{Principal, Refused};
use jiff::Timestamp;
use std::collections::HashMap;

/// Every key that there is or was, by id.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(HashMap<String, KeyRecord>);

impl FromIterator<KeyRecord> for KeyRing {
    fn from_iter<I: IntoIterator<Item = KeyRecord>>(keys: I) -> Self {
        let keys = keys.into_iter();
        Self(keys.map(|key| (key.id.clone(), key)).collect())
    }
}

impl KeyRing {
    /// Whom `token` lets in at the time `now`.
    ///
    /// # Errors
    /// [`Refused`] where it is no key, or one that does not count.
    pub fn verify(&self, token: &[u8], now: Timestamp) -> Result<Principal, Refused> {
        let id = id_of(token).ok_or(Refused::Malformed)?;
        let key = self.0.get(id).ok_or(Refused::Unknown)?;
        if key.hash != KeyHash::of(token) {
            return Err(Refused::Unknown);
        }
        if key.revoked_at.is_some() {
            return Err(Refused::Revoked);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Refused::Expired);
        }
        Ok(Principal {
            actor: format!("key:{}", key.name),
            role: key.role,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;
    use crate::auth::key::{NewKey, RANDOM_BYTES};
    use crate::model::Key;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(byte: u8) -> (KeyRecord, String) {
        let made = NewKey::from_random(&[byte; RANDOM_BYTES]);
        let record = KeyRecord {
            id: made.id,
            name: Key::try_new(&format!("k{byte}")).unwrap(),
            role: Role::Editor,
            hash: made.hash,
            created_at: at(0),
            created_by: "key:bootstrap".to_owned(),
            expires_at: None,
            revoked_at: None,
        };
        (record, made.text.reveal().to_owned())
    }

    #[test]
    fn a_key_lets_its_bearer_in_by_its_name_and_role() {
        let (record, text) = key(1);
        let ring: KeyRing = [record].into_iter().collect();
        let principal = ring.verify(text.as_bytes(), at(1)).unwrap();
        assert_eq!(
            (&*principal.actor, principal.role),
            ("key:k1", Role::Editor)
        );
    }

    #[test]
    fn a_key_that_is_not_there_or_only_has_the_same_id_is_unknown() {
        let (record, text) = key(1);
        let ring: KeyRing = [record].into_iter().collect();
        let (_, other) = key(2);
        assert_eq!(ring.verify(other.as_bytes(), at(1)), Err(Refused::Unknown));
        let last = if text.ends_with('0') { '1' } else { '0' };
        let forged = format!("{}{last}", &text[..text.len() - 1]);
        assert_eq!(id_of(forged.as_bytes()), id_of(text.as_bytes()));
        assert_eq!(ring.verify(forged.as_bytes(), at(1)), Err(Refused::Unknown));
        assert_eq!(ring.verify(b"secret", at(1)), Err(Refused::Malformed));
    }

    #[test]
    fn a_key_counts_until_it_expires_or_is_revoked() {
        let (mut record, text) = key(1);
        record.expires_at = Some(at(10));
        let ring: KeyRing = [record.clone()].into_iter().collect();
        assert!(ring.verify(text.as_bytes(), at(9)).is_ok());
        assert_eq!(ring.verify(text.as_bytes(), at(10)), Err(Refused::Expired));
        record.revoked_at = Some(at(5));
        let ring: KeyRing = [record].into_iter().collect();
        assert_eq!(ring.verify(text.as_bytes(), at(9)), Err(Refused::Revoked));
    }
}
