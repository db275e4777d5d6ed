//! `weft hub replicate`: a store that follows another hub, brought up to date.

use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::term::{Progress, say};
use crate::hub::server::limit::Rates;
use crate::hub::server::store::{Store, read_description};
use crate::hub::server::{App, Settings, replica};
use crate::hub::{Hub, Place};
use crate::json::Writer;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Make a replica of another hub, or bring one up to date
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "replicate",
    help_triggers("--help"),
    example = "{command_name} --data ./replica --from https://hub.example",
    example = "weft hub serve --data ./replica --listen 127.0.0.1:8081     serves it, and follows by itself",
    note = "A replica answers everything that can be read, from its own disk, also when the hub is gone; whatever would change something is refused with the hub's address. It takes in only what the hub's log has signed and what continues the log that it has: one that was taken back or rewritten is refused, and the replica stays as it was. Tokens, stars and reports are the hub's alone, so a replica counts none. Signatures name the registry that they are for: serve a replica at the hub's own address.",
    error_code(0, "it has what the hub has"),
    error_code(1, "the hub's log is not the one that was followed, or a package is not what the log says"),
    error_code(2, "the hub cannot be reached, or the folder is no replica of it")
)]
pub struct Replicate {
    /// the folder of the replica; made if it is not there
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the hub to follow; a replica that is there knows it
    #[argh(option, arg_name = "URL")]
    from: Option<String>,
    /// the key of its log, as `weft hub init` printed it (default: the one that the hub shows the first time)
    #[argh(option, arg_name = "KEY")]
    log_key: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

pub fn run(command: &Replicate) -> Result<Exit, Failure> {
    let dir = &command.data.0;
    let is_there = dir.join("store.json").exists();
    let hub = if is_there { known(command, dir)? } else { made(command, dir)? };
    let (store, opened) = Store::open(dir).map_err(told)?;
    for remark in &opened.remarks {
        say(remark);
    }
    let settings =
        Settings { public_url: None, spool: store.spool(), rates: Rates::default(), still: false, log: say };
    let app = App::open(Arc::new(store), settings).map_err(told)?;
    let progress = Progress::new(true);
    let tell =
        |events: u64, packages: u64| progress.show(&|| format!("{events} events, {packages} packages"));
    let done = replica::round(&app, &hub, &mut true, &tell);
    progress.finish();
    let round = done.map_err(told)?;
    app.save().map_err(told)?;
    let (events, skills) = (app.store.size(), app.state().listed());
    out(|page| match command.format {
        Format::Text => writeln!(
            page,
            "{events} events of {}, {} new; {skills} skills; {} packages came, {} are not to be had",
            hub.registry, round.events, round.packages, round.missing
        ),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-replicate/1")?;
                w.field("hub", &hub.registry)?;
                w.field("log", &app.store.verifier().to_string())?;
                w.count("events", events)?;
                w.count("new_events", round.events)?;
                w.count("skills", skills as u64)?;
                w.count("packages", round.packages)?;
                w.count("missing_packages", round.missing)
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}

fn open(url: &str) -> Result<Hub, Failure> {
    if url.contains('+') && !url.starts_with("http") {
        return Err(Failure::usage("not the address of a hub", url, "name it as https://HOST"));
    }
    Hub::open(&Place { registry: Some(url), offline: false, cache: None }).map_err(told)
}

/// The hub that the replica in the folder follows.
fn known(command: &Replicate, dir: &Path) -> Result<Hub, Failure> {
    let description = read_description(dir).map_err(told)?;
    let shown = dir.to_string_lossy().into_owned();
    let Some(of) = description.replica_of else {
        return Err(Failure::usage("this is a hub, no replica", shown, "name another folder"));
    };
    let hub = open(&of)?;
    if let Some(from) = &command.from
        && open(from)?.registry != hub.registry
    {
        return Err(Failure::usage(format!("a replica of {of}"), shown, "name another folder"));
    }
    if let Some(key) = &command.log_key
        && *key != description.verifier.to_string()
    {
        let what = format!("the replica follows a log with the key {}", description.verifier);
        return Err(Failure::usage(what, shown, "name that key, or another folder"));
    }
    Ok(hub)
}

/// A new one.
fn made(command: &Replicate, dir: &Path) -> Result<Hub, Failure> {
    let Some(from) = &command.from else {
        return Err(Failure::usage("which hub to follow", "--from", "give its address"));
    };
    let hub = open(from)?;
    let key = replica::create(dir, &hub, command.log_key.as_deref()).map_err(told)?;
    if command.log_key.is_none() {
        say(&format!("the key of its log, believed from now on: {key}"));
    }
    Ok(hub)
}
