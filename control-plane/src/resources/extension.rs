//! The filter's configuration as an Envoy extension: the Wasm plug-in from a file on the proxy, with
//! the compiled experiments inside.

use super::wire::{any, file};
use envoy_types::pb::envoy::config::core::v3::async_data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::{AsyncDataSource, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig};
use envoy_types::pb::google::protobuf::{BoolValue, BytesValue};
use prost::Message as _;
use watershed_proto::filter::v1::FilterConfig;

/// The name under which a proxy that owns its listeners asks for its fleet's configuration.
pub const FLEET_EXTENSION: &str = "watershed";

/// One VM per worker serves every configuration of the same code.
const VM_ID: &str = "watershed";

/// The extension `name` that runs the filter at `wasm_path` (a path on the proxy) with `config`.
pub(super) fn extension(
    name: &str,
    wasm_path: &str,
    config: &FilterConfig,
) -> TypedExtensionConfig {
    let code = AsyncDataSource {
        specifier: Some(Specifier::Local(file(wasm_path))),
    };
    let plugin = PluginConfig {
        name: FLEET_EXTENSION.to_owned(),
        vm: Some(Vm::VmConfig(VmConfig {
            vm_id: VM_ID.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(code),
            ..Default::default()
        })),
        configuration: Some(any(&BytesValue {
            value: config.encode_to_vec(),
        })),
        // The filter never traps. Should it, requests wait for a fresh VM rather than pass unassigned.
        failure_policy: FailurePolicy::FailReload.into(),
        // Lets the filter hold the headers back while it reads a body.
        allow_on_headers_stop_iteration: Some(BoolValue { value: true }),
        ..Default::default()
    };
    TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(any(&Wasm {
            config: Some(plugin),
        })),
    }
}
