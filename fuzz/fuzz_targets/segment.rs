//! The segmenter: segments are sorted, do not overlap, and cover the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft::scan::lang::classify;
use weft::scan::segment::segment;

fuzz_target!(|text: &str| {
    for path in ["SKILL.md", "page.html", "run.sh", "unknown"] {
        let (place, lang) = classify(path, text);
        let mut at = 0;
        for segment in segment(text, place, lang) {
            assert_eq!(segment.range.start, at);
            assert!(text.get(segment.range.clone()).is_some());
            at = segment.range.end;
        }
        assert_eq!(at, text.len());
    }
});
