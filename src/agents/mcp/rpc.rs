//! JSON-RPC 2.0 as MCP uses it: one object a line.

use crate::json::{Node, Value, Writer};
use std::io;

/// The message is no JSON.
pub const PARSE: i64 = -32700;
/// The message is no request.
pub const INVALID: i64 = -32600;
/// There is no such method, or weft passes it on for nobody.
pub const METHOD: i64 = -32601;
/// The policy denies it. In the range that is for implementations.
pub const DENIED: i64 = -32001;
/// The server did not answer, or not in a way that could be passed on.
pub const NO_ANSWER: i64 = -32002;

/// What a message is.
#[derive(Debug)]
pub enum Kind<'m> {
    Request { id: &'m Node, method: &'m str },
    Notification { method: &'m str },
    Response { id: &'m Node },
}

/// Takes a message apart; the error says why it is none.
pub fn kind(message: &Node) -> Result<Kind<'_>, String> {
    if message.get("jsonrpc").and_then(Node::as_str) != Some("2.0") {
        return Err("the message is not of JSON-RPC 2.0".to_owned());
    }
    let id = message.get("id");
    if id.is_some_and(|id| !matches!(id.value, Value::String(_) | Value::Number(_))) {
        return Err("an id is a text or a number".to_owned());
    }
    let method = message.get("method").map(|method| method.as_str().ok_or("a method is a text"));
    let answers = message.get("result").is_some() != message.get("error").is_some();
    match (method.transpose()?, id) {
        (Some(_), _) if message.get("result").is_some() || message.get("error").is_some() => {
            Err("the message is a request and an answer at once".to_owned())
        }
        (Some(method), Some(id)) => Ok(Kind::Request { id, method }),
        (Some(method), None) => Ok(Kind::Notification { method }),
        (None, Some(id)) if answers => Ok(Kind::Response { id }),
        _ => Err("the message is neither a request nor an answer".to_owned()),
    }
}

/// An id as a key: 1 and "1" are two.
pub fn key(id: &Node) -> String {
    match &id.value {
        Value::String(text) => format!("s{text}"),
        Value::Number(text) => format!("n{text}"),
        _ => String::new(),
    }
}

/// One line, without what could be read in two ways.
pub fn line(message: &Node) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut out).node(message, false);
    out.push(b'\n');
    out
}

/// An error as an answer to the request of this id.
pub fn error(id: Option<&Node>, code: i64, text: &str) -> Vec<u8> {
    written(|w| {
        match id {
            Some(id) => w.key("id")?.node(id, false)?,
            None => w.key("id")?.null()?,
        }
        w.key("error")?.object(|w| {
            w.key("code")?.node(&Node { value: Value::Number(code.to_string()), at: 0 }, false)?;
            w.field("message", &format!("weft: {text}"))
        })
    })
}

/// An error that somebody else made, as an answer to the request of this id.
pub fn error_of(id: &Node, error: &Node) -> Vec<u8> {
    written(|w| {
        w.key("id")?.node(id, false)?;
        w.key("error")?.node(error, false)
    })
}

/// A request of weft's own. `meta` is what the client says of itself with each request, where the protocol wants that.
pub fn request(id: &str, method: &str, meta: Option<&Node>, more: &[(&str, &Node)]) -> Vec<u8> {
    written(|w| {
        w.field("id", id)?;
        w.field("method", method)?;
        w.key("params")?.object(|w| {
            if let Some(meta) = meta {
                w.key("_meta")?.node(meta, false)?;
            }
            more.iter().try_for_each(|(name, node)| w.key(name)?.node(node, false))
        })
    })
}

fn written(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut out).object(|w| {
        w.field("jsonrpc", "2.0")?;
        body(w)
    });
    out.push(b'\n');
    out
}
