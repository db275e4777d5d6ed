//! Which grants of a policy file nothing in a log needed, and the file without them. Each is taken out on its own and everything
//! that was done is asked again: an entry goes only if all of it is still allowed. What the log cannot tell of is kept.

use super::commands::Command;
use super::diff::{self, Change, Direction};
use super::error::{Error, Errors};
use super::file::{self, File, Lines, List};
use super::host::Host;
use super::learn::{interpreter, shows_link, way};
use super::resolve::load_edited;
use super::vars::Places;
use super::{Policy, decide, find};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Policies with more entries are not tightened: each is a policy to be resolved.
pub const ENTRIES: usize = 1000;

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    pub read: BTreeSet<PathBuf>,
    pub written: BTreeSet<PathBuf>,
    pub programs: BTreeSet<PathBuf>,
    pub hosts: BTreeSet<(String, u16)>,
    pub tools: BTreeSet<String>,
    /// What the log cannot tell of, by the table, and why.
    pub files_unknown: Option<String>,
    pub programs_unknown: Option<String>,
    pub hosts_unknown: Option<String>,
    pub tools_unknown: Option<String>,
}

/// An entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: &'static str,
    /// As it is written.
    pub text: String,
    pub line: u32,
}

/// What came of it.
#[derive(Debug)]
pub struct Tightened {
    /// The file without what nothing needed.
    pub text: String,
    pub dropped: Vec<Entry>,
    /// Entries that stay because the log cannot tell, with why.
    pub unjudged: Vec<(Entry, String)>,
    /// Entries that were used.
    pub used: usize,
    /// What that changes.
    pub changes: Vec<Change>,
}

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failed {
    /// The policy is wrong.
    Policy(Errors),
    /// A sentence.
    Other(String),
}

impl From<Errors> for Failed {
    fn from(errors: Errors) -> Failed {
        Failed::Policy(errors)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Policy(error.into())
    }
}

/// A list of the file, with the places of its entries.
struct Listed {
    key: &'static str,
    entries: Vec<(String, Range<usize>)>,
}

fn lists(file: &File) -> Vec<Listed> {
    let texts = |key, list: &List| Listed {
        key,
        entries: list.iter().flatten().map(|text| (text.get_ref().clone(), text.span())).collect(),
    };
    let hosts = file.network.allow.iter().map(|table| (table.get_ref().host.get_ref().clone(), table.span()));
    vec![
        texts("filesystem.read", &file.filesystem.read),
        texts("filesystem.write", &file.filesystem.write),
        texts("filesystem.exec", &file.filesystem.exec),
        Listed { key: "network.allow", entries: hosts.collect() },
        texts("process.allow", &file.process.allow),
        texts("env.allow", &file.env.allow),
        texts("tools.allow", &file.tools.allow),
    ]
}

/// The text as the reader of policies sees it; `name` is what errors call it.
fn parse(name: &str, text: &str) -> Result<Vec<Listed>, Failed> {
    Ok(lists(&file::parse(&Lines::new(name, text), text)?))
}

/// Takes out of the policy file `name`, whose text is given, what nothing that was done needs.
pub fn tighten(name: &str, text: &str, places: &Places, done: &Done) -> Result<Tightened, Failed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
    let load = |text: &str| load_edited(name, text, &folder, places, false);
    let before = load(text)?;
    let asked = Asked::new(done, &before);
    let lines = Lines::new(name, text);
    let all: Vec<(&'static str, usize, Entry)> = parse(name, text)?
        .iter()
        .flat_map(|list| {
            let entry = |(text, span): &(String, Range<usize>)| Entry {
                key: list.key,
                text: text.clone(),
                line: lines.line(span),
            };
            list.entries
                .iter()
                .enumerate()
                .map(move |(at, found)| (list.key, at, entry(found)))
                .collect::<Vec<_>>()
        })
        .collect();
    if all.len() > ENTRIES {
        return Err(Failed::Other(format!("the policy has more than {ENTRIES} entries")));
    }
    let mut now = text.to_owned();
    let (mut dropped, mut unjudged, mut used) = (Vec::new(), Vec::new(), 0);
    // From the end, so that the places of what comes before stay.
    for (key, at, entry) in all.into_iter().rev() {
        let unknown = match key {
            "env.allow" => Some("what programs read of the environment cannot be seen".to_owned()),
            "network.allow" => done.hosts_unknown.clone(),
            "process.allow" => done.programs_unknown.clone(),
            "tools.allow" => done.tools_unknown.clone(),
            _ => done.files_unknown.clone(),
        };
        if let Some(why) = unknown {
            unjudged.push((entry, why));
            continue;
        }
        let Some(shorter) = without(name, &now, key, at)? else {
            unjudged.push((entry, "it is written in a way that only a person can take out".to_owned()));
            continue;
        };
        match load(&shorter) {
            Ok(policy) if asked.all_allowed(&policy) => {
                now = shorter;
                dropped.push(entry);
            }
            Ok(_) => used += 1,
            // Something else in the file needs it to be there.
            Err(_) => unjudged.push((entry, "the policy is wrong without it".to_owned())),
        }
    }
    dropped.reverse();
    unjudged.reverse();
    let (old, new) =
        (load_edited(name, text, &folder, places, true)?, load_edited(name, &now, &folder, places, true)?);
    let changes = diff::diff(&old, &new)
        .map_err(|_| Failed::Other("the policy has too many entries to compare".to_owned()))?;
    if let Some(wider) = changes.iter().find(|change| change.direction == Direction::Wider) {
        // An emptied list can mean more than a short one.
        return Err(Failed::Other(format!(
            "taking out what was not used would let more through: {}",
            wider.what
        )));
    }
    Ok(Tightened { text: now, dropped, unjudged, used, changes })
}

/// The text without one entry, with its comma, and with its line where it stands alone; none where that would change anything else.
fn without(name: &str, text: &str, key: &str, at: usize) -> Result<Option<String>, Failed> {
    let before = parse(name, text)?;
    let Some(span) = before.iter().find(|list| list.key == key).and_then(|list| list.entries.get(at)) else {
        return Ok(None);
    };
    let span = &span.1;
    let (Some(head), Some(tail)) = (text.get(..span.start), text.get(span.end..)) else { return Ok(None) };
    let blank = |c: char| c == ' ' || c == '\t';
    let mut rest = tail.trim_start_matches(blank);
    let comma = rest.starts_with(',');
    rest = rest.strip_prefix(',').unwrap_or(rest);
    let line_start = head.rfind('\n').map_or(0, |at| at + 1);
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let alone = head.get(line_start..).is_some_and(|before| before.trim_matches(blank).is_empty());
    let ends = line.trim().is_empty() || line.trim_start().starts_with('#');
    let shorter = if alone && ends {
        format!("{}{after}", &head[..line_start])
    } else if comma {
        format!("{head}{}", rest.trim_start_matches(blank))
    } else {
        // The last one of its line: the comma before it may stay.
        format!("{}{}", head.trim_end_matches(blank), rest)
    };
    // Whatever the text looks like: exactly this entry is gone.
    let Ok(after) = parse(name, &shorter) else { return Ok(None) };
    let same = before.len() == after.len()
        && before.iter().zip(&after).all(|(old, new)| {
            let kept = old.entries.iter().enumerate().filter(|(n, _)| old.key != key || *n != at);
            kept.map(|(_, (text, _))| text).eq(new.entries.iter().map(|(text, _)| text))
        });
    Ok(same.then_some(shorter))
}

/// What was done and the policy allowed, as questions.
struct Asked {
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
    /// Links on the way to them, which have to be there too.
    links: BTreeSet<PathBuf>,
    programs: Vec<Command>,
    hosts: Vec<(Host, u16)>,
    tools: Vec<String>,
}

impl Asked {
    fn new(done: &Done, policy: &Policy) -> Asked {
        let file = |path: &PathBuf| {
            let private = policy.filesystem.read_rule(path).is_some_and(|rule| rule.private);
            if private { path.clone() } else { find::real(path).unwrap_or_else(|_| path.clone()) }
        };
        let mut asked = Asked {
            read: done.read.iter().map(file).collect(),
            written: done.written.iter().map(file).collect(),
            links: BTreeSet::new(),
            programs: Vec::new(),
            hosts: Vec::new(),
            tools: done.tools.iter().cloned().collect(),
        };
        for path in done.read.iter().chain(&done.written).chain(&done.programs) {
            asked.links.extend(way(path).into_iter().filter_map(|step| step.link));
        }
        asked.links.retain(|link| shows_link(policy, link));
        for program in &done.programs {
            let mut at = Some(program.clone());
            for _ in 0..4 {
                let Some(path) = at.take() else { break };
                let real = fs::canonicalize(&path).ok();
                at = interpreter(real.as_deref().unwrap_or(&path));
                let found = Some(path.clone());
                asked.programs.push(Command {
                    asked: path.to_string_lossy().into_owned(),
                    real: real.or_else(|| found.clone()),
                    found,
                });
            }
        }
        for (host, port) in &done.hosts {
            asked.hosts.extend(Host::parse(host).ok().map(|host| (host, *port)));
        }
        asked.read.retain(|path| decide::read(policy, path).allowed);
        asked.written.retain(|path| decide::write(policy, path).allowed);
        asked.programs.retain(|program| decide::exec(policy, program).allowed);
        asked.hosts.retain(|(host, port)| decide::network(policy, host, *port).allowed);
        asked.tools.retain(|tool| decide::tool(policy, tool).allowed);
        asked
    }

    fn all_allowed(&self, policy: &Policy) -> bool {
        self.read.iter().all(|path| decide::read(policy, path).allowed)
            && self.written.iter().all(|path| decide::write(policy, path).allowed)
            && self.links.iter().all(|link| shows_link(policy, link))
            && self.programs.iter().all(|program| decide::exec(policy, program).allowed)
            && self.hosts.iter().all(|(host, port)| decide::network(policy, host, *port).allowed)
            && self.tools.iter().all(|tool| decide::tool(policy, tool).allowed)
    }
}
