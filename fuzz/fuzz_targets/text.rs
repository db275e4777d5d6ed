//! Bytes to text, whole and in windows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft::scan::text::decode;
use weft::scan::window::Windows;

fuzz_target!(|input: &[u8]| {
    let text = match decode(input.to_vec()) {
        Ok(decoded) => decoded.text,
        Err(binary) => binary.strings,
    };
    assert!(text.len() <= 4 * input.len());
    for window in Windows::new(input, u64::MAX).flatten() {
        assert!(window.text.get(window.own).is_some());
    }
});
