//! `weft policy learn`: a command that is watched, or logs of runs, to the least policy that lets it; and what was left out of it.

mod permissive;
mod show;
pub(super) mod uses;

use super::{failure, out};
use crate::cli::args::{PathArg, to_os};
use crate::cli::error::{Exit, Failure};
use crate::cli::run::prepare::{Agent, Prepared, Timeout, workspace_places};
use crate::cli::run::{Wanted, close_inherited, run_prepared};
use crate::cli::term::say;
use crate::cli::values::say as fix;
use crate::files::write_atomic;
use crate::policy::learn::{Header, Learned, learn, left_line, page, quoted};
use crate::policy::lint::{Level, lint};
use crate::policy::secrets::is_secret_variable;
use crate::policy::vars::{Places, is_agent_name};
use crate::policy::{NetworkMode, Policy, decide, is_path, load, load_text};
use crate::sandbox::launch::End;
use crate::scan::names;
use crate::sys::process::Status;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use permissive::HostArg;
use std::io::Write;
use std::path::{Path, PathBuf};
use uses::Told;

/// Write the least policy for a command: run it watched, or read its logs
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "learn",
    help_triggers("--help"),
    example = "{command_name} --out git.toml -- git status           what it asks for, held to base and this folder",
    example = "{command_name} --permissive --out build.toml -- make  the same, with most of this machine to be read",
    example = "{command_name} --permissive --host example.com --out fetch.toml -- ./fetch.sh",
    example = "{command_name} --from ~/.local/state/weft/audit/agent.jsonl",
    note = "The command runs in the sandbox. Without --permissive it is held to the policy as ever, and what it was refused is learned. With --permissive it can read system places and the tools in your home folder, but no credentials, and write only this folder, ${{TMPDIR}} and ${{CACHE}}; hosts are reached only if --host names them. Everything that was wanted is proposed or left out with the reason: as comments in the policy and on standard error. Credentials are never proposed. Nothing is in force until you use the policy.",
    error_code(0, "a policy was written; how the command ended is said on standard error"),
    error_code(2, "the command line, a log or the policy is wrong, or the run cannot be observed here"),
    error_code(125, "the sandbox could not be set up")
)]
pub struct Learn {
    /// the policy to build on, which the command is held to: a file, or the name of a built-in policy; `base` if not given, and
    /// then the command may work in the workspace
    #[argh(option, arg_name = "BASE")]
    policy: Option<String>,
    /// let the command read what no policy names yet, as far as that gives away no credentials
    #[argh(switch)]
    permissive: bool,
    /// with --permissive: a host that may be reached, HOST or HOST:PORT (443 and 80 without); `*` for all
    #[argh(option, arg_name = "HOST")]
    host: Vec<HostArg>,
    /// an audit log to learn from, instead of a command; may be given more than once
    #[argh(option, arg_name = "AUDIT")]
    from: Vec<PathArg>,
    /// the file to write; standard output if not given
    #[argh(option, arg_name = "FILE")]
    out: Option<PathArg>,
    /// replace a file that is there
    #[argh(switch)]
    force: bool,
    /// toml, json or text
    #[argh(option, default = "Format::Toml", arg_name = "FORMAT")]
    format: Format,
    /// the agent's name in the policy and in the log; the command's name if not given
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// what ${WORKSPACE} stands for and where the command starts; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// end the command after this time (90s, 10m, 1h30m)
    #[argh(option, arg_name = "TIME")]
    timeout: Option<Timeout>,
    /// the command and its arguments, best after `--`
    #[argh(positional, greedy, arg_name = "CMD")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Toml,
    Json,
    Text,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "toml" => Ok(Format::Toml),
            "json" => Ok(Format::Json),
            "text" => Ok(Format::Text),
            _ => Err(fix("use toml, json or text")),
        }
    }
}

/// So many things that were left out are told on standard error; the policy has all of them.
const TOLD: usize = 20;

pub fn run(command: &Learn) -> Result<Exit, Failure> {
    check(command)?;
    if !command.command.is_empty() {
        close_inherited()?;
    }
    // Before the folder changes.
    let target = match &command.out {
        Some(path) => Some(target(&path.0, command.force)?),
        None => None,
    };
    let logs: Vec<PathBuf> = command.from.iter().map(|path| absolute(&path.0)).collect::<Result<_, _>>()?;
    let given: Vec<PathArg> = command.workspace.iter().cloned().collect();
    let mut places = workspace_places(&given)?;
    let agent = agent(command);
    places.agent = Some(agent.clone());
    let extends = match &command.policy {
        None => "base".to_owned(),
        Some(name) if is_path(name) => named(&absolute(Path::new(name))?)?,
        Some(name) => name.clone(),
    };
    let base = load(&extends, &places).map_err(|errors| failure(&errors))?;
    let told = match command.command.is_empty() {
        true => uses::of_logs(&logs, &base)?,
        false => observe(command, &agent, &extends, &base, &places)?,
    };
    let mut learned = learn(&told.uses, &base);
    learned.notes.extend(told.notes.iter().cloned());
    let environment = environment(&base);
    let header = Header { from: &told.from, agent: &agent, extends: &extends, environment: &environment };
    let text = page(&learned, &header);
    // What is written has to be a policy, whatever names it was made of.
    let policy = load_text("the learned policy", &text, &places).map_err(|errors| failure(&errors))?;
    let page = match command.format {
        Format::Toml => text.into_bytes(),
        Format::Text => show::text(&learned, &header).into_bytes(),
        Format::Json => show::json(&learned, &header, &text)?,
    };
    match &target {
        None => out(|all| all.write_all(&page))?,
        Some(path) => write_atomic(path, |all| all.write_all(&page))
            .map_err(|error| Failure::file("cannot write", path, &error))?,
    }
    report(&learned, &policy, &base);
    if let Some(path) = &target {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        say(&format!(
            "{shown} written; next: read it, weft policy check {shown}, weft run --policy {shown} -- …"
        ));
    }
    Ok(Exit::Ok)
}

/// What argh cannot say.
fn check(command: &Learn) -> Result<(), Failure> {
    match (command.command.is_empty(), command.from.is_empty()) {
        (true, true) => {
            let fix = "write a command after --, or name logs with --from";
            return Err(Failure::usage("nothing to learn from", "", fix));
        }
        (false, false) => {
            let fix = "leave one out; the log of a run that was learned from can be given with --from later";
            return Err(Failure::usage("a command or logs, not both", "", fix));
        }
        _ => {}
    }
    if command.permissive && command.command.is_empty() {
        return Err(Failure::usage(
            "--permissive is for a command",
            "",
            "logs are read as they are: leave it out",
        ));
    }
    if !command.host.is_empty() && !command.permissive {
        return Err(Failure::usage("--host is for --permissive", "", "add it, or allow the host in BASE"));
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("cannot look at", path, &error))
}

/// Where the policy goes.
fn target(path: &Path, force: bool) -> Result<PathBuf, Failure> {
    let path = absolute(path)?;
    if !force && path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_symlink()) {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        return Err(Failure::usage("the file exists", shown, "give another name, or --force"));
    }
    Ok(path)
}

/// A path that a policy can name in `extends`.
fn named(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(['$', '~']) && !text.chars().any(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        Failure::usage("a policy cannot extend a file of that name", shown, "give it a plain name")
    })
}

/// The name that was given, or the command's.
fn agent(command: &Learn) -> String {
    if let Some(agent) = &command.agent {
        return agent.name().to_owned();
    }
    let word = command.command.first().map(|word| to_os(word)).unwrap_or_default();
    let name = Path::new(&word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_agent_name(name) { name.to_owned() } else { "learned".to_owned() }
}

/// Runs the command watched, and reads what the log has of it.
fn observe(
    command: &Learn,
    agent: &str,
    extends: &str,
    base: &Policy,
    places: &Places,
) -> Result<Told, Failure> {
    let opened = match command.permissive {
        true => permissive::opened(&command.host, base, places),
        false => permissive::Opened::default(),
    };
    let text = held_to(command, agent, extends, base, &opened);
    let prepared = Prepared::of_text("weft policy learn", &text, &places.workspace)?;
    let Some(log) = prepared.policy.audit.file.as_ref().map(|file| file.value.clone()) else {
        return Err(Failure::usage("the policy keeps no log", extends.to_owned(), "give it an [audit] file"));
    };
    opened.said.iter().for_each(|line| say(line));
    let wanted = Wanted {
        explain: false,
        format: None,
        timeout: command.timeout,
        net_log: false,
        observe: true,
        words: &command.command,
        own: None,
    };
    let ran = run_prepared(prepared, &wanted)?;
    let how = match ran.end {
        Some(End::Command(Status::Exited(0))) => "the command ended well".to_owned(),
        Some(End::Command(Status::Exited(code))) => {
            format!("the command ended with {code}: what it would have done after that is not known")
        }
        Some(End::NotFound) => "there was no such command inside: nothing of it is known".to_owned(),
        Some(End::NotExecutable(_)) => "the command could not be executed: nothing of it is known".to_owned(),
        Some(End::TimedOut) => "the time was up: what it would have done after that is not known".to_owned(),
        Some(End::Command(Status::Killed(signal) | Status::Stopped(signal))) => {
            format!("signal {signal} ended the command: what it would have done after that is not known")
        }
        None => "nothing was run".to_owned(),
    };
    say(&how);
    let mut told = uses::of_run(&log, &ran.run, base)?;
    if told.uses.is_empty() && matches!(ran.end, Some(End::NotFound | End::NotExecutable(_))) {
        let name = command.command.first().map(|word| names::escape(to_os(word).as_encoded_bytes()));
        return Err(Failure::usage(
            "nothing was learned",
            name.unwrap_or_default(),
            "check the command's name",
        ));
    }
    if ran.end != Some(End::Command(Status::Exited(0))) {
        told.notes.push(how);
    }
    Ok(told)
}

/// The policy of the run: the base, a place to work in where nobody said another, and what was opened.
fn held_to(
    command: &Learn,
    agent: &str,
    extends: &str,
    base: &Policy,
    opened: &permissive::Opened,
) -> String {
    let mut text =
        format!("version = 1\nagent = {}\nextends = [{}]\n[filesystem]\n", quoted(agent), quoted(extends));
    let mut write: Vec<String> = opened.write.clone();
    if command.policy.is_none() || command.permissive {
        write.extend(["${WORKSPACE}", "${TMPDIR}"].map(str::to_owned));
        text.push_str("protect = [\"${WORKSPACE}/.git/hooks\", \"${WORKSPACE}/.git/config\"]\n");
    }
    let mut deny = opened.deny.clone();
    deny.push("${WORKSPACE}/.env".to_owned());
    let mut list = |key: &str, paths: &[String]| {
        if !paths.is_empty() {
            let paths: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
            text.push_str(&format!("{key} = [{}]\n", paths.join(", ")));
        }
    };
    list("read", &opened.read);
    list("write", &write);
    list("exec", &opened.exec);
    list("deny", &deny);
    if !matches!(base.network.mode, NetworkMode::Unrestricted(_)) {
        // A name that nobody has (RFC 6761): with a rule there is a way out that is asked, and that says what was wanted.
        text.push_str("[network]\nallow = [{ host = \"nothing.invalid\", ports = [80, 443], tls = false }");
        opened.hosts.iter().for_each(|host| text.push_str(&format!(", {host}")));
        text.push_str("]\n");
    }
    text.push_str("[audit]\nlevel = \"all\"\n");
    if base.audit.file.is_none() {
        text.push_str("file = \"${STATE}/weft/audit/${AGENT}.jsonl\"\n");
    }
    text
}

/// The variables that are set here, by what becomes of them.
fn environment(base: &Policy) -> Vec<String> {
    let (mut inside, mut outside, mut secret) = (Vec::new(), Vec::new(), Vec::new());
    for (name, _) in std::env::vars_os() {
        let name = names::escape(name.as_encoded_bytes());
        let list = match decide::env(base, &name).allowed {
            true => &mut inside,
            false if is_secret_variable(&name) => &mut secret,
            false => &mut outside,
        };
        list.push(name);
    }
    [
        ("set here and let in", inside),
        ("set here and kept out; add to [env] allow what the command needs", outside),
        ("kept out, named like secrets, never proposed", secret),
    ]
    .into_iter()
    .filter(|(_, list)| !list.is_empty())
    .map(|(what, mut list)| {
        crate::sort::plain(&mut list);
        format!("{what}: {}", list.join(", "))
    })
    .collect()
}

/// What was left out, and what is worth a second look, on standard error.
fn report(learned: &Learned, policy: &Policy, base: &Policy) {
    for left in learned.left.iter().take(TOLD) {
        say(&format!("left out: {}", left_line(left)));
    }
    if let Some(more @ 1..) = learned.left.len().checked_sub(TOLD) {
        say(&format!("left out: {more} more, in the comments of the policy"));
    }
    learned.notes.iter().for_each(|note| say(note));
    let before = lint(base);
    let known = |id: &str| before.iter().any(|finding| finding.lint.id == id);
    for finding in lint(policy).iter().filter(|finding| finding.lint.level >= Level::Warning) {
        if !known(finding.lint.id) {
            let (lint, origin) = (&finding.lint, &finding.origin);
            say(&format!("look at line {}: {} ({} {})", origin.line, finding.message, lint.id, lint.name));
        }
    }
    let secrets = std::env::vars_os()
        .filter(|(name, _)| is_secret_variable(&name.to_string_lossy()))
        .map(|(name, _)| names::escape(name.as_encoded_bytes()));
    let mut secrets: Vec<String> = secrets.filter(|name| !decide::env(base, name).allowed).collect();
    crate::sort::plain(&mut secrets);
    if !secrets.is_empty() {
        say(&format!("left out: variables named like secrets: {}", secrets.join(", ")));
    }
}
