//! What the scanner says: findings, where they stand, and what they are made of. Not how they are printed.

use crate::rules::{Category, Confidence, Persona, Severity};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A place in a file as people and SARIF count it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Byte offsets in the decoded text of the file (UTF-8, after UTF-16 and the like were converted).
    pub bytes: Range<usize>,
    /// From 1.
    pub line: u32,
    /// From 1, in Unicode scalar values.
    pub column: u32,
    pub end_line: u32,
    /// One past the last character.
    pub end_column: u32,
}

/// The line a finding stands on, cut to a bound, with what to underline and what to mask.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snippet {
    pub text: String,
    /// Byte range in `text` to underline.
    pub mark: Range<usize>,
    /// Byte ranges in `text` that are secrets.
    pub secrets: Vec<Range<usize>>,
}

/// What stood behind an encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Outermost encoding first: `["base64", "hex"]`.
    pub chain: Vec<&'static str>,
    /// The decoded text around the match, with the match marked.
    pub snippet: Snippet,
}

/// One of the observations a composite finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub rule: &'static str,
    pub signal: &'static str,
    pub message: Cow<'static, str>,
    pub path: Arc<str>,
    pub span: Span,
    pub snippet: Snippet,
}

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `EX-001`
    pub rule: &'static str,
    pub name: &'static str,
    pub category: Category,
    /// After context was weighed; never above what the rule says.
    pub severity: Severity,
    pub confidence: Confidence,
    pub persona: Persona,
    pub message: Cow<'static, str>,
    pub remediation: &'static str,
    /// As given on the command line joined with the path below it; `/` separators; bytes that are not UTF-8 escaped.
    /// A member of an archive is `archive.zip!/dir/file`.
    pub path: Arc<str>,
    pub span: Span,
    pub snippet: Snippet,
    pub decoded: Option<Decoded>,
    /// Why the severity is lower than the rule's ("describes an attack"), if it is.
    pub demoted: Option<&'static str>,
    /// Empty unless the finding is a combination.
    pub parts: Vec<Part>,
    /// The folder of the skill the file belongs to, displayed like `path`; the scan root where there is no SKILL.md.
    pub skill: Arc<str>,
    /// Stable across moves of the line: hex, 16 bytes of SHA-256 over rule, path below the skill, and matched text
    /// with white space folded, plus a counter for repeats.
    pub fingerprint: String,
}

/// Something that was not looked at, and why. Never silent: counted in every report, a finding in `--gate` mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    pub path: Arc<str>,
    pub reason: SkipReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// `.git`, `target/`, `node_modules/`.
    BuildOrVcsFolder,
    HiddenFolder,
    TooLarge,
    /// Not text: the kind is known by magic or unknown.
    Binary,
    Encrypted,
    BrokenSymlink,
    SymlinkLoop,
    /// A symlink that leads out of the scanned tree.
    SymlinkOutside,
    /// Device, FIFO, socket.
    NotRegular,
    PermissionDenied,
    /// Vanished or changed while it was read, or another I/O error.
    ReadError,
    /// An archive whose limits (ratio, members, depth, size) were hit, or which is damaged.
    ArchiveLimit,
    ArchiveDamaged,
    /// An archive, or a member of one, packed in a way that is not read here.
    UnsupportedArchive,
}

impl SkipReason {
    /// A phrase that fits "3 files skipped: …".
    pub const fn as_str(self) -> &'static str {
        match self {
            SkipReason::BuildOrVcsFolder => "build or version-control folder",
            SkipReason::HiddenFolder => "hidden folder",
            SkipReason::TooLarge => "too large",
            SkipReason::Binary => "binary",
            SkipReason::Encrypted => "encrypted",
            SkipReason::BrokenSymlink => "broken symlink",
            SkipReason::SymlinkLoop => "symlink loop",
            SkipReason::SymlinkOutside => "symlink out of the tree",
            SkipReason::NotRegular => "not a regular file",
            SkipReason::PermissionDenied => "permission denied",
            SkipReason::ReadError => "could not be read",
            SkipReason::ArchiveLimit => "archive over its limits",
            SkipReason::ArchiveDamaged => "damaged archive",
            SkipReason::UnsupportedArchive => "archive of a kind that is not read",
        }
    }
}

/// Everything one scan has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sorted by skill, path, line, rule.
    pub findings: Vec<Finding>,
    pub skips: Vec<Skip>,
    pub stats: Stats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub files: u64,
    pub bytes: u64,
    pub skills: u64,
    /// Files left out by `exclude` of the configuration.
    pub excluded: u64,
    /// Findings taken away by inline ignores, by the baseline, and by `--persona` / `--min-severity`.
    pub ignored_inline: u64,
    pub ignored_baseline: u64,
    pub hidden: u64,
    /// Wall time in microseconds.
    pub micros: u64,
}
