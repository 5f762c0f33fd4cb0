//! The load in front of Envoy: so many connections that stay, each with one request under way,
//! until so many are answered. What does not live here: what they cost.

use super::upstream::{SEEN, header};
use crate::work::{self, Request};
use anyhow::Context as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Connections at a time.
pub const CONNECTIONS: usize = 8;
/// Under valgrind a first request takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// The requests, as they go over the wire.
#[must_use]
pub fn wire(requests: &[Request]) -> Vec<Vec<u8>> {
    requests.iter().map(one).collect()
}

fn one(request: &Request) -> Vec<u8> {
    let [host, path, values @ ..] = request;
    let [_, _, names @ ..] = work::HEADERS;
    let mut text = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: bench/1\r\naccept: */*\r\n\
         accept-encoding: gzip, br\r\ncookie: session=9f86d081884c7d65; theme=dark\r\n"
    );
    for (name, value) in names.iter().zip(values) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Sends `count` requests, going through the units, and waits for every answer.
///
/// # Errors
/// Any answer but 200, or none within a minute.
pub fn run(address: SocketAddr, requests: &[Vec<u8>], count: usize) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|worker| {
                let mine = requests.iter().cycle().skip(worker * 131);
                let share = count / CONNECTIONS + usize::from(worker < count % CONNECTIONS);
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    for request in mine.take(share) {
                        connection.ask(request)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for worker in workers {
            let outcome = worker.join();
            outcome.map_err(|_| anyhow::anyhow!("a connection's thread died"))??;
        }
        Ok(())
    })
}

/// The variants that the upstream saw for the first `count` requests.
///
/// # Errors
/// As [`run`].
pub fn variants(
    address: SocketAddr,
    requests: &[Vec<u8>],
    count: usize,
) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(address)?;
    let asked = requests.iter().take(count);
    asked
        .map(|request| {
            let head = connection.ask(request)?;
            Ok(header(head, SEEN).unwrap_or_default().to_owned())
        })
        .collect()
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1_024),
        })
    }

    /// One request and its whole answer.
    fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut buffer = [0; 2_048];
        loop {
            let count = self.stream.read(&mut buffer).context("no answer")?;
            anyhow::ensure!(count > 0, "the connection was closed");
            self.answer.extend(buffer.iter().take(count));
            if is_whole(&self.answer) {
                break;
            }
        }
        let text = || String::from_utf8_lossy(&self.answer).into_owned();
        anyhow::ensure!(self.answer.starts_with(b"HTTP/1.1 200 "), "{}", text());
        Ok(&self.answer)
    }
}

/// Whether an answer with a content-length is all there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let length = answer
        .get(..end)
        .and_then(|head| header(head, "content-length"));
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    answer.len() >= end + 4 + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
        assert!(is_whole(answer));
        for end in 0..answer.len() {
            assert!(!is_whole(&answer[..end]), "{end}");
        }
    }

    #[test]
    fn a_request_brings_the_six_strings() {
        let requests = work::requests();
        let text = String::from_utf8(one(&requests[0])).unwrap();
        for value in &requests[0] {
            assert!(text.contains(value.as_str()), "{text}");
        }
        assert!(text.ends_with("\r\n\r\n"));
    }
}
