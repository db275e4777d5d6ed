//! `weft skill keygen` and `key`: the user's own signing keys.

use super::common::ask_secret;
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
    example = "{command_name} work --passphrase",
    example = "{command_name} ci --passphrase-file - < passphrase",
    note = "The key is in ~/.config/weft/keys (or below $XDG_CONFIG_HOME), readable by you alone. Keep a copy elsewhere: without it you can neither publish nor rotate."
)]
pub struct Keygen {
    /// protect the key with the first line of this file; - is standard input
    #[argh(option, arg_name = "FILE")]
    passphrase_file: Option<PathArg>,
    /// protect the key with a passphrase that is typed, twice, and not shown
    #[argh(switch)]
    passphrase: bool,
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
    if command.passphrase && command.passphrase_file.is_some() {
        return Err(Failure::usage("two passphrases", "--passphrase and --passphrase-file", "choose one"));
    }
    let passphrase = new_passphrase(command.passphrase_file.as_ref(), command.passphrase)?;
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

/// What is to protect a new key: from the file, or typed twice where `--passphrase` asks for that.
fn new_passphrase(file: Option<&PathArg>, typed: bool) -> Result<Option<String>, Failure> {
    if !typed {
        return passphrase(file);
    }
    let fix = "use --passphrase-file where nobody can type";
    let once = ask_secret("Passphrase for the new key:");
    let once = once.ok_or_else(|| Failure::usage("nobody to ask for a passphrase", "--passphrase", fix))?;
    if once.is_empty() {
        return Err(Failure::usage("an empty passphrase", "--passphrase", "leave the option out for none"));
    }
    match ask_secret("The same again:") {
        Some(again) if again == once => Ok(Some(once)),
        _ => Err(Failure::usage("the two passphrases differ", "--passphrase", "try again")),
    }
}

/// The secret key of this name. What opens it comes from the file, from WEFT_KEY_PASSPHRASE, or from whoever sits at the terminal.
pub fn unlocked(name: &str, passphrase_file: Option<&PathArg>) -> Result<SecretKey, Failure> {
    opened(name, passphrase_file).map(|(key, _)| key)
}

/// As [`unlocked`], with the passphrase that it took.
fn opened(name: &str, passphrase_file: Option<&PathArg>) -> Result<(SecretKey, Option<String>), Failure> {
    let file = keyfile::read(&keyfile::path_of(name).map_err(told)?).map_err(told)?;
    let mut given = passphrase(passphrase_file)?;
    if file.needs_passphrase() && given.is_none() {
        let set = std::env::var("WEFT_KEY_PASSPHRASE").ok().filter(|text| !text.is_empty());
        given = set.or_else(|| ask_secret(&format!("Passphrase of the key {name}:")));
        if given.is_none() {
            let fix = "give it: --passphrase-file FILE (- is standard input), or set WEFT_KEY_PASSPHRASE";
            return Err(Failure::usage("this key has a passphrase", name, fix));
        }
    }
    let wrong = || Failure::usage("the passphrase does not open this key", name, "try another");
    let key = file.unlock(given.as_deref()).ok_or_else(wrong)?;
    Ok((key, given))
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
    let (old, passphrase) = opened(&command.old, command.passphrase_file.as_ref())?;
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
    // The new key is guarded as the old one is.
    keyfile::create(&path, &new, passphrase.as_deref()).map_err(told)?;
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
