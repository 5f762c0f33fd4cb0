//! An upstream that tells what reached it. What lives here: an HTTP/1.1 server that answers every
//! request with its head and the length of its body as JSON. What does not: a model; see
//! [`crate::Upstream`].

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::http::{Request, send};

/// A running echo; gone when dropped.
#[derive(Debug)]
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Echo {
    /// An echo on a free port, that calls itself `name` in its answers.
    pub async fn start(name: &'static str) -> Self {
        Self::before(name, None).await
    }

    /// An application in the middle of a path: each request makes one of its own to `next`, with the
    /// headers of a trace and of an assignment that came in, and gives back what `next` answered.
    pub async fn relay(name: &'static str, next: SocketAddr) -> Self {
        Self::before(name, Some(next)).await
    }

    async fn before(name: &'static str, next: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the bound address");
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(name, next, BufReader::new(stream)));
            }
        });
        Self { address, server }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Answers requests until the peer has no more; a peer that sends no HTTP is left alone.
async fn serve(
    name: &str,
    next: Option<SocketAddr>,
    mut stream: BufReader<TcpStream>,
) -> Option<()> {
    loop {
        let mut head = vec![line(&mut stream).await?];
        loop {
            match line(&mut stream).await? {
                last if last.is_empty() => break,
                header => head.push(header),
            }
        }
        let headers = headers(&head);
        let length = body(&mut stream, &headers).await?;
        let answer = match next {
            Some(next) => send(next, &passed_on(&headers)).await.ok()?.text(),
            None => json!({
                "upstream": name,
                "request": head.first(),
                "headers": headers,
                "body_length": length,
            })
            .to_string(),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let answer = [head, answer].concat();
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

/// What an application lets through of what came in: nothing but these.
fn passed_on(headers: &Value) -> Request {
    ["x-unit", "x-experiment-id", "x-variant", "baggage"]
        .iter()
        .filter_map(|name| Some((*name, headers[*name].as_str()?)))
        .fold(Request::get("/"), |request, (name, value)| {
            request.header(name, value)
        })
}

/// Names in lower case; several values of one are joined with a comma.
fn headers(head: &[String]) -> Value {
    let mut headers = json!({});
    for (name, value) in head.iter().skip(1).filter_map(|line| line.split_once(':')) {
        let known = &mut headers[name.to_ascii_lowercase()];
        *known = match known.as_str() {
            Some(before) => json!(format!("{before},{}", value.trim())),
            None => json!(value.trim()),
        };
    }
    headers
}

async fn body(stream: &mut BufReader<TcpStream>, headers: &Value) -> Option<u64> {
    if headers["transfer-encoding"] != "chunked" {
        let length = headers["content-length"].as_str().unwrap_or("0");
        return skip(stream, length.parse().ok()?).await;
    }
    let mut length = 0;
    loop {
        let size = u64::from_str_radix(&line(stream).await?, 16).ok()?;
        length += skip(stream, size).await?;
        if size == 0 {
            // Trailers, and the empty line behind them.
            while !line(stream).await?.is_empty() {}
            return Some(length);
        }
        line(stream).await?;
    }
}

async fn skip(stream: &mut BufReader<TcpStream>, length: u64) -> Option<u64> {
    let mut body = stream.take(length);
    tokio::io::copy(&mut body, &mut tokio::io::sink())
        .await
        .ok()
}

/// A line without its end.
async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await.ok()?;
    let line = line.strip_suffix(b"\r\n")?;
    Some(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    #[tokio::test]
    async fn what_was_sent_comes_back_also_in_chunks() {
        let echo = Echo::start("e").await;
        let mut connection = Connection::open(echo.address).await.unwrap();
        let request = Request::get("/p").header("X-A", "1").header("x-a", "2");
        let answer = connection.send(&request).await.unwrap().json();
        assert_eq!(answer["upstream"], "e");
        assert_eq!(answer["request"], "GET /p HTTP/1.1");
        assert_eq!(answer["headers"]["x-a"], "1,2");
        assert_eq!(answer["body_length"], 0);
        let chunked = Request::new("POST", "/p")
            .header("transfer-encoding", "chunked")
            .body(b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n");
        let answer = connection.send(&chunked).await.unwrap().json();
        assert_eq!(answer["body_length"], 5);
    }
}
