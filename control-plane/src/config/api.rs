//! The REST API's configuration: where it listens and who is let in.

use crate::api::Auth;
use crate::auth::KeyHash;
use crate::auth::limit::Rate;
use std::net::SocketAddr;
use thiserror::Error;

/// The fewest characters of an API key: a key is compared by hash, not stretched, so it must be
/// too long to guess.
pub const MIN_API_KEY: usize = 16;

/// Where the API listens and who is let in.
#[derive(Clone, clap::Args)]
pub struct ApiConfig {
    /// The address of the REST API.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18080")]
    pub api_address: SocketAddr,
    /// An admin key beside those of the database, sent as `Authorization: Bearer KEY`; 16 characters
    /// or more.
    #[arg(
        long,
        value_name = "KEY",
        env = "WATERSHED_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,
    /// Takes everybody who reaches the API for an admin. For trying out only.
    #[arg(long)]
    pub insecure_open_api: bool,
    /// How many requests a second each key may make in the long run, and twice as many at once; 0 for
    /// any number.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    pub api_rate_limit: u32,
}

/// Arguments that do not go together.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum ConfigError {
    /// Two answers to who is let in.
    #[error("--api-key and --insecure-open-api exclude one another")]
    KeyAndOpen,
    /// A key that could be guessed.
    #[error(
        "the API key must have at least {MIN_API_KEY} printable ASCII characters, none a space"
    )]
    WeakKey,
}

impl ApiConfig {
    /// Who is let in.
    ///
    /// # Errors
    /// [`ConfigError`] where what is said contradicts itself, or could be guessed.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        let command_line = match (&self.api_key, self.insecure_open_api) {
            (Some(_), true) => return Err(ConfigError::KeyAndOpen),
            (None, true) => return Ok(Auth::Open),
            (Some(key), false) if !is_strong(key) => return Err(ConfigError::WeakKey),
            (key, false) => key.as_ref().map(|key| KeyHash::of(key.as_bytes())),
        };
        Ok(Auth::Keys {
            command_line,
            rate: self.rate(),
        })
    }

    fn rate(&self) -> Option<Rate> {
        let per_second = f64::from(self.api_rate_limit);
        let rate = Rate {
            per_second,
            burst: per_second * 2.0,
        };
        (self.api_rate_limit > 0).then_some(rate)
    }
}

fn is_strong(key: &str) -> bool {
    key.len() >= MIN_API_KEY && key.bytes().all(|byte| byte.is_ascii_graphic())
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.api_key.as_ref().map(|_| "[hidden]");
        f.debug_struct("ApiConfig")
            .field("api_address", &self.api_address)
            .field("api_key", &key)
            .field("insecure_open_api", &self.insecure_open_api)
            .field("api_rate_limit", &self.api_rate_limit)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(key: Option<&str>, open: bool) -> Result<Auth, ConfigError> {
        let config = ApiConfig {
            api_address: ([127, 0, 0, 1], 0).into(),
            api_key: key.map(str::to_owned),
            insecure_open_api: open,
            api_rate_limit: 200,
        };
        config.auth()
    }

    #[test]
    fn a_key_is_asked_for_unless_it_is_said_that_none_is() {
        let key = Some("0123456789abcdef");
        assert_eq!(auth(key, true).unwrap_err(), ConfigError::KeyAndOpen);
        assert!(matches!(auth(None, true), Ok(Auth::Open)));
        let given =
            |auth| matches!(auth, Ok(Auth::Keys { command_line, .. }) if command_line.is_some());
        assert!(given(auth(key, false)));
        assert!(matches!(auth(None, false), Ok(Auth::Keys { .. })) && !given(auth(None, false)));
    }

    #[test]
    fn a_key_that_could_be_guessed_is_refused() {
        for weak in ["", "secret", "0123456789abcde", "0123456789 abcdef"] {
            assert_eq!(auth(Some(weak), false).unwrap_err(), ConfigError::WeakKey);
        }
    }

    #[test]
    fn a_key_is_not_shown_in_logs() {
        let config = ApiConfig {
            api_address: ([127, 0, 0, 1], 0).into(),
            api_key: Some("0123456789abcdef".to_owned()),
            insecure_open_api: false,
            api_rate_limit: 200,
        };
        assert!(!format!("{config:?}").contains("0123"));
    }
}
