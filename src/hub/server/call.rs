//! One request on its way to an answer: its words taken apart, who asks, and what its body says.

use super::app::App;
use super::auth::Who;
use super::http::{Body, Head, Response};
use super::refusal::Refusal;
use crate::json::{self, Node, Writer};
use std::io;

/// A request whose route is known.
pub struct Call<'a> {
    pub app: &'a App,
    pub head: &'a Head,
    /// What stands in the place of the route's `{…}`.
    pub params: Vec<String>,
    pub query: Vec<(String, String)>,
    /// Taken by whoever reads it.
    pub body: Option<Body>,
    /// Whoever asks, if they showed a token that counts.
    pub who: Option<Who>,
    /// Milliseconds since 1970.
    pub now: u64,
}

impl Call<'_> {
    pub fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// The first of these names that the query has, if its value is not empty.
    pub fn query(&self, names: &[&str]) -> Option<&str> {
        let given =
            |name: &&str| self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        names.iter().find_map(given).filter(|value| !value.is_empty())
    }

    /// Is one of these `true` or `1`?
    pub fn flag(&self, names: &[&str]) -> bool {
        matches!(self.query(names), Some("true" | "1"))
    }

    /// A number in the query, within bounds.
    pub fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        match self.query(&[name]) {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(number) if number >= 1 => Ok(number.min(most)),
                _ => Err(Refusal::bad(format!("Invalid {name}"))),
            },
        }
    }

    /// Whoever asks, on a route that nobody else reaches.
    pub fn who(&self) -> Result<&Who, Refusal> {
        self.who.as_ref().ok_or_else(|| Refusal::new(401, "Unauthorized: API token is missing."))
    }

    /// The body, which must be a JSON object; an empty one counts as `{}`.
    pub fn json(&mut self) -> Result<Node, Refusal> {
        let bytes = match self.body.take() {
            Some(Body::Memory(bytes)) => bytes,
            _ => Vec::new(),
        };
        let text =
            std::str::from_utf8(&bytes).map_err(|_| Refusal::bad("Invalid JSON: the body is not UTF-8"))?;
        if text.trim().is_empty() {
            return json::parse("{}").map_err(|_| Refusal::bad("Invalid JSON"));
        }
        let node = json::parse(text).map_err(|error| Refusal::bad(format!("Invalid JSON: {error}")))?;
        match node.as_object() {
            Some(_) => Ok(node),
            None => Err(Refusal::bad("Invalid JSON: the body must be an object")),
        }
    }

    /// Where this registry is, without a slash at the end: as configured, else as it was asked for.
    pub fn base(&self) -> String {
        self.app.base(self.head)
    }
}

/// A string of a body, trimmed; none where it is absent, null or empty.
pub fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// A JSON answer.
pub fn object(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Response {
    Response::json(200, written(body))
}

/// A JSON object.
pub fn written(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    // Writing to memory does not fail.
    let _ = Writer::new(&mut out).object(body);
    out
}

/// `%XX` and, in a query, `+`. `None` for what is not UTF-8 or not complete.
pub fn decoded(text: &str, in_query: bool) -> Option<String> {
    if !text.bytes().any(|byte| byte == b'%' || (in_query && byte == b'+')) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'%' => {
                let digit = |at: usize| char::from(*tail.get(at)?).to_digit(16);
                bytes.push((digit(0)? << 4 | digit(1)?) as u8);
                rest = tail.get(2..)?;
            }
            b'+' if in_query => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// `key=value` pairs; what cannot be decoded is left out.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decoded(key, true)?, decoded(value, true)?))
    };
    query.split('&').filter(|part| !part.is_empty()).take(64).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded_once() {
        for (text, in_query, is) in [
            ("a%2Fb", false, Some("a/b")),
            ("a+b", false, Some("a+b")),
            ("a+b%2B", true, Some("a b+")),
            ("%25%32%66", false, Some("%2f")),
            ("%E6%BC%A2", false, Some("漢")),
            ("%", false, None),
            ("%2", false, None),
            ("%zz", false, None),
            ("%ff", false, None),
            ("%+1", false, None),
        ] {
            assert_eq!(decoded(text, in_query).as_deref(), is, "{text}");
        }
        let all = pairs("a=1&b&=x&a=2&%zz=1&c=%26");
        let all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(all, [("a", "1"), ("b", ""), ("", "x"), ("a", "2"), ("c", "&")]);
    }
}
