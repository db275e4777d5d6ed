//! `weft completions`: what a shell needs to complete commands and options.

use super::args::list;
use super::error::{Exit, Failure};
use super::values::say;
use super::{Weft, print};
use argh::{ArgsInfo, FromArgValue, FromArgs};
use argh_complete::Generator;
use argh_complete::{bash::Bash, fish::Fish, zsh::Zsh};

/// Print a script that completes commands and options in a shell
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "completions",
    help_triggers("--help"),
    example = "weft completions bash > ~/.local/share/bash-completion/completions/weft",
    example = "weft completions zsh > ~/.zfunc/_weft     with fpath+=~/.zfunc in ~/.zshrc",
    example = "weft completions fish > ~/.config/fish/completions/weft.fish"
)]
pub struct Completions {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromArgValue for Shell {
    fn from_arg_value(value: &str) -> Result<Shell, String> {
        match value {
            "bash" => Ok(Shell::Bash),
            "zsh" => Ok(Shell::Zsh),
            "fish" => Ok(Shell::Fish),
            _ => Err(say(format!("use {}", list(&["bash", "zsh", "fish"])))),
        }
    }
}

pub fn run(command: &Completions) -> Result<Exit, Failure> {
    let info = Weft::get_args_info();
    print(&match command.shell {
        Shell::Bash => Bash::generate("weft", &info),
        Shell::Zsh => Zsh::generate("weft", &info),
        Shell::Fish => Fish::generate("weft", &info),
    })
}
