//! The REST API's configuration: where it listens and who is let in.

use crate::api::{Auth, KeySource, OpenId};
use crate::auth::limit::Rate;
use crate::auth::oidc::Provider;
use crate::auth::{KeyHash, Role};
use crate::tls::TlsFiles;
use std::net::SocketAddr;
use std::path::PathBuf;
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
    /// The certificate that the API shows, with its intermediate ones, in PEM; HTTP without. This file
    /// and the key are read again when they change.
    #[arg(
        long,
        value_name = "FILE",
        env = "WATERSHED_API_TLS_CERT",
        requires = "api_tls_key"
    )]
    pub api_tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(
        long,
        value_name = "FILE",
        env = "WATERSHED_API_TLS_KEY",
        requires = "api_tls_cert"
    )]
    pub api_tls_key: Option<PathBuf>,
    /// Whose tokens count beside keys.
    #[command(flatten)]
    pub open_id: OpenIdConfig,
}

/// Whose tokens count beside keys.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OpenIdConfig {
    /// The OpenID provider whose bearer tokens count beside keys: their `iss`.
    #[arg(long, value_name = "URL", requires = "oidc_audience")]
    pub oidc_issuer: Option<String>,
    /// What such a token must be for: one of its `aud`.
    #[arg(long, value_name = "TEXT", requires = "oidc_issuer")]
    pub oidc_audience: Option<String>,
    /// The provider's `jwks_uri`: its keys, read again every five minutes and where a token names one
    /// that is not known.
    #[arg(long, value_name = "URL", requires = "oidc_issuer")]
    pub oidc_jwks_url: Option<String>,
    /// The same from a file that somebody else keeps true.
    #[arg(
        long,
        value_name = "FILE",
        requires = "oidc_issuer",
        conflicts_with = "oidc_jwks_url"
    )]
    pub oidc_jwks_file: Option<PathBuf>,
    /// Where a token's roles are, as a JSON pointer to a text or a list; the highest counts.
    #[arg(long, value_name = "POINTER", default_value = "/roles")]
    pub oidc_role_claim: String,
    /// A word of the provider that stands for a role, as `platform-oncall=operator`; the roles' own words
    /// count without. Can be given several times.
    #[arg(long = "oidc-role", value_name = "WORD=ROLE", value_parser = word_and_role)]
    pub oidc_roles: Vec<(String, Role)>,
}

fn word_and_role(text: &str) -> Result<(String, Role), String> {
    let (word, role) = text.split_once('=').ok_or("expected WORD=ROLE")?;
    let role = role.parse().map_err(|bad| format!("`{role}` {bad}"))?;
    Ok((word.to_owned(), role))
}

/// Arguments that do not go together.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum ConfigError {
    /// Two answers to who is let in.
    #[error("--api-key and --insecure-open-api exclude one another")]
    KeyAndOpen,
    /// A provider without keys, or keys at a place that cannot be trusted.
    #[error("--oidc-issuer needs --oidc-jwks-url (https) or --oidc-jwks-file: {0}")]
    OpenId(String),
    /// A pointer that is none.
    #[error("--oidc-role-claim is no JSON pointer (expected as `/roles`)")]
    RoleClaim,
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
            open_id: self.open_id.read()?.map(Box::new),
        })
    }

    /// The files of its certificate, where it speaks HTTPS.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            port: "api",
            certificate: self.api_tls_cert.clone()?,
            key: self.api_tls_key.clone()?,
            client_ca: None,
            protocols: &[b"h2", b"http/1.1"],
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

impl OpenIdConfig {
    fn read(&self) -> Result<Option<OpenId>, ConfigError> {
        let (Some(issuer), Some(audience)) = (&self.oidc_issuer, &self.oidc_audience) else {
            return Ok(None);
        };
        let source = match (&self.oidc_jwks_url, &self.oidc_jwks_file) {
            (Some(url), _) => KeySource::url(url),
            (None, Some(file)) => Ok(KeySource::File(file.clone())),
            (None, None) => Err(anyhow::anyhow!("neither is given")),
        };
        if !self.oidc_role_claim.starts_with('/') {
            return Err(ConfigError::RoleClaim);
        }
        Ok(Some(OpenId {
            provider: Provider {
                issuer: issuer.clone(),
                audience: audience.clone(),
                role_claim: self.oidc_role_claim.clone(),
                roles: self.oidc_roles.iter().cloned().collect(),
            },
            source: source.map_err(|fault| ConfigError::OpenId(format!("{fault:#}")))?,
        }))
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
            .field("open_id", &self.open_id)
            .field("api_tls_cert", &self.api_tls_cert)
            .field("api_tls_key", &self.api_tls_key)
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
            open_id: OpenIdConfig::default(),
            api_tls_cert: None,
            api_tls_key: None,
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
            open_id: OpenIdConfig::default(),
            api_tls_cert: None,
            api_tls_key: None,
        };
        assert!(!format!("{config:?}").contains("0123"));
    }

    #[test]
    fn a_provider_is_said_with_its_keys_and_they_come_over_tls() {
        let given = |url: Option<&str>, claim: &str| {
            let config = OpenIdConfig {
                oidc_issuer: Some("https://id.example.com".to_owned()),
                oidc_audience: Some("watershed".to_owned()),
                oidc_jwks_url: url.map(str::to_owned),
                oidc_role_claim: claim.to_owned(),
                ..OpenIdConfig::default()
            };
            config.read()
        };
        for url in [
            "https://id.example.com/keys",
            "http://127.0.0.1:1/keys",
            "http://[::1]/k",
        ] {
            assert!(given(Some(url), "/roles").is_ok(), "{url}");
        }
        for url in ["http://id.example.com/keys", "ftp://a/b", "keys.json", ""] {
            assert!(
                matches!(given(Some(url), "/roles"), Err(ConfigError::OpenId(_))),
                "{url}"
            );
        }
        assert!(matches!(given(None, "/roles"), Err(ConfigError::OpenId(_))));
        let fault = given(Some("https://a/b"), "roles").unwrap_err();
        assert_eq!(fault, ConfigError::RoleClaim);
        assert!(word_and_role("oncall=operator").is_ok());
        assert!(word_and_role("oncall").is_err() && word_and_role("oncall=root").is_err());
    }
}
