//! The xDS and access-log server's configuration: where proxies connect, and what they have to prove.

use crate::tls::{FleetRule, TlsFiles};
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Where proxies connect, and what they have to prove.
#[derive(Clone, Debug, clap::Args)]
pub struct XdsConfig {
    /// The address of the gRPC server that proxies get their configuration from.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18000")]
    pub xds_address: SocketAddr,
    /// The certificate that the gRPC server shows, with its intermediate ones, in PEM. This file, the
    /// key and the CAs are read again when they change.
    #[arg(long, value_name = "FILE", env = "WATERSHED_XDS_TLS_CERT")]
    pub xds_tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "WATERSHED_XDS_TLS_KEY")]
    pub xds_tls_key: Option<PathBuf>,
    /// The CAs that sign the certificates of proxies, in PEM.
    #[arg(long, value_name = "FILE", env = "WATERSHED_XDS_CLIENT_CA")]
    pub xds_client_ca: Option<PathBuf>,
    /// Which fleet the bearer of a certificate is in, by a name in it (subject alternative name):
    /// `uri:spiffe://example.org/fleet/{fleet}`, `dns:*.{fleet}.example.org`, or
    /// `uri:spiffe://example.org/ns/edge/sa/envoy=edge`. May be given several times; a space
    /// separates them in the environment.
    #[arg(
        long,
        value_name = "RULE",
        env = "WATERSHED_XDS_CLIENT_FLEET",
        value_delimiter = ' '
    )]
    pub xds_client_fleet: Vec<FleetRule>,
    /// Lets everybody who reaches the gRPC server be any proxy, unencrypted. For trying out, or where a
    /// mesh authenticates proxies.
    #[arg(long, env = "WATERSHED_XDS_PLAINTEXT")]
    pub xds_plaintext: bool,
}

/// What proxies have to prove, before any file was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum XdsSecurity {
    /// Nothing.
    Plaintext,
    /// Their certificate, and that it is good for their fleet.
    Mutual(TlsFiles, Vec<FleetRule>),
}

/// Arguments that do not go together.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum XdsConfigError {
    /// Proxies would have to prove nothing without anybody having asked for that.
    #[error(
        "give --xds-tls-cert, --xds-tls-key, --xds-client-ca and --xds-client-fleet, or \
         --xds-plaintext to let everybody connect who reaches the xDS address"
    )]
    Nothing,
    /// Two answers to what proxies have to prove.
    #[error("--xds-plaintext excludes {0}")]
    Both(&'static str),
    /// Half of an answer.
    #[error(
        "{0} is missing: TLS for xDS needs all of --xds-tls-cert, --xds-tls-key, --xds-client-ca and --xds-client-fleet"
    )]
    Missing(&'static str),
}

impl XdsConfig {
    /// What proxies have to prove.
    ///
    /// # Errors
    /// [`XdsConfigError`] where that is not said exactly once.
    pub fn security(&self) -> Result<XdsSecurity, XdsConfigError> {
        let given = [
            ("--xds-tls-cert", self.xds_tls_cert.is_some()),
            ("--xds-tls-key", self.xds_tls_key.is_some()),
            ("--xds-client-ca", self.xds_client_ca.is_some()),
            ("--xds-client-fleet", !self.xds_client_fleet.is_empty()),
        ];
        let with = |wanted: bool| {
            let found = given.iter().find(|(_, given)| *given == wanted);
            found.map(|(name, _)| *name)
        };
        if self.xds_plaintext {
            return match with(true) {
                Some(name) => Err(XdsConfigError::Both(name)),
                None => Ok(XdsSecurity::Plaintext),
            };
        }
        match (
            &self.xds_tls_cert,
            &self.xds_tls_key,
            &self.xds_client_ca,
            with(false),
        ) {
            (Some(certificate), Some(key), Some(client_ca), None) => {
                let files = TlsFiles {
                    port: "xds",
                    certificate: certificate.clone(),
                    key: key.clone(),
                    client_ca: Some(client_ca.clone()),
                    protocols: &[b"h2"],
                };
                Ok(XdsSecurity::Mutual(files, self.xds_client_fleet.clone()))
            }
            (_, _, _, Some(missing)) if with(true).is_some() => {
                Err(XdsConfigError::Missing(missing))
            }
            _ => Err(XdsConfigError::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        xds: XdsConfig,
    }

    const TLS: [&str; 8] = [
        "--xds-tls-cert",
        "server.pem",
        "--xds-tls-key",
        "server.key",
        "--xds-client-ca",
        "ca.pem",
        "--xds-client-fleet",
        "dns:gateway.example.org=edge",
    ];

    fn security(arguments: &[&str]) -> Result<XdsSecurity, XdsConfigError> {
        let arguments = std::iter::once(&"watershed").chain(arguments);
        Arguments::try_parse_from(arguments).unwrap().xds.security()
    }

    #[test]
    fn plaintext_has_to_be_asked_for() {
        let fault = security(&[]).unwrap_err();
        assert_eq!(fault, XdsConfigError::Nothing);
        assert!(fault.to_string().contains("--xds-plaintext"));
        assert_eq!(security(&["--xds-plaintext"]), Ok(XdsSecurity::Plaintext));
    }

    #[test]
    fn tls_is_complete_or_what_is_missing_is_named() {
        assert!(matches!(security(&TLS), Ok(XdsSecurity::Mutual(_, rules)) if rules.len() == 1));
        for missing in (0..TLS.len()).step_by(2) {
            let mut some = TLS.to_vec();
            some.drain(missing..missing + 2);
            assert_eq!(security(&some), Err(XdsConfigError::Missing(TLS[missing])));
        }
    }

    #[test]
    fn tls_and_plaintext_exclude_one_another() {
        let mut both = TLS.to_vec();
        both.push("--xds-plaintext");
        assert_eq!(security(&both), Err(XdsConfigError::Both("--xds-tls-cert")));
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_refused_on_the_command_line() {
        let arguments = ["watershed", "--xds-client-fleet", "edge"];
        let fault = Arguments::try_parse_from(arguments)
            .err()
            .unwrap()
            .to_string();
        assert!(fault.contains("does not begin with"), "{fault}");
    }
}
