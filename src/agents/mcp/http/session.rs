//! What a client keeps of a server it reached by HTTP: the session, the version, and what of them goes into the head of a request.

use crate::agents::mcp::rpc::{self, Kind};
use crate::base64;
use crate::json::Node;

/// The longest session id that is taken.
const ID: usize = 1024;
/// The longest name that goes into a header; a tool, a prompt or a resource with a longer one is not called.
const NAME: usize = 4096;
/// Where a message of the protocols without a handshake says its version.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The state of one client.
#[derive(Debug, Default, Clone)]
pub struct Session {
    /// What the server gave with the answer to `initialize`.
    id: Option<String>,
    /// What both agreed on there.
    version: Option<String>,
}

impl Session {
    /// There was a handshake.
    pub fn begun(&self) -> bool {
        self.version.is_some()
    }

    /// The server keeps something for this client.
    pub fn is_kept(&self) -> bool {
        self.id.is_some()
    }

    /// Another handshake begins.
    pub fn forget(&mut self) {
        *self = Session::default();
    }

    /// Takes what the answer to `initialize` says.
    ///
    /// # Errors
    /// The id or the version cannot stand in a header.
    pub fn begin(&mut self, id: Option<&str>, answer: &Node) -> Result<(), String> {
        let id = id.map(|id| match !id.is_empty() && id.len() <= ID && visible(id) {
            true => Ok(id.to_owned()),
            false => Err("its session id is longer than 1024 characters, or not of visible ASCII"),
        });
        let id = id.transpose()?;
        let Some(result) = answer.get("result") else { return Ok(()) };
        let version = result.get("protocolVersion").and_then(Node::as_str).unwrap_or_default();
        if version.is_empty() || version.len() > 64 || !visible(version) {
            return Err("its answer to initialize has no protocol version".to_owned());
        }
        (self.id, self.version) = (id, Some(version.to_owned()));
        Ok(())
    }

    /// A later answer may repeat the session's id, and may not name another one.
    pub fn check(&self, id: Option<&str>) -> Result<(), String> {
        match (id, &self.id) {
            (Some(id), Some(known)) if id != known => Err("its answer is of another session".to_owned()),
            _ => Ok(()),
        }
    }

    /// Headers of every request.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let id = self.id.iter().map(|id| ("Mcp-Session-Id", id.clone()));
        let version = self.version.iter().map(|version| ("MCP-Protocol-Version", version.clone()));
        id.chain(version).collect()
    }

    /// Headers of a request with this message.
    ///
    /// # Errors
    /// What the message says cannot stand in a header.
    pub fn headers_for(&self, message: &Node) -> Result<Vec<(&'static str, String)>, String> {
        let mut headers = self.headers();
        let Ok(Kind::Request { method, .. } | Kind::Notification { method }) = rpc::kind(message) else {
            return Ok(headers);
        };
        let Some(version) = named_version(message).filter(|_| !self.begun()) else { return Ok(headers) };
        if version.len() > 64 || !visible(version) || method.len() > NAME || !visible(method) {
            return Err("its version or method cannot be sent by HTTP".to_owned());
        }
        headers.push(("MCP-Protocol-Version", version.to_owned()));
        headers.push(("Mcp-Method", method.to_owned()));
        let key = match method {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            _ => return Ok(headers),
        };
        if let Some(name) = message.get("params").and_then(|params| params.get(key)).and_then(Node::as_str) {
            if name.len() > NAME {
                return Err(format!("a name of more than {NAME} bytes cannot be sent by HTTP"));
            }
            headers.push(("Mcp-Name", written(name)));
        }
        Ok(headers)
    }
}

/// The version that a message names by itself.
fn named_version(message: &Node) -> Option<&str> {
    message.get("params")?.get("_meta")?.get(VERSION)?.as_str()
}

fn visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
}

/// As it is, where a header can carry it; else in base64, marked as such.
fn written(name: &str) -> String {
    let plain = name.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) && name.trim() == name;
    match plain && !(name.starts_with("=?base64?") && name.ends_with("?=")) {
        true => name.to_owned(),
        false => format!("=?base64?{}?=", base64::encode(name.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn headers(session: &Session, message: &str) -> String {
        let headers = session.headers_for(&parse(message).unwrap()).unwrap();
        headers.iter().map(|(name, value)| format!("{name}={value} ")).collect()
    }

    #[test]
    fn a_session_goes_with_every_request() {
        let mut session = Session::default();
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        assert_eq!(headers(&session, call), "");
        let answer = parse(r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#).unwrap();
        session.begin(Some("s-1"), &answer).unwrap();
        assert_eq!(headers(&session, call), "Mcp-Session-Id=s-1 MCP-Protocol-Version=2025-06-18 ");
        assert!(session.check(Some("s-1")).is_ok() && session.check(None).is_ok());
        assert!(session.check(Some("s-2")).is_err());
        for bad in ["", "a b", "\u{e9}", &"x".repeat(2000)] {
            assert!(Session::default().begin(Some(bad), &answer).is_err(), "{bad}");
        }
        let bad = parse(r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"1\r\nX: y"}}"#).unwrap();
        assert!(Session::default().begin(None, &bad).is_err());
    }

    #[test]
    fn without_a_handshake_each_message_says_its_version() {
        let session = Session::default();
        let call = |name: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
            )
        };
        let first = "MCP-Protocol-Version=2026-07-28 Mcp-Method=tools/call Mcp-Name=";
        assert_eq!(headers(&session, &call(r#""read me""#)), format!("{first}read me "));
        assert_eq!(headers(&session, &call(r#""a\nX: y""#)), format!("{first}=?base64?YQpYOiB5?= "));
        assert_eq!(headers(&session, &call(r#"" a""#)), format!("{first}=?base64?IGE=?= "));
        assert_eq!(
            headers(&session, &call(r#""=?base64?YQ==?=""#)),
            format!("{first}=?base64?PT9iYXNlNjQ/WVE9PT89?= ")
        );
        let long = parse(&call(&format!("{:?}", "x".repeat(NAME + 1)))).unwrap();
        assert!(session.headers_for(&long).is_err());
    }
}
