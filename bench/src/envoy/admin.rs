//! Envoy's admin interface, as far as a bench asks it. What does not live here: what the answers
//! are for.

use anyhow::Context as _;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The admin interface at an address.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub SocketAddr);

impl Admin {
    /// Where the one listener is.
    ///
    /// # Errors
    /// While there is none yet.
    pub fn listener(self) -> anyhow::Result<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.get("/listeners?format=json")?)?;
        let socket = listeners
            .pointer("/listener_statuses/0/local_address/socket_address")
            .context("no listener")?;
        let address = socket.get("address").and_then(Value::as_str);
        let port = socket.get("port_value").and_then(Value::as_u64);
        let (address, port) = address.zip(port).context("a listener without address")?;
        Ok(SocketAddr::new(address.parse()?, u16::try_from(port)?))
    }

    /// Whether Envoy is fully up.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.get("/ready").is_ok_and(|body| body.trim() == "LIVE")
    }

    /// The sum of the counters whose name contains `part`.
    ///
    /// # Errors
    /// No connection.
    pub fn counter(self, part: &str) -> anyhow::Result<u64> {
        let stats = self.get("/stats")?;
        let counters = stats.lines().filter_map(|line| line.split_once(": "));
        let matching = counters.filter(|(name, _)| name.contains(part));
        Ok(matching
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum())
    }

    fn get(self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.0, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        if head.contains("transfer-encoding: chunked") {
            unchunked(body).context("a chunk is not as long as it says")
        } else {
            Ok(body.to_owned())
        }
    }
}

/// A chunked body (RFC 9112, section 7.1) as one.
fn unchunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_together() {
        assert_eq!(
            unchunked("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n").unwrap(),
            "abc0123456789"
        );
        assert_eq!(unchunked("0\r\n\r\n").unwrap(), "");
        for broken in ["", "3\r\nab", "x\r\nabc\r\n", "3\r\nabcd\r\n0\r\n\r\n"] {
            assert_eq!(unchunked(broken), None, "{broken:?}");
        }
    }
}
