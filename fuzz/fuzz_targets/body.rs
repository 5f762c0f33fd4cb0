//! JSON pointers into request bodies: the first line is the pointer, the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_engine::body::Pointer;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let Ok(text) = std::str::from_utf8(head) else { return };
    if let Ok(pointer) = Pointer::parse(text) {
        let _ = pointer.read(body);
    }
});
