//! Accepting connections. Each handshake is a task of its own with a time limit, so that a client that
//! says nothing keeps nobody else waiting.

use super::connection::Connection;
use super::files::Newest;
use super::fleet_rule::{FleetRule, fleets_of};
use crate::ads::Peer;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use futures::Stream;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at one time; more wait in the kernel's queue.
const HANDSHAKES: usize = 1_024;
/// Connections that wait for the server to take them up.
const READY: usize = 64;
/// How long nothing is accepted after that failed, as it does when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that may wait in the kernel's queue, if it has room for as many: when all proxies connect anew at
/// once, whoever finds the queue full waits for a second or is turned away.
const WAITING: u32 = 65_535;

/// Listens on `address`.
///
/// # Errors
/// The address is taken or not ours.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A port that the last process left a moment ago.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// What is asked of whoever connects, and shown to them.
#[derive(Clone)]
pub enum Security {
    /// Nothing.
    Plaintext,
    /// TLS with the newest certificates of the server. Where they come with the CAs of clients, the rules
    /// say which fleets a client's certificate is good for.
    Tls(Newest, Arc<[FleetRule]>),
}

/// The connections that come to a listener, ready to be spoken over.
pub struct Incoming {
    address: SocketAddr,
    ready: mpsc::Receiver<Connection>,
}

impl Incoming {
    /// Accepts what comes to `listener` until it is dropped.
    ///
    /// # Errors
    /// The listener does not say where it listens.
    pub fn new(listener: TcpListener, security: Security) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY);
        tokio::spawn(accept(listener, security, sender));
        Ok(Self { address, ready })
    }
}

/// As tonic wants it.
impl Stream for Incoming {
    type Item = std::io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.get_mut().ready.poll_recv(context);
        next.map(|connection| connection.map(Ok))
    }
}

/// As axum wants it.
impl axum::serve::Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => {
                let from = connection.from();
                (connection, from)
            }
            // Nothing accepts any more: the runtime is going away.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Where a request to the API comes from.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddress(pub SocketAddr);

impl Connected<IncomingStream<'_, Incoming>> for RemoteAddress {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        Self(*stream.remote_addr())
    }
}

async fn accept(listener: TcpListener, security: Security, ready: mpsc::Sender<Connection>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(fault) => {
                tracing::warn!(%fault, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // A push is one small write that somebody waits for.
        if let Err(fault) = stream.set_nodelay(true) {
            tracing::debug!(%from, %fault, "cannot set TCP_NODELAY");
        }
        match &security {
            Security::Plaintext => {
                // Nobody takes it any more where the server ends.
                let _ = ready.send(Connection::plain(stream, from)).await;
            }
            Security::Tls(newest, rules) => {
                let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
                    return;
                };
                let acceptor = TlsAcceptor::from(Arc::clone(&newest.borrow()));
                let (rules, ready) = (Arc::clone(rules), ready.clone());
                tokio::spawn(async move {
                    if let Some(connection) = secure(stream, from, acceptor, &rules).await {
                        let _ = ready.send(connection).await;
                    }
                    drop(permit);
                });
            }
        }
    }
}

async fn secure(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    rules: &[FleetRule],
) -> Option<Connection> {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(fault)) => {
            tracing::warn!(%from, %fault, "TLS handshake failed");
            return None;
        }
        Err(_) => {
            tracing::warn!(%from, "TLS handshake took too long");
            return None;
        }
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let peer = match certificates.and_then(<[_]>::first) {
        None => Peer::Unproven,
        Some(certificate) => match fleets_of(rules, certificate) {
            Ok(fleets) => Peer::Fleets(fleets.into_iter().collect()),
            Err(fault) => {
                tracing::warn!(%from, %fault, "the client certificate cannot be read");
                return None;
            }
        },
    };
    Some(Connection::tls(stream, peer, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many the kernel lets wait, where it says so.
    fn allowed() -> usize {
        let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    #[tokio::test]
    async fn many_clients_are_connected_at_once_before_any_of_them_is_accepted() {
        const CLIENTS: usize = 1_000;
        if allowed() < CLIENTS {
            println!("skipped: the system lets no {CLIENTS} connections wait (net.core.somaxconn)");
            return;
        }
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let client = TcpStream::connect(address);
            let connected = tokio::time::timeout(Duration::from_secs(60), client).await;
            clients.push(connected.expect("there is room in the queue").unwrap());
        }
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_an_error() {
        let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let taken = listen(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        let local = listen("[::1]:0".parse().unwrap());
        assert!(local.is_ok() || local.unwrap_err().kind() != std::io::ErrorKind::InvalidInput);
    }
}
