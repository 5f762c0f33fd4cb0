//! The upstream behind every Envoy: answers at once, and counts what was stamped. What does not
//! live here: more HTTP than a request without a body.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// How the answer names the variant that reached the upstream.
pub const SEEN: &str = "x-seen-variant";

/// A running upstream; it ends with the process.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    stamped: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts it on a free port of the loopback interface.
    ///
    /// # Errors
    /// Where there is none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let upstream = Self {
            address: listener.local_addr()?,
            stamped: Arc::default(),
        };
        let stamped = Arc::clone(&upstream.stamped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stamped = Arc::clone(&stamped);
                // A connection that breaks is its client's to notice.
                thread::spawn(move || serve(stream, &stamped));
            }
        });
        Ok(upstream)
    }

    /// How many requests had a variant so far.
    #[must_use]
    pub fn stamped(&self) -> u64 {
        self.stamped.load(Relaxed)
    }
}

fn serve(mut stream: TcpStream, stamped: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(4_096);
    let mut buffer = [0; 4_096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        head.extend(buffer.iter().take(count));
        if head.ends_with(b"\r\n\r\n") {
            let variant = header(&head, "x-variant").unwrap_or_default();
            if !variant.is_empty() {
                stamped.fetch_add(1, Relaxed);
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n{SEEN}: {variant}\r\n\r\nok\n");
            stream.write_all(answer.as_bytes())?;
            head.clear();
        }
    }
}

/// The value of a header in a head whose names are in lower case, as Envoy sends them.
#[must_use]
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(head).ok()?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers
        .find(|(other, _)| *other == name)
        .map(|(_, value)| value)
}
