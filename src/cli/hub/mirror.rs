//! `weft hub mirror`: skills of another registry, fetched, checked and scanned again, so that they are here when it is gone.

use super::ask::{ask, list};
use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::skill::{Download, name};
use crate::cli::term::say;
use crate::files::write_lightly;
use crate::hub::{Hub, Place, Ref, Verdict, get};
use crate::json::{Node, Writer};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Keep skills of another registry
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "mirror",
    help_triggers("--help"),
    example = "{command_name} --data ./hub --from https://clawhub.ai --only @alice/demo --only @bob/tools",
    example = "{command_name} --data ./hub --from https://clawhub.ai --list skills.txt --all-versions",
    note = "Every version is held against what the other registry lists, and scanned as if it were published here; what is refused is told and the others go on. Versions that are here are not fetched again. They keep their owner and name; they are unsigned here, for a signature names the registry it is for. Works while the hub is serving; let a timer run it.",
    error_code(0, "all are here"),
    error_code(1, "some were refused or could not be had")
)]
pub struct Mirror {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the other registry
    #[argh(option, arg_name = "URL")]
    from: String,
    /// a skill, @owner/slug; may be repeated
    #[argh(option, arg_name = "REF")]
    only: Vec<String>,
    /// a file with a skill on each line; # begins a remark
    #[argh(option, arg_name = "FILE")]
    list: Option<PathArg>,
    /// all versions, not the latest alone
    #[argh(switch)]
    all_versions: bool,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

/// What became of a version.
struct Outcome {
    name: String,
    version: String,
    /// `mirrored`, `present` or `refused`.
    what: &'static str,
    why: String,
}

pub fn run(command: &Mirror) -> Result<Exit, Failure> {
    let wanted = wanted(command)?;
    let hub =
        Hub::open(&Place { registry: Some(&command.from), offline: false, cache: None }).map_err(told)?;
    let mut outcomes = Vec::new();
    for one in &wanted {
        let said = outcomes.len();
        if let Err(failure) = skill(command, &hub, one, &mut outcomes) {
            outcomes.push(Outcome {
                name: one.to_string(),
                version: String::new(),
                what: "refused",
                why: failure.to_string(),
            });
        }
        if command.format == Format::Text {
            outcomes.iter().skip(said).try_for_each(tell)?;
        }
    }
    if command.format == Format::Json {
        out(|page| {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.mirror/1")?;
                w.key("skills")?.array_lines(|w| {
                    outcomes.iter().try_for_each(|outcome| {
                        w.object(|w| {
                            w.field("name", &outcome.name)?;
                            w.field("version", &outcome.version)?;
                            w.field("outcome", outcome.what)?;
                            w.field("reason", &outcome.why)
                        })
                    })
                })
            })?;
            page.write_all(b"\n")
        })?;
    }
    let refused = outcomes.iter().any(|outcome| outcome.what == "refused");
    Ok(if refused { Exit::Findings } else { Exit::Ok })
}

fn tell(outcome: &Outcome) -> Result<(), Failure> {
    let (name, version) = (visible(&outcome.name), visible(&outcome.version));
    match outcome.what {
        "refused" => {
            say(&format!("{name} {version}: {}", outcome.why));
            Ok(())
        }
        what => out(|page| writeln!(page, "{what} {name} {version}")),
    }
}

fn wanted(command: &Mirror) -> Result<Vec<Ref>, Failure> {
    let mut texts = command.only.clone();
    if let Some(PathArg(path)) = &command.list {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::file("cannot read", path, &error))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if texts.is_empty() {
        let fix = "name skills with --only @owner/slug, or a file of them with --list";
        return Err(Failure::usage("nothing to mirror", "", fix));
    }
    let refs: Vec<Ref> = texts.iter().map(|text| name(text)).collect::<Result<_, _>>()?;
    match refs.iter().find(|one| one.owner.is_none()) {
        Some(one) => Err(Failure::usage("whose skill", one.to_string(), "write @owner/slug")),
        None => Ok(refs),
    }
}

fn skill(command: &Mirror, hub: &Hub, wanted: &Ref, outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
    let data = &command.data.0;
    let detail = hub.detail(wanted).map_err(told)?;
    let owner = wanted.owner.clone().unwrap_or_default();
    let mut versions: Vec<String> = match command.all_versions {
        true => hub.versions(wanted).map_err(told)?.into_iter().map(|release| release.version).collect(),
        false => detail.skill.version.clone().into_iter().collect(),
    };
    // Oldest first: in this order they were published.
    versions.reverse();
    let known = ask(data, "known", &mut |w| {
        w.field("owner", &owner)?;
        w.field("slug", &wanted.slug)
    })?;
    let known: Vec<&str> = list(&known, "versions").iter().filter_map(Node::as_str).collect();
    for version in versions {
        let mut outcome = Outcome { name: wanted.to_string(), version, what: "present", why: String::new() };
        if !known.contains(&outcome.version.as_str()) {
            (outcome.what, outcome.why) = match one(command, hub, wanted, &detail, &outcome.version) {
                Ok(()) => ("mirrored", String::new()),
                Err(failure) => ("refused", failure.to_string()),
            };
        }
        outcomes.push(outcome);
    }
    Ok(())
}

fn one(
    command: &Mirror,
    hub: &Hub,
    wanted: &Ref,
    detail: &crate::hub::Detail,
    version: &str,
) -> Result<(), Failure> {
    let data = &command.data.0;
    let line = Download::new(format!("{wanted} {version}"));
    let fetched =
        get::fetch(hub, wanted, detail, version, Some(&|got, of| line.update(got, of))).map_err(told)?;
    drop(line);
    if fetched.verdict == Verdict::Suspicious {
        let why = fetched.reasons.join(", ");
        return Err(Failure::usage("the other registry calls it suspicious", why, "look at it there first"));
    }
    let owner = wanted.owner.clone().unwrap_or_default();
    let package = Package::write(data, &fetched.zip)?;
    let path = package.0.to_string_lossy().into_owned();
    ask(data, "import", &mut |w| {
        w.field("path", &path)?;
        w.field("owner", &owner)?;
        w.key("make_owner")?.boolean(true)?;
        w.field("slug", &wanted.slug)?;
        w.field("version", version)?;
        w.field("title", &detail.skill.title)?;
        w.field("summary", &detail.skill.text)?;
        w.field("source", &format!("{} {wanted}", hub.registry))?;
        w.strings("leave_out", fetched.leave_out.iter().copied())
    })
    .map(drop)
}

/// A package on its way in; the file goes when it is in or refused.
struct Package(PathBuf);

impl Package {
    fn write(data: &Path, zip: &[u8]) -> Result<Package, Failure> {
        let data = std::path::absolute(data).map_err(|error| Failure::file("cannot find", data, &error))?;
        // Not in the spool, which is emptied when the store is opened for the command.
        let path = data.join(format!("mirror-{}.zip", std::process::id()));
        write_lightly(&path, |out| out.write_all(zip))
            .map_err(|error| Failure::file("cannot write", &path, &error))?;
        Ok(Package(path))
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
