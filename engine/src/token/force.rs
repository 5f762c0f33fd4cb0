//! The force token: gives its bearer one variant of one experiment, for testing, until it expires.
//! Its payload is `{experiment}={variant}={expiry}`, the expiry in seconds since 1970.

use super::{Keys, Kind, TokenError};

/// What a force token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Force {
    /// The experiment's key.
    pub experiment: String,
    /// The variant's key.
    pub variant: String,
    /// The first second since 1970 in which it no longer counts.
    pub expires_s: i64,
}

impl Force {
    /// The token, `None` where there is no key to sign with.
    #[must_use]
    pub fn seal(&self, keys: &Keys) -> Option<String> {
        let payload = format!("{}={}={}", self.experiment, self.variant, self.expires_s);
        keys.seal(Kind::Force, &payload)
    }

    /// What `token` says.
    ///
    /// # Errors
    /// Why it is to be ignored.
    pub fn open(token: &[u8], keys: &Keys, now_ms: i64) -> Result<Self, TokenError> {
        let payload = keys.open(Kind::Force, token.trim_ascii())?;
        let mut parts = payload.split('=');
        let mut part = || parts.next().ok_or(TokenError::Garbage);
        let force = Self {
            experiment: part()?.to_owned(),
            variant: part()?.to_owned(),
            expires_s: part()?.parse().map_err(|_| TokenError::Garbage)?,
        };
        if force.expires_s <= now_ms.div_euclid(1_000) {
            return Err(TokenError::Expired);
        }
        Ok(force)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::keys;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_counts_until_it_expires() {
        let keys = keys(&["a"]);
        let force = Force {
            experiment: "model".into(),
            variant: "b".into(),
            expires_s: 100,
        };
        let token = force.seal(&keys).unwrap();
        assert_eq!(Force::open(token.as_bytes(), &keys, 99_999), Ok(force));
        assert_eq!(
            Force::open(token.as_bytes(), &keys, 100_000),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_signed_text_that_is_no_force_is_garbage() {
        let keys = keys(&["a"]);
        for payload in ["", "model", "model=b", "model=b=soon"] {
            let token = keys.seal(Kind::Force, payload).unwrap();
            let opened = Force::open(token.as_bytes(), &keys, 0);
            assert_eq!(opened, Err(TokenError::Garbage), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(experiment in "[a-z0-9._-]{1,64}", variant in "[a-z0-9._-]{1,64}", expires_s in 1..i64::MAX) {
            let keys = keys(&["a"]);
            let force = Force { experiment, variant, expires_s };
            let token = force.seal(&keys).unwrap();
            prop_assert_eq!(Force::open(token.as_bytes(), &keys, 0), Ok(force));
        }
    }
}
