//! The tools of a server as they were when somebody had them: kept, so that a server which later says something else of a tool
//! is found out. One file for each command line that starts a server.

use crate::agents::message;
use crate::digest::to_hex;
use crate::files::write_atomic;
use crate::json::{Node, Value, Writer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What was accepted.
#[derive(Debug)]
pub struct Accepted {
    path: PathBuf,
    server: Vec<String>,
    tools: BTreeMap<String, Node>,
    /// There was no file: what a first listing has is taken as it is.
    first: bool,
}

impl Accepted {
    /// Reads the file of this server in the folder, if there is one. The error is a sentence without its end.
    pub fn open(folder: &Path, server: &[String]) -> Result<Accepted, String> {
        let mut hash = Sha256::new();
        for word in server {
            hash.update((word.len() as u64).to_be_bytes());
            hash.update(word.as_bytes());
        }
        let name = to_hex(&hash.finalize());
        let path = folder.join(format!("{}.json", &name[..32]));
        let mut accepted = Accepted { path, server: server.to_vec(), tools: BTreeMap::new(), first: true };
        let wrong =
            |why: &str| format!("the accepted tools in {} cannot be used: {why}", accepted.path.display());
        // A link, a FIFO: not what weft put there.
        match fs::symlink_metadata(&accepted.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(accepted),
            Err(error) => return Err(wrong(&error.to_string())),
            Ok(meta) if !meta.is_file() || meta.len() > message::MOST as u64 => {
                return Err(wrong("it is no such file"));
            }
            Ok(_) => {}
        }
        let bytes = fs::read(&accepted.path).map_err(|error| wrong(&error.to_string()))?;
        let root = message::read(&bytes).map_err(|why| wrong(&why))?;
        if root.get("schema").and_then(Node::as_str) != Some("weft.mcp-tools/1") {
            return Err(wrong("it is of another version"));
        }
        let tools = root.get("tools").and_then(Node::as_array).ok_or_else(|| wrong("it has no tools"))?;
        for tool in tools {
            let name = tool.get("name").and_then(Node::as_str).ok_or_else(|| wrong("a tool has no name"))?;
            accepted.tools.insert(name.to_owned(), tool.clone());
        }
        accepted.first = false;
        Ok(accepted)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing was accepted before.
    pub fn is_first(&self) -> bool {
        self.first
    }

    pub fn get(&self, name: &str) -> Option<&Node> {
        self.tools.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    pub fn insert(&mut self, name: &str, tool: &Node) {
        self.tools.insert(name.to_owned(), tool.clone());
    }

    /// Only these from now on.
    pub fn replace(&mut self, tools: BTreeMap<String, Node>) {
        self.tools = tools;
    }

    /// Writes the file; its folder is made for this user alone.
    pub fn save(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
        }
        write_atomic(&self.path, |out| {
            Writer::new(out).object_lines(|w| {
                w.field("schema", "weft.mcp-tools/1")?;
                w.strings("server", self.server.iter().map(String::as_str))?;
                w.key("tools")?.array_lines(|w| self.tools.values().try_for_each(|tool| w.node(tool, false)))
            })?;
            out.write_all(b"\n")
        })?;
        self.first = false;
        Ok(())
    }
}

/// Whether two values mean the same; the order of names in an object means nothing.
pub fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(members)) => {
            a.len() == members.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
