//! HTTP/1.1 by hand. What lives here: a keep-alive connection that sends exactly the bytes that it is
//! given, because the stories send what no well-behaved client would, and a reader for what comes back.
//! What does not: TLS, pipelining, and anything else that Envoy is not asked for here.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes: a request that is not answered fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, as the bytes that go out.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// A request line and the headers that every request needs.
    pub fn new(method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: chat.example\r\n").into_bytes();
        Self {
            head,
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Any bytes as a head, without the empty line at its end.
    pub fn raw(head: &[u8]) -> Self {
        Self {
            head: head.to_vec(),
            body: Vec::new(),
        }
    }

    /// Appends a header as it is, whatever its bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        let length = self.body.len().to_string();
        self.header("content-type", "application/json")
            .header("content-length", length)
    }

    /// Sets any body; whether the headers fit is up to the story.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.head, &b"\r\n"[..], &self.body].concat()
    }
}

/// A response that was read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came in.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body without its transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The body as text, with replacements where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// The connection ends early, the response is not HTTP, or none comes for 30 s.
    pub async fn send(&mut self, request: &Request) -> io::Result<Response> {
        let exchange = async {
            self.stream.write_all(&request.bytes()).await?;
            self.read_response().await
        };
        timeout(PATIENCE, exchange).await?
    }

    async fn read_response(&mut self) -> io::Result<Response> {
        let status = self.read_line().await?;
        let status = std::str::from_utf8(&status)
            .ok()
            .and_then(|line| line.strip_prefix("HTTP/1."))
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| malformed("status line", &status))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line().await?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.ok_or_else(|| malformed("header", &line))?);
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            headers.push((name, value[1..].trim_ascii().to_vec()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        response.body = self.read_body(&response).await?;
        Ok(response)
    }

    async fn read_body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        if head
            .header("transfer-encoding")
            .is_some_and(|coding| coding == "chunked")
        {
            return self.read_chunks().await;
        }
        let mut body = Vec::new();
        match head.header("content-length") {
            Some(length) => {
                let length = length
                    .parse()
                    .map_err(|_| malformed("length", length.as_bytes()))?;
                self.read_exactly(length, &mut body).await?;
            }
            None if head.status == 204 || head.status == 304 => {}
            None => _ = self.stream.read_to_end(&mut body).await?,
        }
        Ok(body)
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await?;
            let size = std::str::from_utf8(&line).ok();
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            let size = size.ok_or_else(|| malformed("chunk size", &line))?;
            self.read_exactly(size, &mut body).await?;
            self.read_line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn read_exactly(&mut self, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let read = (&mut self.stream).take(length).read_to_end(into).await?;
        if u64::try_from(read).is_ok_and(|read| read == length) {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    /// A line without its end.
    async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::send`].
pub async fn send(address: SocketAddr, request: &Request) -> io::Result<Response> {
    Connection::open(address).await?.send(request).await
}

fn malformed(what: &str, bytes: &[u8]) -> io::Error {
    let text = format!("malformed {what}: {:?}", String::from_utf8_lossy(bytes));
    io::Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answered(answer: &'static [u8]) -> io::Result<Response> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        });
        send(address, &Request::get("/")).await
    }

    #[tokio::test]
    async fn bodies_are_read_by_length_by_chunks_and_to_the_end() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nx-bytes: \xff\r\n\r\nhello",
        ] {
            let response = answered(answer).await.unwrap();
            assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        }
    }

    #[tokio::test]
    async fn what_is_not_http_or_ends_early_is_an_error() {
        for answer in [
            &b""[..],
            b"\xff\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(
                answered(answer).await.is_err(),
                "{:?}",
                String::from_utf8_lossy(answer)
            );
        }
    }

    #[test]
    fn a_request_goes_out_as_it_was_written() {
        let request = Request::raw(b"GET / HTTP/1.0\r\n").header("x", b"\xff\x80");
        assert_eq!(request.bytes(), b"GET / HTTP/1.0\r\nx: \xff\x80\r\n\r\n");
    }
}
