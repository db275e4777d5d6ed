//! `weft hub init`: makes the folder that a hub keeps everything in, with its key.

use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::hub::server::store::Store;
use crate::json::Writer;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Make the folder of a new hub
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "init",
    help_triggers("--help"),
    example = "{command_name} --data /var/lib/weft-hub",
    example = "{command_name} --data ./hub --name hub.example/log",
    note = "It makes the key that the hub signs its log with. Whoever has that key can write another history for your hub: keep the folder to yourself, and a backup of it elsewhere (`weft hub backup`). The line it prints is what others check the log with; clients remember it from their first visit on.",
    error_code(0, "the folder is ready for `weft hub serve`"),
    error_code(2, "the folder is not empty, or cannot be written")
)]
pub struct Init {
    /// the folder; it must be empty or not there
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// what the log calls itself: best the address of the hub without https:// (default: drawn from its key)
    #[argh(option, arg_name = "NAME")]
    name: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

pub fn run(command: &Init) -> Result<Exit, Failure> {
    let dir = &command.data.0;
    let verifier = Store::create_named(dir, command.name.as_deref()).map_err(told)?;
    out(|page| match command.format {
        Format::Text => {
            writeln!(page, "made {}\nits log is checked with {verifier}", visible(&dir.to_string_lossy()))
        }
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-init/1")?;
                w.field("data", &dir.to_string_lossy())?;
                w.field("log_key", &verifier.to_string())
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
