//! A module of any bytes, with little fuel and memory and nothing given: refused, or run to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use weft::policy::load_text;
use weft::policy::vars::Places;
use weft::sandbox::wasm::try_module;

fuzz_target!(|input: &[u8]| {
    let places = Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/ws"));
    if let Ok(policy) = load_text("fuzz", "version = 1\n", &places) {
        let _ = try_module(&policy, input, 50_000, 4 << 20);
    }
});
