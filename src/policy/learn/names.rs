//! Commands and variables.

use super::judge::Judged;
use super::{Grant, Learned, Left, Programs, Uses, shown, written};
use crate::policy::commands::SearchPath;
use crate::policy::find::Finder;
use crate::policy::secrets::is_secret_variable;
use crate::policy::{Policy, decide};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A list of more commands than this is read by nobody.
const COMMANDS: usize = 100;

/// The commands that were started, as `process.allow`, where that can hold them.
pub fn commands(base: &Policy, judged: &Judged, learned: &mut Learned) {
    if judged.programs.is_empty() {
        return;
    }
    if let Some(why) = unlistable(base, judged) {
        learned.notes.push(format!(
            "process.allow is left out: {why}; filesystem.exec alone says what can be started"
        ));
        return;
    }
    let path = base.env.set.get("PATH").map(|set| set.value.as_str());
    let mut finder = Finder::default();
    let search = SearchPath::new(path, &mut finder);
    let mut found: BTreeMap<String, (Programs, u64)> = BTreeMap::new();
    for (program, by) in &judged.programs {
        if allowed(base, program) {
            continue;
        }
        let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let on_path = !name.is_empty()
            && !name.starts_with(['.', '~', '$'])
            && !name.contains('*')
            && search
                .all(name, false, &mut finder)
                .iter()
                .any(|path| path == program || in_folder(program) == *path);
        let value = match on_path {
            true => Ok(name.to_owned()),
            false => written(program, base),
        };
        match value {
            Ok(value) => {
                let entry = found.entry(value).or_default();
                entry.0.extend(by.iter().cloned());
                entry.1 += 1;
            }
            Err(why) => {
                let what = format!("execute {}", shown(program, base));
                learned.left.push(Left { what, why: why.to_owned(), by: by.clone() });
            }
        }
    }
    learned.grants.extend(found.into_iter().map(|(value, (by, count))| Grant {
        key: "process.allow",
        value,
        ports: Vec::new(),
        tls: false,
        by,
        count,
        unit: "program",
        note: String::new(),
    }));
}

/// The program with the links to its folder followed, but not its own.
fn in_folder(program: &Path) -> std::path::PathBuf {
    let folder = program.parent().and_then(|folder| fs::canonicalize(folder).ok());
    match (folder, program.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => program.to_owned(),
    }
}

/// The base lists commands, and this one is among them.
fn allowed(base: &Policy, program: &Path) -> bool {
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    base.process
        .allow
        .as_ref()
        .is_some_and(|allow| allow.iter().any(|rule| rule.paths.iter().any(|path| real.starts_with(path))))
}

/// Why a list of commands would break the command or hold nothing. Where the base has one there is no choice.
fn unlistable(base: &Policy, judged: &Judged) -> Option<String> {
    if base.process.allow.is_some() {
        return None;
    }
    let written_to = judged.programs.keys().find(|program| {
        let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_path_buf());
        let writable = judged.writable.iter().any(|place| real.starts_with(place));
        writable || base.filesystem.write_rule(&real).is_some()
    });
    if let Some(program) = written_to {
        return Some(format!("{} stands where the command may write", shown(program, base)));
    }
    if let Some(library) = &judged.library {
        return Some(format!("{} is a library outside of the system's folders", shown(library, base)));
    }
    let many = judged.programs.len();
    (many > COMMANDS).then(|| format!("{many} programs were started, more than anybody reads"))
}

/// Variables that a log says were refused; and what of the present environment the base lets in.
pub fn variables(base: &Policy, uses: &Uses, learned: &mut Learned) {
    for name in &uses.variables {
        let decision = decide::env(base, name);
        if decision.allowed {
            continue;
        }
        let what = format!("variable {}", crate::scan::names::escape(name.as_bytes()));
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
        let why = if is_secret_variable(name) {
            "it is named like a secret; [[network.inject]] adds one on the way out without letting it in"
                .to_owned()
        } else if decision.rule.is_some() || decide::is_loader_variable(name.as_bytes()) {
            decision.reason.into_owned()
        } else if plain {
            learned.grants.push(Grant {
                key: "env.allow",
                value: name.clone(),
                ports: Vec::new(),
                tls: false,
                by: Programs::new(),
                count: 0,
                unit: "",
                note: "was refused".to_owned(),
            });
            continue;
        } else {
            "it is no plain name".to_owned()
        };
        learned.left.push(Left { what, why, by: Programs::new() });
    }
}
