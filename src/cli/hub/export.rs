//! `weft hub export`: everything that can be read of a hub, as files for any web server.

use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::term::Progress;
use crate::hub::server::export::export;
use crate::json::Writer;
use crate::net::Url;
use crate::scan::report::plural;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Write a hub out as files that any web server, object store or CDN can serve
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "export",
    help_triggers("--help"),
    example = "{command_name} --data /var/lib/weft-hub --public-url https://hub.example /srv/www/hub",
    note = "Pages for people are in it, and everything that weft needs to search, install and verify: weft skill install @alice/demo --registry static+https://hub.example. It works while the hub is serving, and gives the state of its last signed checkpoint. Run again it writes what has changed, removes what is no more, and leaves your own files in the folder alone; let a timer run it. Signatures name the registry that they are for, so serve it at the hub's own address: elsewhere weft refuses signed skills. The clawhub program asks with query strings, which a server of files does not look at."
)]
pub struct Export {
    /// the folder of the hub
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// where the files will be served
    #[argh(option, arg_name = "URL")]
    public_url: String,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the folder to write into: empty, not there, or an earlier export
    #[argh(positional, arg_name = "OUT")]
    out: PathArg,
}

pub fn run(command: &Export) -> Result<Exit, Failure> {
    let url = Url::parse(&command.public_url)
        .map_err(|error| Failure::usage(error.what, command.public_url.clone(), "use https://HOST/PATH"))?;
    let url = url.to_string();
    let url = url.trim_end_matches('/');
    if url.contains('?') {
        return Err(Failure::usage("an address with a query", url, "leave it out"));
    }
    let progress = Progress::new(true);
    let tell = |what: &str, count: usize| progress.show(&|| format!("{what}: {count}"));
    let done = export(&command.data.0, &command.out.0, url, &tell);
    progress.finish();
    let done = done.map_err(told)?;
    out(|page| match command.format {
        Format::Text => writeln!(
            page,
            "{}, {}, {}; {}, {} bytes: {} written, {} removed",
            plural(done.skills, "skill"),
            plural(done.versions, "version"),
            plural(done.events as usize, "log event"),
            plural(done.files, "file"),
            done.bytes,
            done.written,
            done.removed
        ),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-export/1")?;
                w.field("registry", url)?;
                w.count("skills", done.skills as u64)?;
                w.count("versions", done.versions as u64)?;
                w.count("events", done.events)?;
                w.count("files", done.files as u64)?;
                w.count("bytes", done.bytes)?;
                w.count("written", done.written as u64)?;
                w.count("removed", done.removed as u64)
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
