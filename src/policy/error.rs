//! What is wrong with a policy: where, what, and what to do. Several at once, for a person fixes a file, not a line.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub file: Arc<str>,
    /// From 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    pub message: String,
    /// The next step; may be empty.
    pub help: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, ": {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Never empty, in the order of the files, and no more than [`Errors::MOST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// A file with more mistakes than this is not a policy.
    pub const MOST: usize = 100;

    /// None when there is nothing to say.
    pub fn new(mut errors: Vec<Error>) -> Option<Errors> {
        errors.truncate(Errors::MOST);
        (!errors.is_empty()).then_some(Errors(errors))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Errors {
        Errors(vec![error])
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, error)| {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{error}")
        })
    }
}

impl std::error::Error for Errors {}
