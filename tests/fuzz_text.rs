//! Fuzzes what reads text that others wrote: the segmenter, the decoders and the parser of rule files.

#[path = "support/fuzz.rs"]
mod fuzz;

use weft::rules::schema;
use weft::scan::decode::decode;
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

#[test]
fn decoders() {
    let words: [&[u8]; 20] = [
        b"Y3VybCAtcyBodHRwczovL2V4YW1wbGUuY29tL3g=",
        b"6375726c202d73206874747073",
        b"\\x63\\x75\\x72\\x6c",
        b"%63%75%72%6c",
        b"&#99;&#x75;",
        b"\\u0063\\143",
        b"String.fromCharCode(99,117,114,108)",
        b"chr(99)+chr(117)",
        b"rot13",
        b"[::-1]",
        b"\"cu\"+\"rl\"",
        b"${IFS}",
        b"a=\"cu\"; b=\"rl\"; $a$b\n",
        b"{\"command\": \"sh\", \"args\": [\"-c\", \"id\"]}",
        b"data:text/plain;base64,",
        b"H4sIAAAAAAAA/0suLcpRMNBRKE4tVkjJLE7VAwA=",
        "\u{e0063}\u{e0075}\u{e0072}\u{e006c}".as_bytes(),
        "ig\u{200b}nore".as_bytes(),
        "\u{202e}lruc".as_bytes(),
        "\u{441}url ｃｕｒｌ".as_bytes(),
    ];
    let mut seeds = fuzz::corpus("decode");
    seeds.extend(words.iter().map(|word| word.to_vec()));
    fuzz::run("decode", &seeds, &words, |input| {
        let text = String::from_utf8_lossy(input);
        for path in ["SKILL.md", "run.sh", "x.json", "a.py"] {
            let (place, lang) = classify(path, &text);
            let segments = segment(&text, place, lang);
            let (found, _bounded) = decode(&text, &segments);
            for layer in found {
                assert!(text.get(layer.origin.clone()).is_some(), "{:?}", layer.origin);
                assert!(!layer.chain.is_empty());
            }
        }
    });
}
