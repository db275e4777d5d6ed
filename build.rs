//! Turns `rules/*.toml` into a static table, so that the binary parses none at start-up, and puts the commit into it.
//!
//! A mistake in a rule file fails the build with file, line and column.

#[allow(dead_code)]
#[path = "src/rules/model.rs"]
mod model;
#[allow(dead_code)]
#[path = "src/rules/schema.rs"]
mod schema;

#[allow(dead_code)]
#[path = "src/scan/program/code.rs"]
mod code;
#[path = "build/needs.rs"]
mod needs;
#[path = "build/program.rs"]
mod program;
#[allow(dead_code)]
#[path = "src/scan/trigrams.rs"]
mod trigrams;

use model::{Scope, Within};
use schema::{ComboSpec, MatcherSpec, RuleFile, RuleSpec};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=src/rules/model.rs");
    println!("cargo::rerun-if-changed=src/rules/schema.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/scan/trigrams.rs");
    println!("cargo::rerun-if-changed=src/scan/program/code.rs");
    commit();
    if let Err(message) = rules() {
        eprintln!("error: {message}");
        exit(1);
    }
}

/// `WEFT_COMMIT`: from the environment (builds without .git), else from git, else not set.
fn commit() {
    println!("cargo::rerun-if-env-changed=WEFT_COMMIT");
    let given = std::env::var("WEFT_COMMIT").ok().filter(|c| !c.is_empty());
    let commit = given.or_else(|| {
        for file in ["HEAD", "logs/HEAD"] {
            if Path::new(".git").join(file).exists() {
                println!("cargo::rerun-if-changed=.git/{file}");
            }
        }
        let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    });
    if let Some(commit) = commit {
        println!("cargo::rustc-env=WEFT_COMMIT={commit}");
    }
}

fn rules() -> Result<(), String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir("rules")
        .map_err(|e| format!("rules: {e}"))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let mut all = RuleFile::default();
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
        let file = schema::parse(&name, &text).map_err(|e| e.to_string())?;
        for rule in &file.rules {
            strict(&rule.id, rule.category.code(), &rule.references)
                .map_err(|e| format!("{name}:{}: {e}", rule.at.line))?;
        }
        for combo in &file.combos {
            strict(&combo.id, combo.category.code(), &combo.references)
                .map_err(|e| format!("{name}:{}: {e}", combo.at.line))?;
        }
        all.rules.extend(file.rules);
        all.combos.extend(file.combos);
    }
    unique(&all)?;
    let out = write_table(&all)?;
    let target = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("rules.rs");
    std::fs::write(&target, out).map_err(|e| format!("{}: {e}", target.display()))
}

/// What built-in rules must have beyond what any rule must.
fn strict(id: &str, code: &str, references: &[String]) -> Result<(), String> {
    let number = id.strip_prefix(code).and_then(|r| r.strip_prefix('-'));
    if !number.is_some_and(|n| n.len() == 3 && n.bytes().all(|b| b.is_ascii_digit())) {
        return Err(format!("{id}: a built-in id is {code}- and three digits"));
    }
    if references.is_empty() {
        return Err(format!("{id}: references is missing"));
    }
    Ok(())
}

fn unique(all: &RuleFile) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    let rules = all.rules.iter().flat_map(|r| [&r.id, &r.name]);
    let combos = all.combos.iter().flat_map(|c| [&c.id, &c.name]);
    for word in rules.chain(combos) {
        if !seen.insert(word) {
            return Err(format!("rules: {word:?} is used by two rules"));
        }
    }
    Ok(())
}

/// All text of the table in one string, and every string in it as one number: where it starts and how long it is. Pointers
/// in a static table would cost 24 bytes each for the loader to adjust, besides the 16 of the slice itself.
#[derive(Default)]
struct Text {
    all: String,
    known: HashMap<String, u32>,
    /// Entries of all lists, one after the other.
    lists: Vec<u32>,
}

/// Bits of a packed string that hold its length.
const LENGTH_BITS: u32 = 12;

impl Text {
    fn add(&mut self, text: &str) -> Result<u32, String> {
        if let Some(packed) = self.known.get(text) {
            return Ok(*packed);
        }
        let at = self.all.len();
        self.all.push_str(text);
        if text.len() >= 1 << LENGTH_BITS || at >= 1 << (32 - LENGTH_BITS) {
            return Err(format!(
                "{:?}… is too long for the table",
                &text.chars().take(40).collect::<String>()
            ));
        }
        let packed = (at as u32) << LENGTH_BITS | text.len() as u32;
        self.known.insert(text.to_owned(), packed);
        Ok(packed)
    }

    /// A list as its first entry in `lists` and its length.
    fn list(&mut self, entries: &[String]) -> Result<(u32, usize), String> {
        let at = self.lists.len() as u32;
        for entry in entries {
            let packed = self.add(entry)?;
            self.lists.push(packed);
        }
        Ok((at, entries.len()))
    }
}

fn write_table(all: &RuleFile) -> Result<String, String> {
    let mut rules: Vec<&RuleSpec> = all.rules.iter().collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let mut combos: Vec<&ComboSpec> = all.combos.iter().collect();
    combos.sort_by(|a, b| a.id.cmp(&b.id));

    let mut text = Text::default();
    let mut rows = String::new();
    let mut packed_needs: Vec<u32> = Vec::new();
    let mut programs = program::Programs::default();
    let mut code: Vec<u8> = Vec::new();
    for r in &rules {
        let (mut literals, mut also) = (r.literals.clone(), r.also.clone());
        let first_need = packed_needs.len();
        if let MatcherSpec::Regex(pattern) = &r.matcher {
            // The schema has compiled the pattern with the matcher; a form that only this parser rejects fails the build.
            let need = needs::of(pattern).map_err(|e| format!("{}: {e}", r.id))?;
            let need =
                need.ok_or_else(|| format!("{}: its matches have nothing in common to look for", r.id))?;
            literals = needs::literals(&need, &literals);
            also.clear();
            needs::pack(&need, &mut packed_needs);
        }
        let first_code = code.len();
        if let MatcherSpec::Regex(pattern) = &r.matcher {
            code.extend(programs.compile(pattern).map_err(|e| format!("{}: {e}", r.id))?);
        }
        let program = (first_code as u32, code.len() - first_code);
        let need_list = (first_need as u32, packed_needs.len() - first_need);
        let (kind, pattern) = match &r.matcher {
            MatcherSpec::Literal => ("Literal", ""),
            MatcherSpec::Regex(pattern) => ("Regex", pattern.as_str()),
            MatcherSpec::Native(name) => ("Native", name.as_str()),
            MatcherSpec::Check => ("Check", ""),
        };
        let Scope { places, langs } = r.scope;
        rows += &format!(
            "RuleRow {{ id: {}, name: {}, category: Category::{:?}, severity: Severity::{:?}, confidence: \
             Confidence::{:?}, persona: Persona::{:?}, literals: {:?}, also: {:?}, needs: {need_list:?}, program: {program:?}, kind: Kind::{kind}, pattern: {}, \
             scope: Scope {{ places: {places}, langs: {langs} }}, context: Context::{:?}, signals: {:?}, secret: {}, \
             message: {}, remediation: {}, references: {:?}, example: {}, counter_example: {} }},\n",
            text.add(&r.id)?,
            text.add(&r.name)?,
            r.category,
            r.severity,
            r.confidence,
            r.persona,
            text.list(&literals)?,
            text.list(&also)?,
            text.add(pattern)?,
            r.context,
            text.list(&r.signals)?,
            r.secret,
            text.add(&r.message)?,
            text.add(&r.remediation)?,
            text.list(&r.references)?,
            text.add(first(&r.matches))?,
            text.add(first(&r.no_matches))?,
        );
    }
    let mut combo_rows = String::new();
    for c in &combos {
        let within = match c.within {
            Within::Skill => "Within::Skill".to_owned(),
            Within::File => "Within::File".to_owned(),
            Within::Lines(n) => format!("Within::Lines({n})"),
        };
        combo_rows += &format!(
            "ComboRow {{ id: {}, name: {}, category: Category::{:?}, severity: Severity::{:?}, confidence: \
             Confidence::{:?}, all: {:?}, none: {:?}, within: {within}, message: {}, remediation: {}, references: {:?}, \
             example: {}, counter_example: {} }},\n",
            text.add(&c.id)?,
            text.add(&c.name)?,
            c.category,
            c.severity,
            c.confidence,
            text.list(&c.all)?,
            text.list(&c.none)?,
            text.add(&c.message)?,
            text.add(&c.remediation)?,
            text.list(&c.references)?,
            text.add(first(&c.matches))?,
            text.add(first(&c.no_matches))?,
        );
    }
    Ok(format!(
        "const LENGTH_BITS: u32 = {LENGTH_BITS};\n\
         static TEXT: &str = {:?};\n\
         static LISTS: [u32; {}] = {:?};\n\
         static NEEDS: [u32; {}] = {:?};\n\
         static PROGRAMS: [u8; {}] = {:?};\n\
         static CLASSES: [Class; {}] = {:?};\n\
         static RANGES: [&[(u32, u32)]; {}] = {};\n\
         static RULES: [RuleRow; {}] = [\n{rows}];\n\
         static COMBOS: [ComboRow; {}] = [\n{combo_rows}];\n",
        text.all,
        text.lists.len(),
        text.lists,
        packed_needs.len(),
        packed_needs,
        code.len(),
        code,
        programs.classes.len(),
        programs.classes,
        programs.ranges.len(),
        format!("{:?}", programs.ranges).replace("[(", "&[("),
        rules.len(),
        combos.len(),
    ))
}

fn first(examples: &[String]) -> &str {
    examples.first().map_or("", String::as_str)
}
