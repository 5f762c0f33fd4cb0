//! A configuration in Protobuf: whatever the bytes, it is refused with a reason or compiles to a plan
//! that assigns without a panic. The short way to read it comes where the long one does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A byte that no JSON begins with keeps the input out of the JSON reader.
    if data.first().is_none_or(|first| *first != b'{') {
        watershed_fuzz::read_both_ways(data);
        watershed_fuzz::configure_and_ask(data);
    }
});
