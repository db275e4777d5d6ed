//! How long the steps of a scan take, each on its own: `cargo bench`. For whole trees see scripts/bench/.
//!
//! The texts are made here, the same for everybody: prose and code of ordinary words, and a small skill of the kind
//! that is scanned most.

use brunch::Bench;
use std::hint::black_box;
use std::sync::Arc;
use weft::rules::RuleSet;
use weft::scan::checks::Checks;
use weft::scan::clues;
use weft::scan::decode::decode;
use weft::scan::doc::Doc;
use weft::scan::engine::Engine;
use weft::scan::examine::{Examiner, Outcome};
use weft::scan::lang::classify;
use weft::scan::segment::segment;
use weft::scan::text;
use weft::scan::work::Work;

const SKILL: &str = "---\nname: weather\ndescription: Tells the weather of a place.\n---\n\n# Weather\n\nAsk for a place, then \
    run the script and read what it says.\n\n```bash\ncurl -s 'https://wttr.in/Paris?format=3'\n```\n\n| key | value |\n\
    | --- | --- |\n| place | a town |\n\nThe key is in `WEATHER_KEY`. Never print it.\n";

/// So many bytes of sentences, or of lines of code.
fn ordinary(size: usize, code: bool) -> String {
    const WORDS: [&str; 24] = [
        "table", "river", "number", "window", "paper", "garden", "first", "second", "value", "result",
        "small", "large", "before", "after", "between", "letter", "count", "order", "green", "north",
        "market", "summer", "index", "total",
    ];
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[(state >> 16) as usize % WORDS.len()]
    };
    let mut out = String::new();
    while out.len() < size {
        let (a, b, c) = (next(), next(), next());
        let line = if code {
            format!("    {a}_{b} = {c}.get('{a}', {})\n", b.len())
        } else {
            format!("The {a} of the {b} is {c}, and the {c} is {a}. ")
        };
        out.push_str(&line);
        if !code && out.len().is_multiple_of(7) {
            out.push_str("\n\n");
        }
    }
    out
}

fn doc(path: &str, text: &str) -> Doc {
    let (place, lang) = classify(path, text);
    Doc::new(path.into(), text.to_owned(), place, lang, segment(text, place, lang))
}

fn examine(examiner: &Examiner, path: &Arc<str>, text: String) -> Outcome {
    let mut out = Outcome::default();
    examiner.text(path, text, &[], &mut out);
    out
}

const SIZE: usize = 64 << 10;
const LARGE: usize = 1 << 20;

fn main() {
    let rules = RuleSet::builtin();
    let engine = Engine::new(&rules);
    let checks = Checks::new(&rules);
    let examiner = Examiner::new(&rules, true, false);
    let (prose, code) = (ordinary(SIZE, false), ordinary(SIZE, true));
    let (note, script) = (doc("note.md", &prose), doc("run.py", &code));
    let large = ordinary(LARGE, true);
    let (skill_path, large_path): (Arc<str>, Arc<str>) = ("SKILL.md".into(), "large.py".into());

    let mut all = brunch::Benches::default();
    all.push(
        Bench::new("text: 64 KiB of UTF-8")
            .run_seeded_with(|| prose.clone().into_bytes(), |bytes| text::decode(bytes).is_ok()),
    );
    all.push(Bench::new("clues: 64 KiB of prose").run(|| clues::look(black_box(&prose))));
    all.push(
        Bench::new("segmenter: 64 KiB of Markdown").run(|| segment(&prose, note.place, note.lang).len()),
    );
    all.push(Bench::new("prefilter and rules: 64 KiB of prose").run(|| {
        let mut found = Vec::new();
        engine.scan(&note.text, &note.segments, &Work::for_text(SIZE), &mut found);
        found.len()
    }));
    all.push(Bench::new("prefilter and rules: 64 KiB of code").run(|| {
        let mut found = Vec::new();
        engine.scan(&script.text, &script.segments, &Work::for_text(SIZE), &mut found);
        found.len()
    }));
    all.push(Bench::new("decoders: 64 KiB of prose").run(|| decode(&note.text, &note.segments).0.len()));
    all.push(Bench::new("decoders: 64 KiB of code").run(|| decode(&script.text, &script.segments).0.len()));
    all.push(Bench::new("checks: 64 KiB of code").run(|| {
        let mut hits = Vec::new();
        checks.run(&script, &mut hits);
        hits.len()
    }));
    all.push(
        Bench::new("one small skill").run_seeded_with(
            || SKILL.to_owned(),
            |text| examine(&examiner, &skill_path, text).findings.len(),
        ),
    );
    all.push(
        Bench::new("one file of 1 MiB")
            .run_seeded_with(|| large.clone(), |text| examine(&examiner, &large_path, text).findings.len()),
    );
    all.finish();
}
