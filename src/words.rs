//! How errors are told: the system's words, what to do about a file, and the order of the parts. Not who tells them, nor with which
//! exit code.

use std::fmt;
use std::io;

/// The system's words without "(os error 2)".
pub fn reason(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// The same for an error that was made a text before.
pub fn without_number(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_lowercase()
}

/// What to do where a file could not be read or written; empty where only the error itself says that.
pub fn about_file(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            "check the path"
        }
        io::ErrorKind::PermissionDenied => "check its permissions",
        io::ErrorKind::IsADirectory => "name a file in it",
        io::ErrorKind::StorageFull => "make room on the disk",
        _ => "",
    }
}

/// `what: where: what to do`, without what is empty.
pub fn phrase(f: &mut fmt::Formatter<'_>, what: &str, at: &str, fix: &str) -> fmt::Result {
    f.write_str(what)?;
    for part in [at, fix] {
        if !part.is_empty() {
            write!(f, ": {part}")?;
        }
    }
    Ok(())
}

/// `a, b or c`
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
