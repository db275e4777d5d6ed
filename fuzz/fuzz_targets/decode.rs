//! The decoders: what they find stands in the text, and is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft::scan::decode::decode;
use weft::scan::lang::classify;
use weft::scan::segment::segment;

fuzz_target!(|text: &str| {
    let (place, lang) = classify("SKILL.md", text);
    let segments = segment(text, place, lang);
    let (found, _bounded) = decode(text, &segments);
    for layer in found {
        assert!(text.get(layer.origin).is_some());
        assert!(!layer.chain.is_empty());
    }
});
