//! Ports that nobody else gets. What lives here: the reservation. A free port that is found and let go
//! may be taken by another test before the process under test binds it; a socket that is bound but
//! never listens keeps it, and lets a process bind it too that reuses addresses (as the control plane's
//! runtime does) or ports (as Envoy does).

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is ours for as long as this value lives.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _reservation: TcpSocket,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reuse the address");
        socket.set_reuseport(true).expect("reuse the port");
        socket
            .bind(([127, 0, 0, 1], 0).into())
            .expect("a free port");
        let address = socket.local_addr().expect("the bound address");
        Self {
            address,
            _reservation: socket,
        }
    }

    /// Where a process is to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reserved_port_is_bound_again_and_again_but_given_to_no_one_else() {
        let port = Port::reserve();
        for _ in 0..2 {
            let listener = tokio::net::TcpListener::bind(port.address()).await.unwrap();
            let client = tokio::net::TcpStream::connect(port.address())
                .await
                .unwrap();
            listener.accept().await.unwrap();
            drop(client);
        }
        let others: Vec<Port> = (0..100).map(|_| Port::reserve()).collect();
        assert!(others.iter().all(|other| other.address() != port.address()));
    }
}
