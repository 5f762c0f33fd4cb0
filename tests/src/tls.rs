//! TLS for stories. What lives here: an authority of the story's own, its certificates as files, a
//! server that takes TLS off what it passes on, asking clients for a certificate of the same
//! authority, and a client that looks at what a server shows. What does not: how the product is told
//! of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// A certificate authority whose files lie in a folder.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one; `name` tells its files from those of others in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("ca.pem"), issuer.pem()).expect("write the certificate");
        Self { folder, issuer }
    }

    /// The file of its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `name`, as files.
    pub fn issue(&self, name: &str) -> Files {
        self.issue_with(name, |params| params.subject_alt_names = vec![dns(name)])
    }

    /// A certificate in files called `name`, of which `change` says more. Files of that name are
    /// replaced.
    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Files {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = Files {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key.pem")),
        };
        fs::write(&files.certificate, certificate.pem()).expect("write the certificate");
        fs::write(&files.key, key.serialize_pem()).expect("write the key");
        files
    }

    /// The certificate that a server at `address` shows to a client with `client`'s.
    ///
    /// # Errors
    /// What went wrong with the handshake, as the client sees it.
    pub async fn shown_at(&self, address: SocketAddr, client: &Files) -> std::io::Result<Vec<u8>> {
        let stream = connect(address, self.client(client)).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let shown = shown
            .and_then(<[_]>::first)
            .expect("a server's certificate");
        Ok(shown.to_vec())
    }

    /// A connection for gRPC to a server at `address`, as a client with `client`'s certificate.
    pub async fn channel(&self, address: SocketAddr, client: &Files) -> Channel {
        let mut config = self.client(client);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let endpoint = Endpoint::from_static("http://localhost");
        let connector = service_fn(move |_| {
            let stream = connect(address, config.clone());
            async { Ok::<_, std::io::Error>(TokioIo::new(stream.await?)) }
        });
        let channel = endpoint.connect_with_connector(connector).await;
        channel.expect("a connection with a certificate")
    }

    /// What a client with `client`'s certificate needs to ask a server for one of this authority.
    fn client(&self, client: &Files) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let pem = "a PEM file of ours";
        let chain = CertificateDer::from_pem_file(&client.certificate).expect(pem);
        let key = PrivateKeyDer::from_pem_file(&client.key).expect(pem);
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![chain], key)
            .expect("a client's configuration")
    }

    /// What a server named `name` needs to ask for certificates of this authority.
    fn server(&self, name: &str) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients.build().expect("a verifier"))
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .expect("a server's configuration")
    }
}

async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

impl Files {
    /// The certificate itself.
    pub fn der(&self) -> Vec<u8> {
        let certificate = CertificateDer::from_pem_file(&self.certificate);
        certificate.expect("a certificate in PEM").to_vec()
    }
}

/// A name of a server.
pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a name of a server"))
}

/// A name that is a URI.
pub fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("a URI"))
}

/// A server that takes TLS off; gone when dropped.
#[derive(Debug)]
pub struct TlsFront {
    /// Where it listens.
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl TlsFront {
    /// Shows a certificate of `authority` for `name`, and passes on to `behind` what clients with a
    /// certificate of the same authority send.
    pub async fn start(authority: &Authority, name: &str, behind: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(name)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the bound address");
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), stream, behind));
            }
        });
        Self { address, server }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Passes one connection on; one that fails its handshake just ends.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) -> Option<()> {
    let mut outside = acceptor.accept(stream).await.ok()?;
    let mut inside = TcpStream::connect(behind).await.ok()?;
    copy_bidirectional(&mut outside, &mut inside).await.ok()?;
    Some(())
}
