//! Turns `rules/*.toml` into a table, so that the binary parses none at start-up, and puts the commit into it.
//!
//! A mistake in a rule file fails the build with file, line and column.

#[allow(dead_code)]
#[path = "src/fields.rs"]
mod fields;
#[allow(dead_code)]
#[path = "src/rules/model.rs"]
mod model;
#[allow(dead_code)]
#[path = "src/rules/schema.rs"]
mod schema;

#[allow(dead_code)]
#[path = "src/scan/program/code.rs"]
mod code;
/// What `src/scan/common.rs` reads too.
mod kinds {
    include!("src/scan/common/kinds.rs");
}
#[path = "build/needs.rs"]
mod needs;
#[path = "build/normal.rs"]
mod normal;
#[path = "build/program.rs"]
mod program;
#[path = "build/table.rs"]
mod table;
#[allow(dead_code)]
#[path = "src/scan/trigrams.rs"]
mod trigrams;

use schema::RuleFile;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=src/fields.rs");
    println!("cargo::rerun-if-changed=src/rules/model.rs");
    println!("cargo::rerun-if-changed=src/rules/schema.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/scan/trigrams.rs");
    println!("cargo::rerun-if-changed=src/scan/common");
    println!("cargo::rerun-if-changed=src/scan/program/code.rs");
    commit();
    if let Err(message) = tables() {
        eprintln!("error: {message}");
        exit(1);
    }
    layout();
    if let Err(message) = rules() {
        eprintln!("error: {message}");
        exit(1);
    }
}

/// Tables of Unicode, which do not change.
fn tables() -> Result<(), String> {
    let target = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("normal.rs");
    std::fs::write(&target, normal::source()).map_err(|e| format!("{}: {e}", target.display()))
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
    // Set but empty would be taken for one by `option_env!`.
    if let Some(commit) = commit.filter(|c| !c.is_empty()) {
        println!("cargo::rustc-env=WEFT_COMMIT={commit}");
    }
}

/// What lies where in a release, and what is not in it.
///
/// It never unwinds (panic = "abort"), so the tables for that leave the binary: 7 % of it. No option of the compiler does
/// this, for the tables of the standard library are made already; GNU ld, gold and lld all read this script. The start-up code that
/// rustup ships for musl names the table of its own (crtbegin.o), so that one stays.
fn layout() {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    linked_with(
        "no-unwind-tables.ld",
        "SECTIONS { /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) } }\n\
         INSERT AFTER .text;\n",
    );
    // What a start goes through lies together (scripts/build/start-order.py), then what its other processes go through, then the rest.
    let order = std::fs::read_to_string("build/start.txt").unwrap_or_default();
    let names: String = order.lines().map(|name| format!("*(.text.{name})\n")).collect();
    let rooms = "*(.text.*4weft7sandbox* .text.*weft..sandbox* .text.*4weft3sys*)\n";
    linked_with(
        "start.ld",
        &format!("SECTIONS {{ .text.start : {{\n{names}{rooms}}} }}\nINSERT BEFORE .text;\n"),
    );
}

/// Gives the linker of the binary a script that is added to its own.
fn linked_with(name: &str, text: &str) {
    let Some(folder) = std::env::var_os("OUT_DIR") else { return };
    let script = PathBuf::from(folder).join(name);
    if std::fs::write(&script, text).is_ok() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
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
    let files = table::write(&all)?;
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    for (name, bytes) in [
        ("rules.rs", files.code.as_bytes()),
        ("matching.bin", &files.matching),
        ("words.bin", &files.words),
        ("pairs.bin", &needs::pairs()),
    ] {
        let target = folder.join(name);
        std::fs::write(&target, bytes).map_err(|e| format!("{}: {e}", target.display()))?;
    }
    Ok(())
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
