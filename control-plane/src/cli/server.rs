//! Which control plane a command speaks to, and with which key: the arguments that all of them share.

use super::client::ApiClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::time::Duration;

/// Where the API is.
#[derive(Clone, clap::Args)]
pub struct ServerArgs {
    /// The control plane's API.
    #[arg(
        long,
        env = "WATERSHED_SERVER",
        default_value = "http://127.0.0.1:18080",
        value_name = "URL",
        value_parser = url,
        help_heading = "Server"
    )]
    server: String,
    /// The key to show.
    #[arg(
        long,
        env = "WATERSHED_API_KEY",
        hide_env_values = true,
        value_name = "KEY",
        value_parser = key,
        help_heading = "Server"
    )]
    api_key: Option<String>,
    /// How long to wait for an answer, in seconds.
    #[arg(
        long,
        env = "WATERSHED_TIMEOUT",
        default_value = "30",
        value_name = "SECONDS",
        value_parser = seconds,
        help_heading = "Server"
    )]
    timeout: Duration,
    /// The CAs that sign the control plane's certificate, in PEM; those that the system trusts without.
    #[arg(
        long,
        env = "WATERSHED_CA",
        value_name = "FILE",
        value_parser = authorities,
        help_heading = "Server"
    )]
    ca: Option<RootCertStore>,
}

impl ServerArgs {
    /// A client of it.
    #[must_use]
    pub fn client(&self) -> ApiClient {
        let client = ApiClient::new(&self.server, self.api_key.clone()).within(self.timeout);
        match &self.ca {
            Some(roots) => client.trusting(roots.clone()),
            None => client,
        }
    }
}

impl std::fmt::Debug for ServerArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.api_key.as_ref().map(|_| "[hidden]");
        f.debug_struct("ServerArgs")
            .field("server", &self.server)
            .field("api_key", &key)
            .field("timeout", &self.timeout)
            .field("ca", &self.ca)
            .finish()
    }
}

fn url(text: &str) -> Result<String, &'static str> {
    let expected = "expected http://HOST:PORT or https://HOST:PORT";
    let url: http::Uri = text.parse().map_err(|_| expected)?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let is_http = is_http && url.host().is_some_and(|it| !it.is_empty());
    is_http.then(|| text.to_owned()).ok_or(expected)
}

fn authorities(file: &str) -> Result<RootCertStore, String> {
    let pem = std::fs::read(file).map_err(|fault| fault.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.map_err(|fault| fault.to_string());
        let added = added.and_then(|it| roots.add(it).map_err(|fault| fault.to_string()));
        added.map_err(|fault| format!("{fault} (expected certificates in PEM)"))?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it (expected certificates in PEM)".to_owned());
    }
    Ok(roots)
}

fn key(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let expected = "expected printable ASCII characters, none a space";
    plain.then(|| text.to_owned()).ok_or(expected)
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let expected = "expected seconds, from 0.1 to 3600";
    let seconds: f64 = text.parse().map_err(|_| expected)?;
    let fits = (0.1..=3_600.0).contains(&seconds);
    fits.then(|| Duration::from_secs_f64(seconds))
        .ok_or(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_server_key_or_time_is_refused_before_anything_is_sent() {
        for good in [
            "http://localhost:18080",
            "http://[::1]:80/",
            "http://a",
            "https://a",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:18080",
            "https://",
            "http://",
            "ftp://a",
            "http:// a",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(key("wsk_abc").is_ok());
        for bad in ["", "a b", "é", "a\n"] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
        let garbage = tempfile::NamedTempFile::new().unwrap();
        let garbage = garbage.path().to_str().unwrap();
        for bad in ["", "/nowhere/ca.pem", garbage] {
            assert!(authorities(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "1e9", "soon", "NaN"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
