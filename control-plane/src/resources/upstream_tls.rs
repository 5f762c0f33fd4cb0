//! TLS to a cluster's endpoints, as the transport socket of an Envoy cluster.

use super::wire::{any, file};
use crate::model::upstream_tls::{CertificateName, Tls};
use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate,
    UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};

/// Where Debian, Ubuntu, Alpine and Envoy's own images keep the authorities that a system trusts. Envoy
/// has a field for them, too, but refuses names beside it.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The transport socket of `tls`, offering the HTTP version that the cluster speaks.
pub(super) fn socket(tls: &Tls, http2: bool) -> TransportSocket {
    let protocol = if http2 { "h2" } else { "http/1.1" };
    let client = tls.client.iter().map(|client| TlsCertificate {
        certificate_chain: Some(file(&client.certificate)),
        private_key: Some(file(&client.key)),
        ..Default::default()
    });
    let common = CommonTlsContext {
        tls_certificates: client.collect(),
        validation_context_type: Some(ValidationContextType::ValidationContext(accepted(tls))),
        alpn_protocols: vec![protocol.to_owned()],
        ..Default::default()
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(common),
        sni: tls.sni.clone(),
        ..Default::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(&context))),
    }
}

/// Authority and names: one without the other would accept anybody's certificate.
fn accepted(tls: &Tls) -> CertificateValidationContext {
    CertificateValidationContext {
        trusted_ca: Some(file(tls.ca.as_deref().unwrap_or(SYSTEM_CA))),
        match_typed_subject_alt_names: tls.names.iter().map(name).collect(),
        ..Default::default()
    }
}

fn name(name: &CertificateName) -> SubjectAltNameMatcher {
    let (san_type, exact) = match name {
        CertificateName::Dns(name) => (SanType::Dns, name.clone()),
        CertificateName::Ip(address) => (SanType::IpAddress, address.to_string()),
    };
    SubjectAltNameMatcher {
        san_type: san_type.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(string_matcher::MatchPattern::Exact(exact)),
            ..Default::default()
        }),
        ..Default::default()
    }
}
