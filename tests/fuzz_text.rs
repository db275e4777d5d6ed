//! Fuzzes what reads text that others wrote: the segmenter and the parser of rule files.

#[path = "support/fuzz.rs"]
mod fuzz;

use weft::rules::schema;
use weft::scan::lang::classify;
use weft::scan::segment::segment;

#[test]
fn segments() {
    let words: [&[u8]; 16] = [
        b"```",
        b"~~~",
        b"```sh\n",
        b"---\n",
        b"\n    ",
        b"<!--",
        b"-->",
        b"<div hidden>",
        b"<script>",
        b"</",
        b"![",
        b"](",
        b"\r\n",
        b"> ",
        b"- ",
        "\u{200b}é".as_bytes(),
    ];
    fuzz::run("segment", &fuzz::corpus("segment"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        for path in ["SKILL.md", "page.html", "run.sh", "notes.txt", "x.json"] {
            let (place, lang) = classify(path, &text);
            let mut at = 0;
            for segment in segment(&text, place, lang) {
                assert_eq!(segment.range.start, at, "segments follow each other");
                assert!(
                    text.get(segment.range.clone()).is_some_and(|s| !s.is_empty()),
                    "{:?}",
                    segment.range
                );
                at = segment.range.end;
            }
            assert_eq!(at, text.len(), "segments cover the text");
        }
    });
}

#[test]
fn rule_files() {
    let words: [&[u8]; 12] = [
        b"[[rule]]\n",
        b"[[combo]]\n",
        b"pattern = '''",
        b"(?i)",
        b"\\p{L}",
        b"((((",
        b"{1000}",
        b"*+?",
        b"match = [",
        b"\"\"\"",
        b"id = \"EX-902\"\n",
        "é".as_bytes(),
    ];
    fuzz::run("rules", &fuzz::corpus("rules"), &words, |input| {
        if let Err(error) = schema::parse("rules.toml", &String::from_utf8_lossy(input)) {
            assert!(error.line >= 1 && error.column >= 1, "{error:?}");
            assert!(!error.message.is_empty());
        }
    });
}
