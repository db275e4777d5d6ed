//! The engine: it finds what running a full pattern on every line finds. The first bytes say which rule is looked at, for
//! all of them take a tenth of a second.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use weft::rules::{Matcher, RuleSet};
use weft::scan::engine::{Engine, Match};
use weft::scan::lang::classify;
use weft::scan::segment::segment;
use weft::scan::work::Work;

fuzz_target!(|input: (u16, &str)| {
    static ENGINE: OnceLock<(Engine, Vec<&'static str>)> = OnceLock::new();
    let (engine, ids) = ENGINE.get_or_init(|| {
        let set = RuleSet::builtin();
        let ids = set.rules.iter().filter(|r| r.matcher != Matcher::Check).map(|r| r.id).collect();
        (Engine::new(&set), ids)
    });
    let (number, text) = input;
    let id = ids[usize::from(number) % ids.len()];
    let (place, lang) = classify("SKILL.md", text);
    let segments = segment(text, place, lang);
    let work = Work::for_text(text.len());
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    engine.scan(text, &segments, &work, &mut fast);
    engine.scan_reference_of(id, text, &segments, &mut slow);
    if !work.is_exceeded() {
        let set = |found: &[Match]| -> BTreeSet<(usize, usize)> {
            let of_rule = found.iter().filter(|(rule, _)| rule.id == id);
            of_rule.map(|(_, range)| (range.start, range.end)).collect()
        };
        assert_eq!(set(&fast), set(&slow), "{id}");
    }
});
