//! `weft skill info` and `weft skill versions`: what the registry says of a skill.

use super::common::{answer, day, hub, name, shown};
use super::local::told;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::hub::{Release, get};
use crate::json::Writer;
use crate::scan::report::visible::visible;
use crate::trust::{Signature, Statement};
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// Show what the registry says of a skill, and whether the signature of its latest version holds
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "info", help_triggers("--help"), example = "{command_name} @alice/demo")]
pub struct Info {
    /// answer from what was kept
    #[argh(switch)]
    offline: bool,
    /// the registry to ask
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// List the versions of a skill, newest first
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "versions", help_triggers("--help"), example = "{command_name} @alice/demo")]
pub struct Versions {
    /// answer from what was kept
    #[argh(switch)]
    offline: bool,
    /// the registry to ask
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// `signed by FINGERPRINT`, `unsigned`, or that the signature is worth nothing.
fn signer(release: &Release) -> String {
    let Some((statement, signature)) = &release.signed else { return "unsigned".into() };
    match (Statement::parse(statement), Signature::parse(signature)) {
        (Ok(statement), Some(signature)) if statement.is_signed_by(&signature) => {
            format!("signed by {}", statement.public_key.fingerprint())
        }
        _ => "with a signature that does not hold".into(),
    }
}

pub fn run(command: &Info) -> Result<Exit, Failure> {
    let name = name(&command.name)?;
    let hub = hub(command.registry.as_deref(), command.offline)?;
    let detail = hub.detail(&name).map_err(told)?;
    let full = name.of(detail.skill.owner.as_deref());
    let release = match (&detail.release, &detail.skill.version) {
        (Some(release), _) => Some(release.clone()),
        (None, Some(version)) => Some(hub.release(&full, version).map_err(told)?),
        (None, None) => None,
    };
    let revoked = get::letters(&detail.letters).1;
    let skill = &detail.skill;
    answer(
        command.format,
        |page| {
            let mut line = |name: &str, value: &str| {
                if value.is_empty() { Ok(()) } else { writeln!(page, "{name:<12}{}", visible(value)) }
            };
            line("skill", &full.to_string())?;
            line("title", &skill.title)?;
            line("about", skill.text.lines().next().unwrap_or(""))?;
            line("registry", &hub.registry)?;
            line("version", skill.version.as_deref().unwrap_or("none"))?;
            if let Some(release) = &release {
                line("published", &day(release.created))?;
                line("signature", &signer(release))?;
                line("content", release.content_hash.as_deref().unwrap_or(""))?;
                if let Some(files) = &release.files {
                    let bytes: u64 = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
                    line("files", &format!("{}, {bytes} bytes", files.len()))?;
                }
                line("checked", shown(release.verdict).unwrap_or(""))?;
            }
            line("verdict", shown(skill.verdict).unwrap_or(""))?;
            line("because", &detail.reasons.join(", "))?;
            line("tags", &skill.tags.join(", "))?;
            line("stars", &skill.stars.map_or(String::new(), |stars| stars.to_string()))?;
            line("downloads", &skill.downloads.map_or(String::new(), |count| count.to_string()))?;
            revoked.iter().try_for_each(|letter| line("revoked", &letter.public_key.fingerprint()))
        },
        |w| {
            w.field("schema", "weft.skill.info/1")?;
            w.field("registry", &hub.registry)?;
            super::search::write(w.key("skill")?, skill)?;
            match &release {
                Some(release) => write(w.key("release")?, release)?,
                None => w.key("release")?.null()?,
            }
            w.strings("reasons", detail.reasons.iter().map(String::as_str))
        },
    )?;
    Ok(Exit::Ok)
}

fn write(w: &mut Writer, release: &Release) -> io::Result<()> {
    w.object(|w| {
        w.field("version", &release.version)?;
        w.count("created", release.created)?;
        w.field("changelog", &release.changelog)?;
        w.field("signature", &signer(release))?;
        w.field("verdict", release.verdict.as_str())?;
        match &release.content_hash {
            Some(hash) => w.field("content_hash", hash),
            None => w.key("content_hash")?.null(),
        }
    })
}

pub fn versions(command: &Versions) -> Result<Exit, Failure> {
    let name = name(&command.name)?;
    let hub = hub(command.registry.as_deref(), command.offline)?;
    let all = hub.versions(&name).map_err(told)?;
    answer(
        command.format,
        |page| {
            all.iter().try_for_each(|release| {
                let log = release.changelog.lines().next().unwrap_or("");
                let line = format!("{:<14}{}  {log}", release.version, day(release.created));
                writeln!(page, "{}", visible(line.trim_end()))
            })
        },
        |w| {
            w.field("schema", "weft.skill.versions/1")?;
            w.key("versions")?.array_lines(|w| all.iter().try_for_each(|release| write(w, release)))
        },
    )?;
    Ok(Exit::Ok)
}
