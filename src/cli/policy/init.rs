//! `weft policy init`: a policy to begin with. Asks nothing.

use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use crate::files::write_atomic;
use crate::policy::builtin;
use crate::rules::schema::nearest;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Write a policy file to begin with
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "init",
    help_triggers("--help"),
    example = "{command_name}                      weft.toml here, on top of coding-agent",
    example = "{command_name} --from skill tool.toml",
    note = "`weft run` takes weft.toml of the workspace when it is given no other policy. The name of the file is the agent's name in the log, unless the file says another."
)]
pub struct Init {
    /// the built-in policy to build on; coding-agent if not given
    #[argh(option, arg_name = "NAME", default = "\"coding-agent\".to_owned()")]
    from: String,
    /// replace a file that is there
    #[argh(switch)]
    force: bool,
    /// the file to write; weft.toml if not given
    #[argh(positional, arg_name = "FILE")]
    file: Option<PathArg>,
}

pub fn run(command: &Init) -> Result<Exit, Failure> {
    let Some(parent) = builtin::find(&command.from) else {
        let names = builtin::names();
        let fix = match nearest(&command.from, &names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", names.join(", ")),
        };
        return Err(Failure::usage("no such built-in policy", command.from.clone(), fix));
    };
    let path = command.file.as_ref().map_or_else(|| PathBuf::from("weft.toml"), |file| file.0.clone());
    if !command.force && path.symlink_metadata().is_ok() {
        return Err(Failure::usage(
            "the file exists",
            path.display().to_string(),
            "give another name, or --force",
        ));
    }
    let text = template(parent);
    write_atomic(&path, |out| out.write_all(text.as_bytes()))
        .map_err(|error| Failure::file("cannot write", &path, &error))?;
    let name = path.display();
    print(&format!(
        "{name} written, on top of {}\nnext: weft policy check {name}; weft policy test {name}\n",
        parent.name
    ))
}

fn template(parent: &builtin::Builtin) -> String {
    format!(
        r#"# What an agent may do in this folder. `weft policy check` reads it over, `weft policy show --resolved` says what it comes to.
version = 1
# {purpose}
# Lists add to its lists, single values replace its values, and what it denies stays denied.
extends = ["{name}"]

[filesystem]
# read = ["~/data"]                 # beyond what {name} lets it read
# write = ["~/data/out"]
deny = ["${{WORKSPACE}}/.env"]      # never, whatever else is said

# [network]
# allow = [{{ host = "api.example.com" }}]     # port 443, TLS

# [env]
# allow = ["EXAMPLE_API_KEY"]       # variables that get in

# What must stay so, whoever edits this file. `weft policy test` checks it.
[[test]]
expect = "deny"
read = "~/.ssh/id_ed25519"

[[test]]
expect = "deny"
read = "${{WORKSPACE}}/.env"
"#,
        name = parent.name,
        purpose = parent.purpose(),
    )
}
