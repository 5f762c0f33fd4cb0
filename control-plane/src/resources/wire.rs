//! Small builders of Envoy messages that several resources need. No decisions.

use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, DataSource, SocketAddress, address,
    config_source, data_source, socket_address,
};
use envoy_types::pb::google::protobuf::{Any, BoolValue, Duration, UInt32Value};
use prost::{Message, Name};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Packs a message with its type URL.
pub(super) fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// A duration of whole milliseconds.
pub(super) fn millis(ms: u32) -> Duration {
    let nanos = (ms % 1_000).saturating_mul(1_000_000);
    Duration {
        seconds: i64::from(ms / 1_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// `google.protobuf.BoolValue(true)`.
pub(super) fn yes() -> Option<BoolValue> {
    Some(BoolValue { value: true })
}

/// `google.protobuf.UInt32Value`.
pub(super) fn uint32(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

/// A file on the proxy.
pub(super) fn file(path: &str) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::Filename(path.to_owned())),
        ..Default::default()
    }
}

/// "Over the stream that this came on."
pub(super) fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
            AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}

/// A TCP address; `host` is an IP address or a DNS name.
pub(super) fn socket(host: String, port: u16) -> Address {
    let address = SocketAddress {
        address: host,
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    };
    Address {
        address: Some(address::Address::SocketAddress(address)),
    }
}

/// The head of the SHA-256 of `bytes`, in sixteen hexadecimal digits.
pub(super) fn content_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .fold(String::with_capacity(16), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
