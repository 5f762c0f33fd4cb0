//! TLS to a cluster's endpoints: whose certificate is accepted, and which one the proxy shows. Files
//! are paths on the proxies' disks; nothing here reads them.

use super::check;
use super::cluster::{Endpoint, Host, is_dns_name};
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The most names of a certificate that are accepted.
const MAX_NAMES: usize = 32;

/// TLS as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// The server name that is asked for; the endpoints' DNS name where they all have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The certificate authorities that are trusted: a PEM file on the proxy. Those of its system,
    /// `/etc/ssl/certs/ca-certificates.crt`, where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// DNS names or IP addresses of which the server's certificate must have one; `sni` where not
    /// given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The certificate that the proxy shows: a PEM file on the proxy, together with `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The key of `certificate`: a PEM file on the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What validated TLS is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The server name that is asked for.
    pub sni: String,
    /// The file of trusted authorities; the proxy's system's where there is none.
    pub ca: Option<String>,
    /// The names of which the server's certificate must have one; never empty.
    pub names: Vec<CertificateName>,
    /// The certificate that the proxy shows, where it shows one.
    pub client: Option<ClientCertificate>,
}

/// A name in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateName {
    /// A DNS name, in lower case.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// A certificate with its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// The file of the certificate.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
}

impl TlsSpec {
    /// Validates below the JSON pointer `at`, noting every fault.
    pub(super) fn validate(
        &self,
        endpoints: &[Endpoint],
        at: &str,
        faults: &mut Faults,
    ) -> Option<Tls> {
        let sni = self.sni(endpoints, at, faults);
        let ca = path(self.ca.as_ref(), &format!("{at}/ca"), faults);
        let client = self.client(at, faults);
        let names = self.names(at, faults);
        let (sni, mut names) = (sni?, names?);
        if names.is_empty() {
            names.push(CertificateName::Dns(sni.clone()));
        }
        Some(Tls {
            sni,
            ca: ca?,
            names,
            client: client?,
        })
    }

    fn sni(&self, endpoints: &[Endpoint], at: &str, faults: &mut Faults) -> Option<String> {
        let place = format!("{at}/sni");
        if let Some(sni) = &self.sni {
            if !is_dns_name(sni) {
                faults.add(place, "is not a DNS name", "a name as `models.internal`");
                return None;
            }
            return Some(sni.to_ascii_lowercase());
        }
        let mut names = endpoints.iter().map(|endpoint| match &endpoint.host {
            Host::Dns(name) => Some(name),
            Host::Ip(_) => None,
        });
        let first = names.next().flatten();
        let same = names.all(|name| name == first);
        if let (Some(name), true) = (first, same) {
            return Some(name.clone());
        }
        let message = "is missing, though the endpoints have not all the same DNS name";
        faults.add(place, message, "the server name that is asked for");
        None
    }

    fn names(&self, at: &str, faults: &mut Faults) -> Option<Vec<CertificateName>> {
        let place = format!("{at}/names");
        check::length(self.names.len(), &(0..=MAX_NAMES), &place, faults)?;
        let read: Vec<Option<CertificateName>> = self
            .names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let read = CertificateName::try_new(name);
                if read.is_none() {
                    let expected = "a DNS name or an IP address";
                    faults.add(format!("{place}/{index}"), "is no name", expected);
                }
                read
            })
            .collect();
        read.into_iter().collect()
    }

    fn client(&self, at: &str, faults: &mut Faults) -> Option<Option<ClientCertificate>> {
        let certificate = path(
            self.certificate.as_ref(),
            &format!("{at}/certificate"),
            faults,
        );
        let key = path(self.key.as_ref(), &format!("{at}/key"), faults);
        match (certificate?, key?) {
            (Some(certificate), Some(key)) => Some(Some(ClientCertificate { certificate, key })),
            (None, None) => Some(None),
            (Some(_), None) => missing(format!("{at}/key"), "the key of the certificate", faults),
            (None, Some(_)) => {
                let place = format!("{at}/certificate");
                missing(place, "the certificate of the key", faults)
            }
        }
    }
}

fn missing<T>(at: String, expected: &str, faults: &mut Faults) -> Option<T> {
    faults.add(at, "is missing", expected);
    None
}

/// A path on a proxy, where there is one.
fn path(given: Option<&String>, at: &str, faults: &mut Faults) -> Option<Option<String>> {
    let Some(path) = given else {
        return Some(None);
    };
    let plain = !path.contains(char::is_control) && path.len() <= 1_024;
    if !path.starts_with('/') || !plain {
        let expected = "an absolute path on the proxies, as `/etc/envoy/ca.pem`";
        faults.add(at, "is not a path", expected);
        return None;
    }
    Some(Some(path.clone()))
}

impl CertificateName {
    fn try_new(name: &str) -> Option<Self> {
        if let Ok(address) = name.parse() {
            return Some(Self::Ip(address));
        }
        is_dns_name(name).then(|| Self::Dns(name.to_ascii_lowercase()))
    }
}

impl From<&Tls> for TlsSpec {
    fn from(tls: &Tls) -> Self {
        let name = |name: &CertificateName| match name {
            CertificateName::Dns(name) => name.clone(),
            CertificateName::Ip(address) => address.to_string(),
        };
        let client = tls.client.as_ref();
        Self {
            sni: Some(tls.sni.clone()),
            ca: tls.ca.clone(),
            names: tls.names.iter().map(name).collect(),
            certificate: client.map(|it| it.certificate.clone()),
            key: client.map(|it| it.key.clone()),
        }
    }
}
