//! The pure part of weft for programs that have no files to show it: a registry's page, an editor, an edge worker. JSON in, JSON
//! out, the same that the commands print. `sys/wasm.rs` makes calls of WebAssembly of it, `wasm/weft.mjs` functions of JavaScript.
//!
//! It sees nothing but its input: no file, no clock, no variable. Policies are read as they stand, every path in them taken to be there.

use crate::base64;
use crate::digest::Sha256;
use crate::json::{self, Node, Writer};
use crate::policy::report::{self, Checked};
use crate::policy::vars::Places;
use crate::policy::{self, Question};
use crate::rules::{Persona, RuleSet};
use crate::scan::report::{RenderOptions, json as scan_json};
use crate::scan::{names, scan_given};
use crate::skill::path::SafePath;
use crate::skill::tree::{self, FileHash};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `{root?, gate?, persona?, files}`, to the report of `weft security scan --format json`.
    Scan,
    /// `{files}`, to the canonical hash of a skill (docs/skill-hash.md): `{schema, content_hash, files}`.
    Hash,
    /// `{name, text, home?, workspace?}`, to the report of `weft policy check --format json`.
    PolicyCheck,
    /// `{name, text, verb, target, home?, workspace?}`, to the answer of `weft policy why --format json`.
    PolicyWhy,
}

/// Answers. Where the input is wrong: `{schema: "weft.error/1", message}`.
pub fn answer(operation: Operation, input: &[u8]) -> Vec<u8> {
    let mut page = Vec::new();
    let asked = std::str::from_utf8(input).map_err(|_| "the input is not UTF-8".to_owned());
    let asked =
        asked.and_then(|text| json::parse(text).map_err(|error| format!("the input is no JSON: {error}")));
    let done = asked.and_then(|asked| match operation {
        Operation::Scan => scan(&asked, &mut page),
        Operation::Hash => hash(&asked, &mut page),
        Operation::PolicyCheck => check(&asked, &mut page),
        Operation::PolicyWhy => why(&asked, &mut page),
    });
    if let Err(message) = done {
        page.clear();
        // A vector takes everything.
        let _ = failure(&message, &mut page);
    }
    page
}

fn failure(message: &str, page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.error/1")?;
        w.field("message", message)
    })?;
    page.write_all(b"\n")
}

/// The text under a key, if it is there.
fn text<'a>(asked: &'a Node, key: &str) -> Result<Option<&'a str>, String> {
    asked.get(key).map(|node| node.as_str().ok_or_else(|| format!("{key}: use a text"))).transpose()
}

fn needed<'a>(asked: &'a Node, key: &str) -> Result<&'a str, String> {
    text(asked, key)?.ok_or_else(|| format!("{key} is missing"))
}

/// `files: [{path, text} or {path, base64}]`.
fn files(asked: &Node) -> Result<Vec<(String, Vec<u8>)>, String> {
    let list = asked
        .get("files")
        .and_then(Node::as_array)
        .ok_or("files: use a list of {path, text} or {path, base64}")?;
    list.iter()
        .map(|file| {
            let path = needed(file, "path")?;
            let bytes = match (text(file, "text")?, text(file, "base64")?) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(encoded)) => {
                    base64::decode(encoded).ok_or_else(|| format!("{path}: not base64"))?
                }
                _ => return Err(format!("{path}: give text or base64")),
            };
            Ok((path.to_owned(), bytes))
        })
        .collect()
}

fn scan(asked: &Node, page: &mut Vec<u8>) -> Result<(), String> {
    let rules = RuleSet::builtin();
    let gate = match asked.get("gate") {
        None => false,
        Some(node) => node.as_bool().ok_or("gate: use true or false")?,
    };
    let persona = match text(asked, "persona")? {
        None => Persona::Regular,
        Some(word) => Persona::parse(word).ok_or("persona: use regular, pedantic or auditor")?,
    };
    let root = names::escape(text(asked, "root")?.unwrap_or("skill").as_bytes());
    let mut given = files(asked)?;
    for (path, _) in &mut given {
        *path = names::escape(path.as_bytes());
    }
    let mut report = scan_given(&rules, &root, gate, given);
    let before = report.findings.len();
    report.findings.retain(|finding| finding.persona <= persona);
    report.stats.hidden += (before - report.findings.len()) as u64;
    scan_json::write(&report, &RenderOptions::new(&rules), page).map_err(|error| error.to_string())
}

fn hash(asked: &Node, page: &mut Vec<u8>) -> Result<(), String> {
    let mut hashes = Vec::new();
    for (path, bytes) in files(asked)? {
        let safe = SafePath::new(&path)
            .map_err(|fault| format!("path `{}`: {}", names::escape(path.as_bytes()), fault.as_str()))?;
        hashes.push(FileHash::of(safe, &bytes));
    }
    let listing = tree::listing(&hashes).map_err(|collision| collision.to_string())?;
    let hash = Sha256::of(listing.as_bytes());
    let written = Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.skill-hash/1")?;
        w.field("content_hash", &hash.to_string())?;
        w.key("files")?.array_lines(|w| {
            hashes.iter().try_for_each(|file| {
                w.object(|w| {
                    w.field("path", file.path.as_str())?;
                    w.count("size", file.size)?;
                    w.field("sha256", &file.sha256.to_string())
                })
            })
        })
    });
    written.and_then(|()| page.write_all(b"\n")).map_err(|error| error.to_string())
}

/// Where `~` and `${WORKSPACE}` are; nobody looks there.
fn places(asked: &Node) -> Result<Places, String> {
    let folder = |key, otherwise| -> Result<PathBuf, String> {
        let path = text(asked, key)?.unwrap_or(otherwise);
        if path.starts_with('/') {
            Ok(PathBuf::from(path))
        } else {
            Err(format!("{key}: use an absolute path"))
        }
    };
    Ok(Places::below(&folder("home", "/home/user")?, &folder("workspace", "/workspace")?))
}

fn check(asked: &Node, page: &mut Vec<u8>) -> Result<(), String> {
    let name = needed(asked, "name")?;
    let checked = Checked::new(name, policy::load_text(name, needed(asked, "text")?, &places(asked)?));
    report::checked(&[checked], page).map_err(|error| error.to_string())
}

fn why(asked: &Node, page: &mut Vec<u8>) -> Result<(), String> {
    let (name, target) = (needed(asked, "name")?, needed(asked, "target")?);
    let path = || {
        let plain = target.starts_with('/') && !target.split('/').any(|part| part == "..");
        if plain {
            Ok(Path::new(target).to_owned())
        } else {
            Err("target: use an absolute path without `..`".to_owned())
        }
    };
    let question = match needed(asked, "verb")? {
        "read" => Question::Read(path()?),
        "write" => Question::Write(path()?),
        "connect" => {
            let (host, port) = policy::endpoint(target)?;
            Question::Connect { host, port }
        }
        "tool" => Question::Tool(target.to_owned()),
        "env" => Question::Env(target.to_owned()),
        _ => {
            return Err(
                "verb: use read, write, connect, tool or env (what a command is, only a machine knows)"
                    .to_owned(),
            );
        }
    };
    let policy = policy::load_text(name, needed(asked, "text")?, &places(asked)?)
        .map_err(|errors| errors.to_string())?;
    let decision = policy::ask(&policy, &question);
    let shown = names::escape(target.as_bytes());
    report::answer(page, &policy, name, &question, &shown, &decision).map_err(|error| error.to_string())
}
