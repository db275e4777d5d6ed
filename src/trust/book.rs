//! Whom this machine trusts and what it has seen: pinned owners, revoked keys, and for each skill its versions and how far
//! it has come. One file of the user, `trust.json`. Deciding by it is `judge`'s.

use super::key::PublicKey;
use super::keyfile::config_folder;
use super::log::Remembered;
use super::note::Verifier;
use crate::digest::Sha256;
use crate::files::write_atomic;
use crate::json::{self, Node, Writer};
use crate::skill::Problem;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "weft.trust/1";
/// A larger file is not ours.
const LARGEST: u64 = 64 << 20;

/// An owner and the key that is trusted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Origin of the registry.
    pub registry: String,
    pub owner: String,
    pub public_key: PublicKey,
    /// Seconds since 1970.
    pub since: u64,
    /// How it came: `first use`, `accepted`, `rotation`.
    pub how: String,
}

/// A key that is not trusted whatever it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub public_key: PublicKey,
    pub reason: String,
}

/// What has been seen of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub registry: String,
    pub owner: String,
    pub slug: String,
    /// The highest signed sequence number and its content.
    pub latest: Option<(u64, Sha256)>,
    /// Versions and their content.
    pub versions: Vec<(String, Sha256)>,
}

/// The file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub pins: Vec<Pin>,
    pub revoked: Vec<Revoked>,
    pub seen: Vec<Seen>,
    /// How far the logs of registries had come when they were seen last, by the registry's origin.
    pub logs: Vec<(String, Remembered)>,
}

impl Book {
    pub fn pin(&self, registry: &str, owner: &str) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.registry == registry && pin.owner == owner)
    }

    pub fn revoked(&self, key: &PublicKey) -> Option<&Revoked> {
        self.revoked.iter().find(|revoked| revoked.public_key == *key)
    }

    pub fn seen(&self, registry: &str, owner: &str, slug: &str) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.registry == registry && seen.owner == owner && seen.slug == slug)
    }

    pub fn log(&self, registry: &str) -> Option<&Remembered> {
        self.logs.iter().find(|(known, _)| known == registry).map(|(_, log)| log)
    }

    /// Remembers a log in place of what was.
    pub fn set_log(&mut self, registry: &str, log: Remembered) {
        self.forget_log(registry);
        self.logs.push((registry.to_owned(), log));
        self.logs.sort_by(|(a, _), (b, _)| a.cmp(b));
    }

    /// The next log that the registry shows is believed again. True if there was one.
    pub fn forget_log(&mut self, registry: &str) -> bool {
        let before = self.logs.len();
        self.logs.retain(|(known, _)| known != registry);
        self.logs.len() < before
    }

    /// Trusts a key for an owner, in place of an earlier one.
    pub fn set_pin(&mut self, pin: Pin) {
        self.pins.retain(|old| old.registry != pin.registry || old.owner != pin.owner);
        self.pins.push(pin);
        self.pins.sort_by(|a, b| (&a.registry, &a.owner).cmp(&(&b.registry, &b.owner)));
    }

    /// Never trusts a key again. Pins to it go: what it signed needs a new decision.
    pub fn revoke(&mut self, key: PublicKey, reason: &str) {
        if self.revoked(&key).is_none() {
            self.revoked.push(Revoked { public_key: key, reason: reason.to_owned() });
        }
    }

    /// Notes a version that was installed, and how far its skill has come.
    pub fn note(
        &mut self,
        registry: &str,
        owner: &str,
        slug: &str,
        version: &str,
        hash: Sha256,
        seq: Option<u64>,
    ) {
        let at =
            match self.seen.iter().position(|s| s.registry == registry && s.owner == owner && s.slug == slug)
            {
                Some(at) => at,
                None => {
                    self.seen.push(Seen {
                        registry: registry.to_owned(),
                        owner: owner.to_owned(),
                        slug: slug.to_owned(),
                        latest: None,
                        versions: Vec::new(),
                    });
                    self.seen.len() - 1
                }
            };
        let Some(seen) = self.seen.get_mut(at) else { return };
        if !seen.versions.iter().any(|(known, _)| known == version) {
            seen.versions.push((version.to_owned(), hash));
        }
        if let Some(seq) = seq
            && seen.latest.is_none_or(|(latest, _)| latest < seq)
        {
            seen.latest = Some((seq, hash));
        }
    }

    fn read(text: &str) -> Result<Book, String> {
        let root = json::parse(text).map_err(|error| error.to_string())?;
        if root.get("schema").and_then(Node::as_str) != Some(SCHEMA) {
            return Err(format!("not `{SCHEMA}`"));
        }
        let mut book = Book::default();
        // A line that is not understood may be the one that says no: nothing is skipped.
        book.fill(&root).ok_or("an entry is not complete")?;
        Ok(book)
    }

    fn fill(&mut self, root: &Node) -> Option<()> {
        let text = |node: &Node, key: &str| node.get(key)?.as_str().map(str::to_owned);
        let key = |node: &Node| PublicKey::parse(node.get("public_key")?.as_str()?).ok();
        let hash = |node: &Node| Sha256::parse(node.get("content_hash")?.as_str()?);
        for node in root.get("owners")?.as_array()? {
            self.pins.push(Pin {
                registry: text(node, "registry")?,
                owner: text(node, "owner")?,
                public_key: key(node)?,
                since: node.get("since")?.as_u64()?,
                how: text(node, "how")?,
            });
        }
        for node in root.get("revoked")?.as_array()? {
            self.revoked.push(Revoked { public_key: key(node)?, reason: text(node, "reason")? });
        }
        for node in root.get("seen")?.as_array()? {
            let latest = match node.get("latest") {
                Some(latest) => Some((latest.get("seq")?.as_u64()?, hash(latest)?)),
                None => None,
            };
            let mut versions = Vec::new();
            for version in node.get("versions")?.as_array()? {
                versions.push((text(version, "version")?, hash(version)?));
            }
            self.seen.push(Seen {
                registry: text(node, "registry")?,
                owner: text(node, "owner")?,
                slug: text(node, "slug")?,
                latest,
                versions,
            });
        }
        // Younger than the rest: a book without it is one from before.
        let Some(logs) = root.get("logs") else { return Some(()) };
        for node in logs.as_array()? {
            let log = Remembered {
                verifier: Verifier::parse(node.get("key")?.as_str()?)?,
                size: node.get("size")?.as_u64()?,
                root: Sha256::parse(node.get("root")?.as_str()?)?,
                time: node.get("time")?.as_u64()?,
            };
            self.logs.push((text(node, "registry")?, log));
        }
        Some(())
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        Writer::new(out).object_lines(|w| {
            w.field("schema", SCHEMA)?;
            w.key("owners")?.array_lines(|w| {
                self.pins.iter().try_for_each(|pin| {
                    w.object(|w| {
                        w.field("registry", &pin.registry)?;
                        w.field("owner", &pin.owner)?;
                        w.field("public_key", &pin.public_key.to_string())?;
                        w.count("since", pin.since)?;
                        w.field("how", &pin.how)
                    })
                })
            })?;
            w.key("revoked")?.array_lines(|w| {
                self.revoked.iter().try_for_each(|revoked| {
                    w.object(|w| {
                        w.field("public_key", &revoked.public_key.to_string())?;
                        w.field("reason", &revoked.reason)
                    })
                })
            })?;
            w.key("seen")?.array_lines(|w| {
                self.seen.iter().try_for_each(|seen| {
                    w.object(|w| {
                        w.field("registry", &seen.registry)?;
                        w.field("owner", &seen.owner)?;
                        w.field("slug", &seen.slug)?;
                        if let Some((seq, hash)) = &seen.latest {
                            w.key("latest")?.object(|w| {
                                w.count("seq", *seq)?;
                                w.field("content_hash", &hash.to_string())
                            })?;
                        }
                        w.key("versions")?.array(|w| {
                            seen.versions.iter().try_for_each(|(version, hash)| {
                                w.object(|w| {
                                    w.field("version", version)?;
                                    w.field("content_hash", &hash.to_string())
                                })
                            })
                        })
                    })
                })
            })?;
            if self.logs.is_empty() {
                return Ok(());
            }
            w.key("logs")?.array_lines(|w| {
                self.logs.iter().try_for_each(|(registry, log)| {
                    w.object(|w| {
                        w.field("registry", registry)?;
                        w.field("key", &log.verifier.to_string())?;
                        w.count("size", log.size)?;
                        w.field("root", &log.root.to_string())?;
                        w.count("time", log.time)
                    })
                })
            })
        })?;
        out.write_all(b"\n")
    }
}

/// Where the book is.
pub fn path() -> Result<PathBuf, Problem> {
    Ok(config_folder()?.join("trust.json"))
}

/// Reads the book; an empty one if there is none. One that cannot be read stops everything: it may hold a no.
pub fn load(path: &Path) -> Result<Book, Problem> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file
            .take(LARGEST)
            .read_to_string(&mut text)
            .map_err(|error| Problem::file("cannot read", path, &error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        Err(error) => return Err(Problem::file("cannot read", path, &error)),
    };
    Book::read(&text).map_err(|what| {
        let fix = "restore it from a copy; it is not replaced, because it says whom you trust";
        Problem::new(format!("the record of trust is damaged: {what}"), path.to_string_lossy(), fix)
    })
}

/// Changes the book under a lock: two commands at once lose nothing.
pub fn change<T>(path: &Path, body: impl FnOnce(&mut Book) -> Result<T, Problem>) -> Result<T, Problem> {
    let failed = |error: io::Error| Problem::file("cannot write", path, &error);
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let lock = path.with_extension("lock");
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut book = load(path)?;
    let before = book.clone();
    let result = body(&mut book)?;
    if book != before {
        write_atomic(path, |out| book.write(out)).map_err(failed)?;
        if let Some(folder) = path.parent() {
            fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    #[test]
    fn a_book_reads_back_and_a_damaged_one_stops() {
        let dir = std::env::temp_dir().join(format!("weft-book-{}", std::process::id()));
        let path = dir.join("trust.json");
        assert_eq!(load(&path).unwrap(), Book::default());
        let key = *SecretKey::from_seed([1; 32]).unwrap().public();
        let hash = Sha256::of(b"x");
        change(&path, |book| {
            book.set_pin(Pin {
                registry: "https://a".into(),
                owner: "o".into(),
                public_key: key,
                since: 1,
                how: "first use".into(),
            });
            book.revoke(key, "lost \"it\"");
            book.note("https://a", "o", "s", "1.0.0", hash, Some(3));
            book.note("https://a", "o", "s", "0.9.0", hash, Some(2));
            let verifier = Verifier::new("a/log", key).ok_or_else(|| Problem::new("name", "", ""))?;
            let log = Remembered { verifier, size: 3, root: hash, time: 9 };
            book.set_log("https://a", Remembered { size: 1, ..log.clone() });
            book.set_log("https://a", log);
            Ok(())
        })
        .unwrap();
        let book = load(&path).unwrap();
        assert_eq!(book.pin("https://a", "o").unwrap().public_key, key);
        assert!(book.revoked(&key).is_some() && book.pin("https://b", "o").is_none());
        let seen = book.seen("https://a", "o", "s").unwrap();
        assert_eq!((seen.latest, seen.versions.len()), (Some((3, hash)), 2));
        assert_eq!((book.log("https://a").unwrap().size, book.logs.len()), (3, 1));
        let text = fs::read_to_string(&path).unwrap();
        for bad in [
            &text[..text.len() / 2],
            "",
            "{}",
            &text.replace("\"since\":1", "\"since\":-1"),
            &text.replace("/1", "/2"),
            &text.replace("a/log+", "b/log+"),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(load(&path).unwrap_err().what.contains("damaged"), "{bad}");
            assert!(change(&path, |_| Ok(())).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
