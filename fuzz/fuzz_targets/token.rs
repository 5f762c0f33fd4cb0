//! Sticky cookies and force tokens: no byte string panics, and none that this key did not sign opens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_engine::token::{Force, Keys, Sticky};

fuzz_target!(|data: &[u8]| {
    let Ok(keys) = Keys::try_new([("k", &[7_u8; 32][..])]) else { return };
    assert!(Sticky::open(data, &keys, 0).is_err());
    assert!(Force::open(data, &keys, 0).is_err());
    // With our own signature in front of garbage, what is inside must be read with the same care.
    if let Ok(text) = std::str::from_utf8(data) {
        let force = Force { experiment: text.to_owned(), variant: text.to_owned(), expires_s: 1 };
        if let Some(token) = force.seal(&keys) {
            let _ = Force::open(token.as_bytes(), &keys, 0);
            assert!(Sticky::open(token.as_bytes(), &keys, 0).is_err());
        }
    }
});
