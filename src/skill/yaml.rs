//! The YAML of a skill's frontmatter as a bounded tree. What the values mean is `manifest`'s.
//!
//! saphyr-parser gives events and expands nothing: references are copied here, so that the bound on nodes is also the
//! bound on what a "billion laughs" grows to.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::fmt;

/// Nodes of a tree, copies by reference included.
const MOST_NODES: usize = 10_000;
/// Nesting.
const DEEPEST: usize = 32;

/// A value and the line it starts on, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// As written; `plain` without quotes, where `true` and `null` are words of the language.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the order of the file. Keys are text and differ.
    Map(Vec<(String, Node)>),
}

/// What is wrong, and on which line (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Node {
    /// The text of a scalar that is not null.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain } if !(*plain && matches!(text.as_str(), "" | "~" | "null")) => {
                Some(text)
            }
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value of that key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(members) => members.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    pub const fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }
}

/// A list or map that is still open.
struct Open {
    anchor: usize,
    line: usize,
    is_map: bool,
    items: Vec<Node>,
    members: Vec<(String, Node)>,
    /// The key that waits for its value.
    key: Option<String>,
}

/// Reads one document. `None` if it is empty.
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let mut builder = Builder { left: MOST_NODES, ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            what: format!("not YAML: {}", error.info()),
        })?;
        builder.event(event, span.start.line())?;
    }
    Ok(builder.root)
}

#[derive(Default)]
struct Builder {
    left: usize,
    open: Vec<Open>,
    /// Finished nodes that something may refer to, with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
}

impl Builder {
    fn event(&mut self, event: Event, line: usize) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.finished(Node { value, line }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(anchor, line, false),
            Event::MappingStart(anchor, _) => self.start(anchor, line, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = if open.is_map { Value::Map(open.members) } else { Value::List(open.items) };
                self.finished(Node { value, line: open.line }, open.anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some((_, size)) if *size > self.left => Err(too_much(line)),
                Some((node, size)) => {
                    self.left -= size;
                    let copy = Node { line, ..node.clone() };
                    self.finished(copy, 0)
                }
                None => Err(YamlError { line, what: "a reference into itself".into() }),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(YamlError { line, what: "a second document".into() })
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, anchor: usize, line: usize, is_map: bool) -> Result<(), YamlError> {
        if self.open.len() >= DEEPEST {
            return Err(YamlError { line, what: format!("nested deeper than {DEEPEST} levels") });
        }
        self.open.push(Open { anchor, line, is_map, items: vec![], members: vec![], key: None });
        Ok(())
    }

    /// Puts a node where it belongs.
    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        let line = node.line;
        self.left = self.left.checked_sub(1).ok_or_else(|| too_much(line))?;
        if anchor > 0 {
            let size = size(&node);
            // The copy that is kept is one, too.
            self.left = self.left.checked_sub(size).ok_or_else(|| too_much(line))?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if !open.is_map {
            open.items.push(node);
            return Ok(());
        }
        match open.key.take() {
            Some(key) => open.members.push((key, node)),
            None => {
                let Value::Scalar { text, .. } = node.value else {
                    return Err(YamlError { line, what: "a key that is not text".into() });
                };
                if open.members.len() < 1000 && open.members.iter().any(|(name, _)| *name == text) {
                    return Err(YamlError { line, what: format!("`{text}` is there twice") });
                }
                if open.members.len() >= 1000 {
                    return Err(YamlError { line, what: "more than 1000 keys".into() });
                }
                open.key = Some(text);
            }
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { text, .. } => text.len() / 64,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(members) => members.iter().map(|(_, node)| 1 + size(node)).sum(),
    }
}

fn too_much(line: usize) -> YamlError {
    YamlError { line, what: format!("more than {MOST_NODES} values, references counted") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_the_yaml_people_write() {
        let root = parse(
            "a: 1\nb: [x, 'null', null]\nc:\n  - d: |\n      two\n      lines\n  - &k {e: true}\n  - *k\n",
        );
        let root = root.unwrap().unwrap();
        assert_eq!(root.get("a").and_then(Node::as_str), Some("1"));
        let list: Vec<_> = root.get("b").unwrap().as_list().unwrap().iter().map(Node::as_str).collect();
        assert_eq!(list, [Some("x"), Some("null"), None]);
        let c = root.get("c").unwrap().as_list().unwrap();
        assert_eq!(c[0].get("d").unwrap().as_str(), Some("two\nlines\n"));
        assert_eq!(c[2].get("e").unwrap().as_bool(), Some(true));
        assert_eq!(c[2].line, 8);
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("# nothing\n").unwrap(), None);
    }

    #[test]
    fn bombs_end_at_the_bound() {
        let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for level in 1..12 {
            let last = level - 1;
            let list = vec![format!("*a{last}"); 9].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(error(&laughs).contains("more than 10000 values"), "{}", error(&laughs));
        assert!(error("a: &a [*a]").contains("reference"), "{}", error("a: &a [*a]"));
        assert!(error(&"[".repeat(40)).contains("nested deeper"));
        // Here the parser's own limit is met first.
        assert!(error(&"[".repeat(5000)).contains("recursion limit"));
        assert!(error(&"- ".repeat(5000)).contains("nested deeper"));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(60_000), vec!["*a"; 5000].join(","));
        assert!(error(&long).contains("more than 10000"));
    }

    #[test]
    fn mistakes_have_lines() {
        assert!(error("a: 1\nb: 2\na: 3\n").starts_with("line 3: `a` is there twice"));
        assert!(error("a: b: c\n").starts_with("line 1: not YAML"));
        assert!(error("x: 1\ny: [1,\n").starts_with("line "));
        assert!(error("a: 1\n---\nb: 2\n").contains("second document"));
        assert!(error("? [a]\n: b\n").contains("key that is not text"));
    }
}
