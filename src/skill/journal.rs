//! The note in a stage that says what is about to happen, so that the next command can finish it. Not a log.

use super::path::SafePath;
use super::record::{Accepted, Record};
use crate::digest::Sha256;
use crate::json::{self, Node, Writer};
use crate::trust::PublicKey;

/// In the stage's folder.
pub const NAME: &str = ".journal.json";

/// What is being done to one skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Put in place; otherwise taken away.
    pub install: bool,
    /// Device and inode of the folder that moves: where it is tells whether it has.
    pub id: (u64, u64),
    pub record: Record,
}

impl Journal {
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let r = &self.record;
        // Writing to memory does not fail.
        let _ = Writer::new(&mut out).object(|w| {
            w.key("install")?.boolean(self.install)?;
            w.count("device", self.id.0)?;
            w.count("inode", self.id.1)?;
            w.field("key", &r.key)?;
            w.field("registry", &r.registry)?;
            w.field("slug", &r.slug)?;
            w.field("version", &r.version)?;
            w.count("installed_at", r.installed_at)?;
            w.field("content_hash", &r.content_hash.to_string())?;
            w.field("fingerprint", &r.fingerprint.to_string())?;
            w.field("verdict", &r.verdict)?;
            if let Some(owner) = &r.owner {
                w.field("owner", owner)?;
            }
            if let Some(key) = &r.public_key {
                w.field("public_key", &key.to_string())?;
            }
            if let Some(seq) = r.seq {
                w.count("seq", seq)?;
            }
            if let Some(moderation) = &r.moderation {
                w.field("moderation", moderation)?;
            }
            w.strings("accepted", r.accepted.iter().flat_map(|a| [a.id.as_str(), a.reason.as_str()]))
        });
        out
    }

    pub fn parse(text: &str) -> Option<Journal> {
        let root = json::parse(text).ok()?;
        let maybe = |key: &str| root.get(key).and_then(Node::as_str).map(str::to_owned);
        let number = |key: &str| root.get(key)?.as_u64();
        let words: Option<Vec<&str>> = root.get("accepted")?.as_array()?.iter().map(Node::as_str).collect();
        let accepted = words?
            .chunks_exact(2)
            .map(|pair| Accepted { id: pair[0].to_owned(), reason: pair[1].to_owned() })
            .collect();
        let public_key = match maybe("public_key") {
            Some(key) => Some(PublicKey::parse(&key).ok()?),
            None => None,
        };
        // It says where a folder is moved to: nowhere but among the skills, whoever wrote it.
        SafePath::new(&maybe("key")?).ok().filter(|path| !path.is_hidden())?;
        Some(Journal {
            install: root.get("install")?.value == json::Value::Bool(true),
            id: (number("device")?, number("inode")?),
            record: Record {
                key: maybe("key")?,
                registry: maybe("registry")?,
                owner: maybe("owner"),
                slug: maybe("slug")?,
                version: maybe("version")?,
                installed_at: number("installed_at")?,
                content_hash: Sha256::parse(&maybe("content_hash")?)?,
                fingerprint: Sha256::parse(&maybe("fingerprint")?)?,
                public_key,
                seq: number("seq"),
                verdict: maybe("verdict")?,
                moderation: maybe("moderation"),
                accepted,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_reads_back() {
        let key = crate::trust::SecretKey::from_seed([1; 32]).unwrap();
        let record = Record {
            key: "@a/b".into(),
            registry: "http://x".into(),
            owner: Some("a".into()),
            slug: "b".into(),
            version: "1.0.0".into(),
            installed_at: 3,
            content_hash: Sha256::of(b"1"),
            fingerprint: Sha256::of(b"2"),
            public_key: Some(*key.public()),
            seq: Some(u64::MAX),
            verdict: "medium".into(),
            moderation: Some("clean".into()),
            accepted: vec![Accepted { id: "EX-001".into(), reason: "\"\n".into() }],
        };
        let journal = Journal { install: true, id: (u64::MAX, 1), record };
        let text = String::from_utf8(journal.text()).unwrap();
        assert_eq!(Journal::parse(&text), Some(journal.clone()));
        let bare = Record {
            owner: None,
            public_key: None,
            seq: None,
            moderation: None,
            accepted: vec![],
            ..journal.record
        };
        let journal = Journal { install: false, id: (0, 0), record: bare };
        assert_eq!(Journal::parse(&String::from_utf8(journal.text()).unwrap()), Some(journal));
        for bad in [
            "",
            "{}",
            &text[..text.len() - 1],
            &text.replace("install\":", "x\":"),
            &text.replace("@a/b", "../b"),
            &text.replace("@a/b", "/b"),
        ] {
            assert_eq!(Journal::parse(bad), None);
        }
    }
}
