//! `weft policy diff`: what a change of a policy lets through, for reviewers and for gates.

use super::{failure, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::values::say;
use crate::json::Writer;
use crate::policy::diff::{Change, Direction, ENTRIES, Risk, diff};
use crate::policy::git::Revision;
use crate::policy::vars::Places;
use crate::policy::{Disk, Errors, Files, Origin, Policy, default_whole, is_only_scan, is_path, load_whole};
use crate::scan::diff::DiffError;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};
use std::path::Path;

/// Compare two policies: what became wider, what narrower, with risk and line
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "diff",
    help_triggers("--help"),
    example = "{command_name} old.toml new.toml",
    example = "{command_name} coding-agent weft.toml",
    example = "{command_name} --git main... --format markdown           weft.toml as it is, against where the branch began",
    example = "{command_name} --git HEAD --fail-on-widening policies/ci.toml",
    note = "What is compared is what the policies come to, with `extends` followed in both: /usr/lib for /usr is narrower, a deny that is gone is wider, and a rule that another one covers is nothing. What does not exist on this machine is compared too. A weft.toml that is not there counts as what `weft run` would take instead.",
    error_code(0, "nothing is wider, or --fail-on-widening is not given"),
    error_code(1, "with --fail-on-widening: something is wider"),
    error_code(2, "the command line or a policy is wrong")
)]
pub struct Diff {
    /// compare with the files of this revision: a commit, branch or tag; `main...` is where the branch left main
    #[argh(option, arg_name = "REV")]
    git: Option<String>,
    /// text, json or markdown
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// exit with 1 if anything is wider
    #[argh(switch)]
    fail_on_widening: bool,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// OLD and NEW, each a policy file or the name of a built-in policy; with --git files, weft.toml if none is given
    #[argh(positional, arg_name = "POLICY")]
    policies: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Markdown,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "markdown" => Ok(Format::Markdown),
            _ => Err(say("use text, json or markdown")),
        }
    }
}

/// Two policies and what is different.
struct Compared {
    old: Side,
    new: Side,
    changes: Vec<Change>,
}

/// A policy and what a reader knows it by.
struct Side {
    name: String,
    policy: Policy,
}

impl Compared {
    fn count(&self, direction: Direction) -> usize {
        self.changes.iter().filter(|change| change.direction == direction).count()
    }

    fn worst(&self) -> Option<Risk> {
        let wider = self.changes.iter().filter(|change| change.direction == Direction::Wider);
        wider.map(|change| change.risk).max()
    }
}

pub fn run(command: &Diff) -> Result<Exit, Failure> {
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let mut all = Vec::new();
    match &command.git {
        None => {
            let [old, new] = command.policies.as_slice() else {
                let fix =
                    "name OLD and NEW, or say --git REV and the file as it is now is compared with that";
                return Err(Failure::usage("two policies are compared", "", fix));
            };
            let agent = agent(new);
            let old = Side { name: old.clone(), policy: whole(old, &agent, &places)? };
            all.push(compared(old, Side { name: new.clone(), policy: whole(new, &agent, &places)? })?);
        }
        Some(revision) => {
            let then = Revision::open(&places.workspace, revision).map_err(git_failure)?;
            let own = places.workspace.join("weft.toml").to_string_lossy().into_owned();
            if command.policies.is_empty() {
                all.push(since(&own, "weft.toml", &then, revision, &places)?);
            }
            for name in &command.policies {
                if !is_path(name) {
                    let fix = "name a file; a policy that weft ships has no revisions";
                    return Err(Failure::usage("--git compares files", name.clone(), fix));
                }
                all.push(since(name, name, &then, revision, &places)?);
            }
        }
    }
    out(|page| match command.format {
        Format::Text => all.iter().try_for_each(|one| text(one, page)),
        Format::Json => json(&all, page),
        Format::Markdown => all.iter().try_for_each(|one| markdown(one, page)),
    })?;
    let wider = all.iter().any(|one| one.count(Direction::Wider) > 0);
    Ok(if wider && command.fail_on_widening { Exit::Findings } else { Exit::Ok })
}

fn git_failure(error: DiffError) -> Failure {
    Failure::usage(error.what, error.at, error.fix)
}

fn whole(name: &str, agent: &str, places: &Places) -> Result<Policy, Failure> {
    load_whole(name, agent, places, &Disk).map_err(|errors| failure(&errors))
}

/// The name that a policy without one has. Both sides get the same, for it is no difference how their files are called.
fn agent(name: &str) -> String {
    Path::new(name).file_stem().map_or("agent".into(), |stem| stem.to_string_lossy()).into_owned()
}

/// The file as it was and as it is.
fn since(
    name: &str,
    shown: &str,
    then: &Revision,
    revision: &str,
    places: &Places,
) -> Result<Compared, Failure> {
    let wrong = |error: crate::policy::Error| failure(&Errors::from(error));
    let agent = agent(name);
    let path = Path::new(name);
    let was = then.has(path).map_err(wrong)?;
    let is = path.symlink_metadata().is_ok();
    if !was && !is {
        let fix = format!("it is neither here nor in {revision}; check the path");
        return Err(Failure::usage("no such policy", shown.to_owned(), fix));
    }
    // Without the file `weft run` takes the default, and so does a file that is the scanner's alone.
    let side = |files: &dyn Files, there: bool, at: String| {
        let read = there && !is_only_scan(&files.read(&files.shown(name), path).map_err(wrong)?);
        let policy = match read {
            true => load_whole(name, &agent, places, files),
            false => default_whole(&agent, places),
        };
        let policy = policy.map_err(|errors| failure(&errors))?;
        let name = if read { at } else { format!("{at}, which is no policy: base and the workspace") };
        Ok(Side { name, policy })
    };
    compared(side(then, was, format!("{revision}:{shown}"))?, side(&Disk, is, shown.to_owned())?)
}

/// What changed between two policies that are at hand, as text; whether anything became wider.
pub(in crate::cli) fn told(
    name: &str,
    old: Policy,
    new: Policy,
    page: &mut Vec<u8>,
) -> Result<bool, Failure> {
    let side = |policy, when: &str| Side { name: format!("{name} {when}"), policy };
    let compared = compared(side(old, "as it is"), side(new, "hardened"))?;
    // Writing to a Vec cannot fail.
    let _ = text(&compared, page);
    Ok(compared.count(Direction::Wider) > 0)
}

fn compared(old: Side, new: Side) -> Result<Compared, Failure> {
    let changes = diff(&old.policy, &new.policy).map_err(|_| {
        let what = format!("a policy has more than {ENTRIES} entries, too many to compare");
        Failure::usage(what, new.name.clone(), "name folders and *.domains instead of what is in them")
    })?;
    Ok(Compared { old, new, changes })
}

fn line(origin: &Origin) -> String {
    match origin.line {
        0 => origin.file.to_string(),
        line => format!("{}:{line}", origin.file),
    }
}

/// The line to look at, and the other one if it is another.
fn lines(change: &Change) -> (String, Option<String>) {
    let (old, new) = (change.old.as_ref().map(line), change.new.as_ref().map(line));
    if old == new {
        return (new.unwrap_or_default(), None);
    }
    let (first, second) = match (&change.old, &change.new) {
        // A line that is gone explains more than the one that was there all along.
        (Some(gone), Some(_)) if gone.key == change.key => {
            (old, new.map(|new| format!("now decided by {new}")))
        }
        (Some(_), Some(_)) => (new, old.map(|old| format!("before by {old}"))),
        (Some(_), None) => (old, None),
        _ => (new, None),
    };
    (first.unwrap_or_default(), second)
}

/// One change on one line.
pub(super) fn change_line(change: &Change) -> String {
    let (at, other) = lines(change);
    let at = if at.is_empty() { change.key.to_owned() } else { format!("{at}: {}", change.key) };
    let mut more: Vec<String> = other.into_iter().collect();
    more.extend(change.lint.map(|lint| format!("{} {}", lint.id, lint.name)));
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    let risk = if change.direction == Direction::Wider { change.risk.as_str() } else { "" };
    let text = format!("{:<9} {risk:<7} {at}: {}{more}", change.direction.as_str(), change.what);
    visible(&text).into_owned()
}

fn text(compared: &Compared, page: &mut Vec<u8>) -> io::Result<()> {
    let (old, new) = (&compared.old.name, &compared.new.name);
    for change in &compared.changes {
        writeln!(page, "{}", change_line(change))?;
    }
    let wider = compared.count(Direction::Wider);
    let worst = compared.worst().map_or(String::new(), |risk| format!(" (worst risk: {})", risk.as_str()));
    let narrower = compared.count(Direction::Narrower);
    let line = format!("{old} → {new}: {wider} wider{worst}, {narrower} narrower");
    writeln!(page, "{}", visible(&line))
}

fn json(all: &[Compared], page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-diff/1")?;
        w.key("comparisons")?.array_lines(|w| {
            all.iter().try_for_each(|compared| {
                w.object_lines(|w| {
                    w.field("old", &compared.old.name)?;
                    w.field("new", &compared.new.name)?;
                    w.count("wider", compared.count(Direction::Wider) as u64)?;
                    w.count("narrower", compared.count(Direction::Narrower) as u64)?;
                    match compared.worst() {
                        Some(risk) => w.field("worst_risk", risk.as_str())?,
                        None => w.key("worst_risk")?.null()?,
                    }
                    w.key("changes")?
                        .array_lines(|w| compared.changes.iter().try_for_each(|one| json_change(w, one)))
                })
            })
        })
    })?;
    page.write_all(b"\n")
}

pub(super) fn json_change(w: &mut Writer, change: &Change) -> io::Result<()> {
    w.object(|w| {
        w.field("direction", change.direction.as_str())?;
        match change.direction {
            Direction::Wider => w.field("risk", change.risk.as_str())?,
            _ => w.key("risk")?.null()?,
        }
        w.field("key", change.key)?;
        w.field("what", &change.what)?;
        for (key, origin) in [("old", &change.old), ("new", &change.new)] {
            match origin {
                None => w.key(key)?.null()?,
                Some(origin) => w.key(key)?.object(|w| {
                    w.field("file", &origin.file)?;
                    w.count("line", origin.line.into())?;
                    w.field("key", origin.key)
                })?,
            }
        }
        match change.lint {
            Some(lint) => w.field("lint", lint.id),
            None => w.key("lint")?.null(),
        }
    })
}

/// For the comment on a pull request.
fn markdown(compared: &Compared, page: &mut Vec<u8>) -> io::Result<()> {
    let (old, new) = (cell(&compared.old.name), cell(&compared.new.name));
    let (wider, narrower) = (compared.count(Direction::Wider), compared.count(Direction::Narrower));
    let worst =
        compared.worst().map_or(String::new(), |risk| format!(" (worst risk: **{}**)", risk.as_str()));
    writeln!(page, "### Policy: {old} → {new}\n\n{wider} wider{worst}, {narrower} narrower.\n")?;
    if compared.changes.is_empty() {
        return Ok(());
    }
    writeln!(page, "| | risk | what | line |\n|---|---|---|---|")?;
    for change in &compared.changes {
        let (at, other) = lines(change);
        let (direction, risk) = match change.direction {
            Direction::Wider => ("**wider**", change.risk.as_str()),
            other => (other.as_str(), ""),
        };
        let risk = change.lint.map_or(risk.to_owned(), |lint| format!("{risk}, {} {}", lint.id, lint.name));
        let other = other.map_or(String::new(), |other| format!(", {}", cell(&other)));
        let what = format!("`{}` {}", change.key, cell(&change.what));
        writeln!(page, "| {direction} | {risk} | {what} | {}{other} |", cell(&at))?;
    }
    writeln!(page)
}

/// Text that is no Markdown, HTML or mention, whatever is in it: names come from whoever wrote the policy.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A mention would notify somebody, a reference would link somewhere.
            '@' | '#' | ':' => out.push_str(&format!("&#{};", u32::from(c))),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
