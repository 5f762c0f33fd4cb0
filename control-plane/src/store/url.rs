//! The URL of a PostgreSQL database: read once, and shown without its password.

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A URL that PostgreSQL's client understands. Never shown with its password.
#[derive(Clone)]
pub struct PostgresUrl {
    text: String,
    options: Box<PgConnectOptions>,
}

/// A text that is no such URL. Does not quote it: there may be a password in it.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error(
    "not the URL of a PostgreSQL database: {reason} (expected postgres://USER:PASSWORD@HOST:PORT/NAME)"
)]
pub struct BadUrl {
    reason: String,
}

impl PostgresUrl {
    /// The URL, with its password.
    pub(super) fn secret(&self) -> &str {
        &self.text
    }

    /// What a connection needs.
    pub(crate) fn options(&self) -> PgConnectOptions {
        // Statements are logged by nobody: they hold what people wrote.
        self.options.as_ref().clone().disable_statement_logging()
    }
}

impl FromStr for PostgresUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let bad = |reason: String| BadUrl { reason };
        let (scheme, _) = text.split_once("://").unwrap_or_default();
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(bad(
                "its scheme is neither postgres nor postgresql".to_owned()
            ));
        }
        let options = PgConnectOptions::from_str(text).map_err(|fault| match fault {
            sqlx::Error::Configuration(reason) => bad(reason.to_string()),
            _ => bad("it cannot be read".to_owned()),
        })?;
        Ok(Self {
            text: text.to_owned(),
            options: Box::new(options),
        })
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        let name = self.options.get_database().unwrap_or_default();
        write!(f, "postgres://{host}:{port}/{name}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url = "postgres://me:hunter2@db.example:6543/ours?sslmode=verify-full";
        let url: PostgresUrl = url.parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:6543/ours");
        assert_eq!(
            format!("{url:?}"),
            "PostgresUrl(postgres://db.example:6543/ours)"
        );
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_being_quoted() {
        for text in [
            "",
            "hunter2",
            "sqlite:hunter2",
            "mysql://me:hunter2@localhost/x",
            "postgres://me:hunter2@localhost:port/x",
            "postgres://me:hunter2@localhost/x?sslmode=hunter3",
        ] {
            let bad = text.parse::<PostgresUrl>().unwrap_err().to_string();
            assert!(bad.contains("expected postgres://USER"), "{bad}");
            assert!(!bad.contains("hunter2"), "{bad}");
        }
    }
}
