//! A server's certificate and key, and the CAs of its clients, as files that may change while the server
//! runs: whoever rotates them only replaces the files. New connections get the newest files that went
//! together; files that do not are told and counted, and the last good ones stay.

use crate::metrics::Metrics;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// How often the files are read to see whether they changed.
const POLL: Duration = Duration::from_secs(2);
/// The largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where a server's identity is, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// What the server is for, as logs and metrics name it: `xds` or `api`.
    pub port: &'static str,
    /// Its certificate and the intermediate ones after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs that sign the certificates of clients; none are asked for without.
    pub client_ca: Option<PathBuf>,
    /// The protocols that are spoken over it, best first (ALPN).
    pub protocols: &'static [&'static [u8]],
}

/// What a new connection is served with, always made of the last files that went together.
pub type Newest = watch::Receiver<Arc<ServerConfig>>;

/// Files that make no TLS server.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One of them cannot be read.
    #[error("{}: {fault}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        fault: std::io::Error,
    },
    /// One of them holds something else.
    #[error("{}: no {expected} in PEM there", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What should have been in it.
        expected: &'static str,
    },
    /// A certificate that clients would refuse, whoever signed it.
    #[error("{}: no client would take this certificate: {fault}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Why.
        fault: webpki::Error,
    },
    /// What is in one does not fit, or not to the others.
    #[error("{} (with the key in {}): {fault}", file.display(), key.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why.
        fault: String,
    },
}

/// What was in the files at one time.
#[derive(Clone, Eq, PartialEq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl TlsFiles {
    /// Reads the files, and goes on to read them for as long as somebody watches.
    ///
    /// # Errors
    /// [`TlsError`] where they do not go together now.
    pub async fn watch(
        self,
        metrics: Arc<Metrics>,
        clock: fn() -> Timestamp,
    ) -> Result<Newest, TlsError> {
        let contents = self.read().await?;
        let (sender, receiver) = watch::channel(self.server(&contents, clock())?);
        tokio::spawn(self.follow(contents, sender, metrics, clock));
        Ok(receiver)
    }

    async fn follow(
        self,
        mut last: Contents,
        newest: watch::Sender<Arc<ServerConfig>>,
        metrics: Arc<Metrics>,
        clock: fn() -> Timestamp,
    ) {
        let mut complained = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = newest.closed() => return,
            }
            let read = self.read().await;
            let made = read.and_then(|contents| {
                // Files that went together once do not stop serving when they expire: a proxy says
                // more about that than a server that is gone.
                let made = contents != last;
                let server = made.then(|| self.server(&contents, clock()));
                Ok(server.transpose()?.map(|server| (contents, server)))
            });
            match made {
                Ok(None) => complained = None,
                Ok(Some((contents, server))) => {
                    tracing::info!(port = self.port, certificate = %self.certificate.display(), "certificates read again");
                    metrics.tls_reload(self.port, "ok");
                    (last, complained) = (contents, None);
                    newest.send_replace(server);
                }
                // Half-way through a rotation this is expected. Once for each fault: the log is for
                // people.
                Err(fault) => {
                    let fault = fault.to_string();
                    if complained.as_ref() != Some(&fault) {
                        tracing::error!(
                            port = self.port,
                            fault,
                            "certificates changed and cannot be used; the last ones stay"
                        );
                        metrics.tls_reload(self.port, "failed");
                        complained = Some(fault);
                    }
                }
            }
        }
    }

    async fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificate: read(&self.certificate).await?,
            key: read(&self.key).await?,
            client_ca: match &self.client_ca {
                Some(file) => Some(read(file).await?),
                None => None,
            },
        })
    }

    fn server(&self, contents: &Contents, now: Timestamp) -> Result<Arc<ServerConfig>, TlsError> {
        let unfit = |fault: rustls::Error| self.unfit(&self.certificate, fault.to_string());
        let chain = certificates(&self.certificate, &contents.certificate)?;
        check(&self.certificate, &chain, now)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| TlsError::NotPem {
            file: self.key.clone(),
            expected: "private key",
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?;
        let server = match (&self.client_ca, &contents.client_ca) {
            (Some(file), Some(pem)) => {
                let unfit = |fault: String| self.unfit(file, fault);
                let mut roots = RootCertStore::empty();
                for root in certificates(file, pem)? {
                    roots.add(root).map_err(|fault| unfit(fault.to_string()))?;
                }
                let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let clients = clients.build().map_err(|fault| unfit(fault.to_string()))?;
                server.with_client_cert_verifier(clients)
            }
            _ => server.with_no_client_auth(),
        };
        let mut server = server.with_single_cert(chain, key).map_err(unfit)?;
        server.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(server))
    }

    fn unfit(&self, file: &Path, fault: String) -> TlsError {
        TlsError::Unfit {
            file: file.to_owned(),
            key: self.key.clone(),
            fault,
        }
    }
}

async fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |fault| TlsError::Unreadable {
        file: file.to_owned(),
        fault,
    };
    let size = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
    if size > MAX_BYTES {
        let text = format!("{size} bytes are too many (expected at most {MAX_BYTES})");
        return Err(unreadable(std::io::Error::other(text)));
    }
    tokio::fs::read(file).await.map_err(unreadable)
}

/// The certificates in a PEM file, of which there is at least one.
pub(crate) fn certificates(
    file: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem {
        file: file.to_owned(),
        expected: "certificate",
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|_| not_pem())?;
    if read.is_empty() {
        return Err(not_pem());
    }
    Ok(read)
}

/// Refuses what every client refuses: a certificate outside its time, or not for servers. The check is a
/// client's without any authority, so that it always ends in a fault: mostly that nobody known signed
/// it, which does not matter here.
fn check(file: &Path, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), TlsError> {
    let refused = |fault| TlsError::Refused {
        file: file.to_owned(),
        fault,
    };
    let Some((first, intermediates)) = chain.split_first() else {
        return Ok(());
    };
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let certificate = webpki::EndEntityCert::try_from(first).map_err(refused)?;
    let verified = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        intermediates,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        webpki::KeyUsage::server_auth(),
        None,
        None,
    );
    match verified {
        Err(
            fault @ (webpki::Error::CertExpired { .. }
            | webpki::Error::CertNotValidYet { .. }
            | webpki::Error::InvalidCertValidity
            | webpki::Error::RequiredEkuNotFoundContext(_)),
        ) => Err(refused(fault)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
