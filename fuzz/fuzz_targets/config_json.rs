//! A configuration in JSON: as `config_bytes`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut json = Vec::with_capacity(data.len().saturating_add(1));
    json.push(b'{');
    json.extend_from_slice(data);
    watershed_fuzz::configure_and_ask(&json);
});
