//! The engine: it finds what running every full pattern on every line finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use weft::rules::RuleSet;
use weft::scan::engine::{Engine, Match};
use weft::scan::lang::classify;
use weft::scan::segment::segment;
use weft::scan::work::Work;

fuzz_target!(|text: &str| {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(&RuleSet::builtin()));
    let (place, lang) = classify("SKILL.md", text);
    let segments = segment(text, place, lang);
    let work = Work::for_text(text.len());
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    engine.scan(text, &segments, &work, &mut fast);
    engine.scan_reference(text, &segments, &mut slow);
    if !work.is_exceeded() {
        let set = |found: &[Match]| -> BTreeSet<_> {
            found.iter().map(|(rule, range)| (rule.id, range.start, range.end)).collect()
        };
        assert_eq!(set(&fast), set(&slow));
    }
});
