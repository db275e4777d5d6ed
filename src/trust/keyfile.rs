//! Where secret keys are kept: one file each, for the owner's eyes only, with a passphrase if wanted. Not what they sign.
//!
//! A passphrase costs 600,000 rounds of PBKDF2-HMAC-SHA256 (RFC 8018); the seed is sealed by ChaCha20-Poly1305 (RFC 8439).
//! Both come with ring.

use super::key::{PublicKey, SecretKey, random};
use crate::digest::{hex_into, to_hex};
use crate::skill::Problem;
use ring::{aead, pbkdf2};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const HEADER: &str = "weft-key-v1";
/// What OWASP asks for with this function (2023).
const ROUNDS: u32 = 600_000;
/// A file cannot make us work for longer than this.
const MOST_ROUNDS: u32 = 10_000_000;
const LONGEST: u64 = 4096;

/// A key as it lies in its file.
#[derive(Debug)]
pub struct KeyFile {
    pub public: PublicKey,
    secret: Stored,
}

#[derive(Debug)]
enum Stored {
    Plain([u8; 32]),
    Sealed { rounds: u32, salt: [u8; 16], sealed: [u8; 48] },
}

/// The folder of the user's keys, `weft/keys` of the configuration folder.
pub fn folder() -> Result<PathBuf, Problem> {
    Ok(config_folder()?.join("keys"))
}

/// `$XDG_CONFIG_HOME/weft`, else `~/.config/weft`.
pub fn config_folder() -> Result<PathBuf, Problem> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| set("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("weft"))
        .ok_or_else(|| Problem::new("no place for settings", "HOME", "set HOME or XDG_CONFIG_HOME"))
}

/// The file of a key with this name.
pub fn path_of(name: &str) -> Result<PathBuf, Problem> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !plain {
        return Err(Problem::new("bad name for a key", name, "use up to 64 letters, digits, -, _, @ and ."));
    }
    Ok(folder()?.join(format!("{name}.key")))
}

/// Names of the keys that are there, sorted.
pub fn names() -> Result<Vec<String>, Problem> {
    let folder = folder()?;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Problem::file("cannot read", &folder, &error)),
    };
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.strip_suffix(".key").map(str::to_owned)
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    Ok(names)
}

/// Writes a new key file, mode 0600 in a folder of mode 0700. A file that is there is never replaced.
pub fn create(path: &Path, key: &SecretKey, passphrase: Option<&str>) -> Result<(), Problem> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Problem::new("a key of this name exists", path.to_string_lossy(), "choose another name")
        }
        _ => Problem::file("cannot write", path, &error),
    };
    let mut text = format!("{HEADER}\npublic {}\n", key.public());
    match passphrase {
        None => text.push_str(&format!("secret {}\n", to_hex(key.seed()))),
        Some(passphrase) => {
            let mut salt = [0; 16];
            random(&mut salt).ok_or_else(no_random)?;
            let sealed = seal(key.seed(), passphrase, &salt, key.public()).ok_or_else(no_random)?;
            let salt = to_hex(&salt);
            text.push_str(&format!("pbkdf2-sha256 {ROUNDS} {salt}\nchacha20-poly1305 {}\n", to_hex(&sealed)));
        }
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is none, and its name should be free.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}

fn no_random() -> Problem {
    Problem::new("the system gives no random numbers", "", "")
}

/// Reads a key file. One that others may read is refused.
pub fn read(path: &Path) -> Result<KeyFile, Problem> {
    let failed = |error: io::Error| Problem::file("cannot read the key", path, &error);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let shown = path.to_string_lossy();
    if !meta.is_file() {
        return Err(Problem::new("not a key file", shown, ""));
    }
    if meta.mode() & 0o077 != 0 {
        let fix = format!("if nobody copied it: chmod 600 {shown}");
        return Err(Problem::new("others may read this secret key", shown, fix));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    parse(&text).ok_or_else(|| Problem::new("not a key file of weft", shown, "restore it from a copy"))
}

fn parse(text: &str) -> Option<KeyFile> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != HEADER {
        return None;
    }
    let public = PublicKey::parse(lines.next()?.strip_prefix("public ")?).ok()?;
    let line = lines.next()?;
    let secret = if let Some(seed) = line.strip_prefix("secret ") {
        let mut bytes = [0; 32];
        hex_into(seed, &mut bytes).then_some(Stored::Plain(bytes))?
    } else {
        let (rounds, salt_text) = line.strip_prefix("pbkdf2-sha256 ")?.split_once(' ')?;
        let rounds = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        let (mut salt, mut sealed) = ([0; 16], [0; 48]);
        let sealed_text = lines.next()?.strip_prefix("chacha20-poly1305 ")?;
        (hex_into(salt_text, &mut salt) && hex_into(sealed_text, &mut sealed)).then_some(())?;
        Stored::Sealed { rounds, salt, sealed }
    };
    lines.next().is_none().then_some(KeyFile { public, secret })
}

impl KeyFile {
    pub const fn needs_passphrase(&self) -> bool {
        matches!(self.secret, Stored::Sealed { .. })
    }

    /// The key itself. `None` if the passphrase is wrong or missing, or the file's two halves do not belong together.
    pub fn unlock(&self, passphrase: Option<&str>) -> Option<SecretKey> {
        let seed = match &self.secret {
            Stored::Plain(seed) => *seed,
            Stored::Sealed { rounds, salt, sealed } => {
                open(sealed, passphrase?, *rounds, salt, &self.public)?
            }
        };
        SecretKey::from_seed(seed).filter(|key| *key.public() == self.public)
    }
}

fn cipher(passphrase: &str, rounds: u32, salt: &[u8]) -> Option<aead::LessSafeKey> {
    let mut bytes = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(rounds)?,
        salt,
        passphrase.as_bytes(),
        &mut bytes,
    );
    aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &bytes).ok().map(aead::LessSafeKey::new)
}

/// The nonce may be constant: each salt makes another key, and a key seals once.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; 12])
}

fn seal(seed: &[u8; 32], passphrase: &str, salt: &[u8; 16], public: &PublicKey) -> Option<[u8; 48]> {
    let mut out = [0; 48];
    let (body, tail) = out.split_at_mut(32);
    body.copy_from_slice(seed);
    let cipher = cipher(passphrase, ROUNDS, salt)?;
    let tag = cipher.seal_in_place_separate_tag(nonce(), aead::Aad::from(public.as_bytes()), body).ok()?;
    tail.copy_from_slice(tag.as_ref());
    Some(out)
}

fn open(
    sealed: &[u8; 48],
    passphrase: &str,
    rounds: u32,
    salt: &[u8],
    public: &PublicKey,
) -> Option<[u8; 32]> {
    let mut bytes = *sealed;
    let cipher = cipher(passphrase, rounds, salt)?;
    let plain = cipher.open_in_place(nonce(), aead::Aad::from(public.as_bytes()), &mut bytes).ok()?;
    (&*plain).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_come_back_and_only_with_their_passphrase() {
        let dir = std::env::temp_dir().join(format!("weft-keyfile-{}", std::process::id()));
        let key = SecretKey::generate().unwrap();
        let (plain, sealed) = (dir.join("k/plain.key"), dir.join("k/sealed.key"));
        create(&plain, &key, None).unwrap();
        create(&sealed, &key, Some("correct horse")).unwrap();
        assert!(create(&plain, &key, None).unwrap_err().what.contains("exists"));
        assert_eq!(fs::metadata(&plain).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.join("k")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(read(&plain).unwrap().unlock(None).unwrap().public(), key.public());
        let file = read(&sealed).unwrap();
        assert!(file.needs_passphrase());
        assert_eq!(file.unlock(Some("correct horse")).unwrap().seed(), key.seed());
        assert!(file.unlock(Some("wrong")).is_none() && file.unlock(None).is_none());
        let text = fs::read_to_string(&sealed).unwrap();
        assert!(!text.contains(&to_hex(key.seed())));
        // Another public key beside the same secret.
        let other = SecretKey::generate().unwrap();
        let swapped = text.replace(&key.public().to_string(), &other.public().to_string());
        assert!(parse(&swapped).unwrap().unlock(Some("correct horse")).is_none());
        for bad in [
            &text[1..],
            &text.replace("600000", "0"),
            &text.replace("600000", "999999999"),
            &format!("{text}x\n"),
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&plain).unwrap_err().what.contains("others may read"));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn names_stay_in_the_folder() {
        for bad in ["", "../x", "a/b", ".x", "a b", &"x".repeat(65)] {
            assert!(path_of(bad).is_err(), "{bad}");
        }
    }
}
