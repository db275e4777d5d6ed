//! From the name of a policy to its files: built-in or on disk, with everything it extends, parents first.

use super::Source;
use super::builtin;
use super::error::{Error, Errors};
use super::file::{self, File, Lines, Text};
use super::vars::{Places, expand};
use crate::rules::schema::nearest;
use crate::words::reason;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More files than this is a mistake or an attack.
const MOST: usize = 64;

/// One file of a policy.
pub struct Layer {
    pub lines: Lines,
    pub file: File,
    pub source: Source,
}

/// Where files named by path are read.
pub trait Files {
    /// What errors and origins call the file.
    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }

    /// The text of the file.
    fn read(&self, shown: &str, path: &Path) -> Result<String, Error>;

    /// Absolute, with links followed: two spellings of one file have one.
    fn real(&self, path: &Path) -> std::io::Result<PathBuf>;
}

/// The disk as it is.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, shown: &str, path: &Path) -> Result<String, Error> {
        file::read(shown, path)
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        fs::canonicalize(path)
    }
}

pub struct Loader<'a> {
    places: &'a Places,
    files: &'a dyn Files,
    layers: Vec<Layer>,
    /// Files being read, outermost first: identity and display name.
    open: Vec<(String, Arc<str>)>,
    /// Identities of files that are done.
    done: Vec<String>,
}

impl<'a> Loader<'a> {
    fn new(places: &'a Places, files: &'a dyn Files) -> Loader<'a> {
        Loader { places, files, layers: Vec::new(), open: Vec::new(), done: Vec::new() }
    }

    /// The files of the policy `name`: a path if it has a slash or ends in `.toml`, else one that weft ships.
    pub fn load(name: &str, places: &'a Places, files: &'a dyn Files) -> Result<Vec<Layer>, Errors> {
        let mut loader = Loader::new(places, files);
        if is_path(name) {
            loader.disk(name, Path::new(name))?;
        } else {
            let Some(found) = builtin::find(name) else {
                let (message, help) = unknown(name);
                let error = Error { file: name.into(), line: 0, column: 0, message, help };
                return Err(error.into());
            };
            loader.builtin(found)?;
        }
        Ok(loader.layers)
    }

    /// The files of a policy whose text is at hand. What it extends by path is looked for from `folder`.
    pub fn text(name: &str, text: &str, folder: &Path, places: &'a Places) -> Result<Vec<Layer>, Errors> {
        let mut loader = Loader::new(places, &Disk);
        let source = Source { name: name.into(), path: None };
        loader.layer(name.to_owned(), source, text, Some(folder))?;
        Ok(loader.layers)
    }

    fn builtin(&mut self, found: &builtin::Builtin) -> Result<(), Errors> {
        let name = format!("builtin:{}", found.name);
        let source = Source { name: name.as_str().into(), path: None };
        self.layer(name, source, found.text, None)
    }

    fn disk(&mut self, name: &str, path: &Path) -> Result<(), Errors> {
        let shown = self.files.shown(name);
        let text = self.files.read(&shown, path)?;
        let real = self.files.real(path).unwrap_or_else(|_| path.to_owned());
        let identity = real.to_string_lossy().into_owned();
        let source = Source { name: shown.into(), path: Some(real) };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        self.layer(identity, source, &text, Some(&folder))
    }

    fn layer(
        &mut self,
        identity: String,
        source: Source,
        text: &str,
        folder: Option<&Path>,
    ) -> Result<(), Errors> {
        // A byte-order mark is nothing a person put there.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = Lines::new(&source.name, text);
        let file = file::parse(&lines, text)?;
        self.open.push((identity.clone(), source.name.clone()));
        for parent in &file.extends {
            self.parent(&lines, parent, folder)?;
        }
        self.open.pop();
        self.done.push(identity);
        self.layers.push(Layer { lines, file, source });
        Ok(())
    }

    fn parent(&mut self, lines: &Lines, parent: &Text, folder: Option<&Path>) -> Result<(), Errors> {
        let fail = |message: String, help: &str| Errors::from(lines.error(&parent.span(), message, help));
        if self.done.len() + self.open.len() >= MOST {
            return Err(fail(format!("the policy is made of more than {MOST} files"), "merge some of them"));
        }
        let name = parent.get_ref().as_str();
        if !is_path(name) {
            let Some(found) = builtin::find(name) else {
                let (message, help) = unknown(name);
                return Err(fail(message, &help));
            };
            self.refuse_cycle(&format!("builtin:{name}"), lines, parent)?;
            return if self.done.contains(&format!("builtin:{name}")) { Ok(()) } else { self.builtin(found) };
        }
        let Some(folder) = folder else {
            return Err(fail("a built-in policy extends built-in policies only".into(), ""));
        };
        let expanded = expand(name, true, self.places, "").map_err(|(message, help)| fail(message, &help))?;
        let path: PathBuf = folder.join(&expanded.text);
        let real = self.files.real(&path).map_err(|error| {
            fail(format!("cannot read {}: {}", path.display(), reason(&error)), "check the path")
        })?;
        let identity = real.to_string_lossy().into_owned();
        self.refuse_cycle(&identity, lines, parent)?;
        if self.done.contains(&identity) {
            return Ok(());
        }
        self.disk(&path.to_string_lossy(), &path)
    }

    fn refuse_cycle(&self, identity: &str, lines: &Lines, parent: &Text) -> Result<(), Errors> {
        let Some(start) = self.open.iter().position(|(open, _)| open == identity) else { return Ok(()) };
        let mut chain: Vec<&str> = self.open[start..].iter().map(|(_, name)| &**name).collect();
        chain.push(chain.first().copied().unwrap_or_default());
        let message = format!("the policy extends itself: {}", chain.join(" → "));
        Err(lines.error(&parent.span(), message, "take one of them out of `extends`").into())
    }
}

/// Whether the name of a policy is a path.
pub fn is_path(name: &str) -> bool {
    name.contains('/') || name.contains('\\') || name.ends_with(".toml")
}

fn unknown(name: &str) -> (String, String) {
    let names = builtin::names();
    let all = names.join(", ");
    let help = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`? (weft ships {all}; a file is named by path, ./{name})"),
        None => format!("weft ships {all}; a file is named by path, ./{name}"),
    };
    (format!("there is no built-in policy `{name}`"), help)
}
