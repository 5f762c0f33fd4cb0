//! The REST API's configuration: where it listens and who may write.

use crate::api::Auth;
use std::net::SocketAddr;
use thiserror::Error;

/// The fewest characters of an API key: a key is compared by hash, not stretched, so it must be
/// too long to guess.
pub const MIN_API_KEY: usize = 16;

/// Where the API listens and who may write.
#[derive(Clone, clap::Args)]
pub struct ApiConfig {
    /// The address of the REST API.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18080")]
    pub api_address: SocketAddr,
    /// The key that writes must carry as `Authorization: Bearer KEY`; 16 characters or more.
    #[arg(
        long,
        value_name = "KEY",
        env = "WATERSHED_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,
    /// Lets everybody who reaches the API write. For trying out only.
    #[arg(long)]
    pub insecure_open_api: bool,
}

/// Arguments that do not go together.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum ConfigError {
    /// Nobody could write, or everybody without having been asked for.
    #[error("give --api-key (or WATERSHED_API_KEY), or --insecure-open-api to let everybody write")]
    NoKey,
    /// Two answers to who may write.
    #[error("--api-key and --insecure-open-api exclude one another")]
    KeyAndOpen,
    /// A key that could be guessed.
    #[error(
        "the API key must have at least {MIN_API_KEY} printable ASCII characters, none a space"
    )]
    WeakKey,
}

impl ApiConfig {
    /// Who may write.
    ///
    /// # Errors
    /// [`ConfigError`] where that is not said exactly once.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        match (&self.api_key, self.insecure_open_api) {
            (None, false) => Err(ConfigError::NoKey),
            (Some(_), true) => Err(ConfigError::KeyAndOpen),
            (None, true) => Ok(Auth::Open),
            (Some(key), false) if is_strong(key) => Ok(Auth::key(key)),
            (Some(_), false) => Err(ConfigError::WeakKey),
        }
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
        };
        config.auth()
    }

    #[test]
    fn who_may_write_is_said_exactly_once() {
        assert_eq!(auth(None, false).unwrap_err(), ConfigError::NoKey);
        let key = Some("0123456789abcdef");
        assert_eq!(auth(key, true).unwrap_err(), ConfigError::KeyAndOpen);
        assert!(matches!(auth(None, true), Ok(Auth::Open)));
        assert!(matches!(auth(key, false), Ok(Auth::Key(_))));
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
        };
        assert!(!format!("{config:?}").contains("0123"));
    }
}
