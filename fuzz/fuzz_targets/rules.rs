//! The parser of rule files: an error says where it stands, and what is taken compiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft::rules::schema::parse;

fuzz_target!(|text: &str| {
    if let Err(error) = parse("rules.toml", text) {
        assert!(error.line >= 1 && error.column >= 1);
        assert!(!error.message.is_empty());
    }
});
