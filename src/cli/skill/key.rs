//! `weft skill keygen` and `key`: the user's own signing keys.

use super::local::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::print;
use crate::clock;
use crate::files::write_atomic;
use crate::json::Writer;
use crate::trust::statement::origin;
use crate::trust::{Revocation, Rotation, SecretKey, book, keyfile};
use argh::{ArgsInfo, FromArgs};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A key's name where none is given.
const DEFAULT: &str = "default";
/// Passphrases are shorter.
const MAX_PASSPHRASE: u64 = 4096;

/// Make a key to sign skills with
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "keygen",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} work --passphrase-file - < passphrase",
    note = "The key is in ~/.config/weft/keys (or below $XDG_CONFIG_HOME), readable by you alone. Keep a copy elsewhere: without it you can neither publish nor rotate."
)]
pub struct Keygen {
    /// protect the key with the first line of this file; - is standard input
    #[argh(option, arg_name = "FILE")]
    passphrase_file: Option<PathArg>,
    /// the key's name (default: default)
    #[argh(positional, arg_name = "NAME")]
    name: Option<String>,
}

/// Look at your signing keys, replace and revoke them
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "key", help_triggers("--help"))]
pub struct Key {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Show(Show),
    Export(Export),
    Rotate(Rotate),
    Revoke(Revoke),
}

/// Show your keys and their fingerprints
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "show", help_triggers("--help"), example = "{command_name}")]
struct Show {
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// one key
    #[argh(positional, arg_name = "NAME")]
    name: Option<String>,
}

/// Print a public key, for those who are to trust it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "export", help_triggers("--help"), example = "{command_name} > alice.pub")]
struct Export {
    /// the key's name (default: default)
    #[argh(positional, arg_name = "NAME")]
    name: Option<String>,
}

/// Make a new key and the letter that says so, signed by the old one and the new one
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "rotate",
    help_triggers("--help"),
    example = "{command_name} default 2027 --registry https://hub.example --owner alice --output rotation.txt",
    note = "Whoever trusts the old key follows the letter without being asked. The old key is not revoked by it."
)]
struct Rotate {
    /// the registry you publish at
    #[argh(option, arg_name = "URL")]
    registry: String,
    /// the owner you publish as
    #[argh(option, arg_name = "OWNER")]
    owner: String,
    /// where the letter goes (default: standard output)
    #[argh(option, short = 'o', arg_name = "FILE")]
    output: Option<PathArg>,
    /// what opens the old key, and protects the new one: the first line of this file; - is standard input
    #[argh(option, arg_name = "FILE")]
    passphrase_file: Option<PathArg>,
    /// the old key
    #[argh(positional, arg_name = "OLD")]
    old: String,
    /// the name of the new key
    #[argh(positional, arg_name = "NEW")]
    new: String,
}

/// Write the letter that ends a key: nothing it signed is trusted any more
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "revoke",
    help_triggers("--help"),
    example = "{command_name} default --reason 'laptop lost' --output revocation.txt",
    note = "It cannot be taken back. From now on weft on this machine refuses the key too."
)]
struct Revoke {
    /// why, in one line
    #[argh(option, arg_name = "TEXT")]
    reason: String,
    /// where the letter goes (default: standard output)
    #[argh(option, short = 'o', arg_name = "FILE")]
    output: Option<PathArg>,
    /// what opens the key: the first line of this file; - is standard input
    #[argh(option, arg_name = "FILE")]
    passphrase_file: Option<PathArg>,
    /// the key's name
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

pub fn generate(command: &Keygen) -> Result<Exit, Failure> {
    let name = command.name.as_deref().unwrap_or(DEFAULT);
    let path = keyfile::path_of(name).map_err(told)?;
    let passphrase = passphrase(command.passphrase_file.as_ref())?;
    let key = new_key()?;
    keyfile::create(&path, &key, passphrase.as_deref()).map_err(told)?;
    print(&format!(
        "key {name}: {}\nfingerprint {}\nin {}\n",
        key.public(),
        key.public().fingerprint(),
        path.display()
    ))
}

fn new_key() -> Result<SecretKey, Failure> {
    SecretKey::generate().ok_or_else(|| Failure::usage("the system gives no random numbers", "", ""))
}

/// The first line of the file, which must not be empty.
fn passphrase(file: Option<&PathArg>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let mut text = String::new();
    let read = match file.0 == Path::new("-") {
        true => io::stdin().lock().take(MAX_PASSPHRASE).read_to_string(&mut text),
        false => File::open(&file.0).and_then(|file| file.take(MAX_PASSPHRASE).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::file("cannot read the passphrase", &file.0, &error))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.to_owned())),
        None => {
            Err(Failure::usage("an empty passphrase", "--passphrase-file", "write it into the first line"))
        }
    }
}

/// The secret key of this name.
pub fn unlocked(name: &str, passphrase_file: Option<&PathArg>) -> Result<SecretKey, Failure> {
    let file = keyfile::read(&keyfile::path_of(name).map_err(told)?).map_err(told)?;
    let passphrase = passphrase(passphrase_file)?;
    if file.needs_passphrase() && passphrase.is_none() {
        return Err(Failure::usage(
            "this key has a passphrase",
            name,
            "give it: --passphrase-file FILE, or - ",
        ));
    }
    file.unlock(passphrase.as_deref())
        .ok_or_else(|| Failure::usage("the passphrase does not open this key", name, "try another"))
}

pub fn run(key: Key) -> Result<Exit, Failure> {
    match key.command {
        Command::Show(command) => show(&command),
        Command::Export(command) => {
            let name = command.name.as_deref().unwrap_or(DEFAULT);
            let file = keyfile::read(&keyfile::path_of(name).map_err(told)?).map_err(told)?;
            print(&format!("{}\n", file.public))
        }
        Command::Rotate(command) => rotate(&command),
        Command::Revoke(command) => revoke(&command),
    }
}

fn show(command: &Show) -> Result<Exit, Failure> {
    let names = match &command.name {
        Some(name) => vec![name.clone()],
        None => keyfile::names().map_err(told)?,
    };
    let mut keys = Vec::new();
    for name in names {
        let file = keyfile::read(&keyfile::path_of(&name).map_err(told)?).map_err(told)?;
        keys.push((name, file));
    }
    out(|page| match command.format {
        Format::Text if keys.is_empty() => page.write_all(b"no keys yet: weft skill keygen makes one\n"),
        Format::Text => keys.iter().try_for_each(|(name, file)| {
            let guarded = if file.needs_passphrase() { " (with a passphrase)" } else { "" };
            writeln!(
                page,
                "{name}{guarded}\n  key          {}\n  fingerprint  {}",
                file.public,
                file.public.fingerprint()
            )
        }),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.keys/1")?;
                w.key("keys")?.array_lines(|w| {
                    keys.iter().try_for_each(|(name, file)| {
                        w.object(|w| {
                            w.field("name", name)?;
                            w.field("public_key", &file.public.to_string())?;
                            w.field("fingerprint", &file.public.fingerprint())?;
                            w.key("passphrase")?.boolean(file.needs_passphrase())
                        })
                    })
                })
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}

fn rotate(command: &Rotate) -> Result<Exit, Failure> {
    let Some(registry) = origin(&command.registry) else {
        return Err(Failure::usage(
            "not the URL of a registry",
            command.registry.as_str(),
            "it starts with https://",
        ));
    };
    let path = keyfile::path_of(&command.new).map_err(told)?;
    let old = unlocked(&command.old, command.passphrase_file.as_ref())?;
    let new = new_key()?;
    let rotation = Rotation {
        registry,
        owner: command.owner.clone(),
        old: *old.public(),
        new: *new.public(),
        created: clock::now().as_secs(),
    };
    let Some(letter) = rotation.write(&old, &new) else {
        return Err(Failure::usage(
            "not the name of an owner",
            command.owner.as_str(),
            "one word, as in @owner/skill",
        ));
    };
    // What opened the old key is on standard input no more.
    let again = command.passphrase_file.as_ref().filter(|file| file.0 != Path::new("-"));
    keyfile::create(&path, &new, passphrase(again)?.as_deref()).map_err(told)?;
    deliver(&letter, command.output.as_ref())
}

fn revoke(command: &Revoke) -> Result<Exit, Failure> {
    let key = unlocked(&command.name, command.passphrase_file.as_ref())?;
    let revocation = Revocation {
        public_key: *key.public(),
        created: clock::now().as_secs(),
        reason: command.reason.clone(),
    };
    let Some(letter) = revocation.write(&key) else {
        return Err(Failure::usage("bad value", "--reason", "one line of up to 500 characters"));
    };
    let path = book::path().map_err(told)?;
    let noted = book::change(&path, |book| {
        book.revoke(*key.public(), &command.reason);
        Ok(())
    });
    noted.map_err(told)?;
    deliver(&letter, command.output.as_ref())
}

fn deliver(letter: &str, output: Option<&PathArg>) -> Result<Exit, Failure> {
    match output.filter(|path| path.0 != Path::new("-")) {
        None => print(letter),
        Some(path) => {
            write_atomic(&path.0, |out| out.write_all(letter.as_bytes()))
                .map_err(|error| Failure::file("cannot write", &path.0, &error))?;
            Ok(Exit::Ok)
        }
    }
}
