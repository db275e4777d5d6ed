//! A JSON reader for files a person may have edited: every error says line and column.

use std::fmt;

/// Deeper nesting than this is refused: no format of ours needs it, and recursion must end.
const MAX_DEPTH: usize = 64;

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    /// Byte offset in the document; [`ParseError::at`] turns it into line and column.
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As written; [`Node::as_u64`] reads it.
    Number(String),
    String(String),
    Array(Vec<Node>),
    /// In the order of the file.
    Object(Vec<(String, Node)>),
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub line: u32,
    pub column: u32,
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for ParseError {}

impl Node {
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        match &self.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[(String, Node)]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member of that name, if this is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_object()?.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

impl ParseError {
    /// An error at a byte offset of `text`.
    pub fn at(text: &str, at: usize, what: impl Into<String>) -> ParseError {
        let before = text.get(..at).unwrap_or(text);
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let column = before[start..].chars().count() + 1;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ParseError { line: narrow(line), column: narrow(column), what: what.into() }
    }
}

/// Reads one JSON document.
pub fn parse(text: &str) -> Result<Node, ParseError> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.node(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("the document ended before this")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError::at(self.text, self.at, what)
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => self.error(format!("expected {wanted}, found {c:?}")),
            None => self.error(format!("expected {wanted}, found the end of the file")),
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, ParseError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.unexpected("a value"))
    }

    fn node(&mut self, depth: usize) -> Result<Node, ParseError> {
        self.space();
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { value, at: start })
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.node(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or ']'"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        let mut members: Vec<(String, Node)> = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in double quotes"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.unexpected("':'"));
            }
            members.push((key, self.node(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or '}'"));
            }
        }
    }

    fn number(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.take(b'-');
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while matches!(reader.peek(), Some(b'0'..=b'9')) {
                reader.at += 1;
            }
            if reader.at == from { Err(reader.unexpected("a digit")) } else { Ok(()) }
        };
        if !self.take(b'0') {
            digits(self)?;
        }
        if self.take(b'.') {
            digits(self)?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            digits(self)?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(stop) = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
                self.at = self.text.len();
                return Err(self.unexpected("a closing double quote"));
            };
            out.push_str(&self.text[self.at..self.at + stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.error("a control character inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let high = self.hex4()?;
                let mut units = vec![high];
                if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    units.push(self.hex4()?);
                }
                let mut decoded = char::decode_utf16(units);
                return match (decoded.next(), decoded.next()) {
                    (Some(Ok(c)), None) => Ok(c),
                    _ => Err(self.error("half of a surrogate pair")),
                };
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(simple)
    }

    fn hex4(&mut self) -> Result<u16, ParseError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
        match unit {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(self.unexpected("four hex digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_json_is() {
        let node =
            parse(" {\"a\": [1, -2.5e3, \"x\\u00fc\\ud83d\\ude00\", true, null], \"b\": {}} ").unwrap();
        let list = node.get("a").and_then(Node::as_array).unwrap();
        assert_eq!(list[0].as_u64(), Some(1));
        assert_eq!(list[2].as_str(), Some("xü😀"));
        assert_eq!(list[2].at, 19);
        assert_eq!((list[1].as_u64(), list[3].as_bool()), (None, Some(true)));
        assert_eq!(list.len(), 5);
    }

    #[test]
    fn says_where_a_mistake_is() {
        assert_eq!(
            error("{\n  \"a\": 1,\n  b\n}"),
            "line 3 column 3: expected a name in double quotes, found 'b'"
        );
        assert_eq!(error(""), "line 1 column 1: expected a value, found the end of the file");
        assert_eq!(error("[1"), "line 1 column 3: expected ',' or ']', found the end of the file");
        assert_eq!(error("1 2"), "line 1 column 3: the document ended before this");
    }

    #[test]
    fn refuses_and_never_panics() {
        for bad in [
            "{",
            "}",
            "[,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":,}",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\ud800\"",
            "tru",
            "-",
            "01",
            "1.",
            "1e",
            "\"\n\"",
            "{\"a\":1,}",
            "\u{feff}{}",
            "ü",
            "\"\\uüüüü\"",
            "[1}",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(error(&"[".repeat(100_000)).contains("nested deeper"));
    }
}
