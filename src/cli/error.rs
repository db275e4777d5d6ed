//! How a command fails: one line that says what, where and what to do, and the exit code a script goes by.

use crate::scan::names;
use crate::scan::report::visible::visible;
use crate::words;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes, the same for every command. `docs/weft.1` says it to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to object to.
    Ok,
    /// Done, and the answer is no: findings, or denied.
    Findings,
    /// The command line or a file it names is wrong.
    Usage,
    /// weft is wrong.
    Internal,
    /// What `weft run` hands on: the command's own code, or what shells and timeout(1) use.
    Run(u8),
}

impl Exit {
    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Internal => 3,
            Exit::Run(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// `weft: what: where: what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub what: String,
    /// The option, the file with line and column; may be empty.
    pub at: String,
    /// The next step; may be empty.
    pub fix: String,
    pub exit: Exit,
    /// The reader of standard output went away: nobody is left to be told.
    pub quiet: bool,
}

impl Failure {
    /// The user's input is wrong.
    pub fn usage(what: impl Into<String>, at: impl Into<String>, fix: impl Into<String>) -> Failure {
        Failure { what: what.into(), at: at.into(), fix: fix.into(), exit: Exit::Usage, quiet: false }
    }

    /// A file could not be read or written.
    pub fn file(what: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::usage(
            format!("{what}: {}", words::reason(error)),
            names::escape(path.as_os_str().as_encoded_bytes()),
            words::about_file(error),
        )
    }

    /// Standard output could not be written. A closed pipe is no error of ours: `| head` is a normal thing to do.
    pub fn stdout(error: &io::Error) -> Failure {
        let mut failure =
            Failure::usage(format!("cannot write: {}", words::reason(error)), "standard output", "");
        failure.quiet = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weft: {}", visible(&self.what))?;
        for part in [&self.at, &self.fix] {
            if !part.is_empty() {
                write!(f, ": {}", visible(part))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// A panic is our mistake: say so in one line, and leave with the code that says so. The hook runs before the
/// process aborts, and in whatever thread it happened. In the builds for size a panic is a trap, which has no hook.
pub fn exit_3_on_panic() {
    #[cfg(panic = "immediate-abort")]
    crate::sys::trap::say_where();
    #[cfg(not(panic = "immediate-abort"))]
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let failure = Failure {
            what: "internal error".into(),
            at: place,
            fix: "please report it with the command you ran; the scan is not complete".into(),
            exit: Exit::Internal,
            quiet: false,
        };
        // Not `eprintln!`: it panics itself when stderr is closed.
        let _ = io::Write::write_all(&mut io::stderr(), format!("{failure}\n").as_bytes());
        std::process::exit(i32::from(Exit::Internal.code()));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_one_line() {
        let failure = Failure::usage("unknown option", "--fro\u{1b}mat", "did you mean --format?");
        assert_eq!(failure.to_string(), "weft: unknown option: --fro<U+001B>mat: did you mean --format?");
        let missing = Failure::file("cannot read", Path::new("x"), &io::Error::from_raw_os_error(2));
        assert_eq!(missing.to_string(), "weft: cannot read: no such file or directory: x: check the path");
    }
}
