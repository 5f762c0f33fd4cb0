//! Which ClickHouse, and how it keeps evidence. Pure.

use crate::store::Retention;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// How long after it was sent a batch is shown among raw exposures. Batches of several writers become visible
/// in another order than they are numbered in; longer than an insert may take, none is passed over.
const SETTLE: Duration = Duration::from_secs(25);

/// Which ClickHouse, and how it keeps evidence. Read from
/// `clickhouse://USER:PASSWORD@HOST:PORT/DATABASE?cluster=NAME&secure=true`.
#[derive(Clone)]
pub struct ClickHouseOptions {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    pub(super) cluster: Option<String>,
    pub(super) retention: Option<Retention>,
    pub(super) settle: Duration,
}

/// A text that is no such URL. Does not quote it: there may be a password in it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "not the URL of a ClickHouse database: {0} (expected clickhouse://USER:PASSWORD@HOST:PORT/DATABASE)"
)]
pub struct BadClickHouseUrl(String);

impl ClickHouseOptions {
    /// Has the tables let go of what is older than this by themselves, counted from when it was kept.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self {
            retention: Some(retention),
            ..self
        }
    }

    /// How long after it was sent a batch is shown among raw exposures; 25 seconds where nobody says. Less
    /// than an insert may take is right where there is one writer only.
    #[must_use]
    pub fn with_settle(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    /// Where it is asked.
    pub(super) fn address(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}:{}/", self.host, self.port)
    }
}

impl FromStr for ClickHouseOptions {
    type Err = BadClickHouseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| BadClickHouseUrl(reason.to_owned());
        let url = Url::parse(text).map_err(|_| bad("it cannot be read"))?;
        if url.scheme() != "clickhouse" {
            return Err(bad("its scheme is not clickhouse"));
        }
        let host = url.host_str().filter(|it| !it.is_empty());
        let host = host.ok_or_else(|| bad("it names no host"))?;
        let (mut secure, mut cluster) = (false, None);
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), value.as_ref()) {
                ("secure", "true") => secure = true,
                ("secure", "false") => secure = false,
                ("secure", _) => return Err(bad("secure is neither true nor false")),
                ("cluster", name) => cluster = Some(name.to_owned()),
                _ => return Err(bad("it has a parameter other than cluster and secure")),
            }
        }
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| bad("it is not UTF-8"))
        };
        let database = match decoded(url.path().trim_start_matches('/'))? {
            none if none.is_empty() => "default".to_owned(),
            named => named,
        };
        for name in cluster.iter().chain([&database]) {
            if !is_name(name) {
                return Err(bad(
                    "a name in it has more than letters, digits, _, - and {}",
                ));
            }
        }
        let user = match decoded(url.username())? {
            none if none.is_empty() => "default".to_owned(),
            named => named,
        };
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(if secure { 8443 } else { 8123 }),
            secure,
            user,
            password: decoded(url.password().unwrap_or_default())?,
            database,
            cluster,
            retention: None,
            settle: SETTLE,
        })
    }
}

/// Whether it can stand in SQL as it is, in backticks or quotes; braces are for macros of the server's.
fn is_name(name: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"_-{}".contains(&it);
    !name.is_empty() && name.bytes().all(allowed)
}

impl fmt::Display for ClickHouseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "clickhouse://{}:{}/{}",
            self.host, self.port, self.database
        )
    }
}

impl fmt::Debug for ClickHouseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClickHouseOptions({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_password() {
        let url = "clickhouse://me:hunter%402@db.example/ours?cluster=main&secure=true";
        let options: ClickHouseOptions = url.parse().unwrap();
        assert_eq!(options.address(), "https://db.example:8443/");
        assert_eq!(options.password, "hunter@2");
        assert_eq!(
            (options.user.as_str(), options.cluster.as_deref()),
            ("me", Some("main"))
        );
        assert_eq!(
            format!("{options:?}"),
            "ClickHouseOptions(clickhouse://db.example:8443/ours)"
        );
    }

    #[test]
    fn what_is_left_out_is_as_clickhouse_has_it() {
        let options: ClickHouseOptions = "clickhouse://[::1]:9123".parse().unwrap();
        assert_eq!(options.address(), "http://[::1]:9123/");
        assert_eq!(
            (options.user.as_str(), options.database.as_str()),
            ("default", "default")
        );
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_being_quoted() {
        for text in [
            "",
            "hunter2",
            "postgres://me:hunter2@localhost/x",
            "clickhouse:///x",
            "clickhouse://me:hunter2@localhost:port/x",
            "clickhouse://me:hunter2@localhost/x?secure=hunter2",
            "clickhouse://me:hunter2@localhost/x?hunter2=1",
            "clickhouse://me:hunter2@localhost/x'hunter2",
            "clickhouse://me:hunter2@localhost/x?cluster=",
            "clickhouse://me:%ff@localhost/x",
        ] {
            let bad = text.parse::<ClickHouseOptions>().unwrap_err().to_string();
            assert!(bad.contains("expected clickhouse://USER"), "{bad}");
            assert!(!bad.contains("hunter2"), "{bad}");
        }
    }
}
