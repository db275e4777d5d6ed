//! Turns `rules/*.toml` into a static table, so that the binary parses none at start-up, and puts the commit into it.
//!
//! A mistake in a rule file fails the build with file, line and column.

#[allow(dead_code)]
#[path = "src/rules/model.rs"]
mod model;
#[path = "build/needs.rs"]
mod needs;
#[allow(dead_code)]
#[path = "src/rules/schema.rs"]
mod schema;

use model::{Scope, Within};
use schema::{ComboSpec, MatcherSpec, RuleFile, RuleSpec};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/rules/model.rs");
    println!("cargo::rerun-if-changed=src/rules/schema.rs");
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
    let mut out = String::new();
    write_table(&mut out, &all).map_err(|e| e.to_string())?;
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

fn write_table(out: &mut String, all: &RuleFile) -> std::fmt::Result {
    let mut rules: Vec<&RuleSpec> = all.rules.iter().collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let mut combos: Vec<&ComboSpec> = all.combos.iter().collect();
    combos.sort_by(|a, b| a.id.cmp(&b.id));

    let mut missing = Vec::new();
    writeln!(out, "static RULES: [Rule; {}] = [", rules.len())?;
    for r in rules {
        let (mut literals, mut also) = (r.literals.clone(), r.also.clone());
        let mut needs = "Need::Nothing".to_owned();
        if let MatcherSpec::Regex(pattern) = &r.matcher {
            // The schema has compiled the pattern with the matcher; a form that only this parser rejects fails the build.
            let need = needs::of(pattern).map_err(|e| eprintln!("error: {}: {e}", r.id));
            if let Some(need) = need.map_err(|()| std::fmt::Error)? {
                literals = needs::literals(&need, &literals);
                also.clear();
                needs.clear();
                needs::write(Some(&need), &mut needs)?;
            } else {
                missing.push(&r.id);
            }
            if std::env::var_os("WEFT_SHOW_LITERALS").is_some() {
                let added: Vec<_> = literals.iter().filter(|l| !r.literals.contains(l)).collect();
                println!("cargo::warning={} {} declared, adds {added:?}", r.id, r.literals.len());
            }
        }
        let matcher = match &r.matcher {
            MatcherSpec::Literal => "Matcher::Literal".to_owned(),
            MatcherSpec::Regex(pattern) => format!("Matcher::Regex({pattern:?})"),
            MatcherSpec::Native(name) => format!("Matcher::Native({name:?})"),
            MatcherSpec::Check => "Matcher::Check".to_owned(),
        };
        let Scope { places, langs } = r.scope;
        writeln!(
            out,
            "Rule {{ id: {:?}, name: {:?}, category: Category::{:?}, severity: Severity::{:?}, confidence: \
             Confidence::{:?}, persona: Persona::{:?}, literals: &{:?}, also: &{:?}, needs: {needs}, matcher: {matcher}, scope: \
             Scope {{ places: {places}, langs: {langs} }}, context: Context::{:?}, signals: &{:?}, secret: {}, \
             message: {:?}, remediation: {:?}, references: &{:?}, example: {:?}, counter_example: {:?} }},",
            r.id,
            r.name,
            r.category,
            r.severity,
            r.confidence,
            r.persona,
            literals,
            also,
            r.context,
            r.signals,
            r.secret,
            r.message,
            r.remediation,
            r.references,
            first(&r.matches),
            first(&r.no_matches),
        )?;
    }
    if !missing.is_empty() {
        eprintln!("error: nothing that every match of the pattern contains: {missing:?}");
        return Err(std::fmt::Error);
    }
    writeln!(out, "];\nstatic COMBOS: [Combo; {}] = [", combos.len())?;
    for c in combos {
        let within = match c.within {
            Within::Skill => "Within::Skill".to_owned(),
            Within::File => "Within::File".to_owned(),
            Within::Lines(n) => format!("Within::Lines({n})"),
        };
        writeln!(
            out,
            "Combo {{ id: {:?}, name: {:?}, category: Category::{:?}, severity: Severity::{:?}, confidence: \
             Confidence::{:?}, all: &{:?}, none: &{:?}, within: {within}, message: {:?}, remediation: {:?}, \
             references: &{:?}, example: {:?}, counter_example: {:?} }},",
            c.id,
            c.name,
            c.category,
            c.severity,
            c.confidence,
            c.all,
            c.none,
            c.message,
            c.remediation,
            c.references,
            first(&c.matches),
            first(&c.no_matches),
        )?;
    }
    writeln!(out, "];")
}

fn first(examples: &[String]) -> &str {
    examples.first().map_or("", String::as_str)
}
