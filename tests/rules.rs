//! Holds the built-in rules to what their files say: every example goes through the whole scanner, and the table keeps
//! its invariants. Not the engine's correctness: `engine_equivalence.rs` proves that.

// A failure here is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/archives.rs"]
mod archives;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use weft::rules::schema::{self, ComboSpec, MatcherSpec, RuleSpec};
use weft::rules::{Category, RuleSet, Severity};
use weft::scan::{ScanRequest, matchers, scan};

/// Checks that only a file or an archive on disk raises; [`what_is_not_scanned_is_said`] has them.
const ON_DISK: [&str; 14] = [
    "SC-204", "SC-211", "SC-212", "SC-213", "SC-214", "SC-215", "SC-216", "SC-217", "SC-218", "SC-219",
    "SC-220", "SC-221", "SC-222", "SC-223",
];

/// All rule files, by name.
fn files() -> Vec<(String, schema::RuleFile)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    names
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .map(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            let parsed = schema::parse(&name, &fs::read_to_string(&p).unwrap()).unwrap();
            (name, parsed)
        })
        .collect()
}

fn rules() -> Vec<RuleSpec> {
    files().into_iter().flat_map(|(_, f)| f.rules).collect()
}

fn combos() -> Vec<ComboSpec> {
    files().into_iter().flat_map(|(_, f)| f.combos).collect()
}

/// A folder that is gone after the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-rules-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn request(set: &RuleSet) -> ScanRequest<'_> {
    ScanRequest {
        rules: set,
        roots: Vec::new(),
        stdin: None,
        gate: false,
        jobs: 1,
        max_file: 1 << 20,
        exclude: Vec::new(),
        inline_ignores: false,
        progress: None,
    }
}

/// The files of an example: `=== path` lines name them, and what stands before the first is SKILL.md.
fn split(example: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in example.split_inclusive('\n') {
        if let Some(path) = line.strip_prefix("=== ") {
            out.push((path.trim().to_owned(), String::new()));
        } else {
            if out.is_empty() {
                out.push(("SKILL.md".to_owned(), String::new()));
            }
            out.last_mut().unwrap().1.push_str(line);
        }
    }
    out
}

/// The ids of all findings an example gives, with those that stood and those that context demoted alike: what a rule
/// finds is the rule's business, what it is worth there the context's, which has tests of its own.
fn ids(set: &RuleSet, example: &str) -> BTreeSet<&'static str> {
    let files = split(example);
    let report = if let [(name, text)] = &files[..] {
        scan(&ScanRequest { stdin: Some((name.clone(), text.clone().into_bytes())), ..request(set) })
    } else {
        let dir = Dir::new();
        for (name, text) in &files {
            dir.file(name, text);
        }
        scan(&ScanRequest { roots: vec![dir.0.clone()], ..request(set) })
    };
    report.unwrap().findings.iter().map(|f| f.rule).collect()
}

#[test]
fn examples_do_what_they_say() {
    let set = RuleSet::builtin();
    let rules = rules();
    let combos = combos();
    let all = rules
        .iter()
        .map(|r| (&r.id, &r.matches, &r.no_matches))
        .chain(combos.iter().map(|c| (&c.id, &c.matches, &c.no_matches)));
    let mut wrong = Vec::new();
    for (id, matches, no_matches) in all {
        if ON_DISK.contains(&id.as_str()) {
            continue;
        }
        for example in matches {
            let found = ids(&set, example);
            if !found.contains(id.as_str()) {
                wrong.push(format!("{id} misses {example:?} (found {found:?})"));
            }
        }
        for example in no_matches {
            if ids(&set, example).contains(id.as_str()) {
                wrong.push(format!("{id} must not find {example:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} examples:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_examples() {
    let mut wrong = Vec::new();
    for rule in rules().iter().filter(|r| !ON_DISK.contains(&r.id.as_str())) {
        let counter = if rule.severity >= Severity::High { 2 } else { 1 };
        if rule.matches.is_empty() || rule.no_matches.len() < counter {
            wrong.push(rule.id.clone());
        }
    }
    for combo in combos() {
        if combo.matches.is_empty() || combo.no_matches.is_empty() {
            wrong.push(combo.id);
        }
    }
    assert!(wrong.is_empty(), "too few examples: {wrong:?}");
}

#[test]
fn every_category_has_its_rules() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in rules() {
        *counts.entry(rule.category.code()).or_default() += 1;
    }
    let least = [
        ("PI", 8),
        ("EX", 6),
        ("CL", 6),
        ("PE", 6),
        ("US", 6),
        ("SC", 6),
        ("DS", 6),
        ("IP", 5),
        ("ID", 4),
        ("CA", 4),
    ];
    assert_eq!(least.len(), Category::ALL.len());
    for (code, least) in least {
        assert!(counts.get(code).copied().unwrap_or(0) >= least, "{code}: {counts:?}");
    }
}

#[test]
fn ids_and_names_are_unique_and_the_table_is_the_files() {
    let mut seen = HashSet::new();
    for word in rules().iter().flat_map(|r| [r.id.clone(), r.name.clone()]) {
        assert!(seen.insert(word.clone()), "{word}");
    }
    for word in combos().iter().flat_map(|c| [c.id.clone(), c.name.clone()]) {
        assert!(seen.insert(word.clone()), "{word}");
    }
    let set = RuleSet::builtin();
    let built: HashSet<&str> =
        set.rules.iter().map(|r| r.id).chain(set.combos.iter().map(|c| c.id)).collect();
    assert_eq!(built.len(), rules().len() + combos().len());
}

#[test]
fn matchers_are_registered_and_used() {
    let mut used = HashSet::new();
    for rule in rules() {
        if let MatcherSpec::Native(name) = &rule.matcher {
            assert!(matchers::find(name).is_some(), "{}: no matcher {name:?}", rule.id);
            used.insert(name.clone());
        }
    }
    for (name, _) in matchers::MATCHERS {
        assert!(used.contains(name), "no rule uses matcher {name:?}");
    }
}

#[test]
fn combinations_ask_for_signals_that_rules_give() {
    let given: HashSet<String> = rules().into_iter().flat_map(|r| r.signals).collect();
    let mut wrong = Vec::new();
    for combo in combos() {
        for signal in combo.all.iter().chain(&combo.none).flat_map(|e| e.split('|')) {
            if !given.contains(signal) {
                wrong.push(format!("{}: {signal}", combo.id));
            }
        }
    }
    assert!(wrong.is_empty(), "signals that no rule gives: {wrong:?}");
}

#[test]
fn references_are_in_known_catalogues() {
    let rules = rules().into_iter().map(|r| (r.id, r.references));
    let combos = combos().into_iter().map(|c| (c.id, c.references));
    for (id, references) in rules.chain(combos) {
        assert!(!references.is_empty(), "{id}");
        for reference in references {
            assert!(is_reference(&reference), "{id}: {reference:?}");
        }
    }
}

/// `CWE-78`, `LLM01:2025`, `ASI01`, `T1059`, `T1059.004`, `AML.T0051`, `AML.T0051.001`, `https://…`
fn is_reference(text: &str) -> bool {
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    let technique = |s: &str| match s.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(s, 4),
    };
    if let Some(n) = text.strip_prefix("CWE-") {
        return (1..=4).any(|l| digits(n, l));
    }
    if let Some(rest) = text.strip_prefix("LLM") {
        return rest.split_once(':').is_some_and(|(n, year)| digits(n, 2) && digits(year, 4));
    }
    if let Some(n) = text.strip_prefix("ASI") {
        return digits(n, 2) && ("01"..="10").contains(&n);
    }
    if let Some(n) = text.strip_prefix("AML.T") {
        return technique(n);
    }
    if let Some(n) = text.strip_prefix('T') {
        return technique(n);
    }
    text.starts_with("https://")
}

#[test]
fn what_is_not_scanned_is_said() {
    let set = RuleSet::builtin();
    let dir = Dir::new();
    dir.file("SKILL.md", "---\nname: s\ndescription: d\n---\nText. <!-- weft:ignore US-001 -->\n");
    dir.file("padded.md", format!("start{}rm -rf ~/\n", "\n".repeat(3000)));
    dir.file("tool", [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 200]].concat());
    dir.file("x.bin", (0..=255u8).cycle().take(4096).collect::<Vec<u8>>());
    let mut locked = archives::ZipMember::new("a.txt", b"hello hello");
    locked.flags = 1;
    dir.file("locked.zip", archives::zip_with(&[locked], b""));
    dir.file("cut.zip", &archives::zip(&[("a.txt", b"hello hello hello")])[..40]);
    dir.file("up.zip", archives::zip(&[("../../a.txt", b"hello hello hello")]));
    dir.file(
        "utf16.md",
        "a sentence in two bytes".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/hostname", dir.0.join("out")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.0.join("broken")).unwrap();
    }
    let layers: String = (0..4000).fold(String::new(), |mut out, i| {
        use std::fmt::Write;
        let _ = writeln!(out, "\\x{:02x}\\x6c\\x6f\\x20\\x77\\x6f\\x72\\x6c\\x64{i}", 0x61 + i % 26);
        out
    });
    dir.file("many.py", layers);
    let gate = scan(&ScanRequest { roots: vec![dir.0.clone()], gate: true, ..request(&set) }).unwrap();
    let found: BTreeSet<&str> = gate.findings.iter().map(|f| f.rule).collect();
    let expected =
        ["SC-204", "SC-212", "SC-213", "SC-214", "SC-215", "SC-216", "SC-217", "SC-218", "SC-219", "SC-220"];
    let missing: Vec<&str> = expected.into_iter().filter(|id| !found.contains(id)).collect();
    assert!(missing.is_empty(), "missing {missing:?}, found {found:?}");

    // Ignore comments count only outside gate mode, and so does what is wrong with them.
    let lax =
        scan(&ScanRequest { roots: vec![dir.0.clone()], inline_ignores: true, ..request(&set) }).unwrap();
    assert!(lax.findings.iter().any(|f| f.rule == "SC-221"));
    let unused = b"Text. <!-- weft:ignore US-001 -- it is known -->\n".to_vec();
    let stdin = Some(("SKILL.md".to_owned(), unused));
    let lax = scan(&ScanRequest { stdin, inline_ignores: true, ..request(&set) }).unwrap();
    assert!(lax.findings.iter().any(|f| f.rule == "SC-222"));
}

/// In gate mode a file above 64 MiB is not read to its end: sparse here, so that it costs nothing.
#[test]
fn an_oversize_file_is_said() {
    let set = RuleSet::builtin();
    let dir = Dir::new();
    dir.file("SKILL.md", "---\nname: s\ndescription: d\n---\nText.\n");
    let file = fs::File::create(dir.0.join("large.txt")).unwrap();
    file.set_len(200 << 20).unwrap();
    let gate = ScanRequest { roots: vec![dir.0.clone()], gate: true, max_file: 64 << 20, ..request(&set) };
    let gate = scan(&gate).unwrap();
    assert!(gate.findings.iter().any(|f| f.rule == "SC-211"), "{:?}", gate.findings);
}
