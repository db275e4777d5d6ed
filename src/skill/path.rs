//! The path of a file in a skill, checked once: what is one of these names the same file everywhere and stays inside.

use super::nfc;
use std::fmt;

/// Longer paths are refused, in bytes.
pub const LONGEST: usize = 500;

/// A relative path with `/` between its segments, by the rules of `weft-skill-tree-v1` (docs/skill-hash.md).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(String);

/// Why a path is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    Empty,
    TooLong,
    NotUtf8,
    Absolute,
    /// `C:`: a path like others for the hash, but never in a package.
    Drive,
    Backslash,
    Control,
    EmptySegment,
    Dot,
    Parent,
    NotNfc,
}

impl PathFault {
    /// A phrase that fits "path `x`: …".
    pub const fn as_str(self) -> &'static str {
        match self {
            PathFault::Empty => "is empty",
            PathFault::TooLong => "is longer than 500 bytes",
            PathFault::NotUtf8 => "is not UTF-8",
            PathFault::Absolute => "is absolute",
            PathFault::Drive => "starts with a drive letter",
            PathFault::Backslash => "has a backslash",
            PathFault::Control => "has a control character",
            PathFault::EmptySegment => "has an empty segment",
            PathFault::Dot => "has a `.` segment",
            PathFault::Parent => "has a `..` segment",
            PathFault::NotNfc => "is not in Unicode normalization form C",
        }
    }
}

impl SafePath {
    /// Checks a path.
    pub fn new(path: &str) -> Result<SafePath, PathFault> {
        check(path)?;
        Ok(SafePath(path.to_owned()))
    }

    /// Checks a path that may not even be text.
    pub fn from_bytes(path: &[u8]) -> Result<SafePath, PathFault> {
        SafePath::new(std::str::from_utf8(path).map_err(|_| PathFault::NotUtf8)?)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Would Windows take it for a path on a drive?
    pub fn is_on_drive(&self) -> bool {
        matches!(self.0.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
    }

    /// Does a segment start with a dot?
    pub fn is_hidden(&self) -> bool {
        self.segments().any(|segment| segment.starts_with('.'))
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(path: &str) -> Result<(), PathFault> {
    let bytes = path.as_bytes();
    let fault = match bytes {
        [] => PathFault::Empty,
        _ if bytes.len() > LONGEST => PathFault::TooLong,
        [b'/', ..] => PathFault::Absolute,
        _ if bytes.contains(&b'\\') => PathFault::Backslash,
        _ if path.chars().any(char::is_control) => PathFault::Control,
        _ => {
            let bad = path.split('/').find_map(|segment| match segment {
                "" => Some(PathFault::EmptySegment),
                "." => Some(PathFault::Dot),
                ".." => Some(PathFault::Parent),
                _ => None,
            });
            match bad {
                Some(fault) => fault,
                None if !nfc::is_nfc(path) => PathFault::NotNfc,
                None => return Ok(()),
            }
        }
    };
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_a_path() {
        for good in
            ["SKILL.md", "a/b/c.txt", "größe/日本.md", ".env", "a..b", "...", "a b", "x:y", "10:30.txt"]
        {
            assert!(SafePath::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(501);
        for (bad, fault) in [
            ("", PathFault::Empty),
            ("/etc/passwd", PathFault::Absolute),
            ("a\\b", PathFault::Backslash),
            ("\\\\host\\share", PathFault::Backslash),
            ("a\nb", PathFault::Control),
            ("a\0b", PathFault::Control),
            ("a\u{85}b", PathFault::Control),
            ("a\u{7f}", PathFault::Control),
            ("a//b", PathFault::EmptySegment),
            ("a/", PathFault::EmptySegment),
            ("./a", PathFault::Dot),
            ("a/.", PathFault::Dot),
            ("../a", PathFault::Parent),
            ("a/../b", PathFault::Parent),
            ("a/..", PathFault::Parent),
            ("u\u{308}.md", PathFault::NotNfc),
            (&long, PathFault::TooLong),
        ] {
            assert_eq!(SafePath::new(bad), Err(fault), "{bad}");
        }
        assert!(SafePath::new(&long[1..]).is_ok());
        assert_eq!(SafePath::from_bytes(b"a\xff"), Err(PathFault::NotUtf8));
    }
}
