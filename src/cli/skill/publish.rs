//! `weft skill publish`: folder, manifest, scan, hash, signature, upload; the registry repeats every check.

use super::common::{answer, hub};
use super::install::short;
use super::key::unlocked;
use super::local::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::term::say;
use crate::clock;
use crate::hub::reference::is_slug;
use crate::hub::{Hub, Publication, Ref, Release, Version};
use crate::rules::Severity;
use crate::scan::report::visible::visible;
use crate::skill::collect::{self, Rule, is_skill_file};
use crate::skill::install::gate;
use crate::skill::manifest::Manifest;
use crate::skill::pack::pack;
use crate::skill::path::SafePath;
use crate::skill::tree::FileHash;
use crate::skill::{Problem, tree::content_hash};
use crate::trust::keyfile;
use crate::trust::{SecretKey, Signature, Statement};
use argh::{ArgsInfo, FromArgs};
use std::io::Write;
use std::path::Path;

/// Publish a skill: scanned, signed and uploaded
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "publish",
    help_triggers("--help"),
    example = "{command_name} ./demo --changelog \"fewer questions\"",
    example = "{command_name} ./demo --version 2.0.0 --dry-run",
    note = "Needs a key (`weft skill keygen`) and a token (`weft skill login`). Skills on ClawHub are published under MIT-0. The signature covers the registry, the owner, the name, the version and every byte."
)]
pub struct Publish {
    /// the version (default: the one in SKILL.md, else 1.0.0, else one more than the latest)
    #[argh(option, arg_name = "VERSION")]
    version: Option<String>,
    /// the name (default: that in SKILL.md, else that of the folder)
    #[argh(option, arg_name = "SLUG")]
    slug: Option<String>,
    /// publish as this owner (default: whose token it is)
    #[argh(option, arg_name = "HANDLE")]
    owner: Option<String>,
    /// what is new
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    changelog: String,
    /// a tag; may be repeated
    #[argh(option, arg_name = "TAG")]
    tag: Vec<String>,
    /// sign with this key (default: the only one there is, or `default`)
    #[argh(option, arg_name = "NAME")]
    key: Option<String>,
    /// what opens the key: the first line of this file; - is standard input
    #[argh(option, arg_name = "FILE")]
    passphrase_file: Option<PathArg>,
    /// publish without a signature: for trying things out, never for others to use
    #[argh(switch)]
    allow_unsigned: bool,
    /// do everything but the upload
    #[argh(switch)]
    dry_run: bool,
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the folder of the skill
    #[argh(positional, arg_name = "DIR")]
    folder: PathArg,
}

pub fn run(command: &Publish) -> Result<Exit, Failure> {
    let folder = &command.folder.0;
    let files = collect::contents(folder, Rule::Published).map_err(told)?;
    let manifest = manifest(folder, &files)?;
    let slug = slug(command, &manifest, folder)?;
    let report = gate(folder).map_err(told)?;
    if let Some(worst) =
        report.findings.iter().filter(|finding| finding.severity >= Severity::High).max_by_key(|f| f.severity)
    {
        let what = format!("the scan found {}: {}", worst.rule, worst.message);
        let at = format!("{}:{}", worst.path, worst.span.line);
        let fix = format!("nobody could install it; weft security explain {}", worst.rule);
        return Err(told(Problem::denied(what, at, fix)));
    }
    let hashes: Vec<FileHash> = files.iter().map(|(path, bytes)| FileHash::of(path.clone(), bytes)).collect();
    let hash = content_hash(&hashes).map_err(|collision| {
        Failure::usage(collision.to_string(), folder.display().to_string(), "rename one of them")
    })?;
    let archive = pack(&files).map_err(told)?;

    let hub = hub(command.registry.as_deref(), false)?;
    let owner = match &command.owner {
        Some(owner) => Some(owner.to_ascii_lowercase()),
        None => hub.whoami().map_err(told)?,
    };
    let name = Ref { owner: owner.clone(), slug };
    let (before, next) = latest(&hub, &name)?;
    let same = before.as_ref().filter(|release| {
        let listed = release.files.as_ref().map(|listed| {
            listed.len() == hashes.len()
                && hashes.iter().all(|file| {
                    listed.iter().any(|other| {
                        other.path == file.path.as_str() && other.sha256 == file.sha256.to_string()
                    })
                })
        });
        release.content_hash.as_deref() == Some(&hash.to_string()) || listed == Some(true)
    });
    if let (Some(same), None) = (same, &command.version) {
        answer(
            command.format,
            |page| writeln!(page, "{name} {} is already published", visible(&same.version)),
            |w| {
                w.field("schema", "weft.skill.publish/1")?;
                w.key("published")?.boolean(false)?;
                w.field("version", &same.version)
            },
        )?;
        return Ok(Exit::Ok);
    }
    let version = version(command, &manifest, before.as_ref())?;
    let signed = if command.allow_unsigned {
        say("NOT SIGNED: whoever installs this cannot know that it is yours. For trying things out only.");
        None
    } else {
        Some(sign(command, &hub, &name, &version, hash, (before.as_ref(), next.as_ref()))?)
    };
    let fingerprint = signed.as_ref().map(|(_, _, _, fingerprint)| fingerprint.clone());
    let title = manifest.name.clone().unwrap_or_else(|| name.slug.clone());
    let text = manifest.description.clone().unwrap_or_default();
    let mut tags = manifest.tags.clone();
    tags.extend(command.tag.iter().cloned());
    let publication = Publication {
        owner: owner.as_deref(),
        slug: &name.slug,
        title: &title,
        text: &text,
        version: &version,
        changelog: &command.changelog,
        tags: &tags,
        files: &files,
        archive: &archive,
        content_hash: hash.to_string(),
        signed: signed.map(|(statement, signature, key, _)| (statement, signature, key)),
    };
    let published = if command.dry_run { None } else { Some(hub.publish(&publication).map_err(told)?) };
    let pending = published.as_ref().is_some_and(|published| published.pending);
    answer(
        command.format,
        |page| {
            let verb = if command.dry_run { "would publish" } else { "published" };
            let by =
                fingerprint.as_ref().map_or("unsigned".to_owned(), |by| format!("signed by {}", short(by)));
            let later = if pending { "; the registry checks it before it shows it" } else { "" };
            writeln!(
                page,
                "{verb} {name} {version} at {} ({} files; {by}{later})",
                visible(&hub.registry),
                files.len()
            )
        },
        |w| {
            w.field("schema", "weft.skill.publish/1")?;
            w.key("published")?.boolean(published.is_some())?;
            w.field("registry", &hub.registry)?;
            w.field("name", &name.to_string())?;
            w.field("version", &version)?;
            w.field("content_hash", &hash.to_string())?;
            w.key("signed")?.boolean(fingerprint.is_some())?;
            w.key("pending")?.boolean(pending)?;
            w.count("files", files.len() as u64)
        },
    )?;
    Ok(Exit::Ok)
}

fn manifest(folder: &Path, files: &[(SafePath, Vec<u8>)]) -> Result<Manifest, Failure> {
    let found = files.iter().find(|(path, _)| path.as_str() == "SKILL.md");
    let found = found.or_else(|| files.iter().find(|(path, _)| is_skill_file(path.as_str())));
    let Some((path, bytes)) = found else {
        let at = folder.display().to_string();
        return Err(Failure::usage("no SKILL.md in the folder", at, "a skill begins with one"));
    };
    let manifest = Manifest::parse(&String::from_utf8_lossy(bytes)).map_err(|error| {
        Failure::usage(
            error.what,
            format!("{}:{}", folder.join(path.as_str()).display(), error.line),
            "correct it",
        )
    })?;
    let name = folder.canonicalize().ok().and_then(|folder| Some(folder.file_name()?.to_str()?.to_owned()));
    for rule in manifest.breaks(name.as_deref()) {
        say(&format!("{}: {rule}", path.as_str()));
    }
    Ok(manifest)
}

fn slug(command: &Publish, manifest: &Manifest, folder: &Path) -> Result<String, Failure> {
    let from_folder =
        || folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let named =
        command.slug.clone().or_else(|| manifest.name.clone()).or_else(from_folder).unwrap_or_default();
    // As ClawHub makes a name of a folder's: other signs become one dash.
    let mut slug = String::new();
    for c in named.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_matches('-').to_owned();
    if is_slug(&slug) {
        Ok(slug)
    } else {
        Err(Failure::usage("no name for the skill", named, "give one: --slug NAME"))
    }
}

/// What the next statement must say, where the registry says so: its number, and the hash of the one before.
type Next = Option<(u64, Option<String>)>;

/// The latest release, with its signature; none for a skill that is new.
fn latest(hub: &Hub, name: &Ref) -> Result<(Option<Release>, Next), Failure> {
    let detail = match hub.detail(name) {
        Ok(detail) => detail,
        Err(problem) if problem.what.contains("(404") => return Ok((None, None)),
        Err(problem) => return Err(told(problem)),
    };
    let release = match (detail.release, &detail.skill.version) {
        (Some(release), _) => Some(release),
        (None, Some(version)) => Some(hub.release(name, version).map_err(told)?),
        (None, None) => None,
    };
    Ok((release, detail.next))
}

fn version(command: &Publish, manifest: &Manifest, before: Option<&Release>) -> Result<String, Failure> {
    let wrong = |text: &str| Failure::usage("not a version", text, "use MAJOR.MINOR.PATCH");
    if let Some(version) = &command.version {
        return Version::parse(version).map(|_| version.clone()).ok_or_else(|| wrong(version));
    }
    let latest = before.and_then(|release| Version::parse(&release.version));
    let said = manifest.version.as_deref().and_then(Version::parse);
    if let (Some(said), Some(text)) = (&said, &manifest.version)
        && latest.as_ref().is_none_or(|latest| said > latest)
    {
        return Ok(text.clone());
    }
    let Some(before) = before else { return Ok("1.0.0".into()) };
    // One patch more than the latest; what is before a `-` or `+` are its numbers.
    let core = before.version.split(['-', '+']).next().unwrap_or_default();
    let bumped = core
        .rsplit_once('.')
        .and_then(|(head, patch)| Some(format!("{head}.{}", patch.parse::<u64>().ok()?.checked_add(1)?)));
    bumped.filter(|version| Version::parse(version).is_some()).ok_or_else(|| wrong(&before.version))
}

/// Statement, signature, public key, fingerprint.
fn sign(
    command: &Publish,
    hub: &Hub,
    name: &Ref,
    version: &str,
    hash: crate::digest::Sha256,
    (before, next): (Option<&Release>, Option<&(u64, Option<String>)>),
) -> Result<(String, String, String, String), Failure> {
    let key = secret(command)?;
    let previous = before.and_then(|release| release.signed.as_ref());
    let previous = match previous {
        None => None,
        Some((text, signature)) => {
            let statement = Statement::parse(text)
                .map_err(|error| Failure::usage(error.to_string(), hub.registry.clone(), ""))?;
            let holds =
                Signature::parse(signature).is_some_and(|signature| statement.is_signed_by(&signature));
            if !holds || statement.registry != hub.origin() {
                let what = "the registry shows a latest version whose signature does not hold";
                return Err(told(Problem::denied(what, name.to_string(), "ask whoever runs it")));
            }
            if statement.public_key != *key.public() {
                say(&format!(
                    "the latest version was signed by another key, {}: users need `weft skill key rotate`",
                    statement.public_key.fingerprint()
                ));
            }
            // Signed under another name, before the skill was renamed or given away: the registry says what follows.
            Some(statement).filter(|statement| {
                statement.slug == name.slug && Some(&statement.owner) == name.owner.as_ref()
            })
        }
    };
    let mut seq = previous.as_ref().map_or(1, |statement| statement.seq.saturating_add(1));
    let mut previous = previous.map(|statement| statement.content_hash);
    // Versions that are not the latest count too: of those the registry knows, and only forward.
    if let Some((number, hash)) = next
        && *number > seq
        && let Some(hash) = hash.as_deref().and_then(crate::digest::Sha256::parse)
    {
        (seq, previous) = (*number, Some(hash));
    }
    let statement = Statement {
        registry: hub.origin(),
        owner: name.owner.clone().unwrap_or_default(),
        slug: name.slug.clone(),
        version: version.to_owned(),
        content_hash: hash,
        seq,
        previous,
        created: clock::now().as_secs(),
        public_key: *key.public(),
    };
    let bad = |error: crate::trust::statement::BadStatement| {
        Failure::usage(error.to_string(), name.to_string(), "a signature needs an owner: --owner HANDLE")
    };
    let signature = statement.sign(&key).map_err(bad)?;
    let text = statement.text().map_err(bad)?;
    let fingerprint = key.public().fingerprint();
    Ok((text, signature.to_string(), key.public().to_string(), fingerprint))
}

/// The key to sign with, unlocked.
fn secret(command: &Publish) -> Result<SecretKey, Failure> {
    let names = keyfile::names().map_err(told)?;
    let name = match (&command.key, names.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.clone(),
        (None, []) => {
            let fix = "`weft skill keygen` makes one; --allow-unsigned to try things out";
            return Err(Failure::usage("no key to sign with", "", fix));
        }
        (None, many) if many.iter().any(|name| name == "default") => "default".into(),
        (None, _) => return Err(Failure::usage("several keys", names.join(", "), "choose one: --key NAME")),
    };
    unlocked(&name, command.passphrase_file.as_ref())
}
