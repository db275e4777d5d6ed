//! What an author signs: `weft-skill-v1`, the lines that say which bytes are which version of whose skill, and where.
//! Whether the signer is to be trusted is `pins`'.

use super::key::{PublicKey, SecretKey, Signature};
use crate::digest::Sha256;
use std::fmt;

/// A statement has no more bytes than this.
pub const LONGEST: usize = 4096;

/// The first line.
const HEADER: &str = "weft-skill-v1";

/// Everything that a signature of a skill covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it is published: scheme, host and port, as [`origin`] gives it.
    pub registry: String,
    pub owner: String,
    pub slug: String,
    pub version: String,
    pub content_hash: Sha256,
    /// Counts the owner's publications of this skill, from 1.
    pub seq: u64,
    /// The content hash of the publication before; none for the first.
    pub previous: Option<Sha256>,
    /// Seconds since 1970.
    pub created: u64,
    pub public_key: PublicKey,
}

/// A field that a statement cannot hold, or a line that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadStatement {
    /// From 1; 0 where it is about a value that was to be written.
    pub line: usize,
    pub what: &'static str,
}

impl fmt::Display for BadStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "signed statement: {}", self.what),
            line => write!(f, "signed statement, line {line}: {}", self.what),
        }
    }
}

impl std::error::Error for BadStatement {}

impl Statement {
    /// The bytes that are signed: one spelling for one statement.
    pub fn text(&self) -> Result<String, BadStatement> {
        for value in [&self.registry, &self.owner, &self.slug, &self.version] {
            if !is_word(value) {
                return Err(BadStatement { line: 0, what: "a value is empty, too long or not plain text" });
            }
        }
        // What every reader of numbers in JSON still tells apart.
        if self.seq > 1 << 53 || self.created > 1 << 53 {
            return Err(BadStatement { line: 0, what: "a number is too large" });
        }
        if self.seq == 0 || (self.seq == 1) != self.previous.is_none() {
            return Err(BadStatement {
                line: 0,
                what: "the first publication, and only it, has none before it",
            });
        }
        let previous = self.previous.map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        Ok(format!(
            "{HEADER}\nregistry {}\nowner {}\nslug {}\nversion {}\ncontent_hash {}\nseq {}\nprevious {previous}\ncreated {}\npublic_key {}\n",
            self.registry,
            self.owner,
            self.slug,
            self.version,
            self.content_hash,
            self.seq,
            self.created,
            self.public_key
        ))
    }

    /// Reads a statement. Only the exact bytes that [`text`](Statement::text) writes are one.
    pub fn parse(text: &str) -> Result<Statement, BadStatement> {
        let bad = |line, what| Err(BadStatement { line, what });
        if text.len() > LONGEST {
            return bad(0, "too long");
        }
        let mut lines = text.split_inclusive('\n').enumerate();
        if lines.next().map(|(_, line)| line) != Some("weft-skill-v1\n") {
            return bad(1, "not `weft-skill-v1`");
        }
        let mut value = |name: &str| match lines.next() {
            Some((at, line)) => {
                let value = line
                    .strip_suffix('\n')
                    .and_then(|line| line.strip_prefix(name))
                    .and_then(|line| line.strip_prefix(' '))
                    .filter(|value| is_word(value));
                value
                    .map(|value| (at + 1, value))
                    .ok_or(BadStatement { line: at + 1, what: "not the line that belongs here" })
            }
            None => Err(BadStatement { line: 0, what: "cut off" }),
        };
        let registry = value("registry")?.1.to_owned();
        let owner = value("owner")?.1.to_owned();
        let slug = value("slug")?.1.to_owned();
        let version = value("version")?.1.to_owned();
        let hash = |(line, text): (usize, &str)| {
            Sha256::parse(text).ok_or(BadStatement { line, what: "not a SHA-256 in lower-case hex" })
        };
        let number = |(line, text): (usize, &str)| {
            text.parse().map_err(|_| BadStatement { line, what: "not a number" })
        };
        let content_hash = hash(value("content_hash")?)?;
        let seq = number(value("seq")?)?;
        let previous = match value("previous")? {
            (_, "-") => None,
            other => Some(hash(other)?),
        };
        let created = number(value("created")?)?;
        let (line, key) = value("public_key")?;
        let public_key =
            PublicKey::parse(key).map_err(|fault| BadStatement { line, what: fault.as_str() })?;
        let statement =
            Statement { registry, owner, slug, version, content_hash, seq, previous, created, public_key };
        // Leading zeros, more lines: whatever would be a second spelling.
        if statement.text()? == text { Ok(statement) } else { bad(0, "not in its one exact form") }
    }

    /// Signs the statement. The key must be the one it names.
    pub fn sign(&self, key: &SecretKey) -> Result<Signature, BadStatement> {
        if *key.public() != self.public_key {
            return Err(BadStatement { line: 0, what: "it names another key than the one that signs" });
        }
        Ok(key.sign(self.text()?.as_bytes()))
    }

    /// Does the signature of the key it names hold for all of it?
    #[must_use]
    pub fn is_signed_by(&self, signature: &Signature) -> bool {
        self.text().is_ok_and(|text| self.public_key.verifies(text.as_bytes(), signature))
    }
}

/// Is it one printable word, short enough?
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.len() <= 500 && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The origin of a registry's URL: scheme and host in lower case, the port only where it is not the scheme's own; no
/// path. `None` for what is not http or https, or has a user in it.
pub fn origin(url: &str) -> Option<String> {
    // The dialect in front of a registry's URL is no part of where it is.
    let plain = url.strip_prefix("weft+").or_else(|| url.strip_prefix("static+")).unwrap_or(url);
    let (scheme, rest) = plain.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#', '\\']).next()?.to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority.as_str(), ""),
    };
    let host_is_plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'[' | b']' | b':'));
    if !host_is_plain || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return None;
    }
    let shown = if port.is_empty() || port == own_port { String::new() } else { format!(":{port}") };
    Some(format!("{scheme}://{host}{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Statement, SecretKey) {
        let key = SecretKey::from_seed([3; 32]).unwrap();
        let statement = Statement {
            registry: "https://hub.example".into(),
            owner: "alice".into(),
            slug: "demo".into(),
            version: "1.0.0".into(),
            content_hash: Sha256::of(b"x"),
            seq: 2,
            previous: Some(Sha256::of(b"w")),
            created: 1_795_500_599,
            public_key: *key.public(),
        };
        (statement, key)
    }

    #[test]
    fn a_signature_covers_every_line() {
        let (statement, key) = sample();
        let signature = statement.sign(&key).unwrap();
        assert!(statement.is_signed_by(&signature));
        let text = statement.text().unwrap();
        assert_eq!(Statement::parse(&text).as_ref(), Ok(&statement));
        let mut changed = 0;
        for at in 0..text.len() {
            for byte in [b'0', b'1', b'a', b'-', b'\n', b' '] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                let other = String::from_utf8(bytes).unwrap();
                if other == text {
                    continue;
                }
                if let Ok(other) = Statement::parse(&other) {
                    changed += 1;
                    assert!(!other.is_signed_by(&signature), "{other:?}");
                }
            }
        }
        assert!(changed > 100);
    }

    #[test]
    fn there_is_one_spelling() {
        let text = sample().0.text().unwrap();
        for bad in [
            text.replace('\n', "\r\n"),
            text.replace("seq 2", "seq 02"),
            text.replace("seq 2", "seq +2"),
            text.replace("seq 2", "seq 1"),
            text.replace("seq 2", "seq 0"),
            text.replace("owner alice", "owner  alice"),
            text.replace("owner alice", "owner al\u{f6}"),
            text.replace("owner alice\n", ""),
            text.replace("owner alice\nslug demo", "slug demo\nowner alice"),
            text.replace("v1", "v2"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("{text}more x\n"),
            format!("{text}{}", "x".repeat(LONGEST)),
            String::new(),
        ] {
            assert!(Statement::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_named_key_signs() {
        let (mut statement, _) = sample();
        assert!(statement.sign(&SecretKey::from_seed([4; 32]).unwrap()).is_err());
        statement.owner = "alice\nslug evil".into();
        assert!(statement.text().is_err());
    }

    #[test]
    fn origins_have_one_spelling() {
        for (url, is) in [
            ("https://Hub.Example/", Some("https://hub.example")),
            ("HTTPS://hub.example:443/api/v1", Some("https://hub.example")),
            ("http://127.0.0.1:8099", Some("http://127.0.0.1:8099")),
            ("http://[::1]:8099/x", Some("http://[::1]:8099")),
            ("http://[::1]", Some("http://[::1]")),
            ("weft+https://hub.example/api", Some("https://hub.example")),
            ("static+https://hub.example", Some("https://hub.example")),
            ("https://user@hub.example", None),
            ("ftp://hub.example", None),
            ("hub.example", None),
            ("https://", None),
            ("https://a b", None),
            ("https://hub:99999", None),
        ] {
            assert_eq!(origin(url).as_deref(), is, "{url}");
        }
    }
}
