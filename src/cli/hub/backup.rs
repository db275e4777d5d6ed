//! `weft hub backup` and `restore`: a store as one tar file, and back.

use super::{told, verify};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::term::{Progress, say};
use crate::files::write_atomic;
use crate::hub::server::store::backup::{backup, restore};
use crate::skill::Problem;
use argh::{ArgsInfo, FromArgs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Write a hub's store into one tar file, while it is serving or not
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "backup",
    help_triggers("--help"),
    example = "{command_name} --data /var/lib/weft-hub hub-2026-11-24.tar",
    example = "{command_name} --data /var/lib/weft-hub - | ssh elsewhere 'cat > hub.tar'",
    note = "The backup is the store as it was at its last signed checkpoint. It holds the secret key of the log unless --without-keys is given: whoever has that can write another history for your hub, so keep the backup as you keep the key. A backup without keys can be checked, not served, until the key is put back into its folder `keys`."
)]
pub struct Backup {
    /// the folder of the hub
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// leave the secret key of the log out
    #[argh(switch)]
    without_keys: bool,
    /// the file to write, which must not exist; - is standard output
    #[argh(positional, arg_name = "OUT")]
    out: PathArg,
}

/// Make a hub's store of a backup, and check all of it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "restore",
    help_triggers("--help"),
    example = "{command_name} hub-2026-11-24.tar --data /var/lib/weft-hub",
    note = "Everything is checked before it is in place: every event, checkpoint and file. What happened after the backup is gone, and clients that saw it will say that the log was taken back: that is what they are for. Say so to your users.",
    error_code(0, "the store is restored and holds"),
    error_code(2, "the backup is damaged or the folder is not empty; nothing was restored")
)]
pub struct Restore {
    /// the folder to restore into; it must be empty or not there
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the backup; - is standard input
    #[argh(positional, arg_name = "BACKUP")]
    backup: PathArg,
}

pub fn run(command: &Backup) -> Result<Exit, Failure> {
    let progress = Progress::new(true);
    let tell = |what: &str, bytes: u64| progress.show(&|| format!("{what}: {} MB", bytes / 1_000_000));
    let (dir, path) = (&command.data.0, &command.out.0);
    let mut done = Err(Problem::new("nothing was written", "", ""));
    let mut write = |out: &mut dyn Write| match backup(dir, out, !command.without_keys, &tell) {
        Ok(contents) => {
            done = Ok(contents);
            Ok(())
        }
        Err(problem) => {
            done = Err(problem);
            Err(io::Error::other("given up"))
        }
    };
    if path == Path::new("-") {
        let out = io::stdout().lock();
        if out.is_terminal() {
            return Err(Failure::usage("a backup is no text", "standard output", "lead it into a file"));
        }
        let _ = write(&mut io::BufWriter::with_capacity(256 << 10, out));
    } else {
        // For its owner alone from the first byte on: the key is in it.
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        new.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::usage("the file exists", path.to_string_lossy(), "name another one, or remove it")
            }
            _ => Failure::file("cannot write", path, &error),
        })?;
        let written = write_atomic(path, &mut write);
        if written.is_err() {
            let _ = fs::remove_file(path);
        }
        if let (Err(error), Ok(_)) = (written, &done) {
            return Err(Failure::file("cannot write", path, &error));
        }
    }
    progress.finish();
    let contents = done.map_err(told)?;
    let keys = if contents.keys { "with the secret key of the log in it" } else { "without keys" };
    say(&format!(
        "backup of {} events and {} files, {} bytes, {keys}",
        contents.events, contents.blobs, contents.bytes
    ));
    Ok(Exit::Ok)
}

pub fn run_restore(command: &Restore) -> Result<Exit, Failure> {
    let progress = Progress::new(true);
    let tell = |what: &str, bytes: u64| progress.show(&|| format!("{what}: {} MB", bytes / 1_000_000));
    let (dir, path) = (&command.data.0, &command.backup.0);
    let mut input: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path).map_err(|error| Failure::file("cannot read", path, &error))?),
    };
    let restored = restore(&mut BufReader::with_capacity(256 << 10, &mut input), dir, &tell);
    progress.finish();
    let report = restored.map_err(told)?;
    out(|page| match command.format {
        Format::Text => {
            let (events, blobs) = (report.events, report.blobs);
            report.remarks.iter().try_for_each(|remark| writeln!(page, "note: {remark}"))?;
            writeln!(page, "restored {events} events and {blobs} files; everything holds")
        }
        Format::Json => {
            verify::json(&report, page)?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
