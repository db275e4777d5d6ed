//! `weft hook install`: shows what it would change in the settings of an agent program, keeps a copy, and changes it.

use super::{edit, lines};
use crate::agents::hook::Client;
use crate::agents::message;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{out, places};
use crate::cli::term::{is_interactive, say, yes};
use crate::files::write_atomic;
use crate::json::{Node, Writer};
use crate::policy::is_path;
use crate::scan::names;
use crate::scan::report::visible::visible_lines;
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Put the hook into the settings of an agent program; shows the change first and keeps a copy
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "install",
    help_triggers("--help"),
    example = "{command_name} --client claude-code --policy claude-code --dry-run",
    example = "{command_name} --client codex --policy ~/policies/codex.toml --yes",
    example = "{command_name} --client cursor --project --policy weft.toml --yes",
    note = "Settings: ~/.claude/settings.json, ~/.codex/hooks.json, ~/.gemini/settings.json, ~/.cursor/hooks.json; for OpenClaw a plugin in ~/.openclaw/weft-hook and its entry in ~/.openclaw/openclaw.json. A hook that an earlier installation put there is replaced. Without --yes a terminal is asked.",
    error_code(0, "done, or nothing to do, or --dry-run"),
    error_code(1, "not confirmed, nothing was written"),
    error_code(2, "the command line, the policy or the settings are wrong, nothing was written")
)]
pub struct Install {
    /// claude-code, codex, gemini, cursor or openclaw
    #[argh(option, arg_name = "NAME")]
    client: Client,
    /// the policy that the hook goes by: a file, or the name of a built-in policy; without it, weft.toml of each workspace
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// the settings of this project (the current folder) instead of the user's
    #[argh(switch)]
    project: bool,
    /// take the hook out instead
    #[argh(switch)]
    remove: bool,
    /// show what would change, and write nothing
    #[argh(switch)]
    dry_run: bool,
    /// do not ask
    #[argh(switch)]
    yes: bool,
    /// the folder of the settings, if it is another one
    #[argh(option, arg_name = "DIR")]
    settings: Option<PathArg>,
}

/// A file and what it is to hold; none: it is to be gone.
struct Change {
    path: PathBuf,
    old: Option<String>,
    new: String,
}

pub fn run(command: &Install) -> Result<Exit, Failure> {
    let places = places(None)?;
    if command.project && command.client == Client::OpenClaw {
        return Err(Failure::usage("OpenClaw has no settings of a project", "--project", "leave it out"));
    }
    let words = words(command)?;
    let top = match command.project {
        true => &places.workspace,
        false => &places.home,
    };
    let folder = |name: &str| command.settings.as_ref().map_or_else(|| top.join(name), |path| path.0.clone());
    let changes = match command.client {
        Client::ClaudeCode => vec![settings(command, &words, folder(".claude").join("settings.json"))?],
        Client::Codex => vec![settings(command, &words, folder(".codex").join("hooks.json"))?],
        Client::Gemini => vec![settings(command, &words, folder(".gemini").join("settings.json"))?],
        Client::Cursor => vec![settings(command, &words, folder(".cursor").join("hooks.json"))?],
        Client::OpenClaw => openclaw(command, &words, &folder(".openclaw"))?,
    };
    let changes: Vec<Change> =
        changes.into_iter().filter(|change| change.old.as_ref() != Some(&change.new)).collect();
    if changes.is_empty() {
        say("nothing to do: the settings are so already");
        return Ok(Exit::Ok);
    }
    out(|page| {
        changes.iter().try_for_each(|change| {
            let name = names::escape(change.path.as_os_str().as_encoded_bytes());
            let text = lines::changed(&name, change.old.as_deref().unwrap_or(""), &change.new);
            page.write_all(visible_lines(&text).as_bytes())
        })
    })?;
    if command.dry_run {
        return Ok(Exit::Ok);
    }
    let confirmed = command.yes || (is_interactive() && yes("write this?"));
    if !confirmed {
        say("nothing was written; --yes writes it");
        return Ok(Exit::Findings);
    }
    for change in &changes {
        write(change)?;
    }
    if command.client == Client::Codex && !command.remove {
        say("Codex runs a new or changed hook only when you have trusted it: start codex and say /hooks");
    }
    Ok(Exit::Ok)
}

/// The command of the hook. Paths in full, for the program may start it anywhere.
fn words(command: &Install) -> Result<Vec<String>, Failure> {
    let failed =
        |error: std::io::Error| Failure::usage(format!("cannot tell where weft is: {error}"), "", "");
    let own = std::env::current_exe().map_err(failed)?;
    let utf8 = |path: &Path| {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::usage("the path is not UTF-8", shown, "move it"))
    };
    let mut words =
        vec![utf8(&own)?, "hook".into(), "run".into(), "--client".into(), command.client.as_str().into()];
    if let Some(policy) = &command.policy {
        let places = places(None)?;
        // A hook that cannot read its policy refuses everything; better told now.
        crate::policy::load(policy, &places).map_err(|errors| crate::cli::policy::failure(&errors))?;
        let full = match is_path(policy) {
            true => {
                let path = Path::new(policy);
                utf8(&path.canonicalize().map_err(|error| Failure::file("cannot find", path, &error))?)?
            }
            false => policy.clone(),
        };
        words.extend(["--policy".to_owned(), full]);
    }
    Ok(words)
}

/// As a shell reads it back.
fn quoted(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@%".contains(&b))
    };
    let quote =
        |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// The text of settings; none where there are none.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    let shown = || names::escape(path.as_os_str().as_encoded_bytes());
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::file("cannot read", path, &error)),
        Ok(meta) if !meta.is_file() || meta.len() > message::MOST as u64 => {
            return Err(Failure::usage("that is no settings file", shown(), "look at what is there"));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(|error| Failure::file("cannot read", path, &error))?;
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Failure::usage("the settings are not UTF-8", shown(), "save them as UTF-8"))
}

fn parsed(path: &Path, old: Option<&str>) -> Result<Node, Failure> {
    let Some(text) = old.filter(|text| !text.trim().is_empty()) else { return Ok(edit::empty()) };
    message::read(text.as_bytes()).map_err(|why| {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        let why = why.replacen("the message", "the settings", 1);
        Failure::usage(
            why,
            shown,
            "put it right; comments cannot be kept, so add the hook by hand (docs/agents.md)",
        )
    })
}

fn rendered(root: &Node) -> String {
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut text).node(root, true);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

fn settings(command: &Install, words: &[String], path: PathBuf) -> Result<Change, Failure> {
    let old = read(&path)?;
    let mut root = parsed(&path, old.as_deref())?;
    let before = root.clone();
    let line = quoted(words);
    let edited = edit::settings(command.client, &mut root, (!command.remove).then_some(&line));
    edited.map_err(|why| strange(&path, why))?;
    // Settings that mean the same are left as they are written.
    let new = if root == before && old.is_some() { old.clone().unwrap_or_default() } else { rendered(&root) };
    // There is nothing to take out of nothing.
    let new = if command.remove && old.is_none() { String::new() } else { new };
    let old = old.or_else(|| command.remove.then(String::new));
    Ok(Change { path, old, new })
}

fn strange(path: &Path, why: String) -> Failure {
    let shown = names::escape(path.as_os_str().as_encoded_bytes());
    Failure::usage(
        format!("the settings are not of the form that is known: {why}"),
        shown,
        "see docs/agents.md",
    )
}

/// The plugin that asks weft, and its entry.
fn openclaw(command: &Install, words: &[String], folder: &Path) -> Result<Vec<Change>, Failure> {
    let plugin = folder.join("weft-hook");
    let config = folder.join("openclaw.json");
    let old = read(&config)?;
    let mut root = parsed(&config, old.as_deref())?;
    let edited = edit::openclaw(&mut root, &plugin.to_string_lossy(), !command.remove);
    edited.map_err(|why| strange(&config, why))?;
    let mut changes = Vec::new();
    if !command.remove {
        let mut list = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = Writer::new(&mut list).array(|w| words.iter().try_for_each(|word| w.string(word)));
        let script = include_str!("openclaw.js").replace("@COMMAND@", &String::from_utf8_lossy(&list));
        let version = env!("CARGO_PKG_VERSION");
        for (name, text) in [
            ("index.js", script),
            (
                "package.json",
                format!(
                    "{{\n  \"name\": \"weft-hook\",\n  \"version\": \"{version}\",\n  \"private\": true,\n  \"type\": \"module\",\n  \"openclaw\": {{ \"extensions\": [\"./index.js\"] }}\n}}\n"
                ),
            ),
            (
                "openclaw.plugin.json",
                "{\n  \"id\": \"weft\",\n  \"configSchema\": { \"type\": \"object\", \"additionalProperties\": false, \"properties\": {} }\n}\n"
                    .to_owned(),
            ),
        ] {
            let path = plugin.join(name);
            changes.push(Change { old: read(&path)?, path, new: text });
        }
    }
    // The plugin is there before it is asked for.
    let new = if command.remove && old.is_none() { String::new() } else { rendered(&root) };
    let old = old.or_else(|| command.remove.then(String::new));
    changes.push(Change { path: config, old, new });
    Ok(changes)
}

/// Keeps a copy of what was there, then writes.
fn write(change: &Change) -> Result<(), Failure> {
    let path = &change.path;
    let failed = |error: std::io::Error| Failure::file("cannot write", path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    if let Some(old) = &change.old {
        let copy = free(path)?;
        // As private as the settings, which may hold keys.
        fs::copy(path, &copy).map_err(|error| Failure::file("cannot keep a copy as", &copy, &error))?;
        // Somebody else may have written since it was read; what was shown is not what would be changed.
        if fs::read(path).map_err(failed)? != old.as_bytes() {
            let shown = names::escape(path.as_os_str().as_encoded_bytes());
            return Err(Failure::usage("the settings were changed in the meantime", shown, "try again"));
        }
        say(&format!("the settings as they were are in {}", copy.display()));
    }
    write_atomic(path, |out| out.write_all(change.new.as_bytes())).map_err(failed)?;
    say(&format!("{} written", path.display()));
    Ok(())
}

/// A name for the copy that nothing has.
pub fn free(path: &Path) -> Result<PathBuf, Failure> {
    for number in 1..1000 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".weft-{number}.bak"));
        let copy = PathBuf::from(name);
        if copy.symlink_metadata().is_err() {
            return Ok(copy);
        }
    }
    let shown = names::escape(path.as_os_str().as_encoded_bytes());
    Err(Failure::usage("there are a thousand copies of the file", shown, "remove some of *.weft-*.bak"))
}
