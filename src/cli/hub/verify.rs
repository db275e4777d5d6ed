//! `weft hub verify`: is everything in the store as it was kept?

use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::term::Progress;
use crate::hub::server::store::verify::{Report, verify};
use crate::json::Writer;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// Check every event, checkpoint and file of a hub's store
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "verify",
    help_triggers("--help"),
    example = "{command_name} --data /var/lib/weft-hub",
    note = "It changes nothing and may run while the hub is serving. Each event is held against every checkpoint that was kept, each file against its own hash.",
    error_code(0, "everything is as it was kept"),
    error_code(1, "something is damaged or missing"),
    error_code(2, "there is no store, or it cannot be read")
)]
pub struct Verify {
    /// the folder of the hub
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

pub fn run(command: &Verify) -> Result<Exit, Failure> {
    let progress = Progress::new(true);
    let tell = |what: &str, bytes: u64| progress.show(&|| format!("{what}: {} MB", bytes / 1_000_000));
    let report = verify(&command.data.0, &tell);
    progress.finish();
    let report = report.map_err(told)?;
    out(|page| match command.format {
        Format::Text => text(&report, page),
        Format::Json => {
            json(&report, page)?;
            page.write_all(b"\n")
        }
    })?;
    Ok(if report.holds() { Exit::Ok } else { Exit::Findings })
}

fn text(report: &Report, page: &mut Vec<u8>) -> io::Result<()> {
    let Report { events, private, log_bytes, checkpoints, blobs, blob_bytes, .. } = report;
    writeln!(page, "events       {events} ({private} private), {log_bytes} bytes")?;
    writeln!(page, "checkpoints  {checkpoints} hold")?;
    writeln!(page, "files        {blobs}, {blob_bytes} bytes; {} that no event names", report.unnamed.len())?;
    for hash in &report.unnamed {
        writeln!(page, "  unnamed  {hash}")?;
    }
    for remark in &report.remarks {
        writeln!(page, "note: {}", visible(remark))?;
    }
    for fault in &report.faults {
        writeln!(page, "DAMAGED: {}: {}", visible(&fault.at), visible(&fault.what))?;
    }
    match (report.holds(), report.more) {
        (true, _) => writeln!(page, "everything holds"),
        (false, 0) => writeln!(page, "{} faults: restore the store from a backup", report.faults.len()),
        (false, more) => writeln!(page, "and {more} faults more: restore the store from a backup"),
    }
}

/// What was looked at, as both `verify` and `restore` say it.
pub fn json(report: &Report, page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.hub-verify/1")?;
        w.key("holds")?.boolean(report.holds())?;
        w.count("events", report.events)?;
        w.count("private", report.private)?;
        w.count("log_bytes", report.log_bytes)?;
        w.count("checkpoints", report.checkpoints)?;
        w.count("blobs", report.blobs)?;
        w.count("blob_bytes", report.blob_bytes)?;
        w.key("unnamed")?
            .array(|w| report.unnamed.iter().try_for_each(|hash| w.string(&hash.to_string())))?;
        w.key("faults")?.array_lines(|w| {
            report.faults.iter().try_for_each(|fault| {
                w.object(|w| {
                    w.field("at", &fault.at)?;
                    w.field("what", &fault.what)
                })
            })
        })?;
        w.count("more_faults", report.more)?;
        w.strings("notes", report.remarks.iter().map(String::as_str))
    })
}
