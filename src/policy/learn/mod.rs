//! From what programs asked for to the least policy that lets them: what of it the base grants already is left to it, the rest is
//! folded to folders that a person would name, and what nobody should grant because a program asked is left out and said.
//! Looks at the machine (links, kinds of files), changes nothing, and grants nothing: the outcome is a text to be read over.

mod fold;
mod judge;
mod names;
mod network;
mod text;

use super::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use fold::credentials_below;
pub use judge::{interpreter, shows_link, way};
pub use text::{Header, left_line, page, quoted, reason};

/// How a file was used. What comes later includes what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// It was looked at, not opened.
    Look,
    Read,
    Write,
    Exec,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Verb::Look => "look at",
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Exec => "execute",
        }
    }
}

/// Programs, as paths.
pub type Programs = BTreeSet<PathBuf>;

/// More different uses than this are not learned from: whoever lists so many hides the one that matters.
pub const MOST: usize = 200_000;

/// What was asked for, whatever the answer was.
#[derive(Debug, Default)]
pub struct Uses {
    files: BTreeMap<(PathBuf, Verb), Programs>,
    hosts: BTreeMap<(String, Option<u16>), Contact>,
    variables: BTreeSet<String>,
    /// What cannot be told as a use, with why.
    odd: BTreeMap<(String, String), Programs>,
    count: usize,
}

/// Who wanted to talk to a host.
#[derive(Debug, Default)]
struct Contact {
    by: Programs,
    times: u64,
    /// The name leads to an address that has to be named itself.
    inside: bool,
}

/// There is more than [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Uses {
    /// A file of an absolute path was used by a program.
    pub fn file(&mut self, verb: Verb, path: PathBuf, by: Option<PathBuf>) -> Result<(), TooMany> {
        self.more()?;
        self.files.entry((path, verb)).or_default().extend(by);
        Ok(())
    }

    /// A host was to be reached; without a port where only its name was asked for. `inside`: it has an address that is not public.
    pub fn host(
        &mut self,
        host: &str,
        port: Option<u16>,
        by: Option<PathBuf>,
        inside: bool,
    ) -> Result<(), TooMany> {
        self.more()?;
        let contact = self.hosts.entry((host.to_owned(), port)).or_default();
        contact.by.extend(by);
        contact.times += 1;
        contact.inside |= inside;
        Ok(())
    }

    /// A variable was asked for and not given.
    pub fn variable(&mut self, name: &str) -> Result<(), TooMany> {
        self.more()?;
        self.variables.insert(name.to_owned());
        Ok(())
    }

    /// Something was asked for that no proposal is made of.
    pub fn odd(&mut self, what: &str, why: &str) -> Result<(), TooMany> {
        self.more()?;
        self.odd.entry((what.to_owned(), why.to_owned())).or_default();
        Ok(())
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn more(&mut self) -> Result<(), TooMany> {
        self.count += 1;
        if self.count > MOST { Err(TooMany) } else { Ok(()) }
    }
}

/// One entry of the policy to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `filesystem.read` and so on; grants are sorted by it.
    pub key: &'static str,
    /// As the policy will say it: a path with variables, a command, a host, a variable.
    pub value: String,
    /// Of a host.
    pub ports: Vec<u16>,
    /// Of a host: only TLS.
    pub tls: bool,
    /// The programs that wanted it.
    pub by: Programs,
    /// How many files of it, or how often.
    pub count: u64,
    /// `files`, `connections`, `programs`.
    pub unit: &'static str,
    /// What a reader should know besides; may be empty.
    pub note: String,
}

/// Something that was wanted and is not granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// `read ~/.ssh/id_ed25519`
    pub what: String,
    pub why: String,
    pub by: Programs,
}

/// What was learned.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    pub grants: Vec<Grant>,
    /// Paths that stay closed inside of what is granted, each with why.
    pub deny: BTreeMap<String, String>,
    /// Paths that stay as they are inside of what can be written.
    pub protect: BTreeMap<String, String>,
    /// What was left out because it should be; said aloud.
    pub left: Vec<Left>,
    /// Files that were looked at and not opened, and that the base does not show.
    pub looked: Vec<Left>,
    /// Credentials that were wanted, as paths a policy can name: the policy asserts that they stay closed.
    pub asserted: BTreeSet<String>,
    /// What a reader should know of the whole.
    pub notes: Vec<String>,
}

/// What is learned from the uses, on top of `base`.
pub fn learn(uses: &Uses, base: &Policy) -> Learned {
    let mut learned = Learned::default();
    let mut judged = judge::Judge::new(base).all(uses, &mut learned);
    fold::fold(base, &mut judged, &mut learned);
    names::commands(base, &judged, &mut learned);
    network::hosts(base, uses, &mut learned);
    names::variables(base, uses, &mut learned);
    for ((what, why), by) in &uses.odd {
        learned.left.push(Left { what: what.clone(), why: why.clone(), by: by.clone() });
    }
    crate::sort::plain(&mut learned.left);
    learned.left.dedup();
    crate::sort::by(&mut learned.grants, |a, b| {
        (a.key, &a.value, &a.ports).cmp(&(b.key, &b.value, &b.ports))
    });
    learned
}

/// A path as a policy says it, with variables in front; the error says why no policy should name it.
fn written(path: &Path, base: &Policy) -> Result<String, &'static str> {
    let places = &base.places;
    let home = super::find::real(&places.home).unwrap_or_else(|_| places.home.clone());
    let known = [
        (places.workspace.as_path(), "${WORKSPACE}"),
        (places.tmpdir.as_path(), "${TMPDIR}"),
        (places.home.as_path(), "~"),
        (home.as_path(), "~"),
    ];
    let (rest, front) = known
        .iter()
        .find_map(|(place, name)| Some((path.strip_prefix(place).ok()?, *name)))
        .unwrap_or((path, ""));
    let Some(text) = rest.to_str() else { return Err("its name is not UTF-8, which a policy cannot say") };
    if crate::scan::names::escape(text.as_bytes()) != text.replace('\\', "\\\\") {
        return Err("its name has characters that cannot be seen, which nobody could review");
    }
    if text.contains('*') {
        return Err("its name has a `*`, which a policy takes for a pattern");
    }
    if text.contains('$') {
        return Err("its name has a `$`, which a policy takes for a variable");
    }
    Ok(match (front, text) {
        ("", "") => "/".to_owned(),
        ("", text) => text.to_owned(),
        (front, "") => front.to_owned(),
        (front, text) => format!("{front}/{text}"),
    })
}

/// A path for people: as a policy would say it, or with its odd characters spelt out.
fn shown(path: &Path, base: &Policy) -> String {
    written(path, base).unwrap_or_else(|_| crate::scan::names::escape(path.as_os_str().as_encoded_bytes()))
}
