//! The steps of a scan.

use crate::texts::{LARGE, SIZE, SKILL, code, prose, prose_with};
use crate::{Run, texts};
use std::hint::black_box;
use std::sync::Arc;
use weft::rules::{self, Category, RuleSet, schema};
use weft::scan::checks::Checks;
use weft::scan::clues;
use weft::scan::decode::decode;
use weft::scan::doc::Doc;
use weft::scan::engine::Engine;
use weft::scan::examine::{Examiner, Outcome};
use weft::scan::lang::classify;
use weft::scan::segment::segment;
use weft::scan::spot::{Spotter, Word};
use weft::scan::text;
use weft::scan::work::Work;

/// Without anything of the kind most checks have nothing to look at.
const KEYS: &str = "import os\nimport requests\nkey = os.environ['TABLE_KEY']\nreply = requests.post('https://table.example/v1', headers={'X-Key': key})\n";

fn doc(path: &str, text: &str) -> Doc {
    let (place, lang) = classify(path, text);
    Doc::new(path.into(), text.to_owned(), place, lang, segment(text, place, lang))
}

fn examine(examiner: &Examiner, path: &Arc<str>, text: String) -> Outcome {
    let mut out = Outcome::default();
    examiner.text(path, text, &[], &mut out);
    out
}

fn matches(engine: &Engine, doc: &Doc) -> usize {
    let mut found = Vec::new();
    engine.scan(&doc.text, &doc.segments, &Work::for_text(doc.text.len()), &mut found);
    found.len()
}

pub fn add(run: &mut Run) {
    let rules = RuleSet::builtin();
    let engine = Engine::new(&rules);
    let checks = Checks::new(&rules);
    let examiner = Examiner::new(&rules, true, false);
    let (prose, code) = (prose(SIZE), code(SIZE));
    let (note, script) = (doc("note.md", &prose), doc("run.py", &code));
    let large = texts::code(LARGE);
    let (skill_path, large_path): (Arc<str>, Arc<str>) = ("SKILL.md".into(), "large.py".into());
    let spotter = Spotter::new(rules::literals().iter().map(|literal| Word {
        text: literal.text,
        value: 0,
        folded: true,
        windows: literal.windows,
    }));

    run.seeded("text: 64 KiB of UTF-8", || prose.clone().into_bytes(), |bytes| text::decode(bytes).is_ok());
    run.add("clues: 64 KiB of prose", || clues::look(black_box(&prose)));
    let pages = doc("pages.md", &texts::pages(SIZE));
    run.add("segmenter: 64 KiB of Markdown", || segment(&pages.text, pages.place, pages.lang).len());
    run.add("prefilter: 64 KiB of prose", || {
        let mut found = 0usize;
        spotter.each(black_box(prose.as_bytes()), &mut |_, _| found += 1);
        found
    });
    run.add("prefilter: 64 KiB of code", || {
        let mut found = 0usize;
        spotter.each(black_box(code.as_bytes()), &mut |_, _| found += 1);
        found
    });
    run.add("prefilter and rules: 64 KiB of prose", || matches(&engine, &note));
    run.add("prefilter and rules: 64 KiB of code", || matches(&engine, &script));
    by_category(run, &rules);
    run.add("decoders: 64 KiB of prose", || decode(&note.text, &note.segments).0.len());
    run.add("decoders: 64 KiB of code", || decode(&script.text, &script.segments).0.len());
    let encoded = doc("note.md", &encoded());
    run.add("decoders: 64 KiB with base64 in every paragraph", || {
        decode(&encoded.text, &encoded.segments).0.len()
    });
    let keys = doc("keys.py", &format!("{KEYS}{code}"));
    run.add("checks: 64 KiB of code that reads a key and sends", || {
        let mut hits = Vec::new();
        checks.run(&keys, &mut hits);
        hits.len()
    });
    run.seeded(
        "one small skill",
        || SKILL.to_owned(),
        |text| examine(&examiner, &skill_path, text).findings.len(),
    );
    run.seeded(
        "one file: 1 MiB",
        || large.clone(),
        |text| examine(&examiner, &large_path, text).findings.len(),
    );
}

/// The rules of one category alone, over prose with their own examples in it.
fn by_category(run: &mut Run, all: &RuleSet) {
    for category in Category::ALL {
        let path = format!("{}/rules/{}.toml", env!("CARGO_MANIFEST_DIR"), category.file());
        let text = std::fs::read_to_string(&path).expect("the rule files are in the repository");
        let file = schema::parse(category.file(), &text).expect("the build has read them too");
        let examples: Vec<String> = file
            .rules
            .iter()
            .filter_map(|rule| rule.matches.first())
            .filter(|example| !example.contains('\n'))
            .cloned()
            .collect();
        let rules = all.rules.iter().copied().filter(|rule| rule.category == category).collect();
        let engine = Engine::new(&RuleSet { rules, combos: Vec::new() });
        let text = doc("note.md", &prose_with(&examples, SIZE));
        run.add(&format!("rules of {}: 64 KiB", category.as_str()), || matches(&engine, &text));
    }
}

fn encoded() -> String {
    let line = weft::base64::encode("printf 'the table of the river' | sort | head -n 3".as_bytes());
    prose_with(&[line], SIZE)
}
