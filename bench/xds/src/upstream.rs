//! An upstream of Envoy's that notes when it was last asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";

/// A running upstream; it ends with the process.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Upstream {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = Self {
            address: listener.local_addr()?,
            asked: Arc::default(),
        };
        let asked = Arc::clone(&upstream.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks is Envoy's to notice.
                tokio::spawn(serve(stream, Arc::clone(&asked)));
            }
        });
        Ok(upstream)
    }

    /// When it was last asked.
    #[must_use]
    pub fn last_asked(&self) -> Option<Instant> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers requests without a body.
async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Option<Instant>>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(4_096);
    while stream.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            stream.write_all(ANSWER).await?;
            head.clear();
        }
    }
    Ok(())
}
