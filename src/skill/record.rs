//! What is known of an installed skill, and the three files that say it: `.clawhub/lock.json` and
//! `<skill>/.clawhub/origin.json` as the real CLI writes them, and weft's `.weft/hub.lock`. Reading and writing texts;
//! when is `store`'s.

use super::Problem;
use super::path::SafePath;
use crate::digest::Sha256;
use crate::fields::{self, Fields};
use crate::json::{self, Node, Value, Writer};
use crate::trust::PublicKey;
use std::path::Path;
use toml::Spanned;

/// An installed skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name in both locks and its folder below the skills: `slug`, or `@owner/slug`.
    pub key: String,
    /// The registry's URL as it was used.
    pub registry: String,
    pub owner: Option<String>,
    pub slug: String,
    pub version: String,
    /// Milliseconds since 1970. Not in hub.lock, which should be the same everywhere.
    pub installed_at: u64,
    pub content_hash: Sha256,
    /// As the real CLI computes it after extraction. Not in hub.lock.
    pub fingerprint: Sha256,
    pub public_key: Option<PublicKey>,
    pub seq: Option<u64>,
    /// What the scan said: `clean`, or the worst severity that was let in.
    pub verdict: String,
    /// What the registry said of it.
    pub moderation: Option<String>,
    pub accepted: Vec<Accepted>,
}

/// A finding that somebody let in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub id: String,
    pub reason: String,
}

/// `.clawhub/lock.json`, with everything in it that weft does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct ClawLock(Node);

/// An entry of it, as far as weft looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClawEntry {
    pub key: String,
    pub version: Option<String>,
    pub owner: Option<String>,
    pub pinned: bool,
    pub pin_reason: Option<String>,
}

fn node(value: Value) -> Node {
    Node { value, at: 0 }
}

fn string(text: &str) -> Node {
    node(Value::String(text.to_owned()))
}

/// Sets a member in place or at the end.
fn set(members: &mut Vec<(String, Node)>, key: &str, value: Node) {
    match members.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => members.push((key.to_owned(), value)),
    }
}

/// Two members of one name are two truths: readers differ in which they take.
fn has_twins(node: &Node) -> bool {
    match &node.value {
        Value::Object(members) => {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).any(|pair| pair[0] == pair[1])
                || members.iter().any(|(_, value)| has_twins(value))
        }
        Value::Array(items) => items.iter().any(has_twins),
        _ => false,
    }
}

fn damaged(path: &Path, what: &str) -> Problem {
    Problem::new(
        format!("the lock file is damaged: {what}"),
        path.to_string_lossy(),
        "mend it or restore it from a copy; it is not overwritten, because it says what is installed",
    )
}

impl ClawLock {
    pub fn empty() -> ClawLock {
        let members = vec![
            ("version".to_owned(), node(Value::Number("1".into()))),
            ("skills".to_owned(), node(Value::Object(Vec::new()))),
        ];
        ClawLock(node(Value::Object(members)))
    }

    /// Reads the text of a lock; whatever is not one stops.
    pub fn parse(text: &str, path: &Path) -> Result<ClawLock, Problem> {
        let root = json::parse(text).map_err(|error| damaged(path, &error.to_string()))?;
        if root.get("version").and_then(Node::as_u64) != Some(1) {
            return Err(damaged(path, "`version` is not 1"));
        }
        let skills = root.get("skills").and_then(Node::as_object);
        let skills = skills.ok_or_else(|| damaged(path, "`skills` is not an object"))?;
        if let Some((key, _)) = skills.iter().find(|(_, entry)| entry.as_object().is_none()) {
            return Err(damaged(path, &format!("the entry `{key}` is not an object")));
        }
        // Keys are folders below the skills.
        let leads_out = |key: &str| SafePath::new(key).map_or(true, |path| path.is_hidden());
        if let Some((key, _)) = skills.iter().find(|(key, _)| leads_out(key)) {
            return Err(damaged(path, &format!("the entry `{key}` is not the name of a skill")));
        }
        if has_twins(&root) {
            return Err(damaged(path, "a name is there twice"));
        }
        Ok(ClawLock(root))
    }

    fn skills(&mut self) -> Option<&mut Vec<(String, Node)>> {
        let Value::Object(members) = &mut self.0.value else { return None };
        let (_, skills) = members.iter_mut().find(|(name, _)| name == "skills")?;
        match &mut skills.value {
            Value::Object(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn entries(&self) -> Vec<ClawEntry> {
        let skills = self.0.get("skills").and_then(Node::as_object).unwrap_or_default();
        let text = |entry: &Node, key: &str| entry.get(key)?.as_str().map(str::to_owned);
        let entry = |(key, entry): &(String, Node)| ClawEntry {
            key: key.clone(),
            version: text(entry, "version"),
            owner: text(entry, "ownerHandle"),
            pinned: entry.get("pinned").is_some_and(|pinned| pinned.value == Value::Bool(true)),
            pin_reason: text(entry, "pinReason"),
        };
        skills.iter().map(entry).collect()
    }

    pub fn entry(&self, key: &str) -> Option<ClawEntry> {
        self.entries().into_iter().find(|entry| entry.key == key)
    }

    /// Notes an installation. Members that other programs put into the entry stay, but for those that describe the bytes
    /// of the version before.
    pub fn put(&mut self, record: &Record) {
        let Some(skills) = self.skills() else { return };
        let mut members = match skills.iter().find(|(key, _)| *key == record.key) {
            Some((_, Node { value: Value::Object(members), .. })) => members.clone(),
            _ => Vec::new(),
        };
        let stale = ["artifact", "skillFile", "verification", "sourceUrl"];
        let same =
            members.iter().any(|(name, value)| name == "version" && value.as_str() == Some(&record.version));
        members.retain(|(name, _)| same || !stale.contains(&name.as_str()));
        set(&mut members, "version", string(&record.version));
        set(&mut members, "installedAt", node(Value::Number(record.installed_at.to_string())));
        if let Some(owner) = &record.owner {
            set(&mut members, "ownerHandle", string(owner));
        }
        set(skills, &record.key, node(Value::Object(members)));
    }

    pub fn remove(&mut self, key: &str) {
        if let Some(skills) = self.skills() {
            skills.retain(|(name, _)| name != key);
        }
    }

    /// Pins or unpins; false if there is no such entry.
    pub fn pin(&mut self, key: &str, pinned: bool, reason: Option<&str>) -> bool {
        let entry = self.skills().and_then(|skills| skills.iter_mut().find(|(name, _)| name == key));
        let Some((_, Node { value: Value::Object(members), .. })) = entry else { return false };
        members.retain(|(name, _)| name != "pinned" && name != "pinReason");
        if pinned {
            members.push(("pinned".to_owned(), node(Value::Bool(true))));
            if let Some(reason) = reason {
                members.push(("pinReason".to_owned(), string(reason)));
            }
        }
        true
    }

    /// As the real CLI writes it: two spaces, a line feed at the end.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to memory does not fail.
        let _ = Writer::new(&mut out).node(&self.0, true);
        out.push(b'\n');
        out
    }
}

/// `origin.json` of an installed skill, in the real CLI's form.
pub fn origin_text(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = Writer::new(&mut out).object_lines(|w| {
        w.count("version", 1)?;
        w.field("registry", &record.registry)?;
        w.field("slug", &record.slug)?;
        if let Some(owner) = &record.owner {
            w.field("ownerHandle", owner)?;
        }
        w.field("installedVersion", &record.version)?;
        w.count("installedAt", record.installed_at)?;
        w.field("fingerprint", &record.fingerprint.to_string())
    });
    out.push(b'\n');
    out
}

/// `.weft/hub.lock`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubLock(pub Vec<HubEntry>);

/// An entry of hub.lock: what makes an installation the same on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubEntry {
    pub key: String,
    pub registry: String,
    pub owner: Option<String>,
    pub slug: String,
    pub version: String,
    pub content_hash: Sha256,
    pub public_key: Option<PublicKey>,
    pub seq: Option<u64>,
    pub verdict: String,
    pub moderation: Option<String>,
    pub accepted: Vec<Accepted>,
}

/// An entry as it is written.
struct HubTable {
    key: String,
    registry: String,
    owner: Option<String>,
    slug: String,
    version: String,
    content_hash: String,
    public_key: Option<String>,
    seq: Option<i64>,
    verdict: String,
    moderation: Option<String>,
    accepted: Vec<Accepted>,
}

impl HubTable {
    const KEYS: &[&str] = &[
        "key",
        "registry",
        "owner",
        "slug",
        "version",
        "content_hash",
        "public_key",
        "seq",
        "verdict",
        "moderation",
        "accepted",
    ];

    fn take(mut table: Fields<'_, '_>) -> HubTable {
        let accepted = table.tables("accepted", &["id", "reason"], "an accepted finding");
        HubTable {
            key: table.must("key").into_inner(),
            registry: table.must("registry").into_inner(),
            owner: table.text("owner").map(Spanned::into_inner),
            slug: table.must("slug").into_inner(),
            version: table.must("version").into_inner(),
            content_hash: table.must("content_hash").into_inner(),
            public_key: table.text("public_key").map(Spanned::into_inner),
            seq: table.number("seq").map(Spanned::into_inner),
            verdict: table.must("verdict").into_inner(),
            moderation: table.text("moderation").map(Spanned::into_inner),
            accepted: accepted
                .into_iter()
                .map(|mut one| Accepted {
                    id: one.must("id").into_inner(),
                    reason: one.must("reason").into_inner(),
                })
                .collect(),
        }
    }
}

impl HubLock {
    /// Reads the text of a lock; whatever is not one, or says more than this version knows, stops.
    pub fn parse(text: &str, path: &Path) -> Result<HubLock, Problem> {
        let read = fields::read(text, &["version", "skill"], |top| {
            let version = top.must_number("version").into_inner();
            let tables = top.tables("skill", HubTable::KEYS, "an installed skill");
            (version, tables.into_iter().map(HubTable::take).collect::<Vec<_>>())
        });
        let (version, tables) = read.map_err(|mistake| {
            let before = text.as_bytes().iter().take(mistake.span.start);
            let line = 1 + before.filter(|byte| **byte == b'\n').count();
            damaged(path, &format!("line {line}: {}", mistake.what))
        })?;
        if version != 1 {
            return Err(damaged(path, "`version` is not 1; a newer weft may have written it"));
        }
        let mut entries: Vec<HubEntry> = Vec::new();
        for table in tables {
            let bad = |what: &str| damaged(path, &format!("the entry `{}`: {what}", table.key));
            let content_hash = Sha256::parse(&table.content_hash).ok_or_else(|| bad("content_hash"))?;
            let public_key = match &table.public_key {
                Some(key) => Some(PublicKey::parse(key).map_err(|fault| bad(fault.as_str()))?),
                None => None,
            };
            let seq = match table.seq {
                Some(seq) => Some(u64::try_from(seq).map_err(|_| bad("seq"))?),
                None => None,
            };
            if key_of(table.owner.as_deref(), &table.slug, true).as_ref() != Some(&table.key)
                && key_of(None, &table.slug, false).as_ref() != Some(&table.key)
            {
                return Err(bad("its key is not that of its owner and slug"));
            }
            if entries.iter().any(|entry| entry.key == table.key) {
                return Err(bad("is there twice"));
            }
            entries.push(HubEntry {
                content_hash,
                public_key,
                key: table.key,
                registry: table.registry,
                owner: table.owner,
                slug: table.slug,
                version: table.version,
                seq,
                verdict: table.verdict,
                moderation: table.moderation,
                accepted: table.accepted,
            });
        }
        Ok(HubLock(entries))
    }

    pub fn entry(&self, key: &str) -> Option<&HubEntry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub fn put(&mut self, record: &Record) {
        self.remove(&record.key);
        self.0.push(HubEntry {
            key: record.key.clone(),
            registry: record.registry.clone(),
            owner: record.owner.clone(),
            slug: record.slug.clone(),
            version: record.version.clone(),
            content_hash: record.content_hash,
            public_key: record.public_key,
            seq: record.seq,
            verdict: record.verdict.clone(),
            moderation: record.moderation.clone(),
            accepted: record.accepted.clone(),
        });
        self.0.sort_by(|a, b| a.key.cmp(&b.key));
    }

    pub fn remove(&mut self, key: &str) {
        self.0.retain(|entry| entry.key != key);
    }

    pub fn text(&self) -> Vec<u8> {
        let mut out = String::from(
            "# What weft installed here, to be committed: `weft skill install --frozen` makes the same again.\nversion = 1\n",
        );
        let mut put = |name: &str, value: &str| {
            out.push_str(name);
            out.push_str(value);
            out.push('\n');
        };
        for entry in &self.0 {
            put("\n[[skill]]", "");
            put("key = ", &quoted(&entry.key));
            put("registry = ", &quoted(&entry.registry));
            if let Some(owner) = &entry.owner {
                put("owner = ", &quoted(owner));
            }
            put("slug = ", &quoted(&entry.slug));
            put("version = ", &quoted(&entry.version));
            put("content_hash = ", &quoted(&entry.content_hash.to_string()));
            if let Some(key) = &entry.public_key {
                put("public_key = ", &quoted(&key.to_string()));
            }
            if let Some(seq) = entry.seq {
                put("seq = ", &seq.to_string());
            }
            put("verdict = ", &quoted(&entry.verdict));
            if let Some(moderation) = &entry.moderation {
                put("moderation = ", &quoted(moderation));
            }
            for accepted in &entry.accepted {
                put("[[skill.accepted]]", "");
                put("id = ", &quoted(&accepted.id));
                put("reason = ", &quoted(&accepted.reason));
            }
        }
        out.into_bytes()
    }
}

/// A TOML basic string.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || crate::scan::report::visible::is_deceptive(c) => {
                let code = u32::from(c);
                out.push_str(&if code > 0xffff {
                    format!("\\U{code:08x}")
                } else {
                    format!("\\u{code:04x}")
                });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The name of a skill in the locks and the path of its folder: `slug`, or `@owner/slug` where it was asked for with its
/// owner. `None` where a name is not one: both become folders.
pub fn key_of(owner: Option<&str>, slug: &str, qualified: bool) -> Option<String> {
    if !is_name(slug) {
        return None;
    }
    match owner {
        Some(owner) if qualified => is_name(owner).then(|| format!("@{owner}/{slug}")),
        None if qualified => None,
        _ => Some(slug.to_owned()),
    }
}

/// A slug or an owner: one segment of a path, of plain characters. Wider than what registries give out today, because
/// names from before their rules exist.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=96).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(plain)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
