//! Answers of registries on this machine: to ask "has it changed?" (`ETag`), and to go on without a network. Nothing
//! in it is believed more than an answer from the network: everything is checked again when it is used.

use crate::digest::Sha256;
use crate::files::write_lightly;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::SystemTime;

const HEADER: &str = "weft-cache-1";
/// The folder is kept below this many bytes; the oldest answers go first.
const MOST: u64 = 256 << 20;
const LARGEST: u64 = 64 << 20;

pub struct Cache {
    folder: PathBuf,
}

/// An answer that was kept.
pub struct Kept {
    /// Empty: the server gave none.
    pub etag: String,
    /// Seconds since it was fetched or last confirmed.
    pub age: u64,
    pub body: Vec<u8>,
}

impl Cache {
    pub fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// What an answer is kept under: its address, and whether a token was shown, since that may change the answer.
    pub fn key(url: &str, token: Option<&str>) -> String {
        let who = token.map_or_else(String::new, |token| Sha256::of(token.as_bytes()).to_string());
        Sha256::of(format!("{url}\n{who}").as_bytes()).to_string()
    }

    /// Whatever is damaged counts as not there.
    pub fn get(&self, key: &str) -> Option<Kept> {
        let file = fs::File::open(self.folder.join(key)).ok()?;
        let age = file.metadata().ok()?.modified().ok()?;
        let age = SystemTime::now().duration_since(age).map_or(0, |age| age.as_secs());
        let mut bytes = Vec::new();
        file.take(LARGEST + 4096).read_to_end(&mut bytes).ok()?;
        let head_end = bytes.windows(2).position(|two| two == b"\n\n")?;
        let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
        let mut lines = head.split('\n');
        let (header, hash, etag) =
            (lines.next()?.to_owned(), lines.next()?.to_owned(), lines.next()?.to_owned());
        let etag = etag.strip_prefix("etag ")?.to_owned();
        let body = bytes.split_off(head_end + 2);
        (header == HEADER && hash == Sha256::of(&body).to_string()).then_some(Kept { etag, age, body })
    }

    /// Keeps an answer. A full or read-only disk is no reason to fail: the answer itself is at hand.
    pub fn put(&self, key: &str, etag: &str, body: &[u8]) {
        let etag: String = etag.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect();
        let kept = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            write_lightly(&self.folder.join(key), |out| {
                write!(out, "{HEADER}\n{}\netag {etag}\n\n", Sha256::of(body))?;
                out.write_all(body)
            })?;
            self.prune()
        };
        if body.len() as u64 <= LARGEST {
            let _ = kept();
        }
    }

    /// Notes that the server still says the same.
    pub fn confirm(&self, key: &str) {
        if let Ok(file) = fs::OpenOptions::new().write(true).open(self.folder.join(key)) {
            let _ = file.set_modified(SystemTime::now());
        }
    }

    fn prune(&self) -> io::Result<()> {
        let mut all = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let meta = entry.metadata()?;
            if meta.is_file() {
                total += meta.len();
                all.push((meta.modified()?, meta.len(), entry.path()));
            }
        }
        if total > MOST {
            crate::sort::plain(&mut all);
            for (_, size, path) in all {
                if total <= MOST / 2 {
                    break;
                }
                fs::remove_file(path)?;
                total -= size;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_not_there() {
        let folder = std::env::temp_dir().join(format!("weft-hub-cache-{}", std::process::id()));
        let cache = Cache::new(folder.clone());
        let key = Cache::key("https://hub.example/x", None);
        assert!(cache.get(&key).is_none());
        cache.put(&key, "\"v1\"", b"one\n\ntwo");
        let kept = cache.get(&key).unwrap();
        assert_eq!((kept.etag.as_str(), kept.body.as_slice()), ("\"v1\"", b"one\n\ntwo".as_slice()));
        assert_ne!(key, Cache::key("https://hub.example/x", Some("t")));
        let mut bytes = fs::read(folder.join(&key)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(folder.join(&key), bytes).unwrap();
        assert!(cache.get(&key).is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
