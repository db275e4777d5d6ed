//! `weft skill run`: a command with an installed skill, under the policy `skill` and what the skill's manifest declares. What
//! the manifest asks for narrows; only what the user allows as well widens.

use super::local::{find, told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::run::module::Module;
use crate::cli::run::prepare::{Prepared, Timeout};
use crate::cli::run::{Wanted, close_inherited, run_prepared};
use crate::skill::collect::is_skill_file;
use crate::skill::manifest::Manifest;
use crate::skill::record::quoted;
use crate::skill::store::Drift;
use argh::{ArgsInfo, FromArgs};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// A longer SKILL.md is read this far; the frontmatter is at its beginning.
const MOST: u64 = 256 << 10;

/// Run a command with an installed skill, held to the policy `skill`
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("--help"),
    example = "{command_name} weather -- python3 scripts/today.py Berlin",
    example = "{command_name} weather --allow-env WEATHER_KEY --allow-host api.example.com -- python3 scripts/today.py",
    example = "{command_name} weather --explain                 what would hold each line; runs nothing",
    note = "The command starts in the skill's folder, may read it, and writes to a folder that is gone afterwards. If the manifest names programs (requires.bins), no others run but the one you name. A WebAssembly module (tool.wasm) is interpreted, inside the same sandbox. Variables and hosts come in when the manifest declares them and you allow them here. A skill that was changed since it was installed is not run.",
    error_code(0, "the command ended with 0; any other code of its own is passed on as well"),
    error_code(1, "the skill was changed since it was installed"),
    error_code(2, "nothing was run: the command line, the skill, or this kernel cannot hold the policy"),
    error_code(124, "the time was up"),
    error_code(125, "the sandbox could not be set up"),
    error_code(128, "128 + n: signal n ended the command")
)]
pub struct Run {
    /// let in a variable that the manifest declares; may be repeated
    #[argh(option, arg_name = "NAME")]
    allow_env: Vec<String>,
    /// let out to a host that the manifest declares (metadata.weft.hosts), port 443 with TLS; may be repeated
    #[argh(option, arg_name = "HOST")]
    allow_host: Vec<String>,
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in the workspace (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// print what will hold each line of the policy, and run nothing
    #[argh(switch)]
    explain: bool,
    /// how --explain prints it: text or json
    #[argh(option, arg_name = "FORMAT")]
    format: Option<Format>,
    /// end the command after this time (90s, 10m, 1h30m), if the policy does not earlier
    #[argh(option, arg_name = "TIME")]
    timeout: Option<Timeout>,
    /// the skill, and after `--` the command and its arguments
    #[argh(positional, greedy, arg_name = "NAME")]
    words: Vec<String>,
}

pub fn run(command: &Run) -> Result<Exit, Failure> {
    close_inherited()?;
    let Some((name, words)) = command.words.split_first() else {
        return Err(Failure::usage("no skill to run", "NAME", "weft skill list shows what is installed"));
    };
    let words = words.strip_prefix(&["--".to_owned()]).unwrap_or(words);
    let wanted = Wanted {
        explain: command.explain,
        format: command.format,
        timeout: command.timeout,
        net_log: false,
        observe: false,
        words,
        own: None,
    };
    wanted.check("weft skill run NAME -- CMD")?;
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let entry = find(&workspace, name)?;
    let Some(hub) = &entry.hub else {
        let fix = format!(
            "install it with weft, or: weft run --policy skill --workspace {}",
            workspace.target(&entry.key).display()
        );
        return Err(Failure::usage(
            "weft did not install this skill, so it cannot tell what it is",
            entry.key,
            fix,
        ));
    };
    let drift = workspace.drift(&entry.key, &hub.content_hash).map_err(told)?;
    if drift != Drift::None {
        let what = format!("changed since it was installed ({})", drift.summary());
        let mut failure = Failure::usage(what, entry.key, "install it again");
        failure.exit = Exit::Findings;
        return Err(failure);
    }
    let folder = workspace.target(&entry.key);
    let manifest = manifest(&folder)?;
    // A module of the skill is the user's choice as much as a program by name is.
    let module = words.first().and_then(|word| Module::find(OsStr::new(word), &folder));
    let module = module.and_then(|module| module.path.to_str().map(str::to_owned));
    let text = policy(command, &manifest, &hub.slug, words, module.as_deref())?;
    let title = format!("skill {}", entry.key);
    let prepared = Prepared::of_text(&title, &text, &folder)?;
    run_prepared(prepared, &wanted).map(|ran| ran.exit)
}

fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    let failed = |error| Failure::file("cannot read the skill", folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_str().is_some_and(is_skill_file) {
            continue;
        }
        let mut bytes = Vec::new();
        File::open(entry.path()).and_then(|file| file.take(MOST).read_to_end(&mut bytes)).map_err(failed)?;
        return Manifest::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| {
            let at = format!("{}:{}", entry.path().display(), error.line);
            Failure::usage(
                format!("what the skill declares cannot be read: {}", error.what),
                at,
                "run it with weft run --policy skill",
            )
        });
    }
    Ok(Manifest::default())
}

/// The policy of this run: `skill`, and what is declared and allowed.
fn policy(
    command: &Run,
    manifest: &Manifest,
    slug: &str,
    words: &[String],
    module: Option<&str>,
) -> Result<String, Failure> {
    let mut text = format!("version = 1\nagent = {}\nextends = [\"skill\"]\n", quoted(slug));
    let mut process = String::new();
    let mut bins: Vec<&str> = manifest.bins.iter().chain(&manifest.any_bins).map(String::as_str).collect();
    if !bins.is_empty() {
        let plain = |name: &&str| {
            !name.starts_with('.')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
                && !name.is_empty()
        };
        if let Some(bad) = bins.iter().find(|name| !plain(name)) {
            return Err(Failure::usage(
                "the manifest requires a program by a name that is none",
                *bad,
                "weft run --policy skill",
            ));
        }
        // The one that the user names is the user's choice.
        match module {
            Some(module) => bins.push(module),
            None => bins.extend(words.first().map(String::as_str).filter(|word| !word.contains('/'))),
        }
        process.push_str(&format!("allow = [{}]\n", list(&bins)));
    }
    if !command.allow_host.is_empty() {
        // The profile of `skill` has no sockets, and the host would be out of reach.
        process.push_str("syscalls = \"network\"\n");
    }
    if !process.is_empty() {
        text.push_str(&format!("[process]\n{process}"));
    }
    let declared: Vec<&str> = manifest
        .env
        .iter()
        .chain(manifest.env_vars.iter().map(|var| &var.name))
        .chain(&manifest.primary_env)
        .map(String::as_str)
        .collect();
    only_declared(&command.allow_env, &declared, "--allow-env")?;
    if !command.allow_env.is_empty() {
        let names: Vec<&str> = command.allow_env.iter().map(String::as_str).collect();
        text.push_str(&format!("[env]\nallow = [{}]\n", list(&names)));
    }
    let hosts: Vec<&str> = manifest.hosts.iter().map(String::as_str).collect();
    only_declared(&command.allow_host, &hosts, "--allow-host")?;
    for host in &command.allow_host {
        text.push_str(&format!("[[network.allow]]\nhost = {}\n", quoted(host)));
    }
    Ok(text)
}

fn only_declared(allowed: &[String], declared: &[&str], option: &str) -> Result<(), Failure> {
    // A star would stand for more than was declared.
    match allowed.iter().find(|name| !declared.contains(&name.as_str()) || name.contains('*')) {
        Some(name) => {
            let fix = match declared {
                [] => "it declares none; weft run with a policy of your own allows more".to_owned(),
                _ => format!("it declares {}", declared.join(", ")),
            };
            Err(Failure::usage("not declared by the skill", format!("{option} {name}"), fix))
        }
        None => Ok(()),
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ")
}
