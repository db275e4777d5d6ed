//! `weft skill search`: the registry's answer and that of the list kept here, in one ranking.

use super::common::{self, Download, answer, hub, shown};
use super::local::told;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::term;
use crate::cli::term::say;
use crate::hub::search::{keywords, sort};
use crate::hub::{Summary, Verdict, catalog};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Find skills
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "search",
    help_triggers("--help"),
    example = "{command_name} pull requests",
    example = "{command_name} --sync pdf              fetch the registry's list first; then search needs no network",
    example = "{command_name} --offline gihtub        in the list kept here; small mistakes are forgiven",
    note = "Names, tags and descriptions count 2, 1.5 and 1; the list kept here is also searched by likeness. It is brought up to date at most once an hour."
)]
pub struct Search {
    /// how many to show (default: 20)
    #[argh(option, arg_name = "N", default = "20")]
    limit: usize,
    /// fetch the registry's whole list and keep it
    #[argh(switch)]
    sync: bool,
    /// ask nobody: search the list kept here
    #[argh(switch)]
    offline: bool,
    /// the registry to ask
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// what to look for
    #[argh(positional, arg_name = "WORD")]
    words: Vec<String>,
}

pub fn run(command: &Search) -> Result<Exit, Failure> {
    let query = command.words.join(" ");
    if query.trim().is_empty() {
        return Err(Failure::usage("nothing to look for", "WORD", "name what the skill should do"));
    }
    let limit = command.limit.clamp(1, 200);
    let hub = hub(command.registry.as_deref(), command.offline)?;
    let path = catalog::path(&common::cache()?, &hub);
    let line = Download::new("skills listed");
    let index = catalog::open(&path, &hub, command.sync || hub.has_catalog(), &|count| {
        line.update(count as u64 * 1000, None);
    });
    drop(line);
    let index = match index {
        Ok(index) => index,
        // The registry's own search may still answer.
        Err(problem) if !command.sync && !command.offline => {
            say(&problem.to_string());
            None
        }
        Err(problem) => return Err(told(problem)),
    };
    let here = index.as_ref().map(|index| index.search(&query, limit));
    if command.offline && here.is_none() {
        let fix = "`weft skill search --sync` with a network, once";
        return Err(Failure::usage("no list of this registry is kept here", hub.registry, fix));
    }
    let theirs = match command.offline {
        true => Vec::new(),
        false => match hub.search(&query, limit) {
            Ok(found) => found,
            Err(problem) if here.is_some() => {
                say(&problem.to_string());
                Vec::new()
            }
            Err(problem) => return Err(told(problem)),
        },
    };
    let mut found = merge(here.unwrap_or_default(), theirs, &query);
    found.truncate(limit);
    answer(
        command.format,
        |page| {
            let width = term::width();
            for skill in &found {
                let (head, about) = lines(skill);
                let about: String = visible(&about).chars().take(width.saturating_sub(4)).collect();
                writeln!(page, "{}\n    {about}", visible(&head))?;
            }
            if found.is_empty() {
                writeln!(page, "nothing found")?;
            }
            Ok(())
        },
        |w| {
            w.field("schema", "weft.skill.search/1")?;
            w.field("registry", &hub.registry)?;
            w.key("skills")?.array_lines(|w| found.iter().try_for_each(|skill| write(w, skill)))
        },
    )?;
    Ok(Exit::Ok)
}

/// A skill's name and numbers, and what it is for.
fn lines(skill: &Summary) -> (String, String) {
    let mut head = match &skill.owner {
        Some(owner) => format!("@{owner}/{}", skill.slug),
        None => skill.slug.clone(),
    };
    let mut facts = Vec::new();
    facts.extend(skill.version.clone());
    facts.extend(skill.stars.map(|stars| format!("{stars} stars")));
    facts.extend(skill.downloads.map(|downloads| format!("{downloads} downloads")));
    facts.extend(skill.signed.map(|signed| (if signed { "signed" } else { "unsigned" }).to_owned()));
    facts.extend(shown(skill.verdict).map(str::to_owned));
    if !facts.is_empty() {
        head.push_str("  ");
        head.push_str(&facts.join(" · "));
    }
    (head, skill.text.replace('\n', " "))
}

/// A skill as an object.
pub fn write(w: &mut crate::json::Writer, skill: &Summary) -> std::io::Result<()> {
    w.object(|w| {
        w.field("slug", &skill.slug)?;
        for (key, value) in [("owner", &skill.owner), ("version", &skill.version)] {
            match value {
                Some(value) => w.field(key, value)?,
                None => w.key(key)?.null()?,
            }
        }
        w.field("title", &skill.title)?;
        w.field("description", &skill.text)?;
        w.strings("tags", skill.tags.iter().map(String::as_str))?;
        for (key, value) in [("stars", skill.stars), ("downloads", skill.downloads)] {
            match value {
                Some(value) => w.count(key, value)?,
                None => w.key(key)?.null()?,
            }
        }
        match skill.signed {
            Some(signed) => w.key("signed")?.boolean(signed)?,
            None => w.key("signed")?.null()?,
        }
        w.field("verdict", skill.verdict.as_str())?;
        w.count("updated", skill.updated)?;
        // Thousandths: a score is an order, not a measurement.
        w.count("score", (skill.score * 1000.0) as u64)
    })
}

/// Both answers in one order. The registry's scores have no scale of ours: its order counts, and our own view of it.
fn merge(here: Vec<Summary>, theirs: Vec<Summary>, query: &str) -> Vec<Summary> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let many = theirs.len().max(1) as f64;
    let mut all = here;
    for (rank, mut skill) in theirs.into_iter().enumerate() {
        skill.score = 0.5 * keywords(&skill, &words) + 0.5 * (1.0 - rank as f64 / many);
        match all.iter_mut().find(|other| other.slug == skill.slug && other.owner == skill.owner) {
            Some(other) => {
                other.score = other.score.max(skill.score);
                other.verdict = other.verdict.or(skill.verdict);
            }
            None => all.push(skill),
        }
    }
    // What the registry itself calls malicious is nobody's first choice.
    all.iter_mut().filter(|skill| skill.verdict == Verdict::Malicious).for_each(|skill| skill.score = 0.0);
    sort(&mut all);
    all
}
