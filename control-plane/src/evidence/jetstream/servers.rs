//! Which NATS, as an argument says it. Pure.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use url::Url;

/// Where NATS listens when nobody says.
const PORT: u16 = 4222;

/// The servers of one NATS, and who we are there. Read from
/// `nats://USER:PASSWORD@HOST:PORT`, `nats://TOKEN@HOST:PORT` or `tls://…`, several with commas in between.
#[derive(Clone, Eq, PartialEq)]
pub struct NatsServers {
    servers: Vec<Server>,
    credentials: Credentials,
}

/// Who we are to NATS; the same to all its servers.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Credentials {
    Nobody,
    Token(String),
    User { name: String, password: String },
}

#[derive(Clone, Eq, PartialEq)]
struct Server {
    secure: bool,
    host: String,
    port: u16,
}

/// A text that names no NATS. Does not quote it: there may be a password in it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("not the URL of a NATS server: {0} (expected nats://USER:PASSWORD@HOST:PORT)")]
pub struct BadNatsUrl(&'static str);

impl NatsServers {
    /// The servers' URLs, without who we are.
    pub(super) fn urls(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(Server::to_string)
    }

    /// Who we are.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

impl FromStr for NatsServers {
    type Err = BadNatsUrl;

    fn from_str(text: &str) -> Result<Self, BadNatsUrl> {
        let mut found: Option<Self> = None;
        for part in text.split(',') {
            let (server, credentials) = read(part)?;
            match &mut found {
                None => {
                    found = Some(Self {
                        servers: vec![server],
                        credentials,
                    });
                }
                Some(it) if matches!(credentials, Credentials::Nobody) => it.servers.push(server),
                Some(_) => return Err(BadNatsUrl("only its first server says who we are")),
            }
        }
        found.ok_or(BadNatsUrl("it names no server"))
    }
}

/// One server and who we are there.
fn read(text: &str) -> Result<(Server, Credentials), BadNatsUrl> {
    let url = Url::parse(text).map_err(|_| BadNatsUrl("it cannot be read"))?;
    let secure = match url.scheme() {
        "nats" => false,
        "tls" => true,
        _ => return Err(BadNatsUrl("its scheme is neither nats nor tls")),
    };
    let host = url.host_str().filter(|it| !it.is_empty());
    let host = host.ok_or(BadNatsUrl("it names no host"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(BadNatsUrl("there is more after its port"));
    }
    let server = Server {
        secure,
        host: host.to_owned(),
        port: url.port().unwrap_or(PORT),
    };
    let credentials = match (decoded(url.username())?, url.password()) {
        (none, None) if none.is_empty() => Credentials::Nobody,
        (token, None) => Credentials::Token(token),
        (name, Some(password)) => Credentials::User {
            name,
            password: decoded(password)?,
        },
    };
    Ok((server, credentials))
}

fn decoded(text: &str) -> Result<String, BadNatsUrl> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8();
    text.map(String::from)
        .map_err(|_| BadNatsUrl("it is not UTF-8"))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "tls" } else { "nats" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls().collect();
        f.write_str(&urls.join(","))
    }
}

impl fmt::Debug for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsServers({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NatsServers {
        text.parse().unwrap()
    }

    #[test]
    fn servers_are_read_and_shown_without_who_we_are() {
        let servers = read("nats://me:hunter%2C2@one.example,tls://[::1]:4333");
        assert_eq!(
            format!("{servers:?}"),
            "NatsServers(nats://one.example:4222,tls://[::1]:4333)"
        );
        let Credentials::User { name, password } = servers.credentials() else {
            panic!("nobody");
        };
        assert_eq!((name.as_str(), password.as_str()), ("me", "hunter,2"));
        let token = read("tls://s3cret@nats:4222/");
        assert!(matches!(token.credentials(), Credentials::Token(it) if it == "s3cret"));
        assert_eq!(token.to_string(), "tls://nats:4222");
        assert!(matches!(
            read("nats://nats").credentials(),
            Credentials::Nobody
        ));
    }

    #[test]
    fn what_names_no_servers_is_refused_without_being_quoted() {
        for text in [
            "",
            ",",
            "hunter2",
            "localhost:4222",
            "http://me:hunter2@localhost",
            "nats://",
            "nats://me:hunter2@localhost:port",
            "nats://me:hunter2@localhost:4222/hunter2",
            "nats://me:hunter2@localhost?hunter2=1",
            "nats://me:%ff@localhost",
            "nats://localhost,",
            "nats://localhost,nats://me:hunter2@other",
        ] {
            let bad = text.parse::<NatsServers>().unwrap_err().to_string();
            assert!(bad.contains("expected nats://USER"), "{bad}");
            assert!(!bad.contains("hunter2"), "{bad}");
        }
    }
}
