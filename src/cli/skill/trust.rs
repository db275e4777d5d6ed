//! `weft skill trust`: whose keys this machine believes.

use super::local::told;
use crate::cli::args::to_os;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::print;
use crate::clock;
use crate::json::Writer;
use crate::scan::report::visible::visible;
use crate::skill::Problem;
use crate::trust::book::{self, Book, Pin};
use crate::trust::statement::origin;
use crate::trust::{PublicKey, Revocation, Rotation};
use argh::{ArgsInfo, FromArgs};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Decide whose signatures count
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "trust", help_triggers("--help"))]
pub struct Trust {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    List(List),
    Accept(Accept),
    Remove(Remove),
    ForgetLog(ForgetLog),
}

/// List the owners whose keys are trusted, and the keys that never are
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "list", help_triggers("--help"), example = "{command_name}")]
struct List {
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

/// Trust a key for an owner, or take in a letter about keys
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "accept",
    help_triggers("--help"),
    example = "{command_name} https://hub.example alice 3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    example = "{command_name} rotation.txt     from the key you trust to the owner's next one",
    example = "{command_name} revocation.txt   never that key again",
    note = "Compare the fingerprint with the owner by another way than the registry first. A letter needs no comparing: the keys in it have signed it.",
    error_code(0, "it is so from now on"),
    error_code(1, "the letter is not signed as it must be, or does not follow from whom you trust")
)]
struct Accept {
    /// a registry, an owner and a key; or a file with a letter
    #[argh(positional, arg_name = "WHAT")]
    what: Vec<String>,
}

/// Forget an owner's key: the next one is trusted on first use again
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "remove",
    help_triggers("--help"),
    example = "{command_name} https://hub.example alice"
)]
struct Remove {
    /// the registry
    #[argh(positional, arg_name = "REGISTRY")]
    registry: String,
    /// the owner
    #[argh(positional, arg_name = "OWNER")]
    owner: String,
}

/// Forget how far a registry's log had come: believe the one it shows now
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "forget-log",
    help_triggers("--help"),
    example = "{command_name} https://hub.example",
    note = "weft remembers the log of each registry that has one, and refuses a log that became shorter or says something else than before: somebody may be showing you another history than others. A registry that lost its last days and was put back from a backup looks the same. Only its operator can tell you which it is."
)]
struct ForgetLog {
    /// the registry
    #[argh(positional, arg_name = "REGISTRY")]
    registry: String,
}

pub fn run(trust: Trust) -> Result<Exit, Failure> {
    let path = book::path().map_err(told)?;
    match trust.command {
        Command::List(command) => {
            let book = book::load(&path).map_err(told)?;
            list(&book, command.format)?;
            Ok(Exit::Ok)
        }
        Command::Accept(command) => {
            let said = match command.what.as_slice() {
                [file] => letter(file, &path)?,
                [registry, owner, key] => accept(registry, owner, key, &path)?,
                _ => {
                    let fix = "name a file with a letter, or a registry, an owner and a key";
                    return Err(Failure::usage("what is to be accepted?", "WHAT", fix));
                }
            };
            print(&said)
        }
        Command::Remove(command) => {
            let registry = registry(&command.registry)?;
            let removed = book::change(&path, |book| {
                let before = book.pins.len();
                book.pins.retain(|pin| pin.registry != registry || pin.owner != command.owner);
                Ok(book.pins.len() < before)
            });
            if !removed.map_err(told)? {
                let fix = "weft skill trust list shows who is";
                return Err(Failure::usage("nobody of that name is trusted", command.owner, fix));
            }
            print(&format!("{} at {registry} is not trusted any more\n", command.owner))
        }
        Command::ForgetLog(command) => {
            let registry = registry(&command.registry)?;
            if !book::change(&path, |book| Ok(book.forget_log(&registry))).map_err(told)? {
                return Err(Failure::usage("no log of this registry is remembered", registry, ""));
            }
            print(&format!("the log of {registry} is believed anew at the next visit\n"))
        }
    }
}

fn registry(url: &str) -> Result<String, Failure> {
    origin(url).ok_or_else(|| Failure::usage("not the URL of a registry", url, "it starts with https://"))
}

fn accept(url: &str, owner: &str, key: &str, path: &std::path::Path) -> Result<String, Failure> {
    let registry = registry(url)?;
    let key = PublicKey::parse(key)
        .map_err(|fault| Failure::usage(fault.as_str(), key, "check where it came from"))?;
    let changed = book::change(path, |book| {
        if let Some(revoked) = book.revoked(&key) {
            let what = format!("this key is revoked ({})", revoked.reason);
            return Err(Problem::denied(what, key.to_string(), "ask for another"));
        }
        let how = "accepted".to_owned();
        book.set_pin(Pin {
            registry: registry.clone(),
            owner: owner.to_owned(),
            public_key: key,
            since: clock::now().as_secs(),
            how,
        });
        Ok(())
    });
    changed.map_err(told)?;
    Ok(format!("{owner} at {registry} is trusted with {}\n", key.fingerprint()))
}

/// Takes in a rotation or a revocation.
fn letter(file: &str, path: &std::path::Path) -> Result<String, Failure> {
    let file = PathBuf::from(to_os(file));
    let mut text = String::new();
    File::open(&file)
        .and_then(|file| file.take(8192).read_to_string(&mut text))
        .map_err(|error| Failure::file("cannot read the letter", &file, &error))?;
    let shown = file.to_string_lossy();
    if let Some(revocation) = Revocation::read(&text) {
        let changed = book::change(path, |book| {
            book.revoke(revocation.public_key, &revocation.reason);
            Ok(())
        });
        changed.map_err(told)?;
        return Ok(format!(
            "{} is never trusted again ({})\n",
            revocation.public_key,
            visible(&revocation.reason)
        ));
    }
    let Some(rotation) = Rotation::read(&text) else {
        let fix = "ask for the whole text, as `weft skill key rotate` or `revoke` wrote it";
        return Err(told(Problem::denied(
            "not a letter about keys, or a signature does not hold",
            shown,
            fix,
        )));
    };
    let changed = book::change(path, |book| {
        let no =
            |what: &str| Err(Problem::denied(what, shown.clone(), "compare the fingerprints with the owner"));
        match book.pin(&rotation.registry, &rotation.owner) {
            None => no("it begins with a key that you do not trust: nobody of that name is pinned"),
            Some(pin) if pin.public_key != rotation.old => {
                no("it begins with another key than the one you trust")
            }
            Some(_) if book.revoked(&rotation.old).is_some() => no("it begins with a revoked key"),
            Some(_) if book.revoked(&rotation.new).is_some() => no("it leads to a revoked key"),
            Some(_) => {
                book.set_pin(Pin {
                    registry: rotation.registry.clone(),
                    owner: rotation.owner.clone(),
                    public_key: rotation.new,
                    since: clock::now().as_secs(),
                    how: "rotation".to_owned(),
                });
                Ok(())
            }
        }
    });
    changed.map_err(told)?;
    let (owner, registry) = (&rotation.owner, &rotation.registry);
    Ok(format!("{owner} at {registry} is trusted with {}\n", rotation.new.fingerprint()))
}

fn list(book: &Book, format: Format) -> Result<(), Failure> {
    out(|page| match format {
        Format::Text if book.pins.is_empty() && book.revoked.is_empty() && book.logs.is_empty() => {
            page.write_all(b"nobody yet: the first signed skill of an owner pins the owner's key\n")
        }
        Format::Text => {
            for pin in &book.pins {
                let (registry, owner) = (visible(&pin.registry), visible(&pin.owner));
                writeln!(
                    page,
                    "{owner} at {registry}  ({})\n  key          {}\n  fingerprint  {}",
                    visible(&pin.how),
                    pin.public_key,
                    pin.public_key.fingerprint()
                )?;
            }
            for revoked in &book.revoked {
                writeln!(
                    page,
                    "revoked ({})\n  key          {}",
                    visible(&revoked.reason),
                    revoked.public_key
                )?;
            }
            for (registry, log) in &book.logs {
                let (registry, key) = (visible(registry), log.verifier.to_string());
                writeln!(
                    page,
                    "log of {registry}\n  key          {}\n  events       {}",
                    visible(&key),
                    log.size
                )?;
            }
            Ok(())
        }
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.trust-list/1")?;
                w.key("owners")?.array_lines(|w| {
                    book.pins.iter().try_for_each(|pin| {
                        w.object(|w| {
                            w.field("registry", &pin.registry)?;
                            w.field("owner", &pin.owner)?;
                            w.field("public_key", &pin.public_key.to_string())?;
                            w.field("fingerprint", &pin.public_key.fingerprint())?;
                            w.count("since", pin.since)?;
                            w.field("how", &pin.how)
                        })
                    })
                })?;
                w.key("revoked")?.array_lines(|w| {
                    book.revoked.iter().try_for_each(|revoked| {
                        w.object(|w| {
                            w.field("public_key", &revoked.public_key.to_string())?;
                            w.field("reason", &revoked.reason)
                        })
                    })
                })?;
                w.key("logs")?.array_lines(|w| {
                    book.logs.iter().try_for_each(|(registry, log)| {
                        w.object(|w| {
                            w.field("registry", registry)?;
                            w.field("key", &log.verifier.to_string())?;
                            w.count("size", log.size)?;
                            w.field("root", &log.root.to_string())?;
                            w.count("time", log.time)
                        })
                    })
                })
            })?;
            page.write_all(b"\n")
        }
    })
}
