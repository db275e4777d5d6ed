//! What registries say about skills, whatever dialect they say it in. Every string here came from a stranger: it is
//! shown escaped and decides nothing but what the checks say it may.

use crate::json::Node;
use crate::net::Url;

/// A skill in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub owner: Option<String>,
    pub slug: String,
    pub title: String,
    pub text: String,
    pub version: Option<String>,
    pub tags: Vec<String>,
    pub stars: Option<u64>,
    pub downloads: Option<u64>,
    /// Milliseconds since 1970.
    pub updated: u64,
    /// What the registry claims; the signature itself is checked when it is installed.
    pub signed: Option<bool>,
    pub verdict: Verdict,
    pub withdrawn: bool,
    /// How well it fits a search, 0 to 1.
    pub score: f64,
}

/// What the registry's own checks came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It says nothing.
    #[default]
    Unknown,
    Clean,
    Pending,
    Suspicious,
    Malicious,
}

impl Verdict {
    pub fn parse(word: &str) -> Verdict {
        match word {
            "clean" | "pass" => Verdict::Clean,
            "pending" | "error" => Verdict::Pending,
            "suspicious" => Verdict::Suspicious,
            "malicious" => Verdict::Malicious,
            _ => Verdict::Unknown,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Clean => "clean",
            Verdict::Pending => "pending",
            Verdict::Suspicious => "suspicious",
            Verdict::Malicious => "malicious",
        }
    }

    /// The graver of two.
    pub fn or(self, other: Verdict) -> Verdict {
        if other as u8 > self as u8 { other } else { self }
    }
}

/// A skill by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    pub skill: Summary,
    /// What the registry calls it in its addresses.
    pub id: String,
    /// Reason codes and a sentence, where the verdict is not clean.
    pub reasons: Vec<String>,
    /// The contract tells of the latest release at once.
    pub release: Option<Release>,
    /// What the owner says about keys (rotations, revocations); signed, so that it is true whoever carries it.
    pub letters: Vec<String>,
    /// What the next signed version must say: its number, and the content hash of the one before. Versions that are not
    /// the latest count too, so that only the registry knows.
    pub next: Option<(u64, Option<String>)>,
}

/// One version of a skill.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    pub version: String,
    /// Milliseconds since 1970.
    pub created: u64,
    pub changelog: String,
    /// Path, size and SHA-256 in hex of each file, where the registry lists them.
    pub files: Option<Vec<RemoteFile>>,
    /// SHA-256 of the tree (`weft-skill-tree-v1`) in hex, where the registry knows it.
    pub content_hash: Option<String>,
    /// The text that was signed, and its signature.
    pub signed: Option<(String, String)>,
    /// Its place in the registry's log, where there is one.
    pub log_index: Option<u64>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub path: String,
    pub size: u64,
    pub sha256: String,
}

/// A comment of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub author: String,
    pub text: String,
    pub created: u64,
}

/// What is published.
pub struct Publication<'a> {
    pub owner: Option<&'a str>,
    pub slug: &'a str,
    pub title: &'a str,
    pub text: &'a str,
    pub version: &'a str,
    pub changelog: &'a str,
    pub tags: &'a [String],
    pub files: &'a [(crate::skill::path::SafePath, Vec<u8>)],
    pub archive: &'a [u8],
    pub content_hash: String,
    /// Statement, signature, public key.
    pub signed: Option<(String, String, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub version: String,
    /// The registry looks at it before it shows it.
    pub pending: bool,
}

/// A member that is a string, or the empty one.
pub fn text(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
}

/// A member that is a string and not empty.
pub fn word(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A whole number.
pub fn number(node: &Node, key: &str) -> Option<u64> {
    node.get(key)?.as_u64()
}

/// A list of strings; what is no string is left out.
pub fn words(node: &Node, key: &str) -> Vec<String> {
    let list = node.get(key).and_then(Node::as_array).unwrap_or_default();
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// `next` of a skill.
pub fn next(node: Option<&Node>) -> Option<(u64, Option<String>)> {
    let next = node?.get("next")?;
    Some((number(next, "seq")?, word(next, "previous")))
}

/// The files of a release, if each is described as it must be.
pub fn files(node: &Node) -> Option<Vec<RemoteFile>> {
    let one = |file: &Node| {
        let (path, sha256) = (word(file, "path")?, word(file, "sha256")?.to_ascii_lowercase());
        Some(RemoteFile { path, size: number(file, "size")?, sha256 })
    };
    node.get("files")?.as_array()?.iter().map(one).collect()
}

/// An address below `base`, whose path is kept as a prefix.
pub fn below(base: &Url, path: &str) -> Url {
    base.with_path(&format!("{}/{path}", base.path().trim_end_matches('/')))
}
