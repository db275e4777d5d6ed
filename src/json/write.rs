//! A streaming JSON writer: no tree in memory, strings escaped so that no viewer misreads them.

use super::read::{Node, Value};
use crate::scan::report::visible::is_deceptive;
use std::io::{self, Write};

/// Writes one JSON document to `out`. Keys and commas are kept right by the calls' order; nothing is buffered.
pub struct Writer<'a> {
    out: &'a mut dyn Write,
    /// For each open container: has it a member yet, and does each member start a line of its own?
    open: Vec<(bool, bool)>,
    /// A key was written and waits for its value.
    after_key: bool,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut dyn Write) -> Writer<'a> {
        Writer { out, open: Vec::new(), after_key: false }
    }

    /// What comes before a value or a key: a comma, a line, or nothing after a key.
    fn lead(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.after_key) {
            return Ok(());
        }
        let depth = self.open.len();
        if let Some((some, lines)) = self.open.last_mut() {
            if std::mem::replace(some, true) {
                self.out.write_all(b",")?;
            }
            if *lines {
                self.out.write_all(b"\n")?;
                for _ in 0..depth {
                    self.out.write_all(b"  ")?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, bracket: &[u8], lines: bool) -> io::Result<()> {
        self.lead()?;
        self.open.push((false, lines));
        self.out.write_all(bracket)
    }

    fn end(&mut self, bracket: &[u8]) -> io::Result<()> {
        if let Some((true, true)) = self.open.pop() {
            self.out.write_all(b"\n")?;
            for _ in 0..self.open.len() {
                self.out.write_all(b"  ")?;
            }
        }
        self.out.write_all(bracket)
    }

    /// An object on one line.
    pub fn object(&mut self, body: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.begin(b"{", false)?;
        body(self)?;
        self.end(b"}")
    }

    /// An object with each member on its own line.
    pub fn object_lines(&mut self, body: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.begin(b"{", true)?;
        body(self)?;
        self.end(b"}")
    }

    pub fn array(&mut self, body: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.begin(b"[", false)?;
        body(self)?;
        self.end(b"]")
    }

    /// An array with each element on its own line, so that a diff of two reports is readable.
    pub fn array_lines(&mut self, body: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.begin(b"[", true)?;
        body(self)?;
        self.end(b"]")
    }

    /// Names the next value of an object.
    pub fn key(&mut self, key: &str) -> io::Result<&mut Self> {
        self.lead()?;
        self.quoted(key)?;
        let spaced = self.open.last().is_some_and(|(_, lines)| *lines);
        self.out.write_all(if spaced { b": " } else { b":" })?;
        self.after_key = true;
        Ok(self)
    }

    pub fn string(&mut self, text: &str) -> io::Result<()> {
        self.lead()?;
        self.quoted(text)
    }

    pub fn number(&mut self, number: u64) -> io::Result<()> {
        self.lead()?;
        write!(self.out, "{number}")
    }

    /// A number with so many decimals, of which `value` is the whole: `decimal(35, 1)` is 3.5.
    pub fn decimal(&mut self, value: u64, decimals: u32) -> io::Result<()> {
        self.lead()?;
        self.out.write_all(crate::decimal::fixed(value, 10_u64.pow(decimals), decimals).as_bytes())
    }

    pub fn boolean(&mut self, value: bool) -> io::Result<()> {
        self.lead()?;
        self.out.write_all(if value { b"true" } else { b"false" })
    }

    pub fn null(&mut self) -> io::Result<()> {
        self.lead()?;
        self.out.write_all(b"null")
    }

    /// A member that is a string.
    pub fn field(&mut self, key: &str, text: &str) -> io::Result<()> {
        self.key(key)?.string(text)
    }

    /// A member that is a number.
    pub fn count(&mut self, key: &str, number: u64) -> io::Result<()> {
        self.key(key)?.number(number)
    }

    /// A member that is a list of strings.
    pub fn strings<'s>(&mut self, key: &str, list: impl IntoIterator<Item = &'s str>) -> io::Result<()> {
        self.key(key)?.array(|w| list.into_iter().try_for_each(|item| w.string(item)))
    }

    /// A value that was read; containers start a line for each member where `lines` says so.
    pub fn node(&mut self, node: &Node, lines: bool) -> io::Result<()> {
        match &node.value {
            Value::Null => self.null(),
            Value::Bool(value) => self.boolean(*value),
            Value::Number(text) => {
                self.lead()?;
                self.out.write_all(text.as_bytes())
            }
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                // An empty container stays on its line.
                self.begin(b"[", lines && !items.is_empty())?;
                items.iter().try_for_each(|item| self.node(item, lines))?;
                self.end(b"]")
            }
            Value::Object(members) => {
                self.begin(b"{", lines && !members.is_empty())?;
                for (key, value) in members {
                    self.key(key)?.node(value, lines)?;
                }
                self.end(b"}")
            }
        }
    }

    fn quoted(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let short = match c {
                '"' => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\r' => Some("\\r"),
                '\t' => Some("\\t"),
                _ => None,
            };
            if short.is_none() && !is_deceptive(c) {
                continue;
            }
            self.out.write_all(&text.as_bytes()[plain..at])?;
            plain = at + c.len_utf8();
            match short {
                Some(escape) => self.out.write_all(escape.as_bytes())?,
                // JSON escapes are UTF-16: two of them for a character above the basic plane.
                None => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        self.out.write_all(&text.as_bytes()[plain..])?;
        self.out.write_all(b"\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        body(&mut Writer::new(&mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn commas_stand_where_they_belong() {
        let text = written(|w| {
            w.object(|w| {
                w.field("a", "x")?;
                w.count("b", 3)?;
                w.key("c")?.array(|w| {
                    w.null()?;
                    w.boolean(true)?;
                    w.object(|_| Ok(()))
                })?;
                w.strings("d", [])
            })
        });
        assert_eq!(text, r#"{"a":"x","b":3,"c":[null,true,{}],"d":[]}"#);
    }

    #[test]
    fn lines_are_indented() {
        let text = written(|w| w.object_lines(|w| w.key("a")?.array_lines(|w| w.number(1))));
        assert_eq!(text, "{\n  \"a\": [\n    1\n  ]\n}");
    }

    #[test]
    fn hostile_strings_are_escaped() {
        let text = written(|w| w.string("\u{1b}[2J\u{202e}\u{7f}\u{9b}\0\"\\\n\u{e0041}ü"));
        assert_eq!(text, r#""\u001b[2J\u202e\u007f\u009b\u0000\"\\\n\udb40\udc41ü""#);
        let read = crate::json::parse(&text).unwrap();
        assert_eq!(read.as_str(), Some("\u{1b}[2J\u{202e}\u{7f}\u{9b}\0\"\\\n\u{e0041}ü"));
    }
}
