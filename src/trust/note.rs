//! Signed notes (C2SP signed-note) and the checkpoints of a log in them (C2SP tlog-checkpoint): written, read, and held
//! against a key. Pure; whether the log that is so described may be trusted further is `log`'s.
//!
//! Our logs sign each checkpoint twice with one key: as the log (type 1), and as a witness of itself that also says when
//! (type 4, C2SP tlog-cosignature). Whoever knows only the first kind loses nothing but the time.

use super::key::{PublicKey, SecretKey, Signature};
use crate::base64;
use crate::digest::{Hasher, Sha256, hex_into, to_hex};
use std::fmt;

/// A note is no longer than this.
pub const LONGEST: usize = 64 << 10;
/// Signatures are not looked at beyond this number; the standard wants at least 16.
const MOST_SIGNATURES: usize = 64;
/// What the lines of signatures begin with.
const DASH: &str = "\u{2014} ";

const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;

/// Whose signature of a note counts: a name and a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: PublicKey,
}

impl Verifier {
    /// `None` unless the name is one: no spaces, no `+`, no control characters, at most 200 bytes.
    pub fn new(name: &str, key: PublicKey) -> Option<Verifier> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        let good = (1..=200).contains(&name.len()) && !name.contains(bad);
        good.then(|| Verifier { name: name.to_owned(), key })
    }

    /// From `name+hash+base64`, the hash being right.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (name, rest) = text.split_once('+')?;
        let (hash, key) = rest.split_once('+')?;
        let key = base64::decode(key)?;
        let (ED25519, key) = key.split_first().map(|(kind, key)| (*kind, key))? else { return None };
        let verifier = Verifier::new(name, PublicKey::from_bytes(key.try_into().ok()?).ok()?)?;
        let mut id = [0; 4];
        (hex_into(hash, &mut id) && id == verifier.id(ED25519)).then_some(verifier)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    fn id(&self, kind: u8) -> [u8; 4] {
        let mut hasher = Hasher::default();
        hasher.update(self.name.as_bytes());
        hasher.update(&[b'\n', kind]);
        hasher.update(self.key.as_bytes());
        let mut id = [0; 4];
        id.copy_from_slice(&hasher.finish().as_bytes()[..4]);
        id
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, to_hex(&self.id(ED25519)), base64::encode(&key))
    }
}

/// The state of a log: so many entries, with this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Sha256,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(self.root.as_bytes()))
    }

    /// Reads the text; lines behind the third are somebody's extensions and are left alone.
    pub fn parse(text: &str) -> Option<Checkpoint> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, digits) = (lines.next()?, lines.next()?);
        let root = base64::decode(lines.next()?)?;
        let size: u64 = digits.parse().ok()?;
        let one_spelling = size.to_string() == digits;
        (one_spelling && !origin.is_empty() && lines.all(|line| !line.is_empty())).then_some(())?;
        Some(Checkpoint { origin: origin.to_owned(), size, root: Sha256::from_bytes(root.try_into().ok()?) })
    }

    /// The note, signed by the log itself at a time (seconds since 1970). The log's name must be the key's.
    pub fn sign(&self, verifier: &Verifier, key: &SecretKey, time: u64) -> String {
        let text = self.text();
        let by_log = key.sign(text.as_bytes());
        let at_time = key.sign(cosigned(&text, time).as_bytes());
        let mut signature = verifier.id(ED25519).to_vec();
        signature.extend_from_slice(by_log.as_bytes());
        let mut witness = verifier.id(COSIGNATURE).to_vec();
        witness.extend_from_slice(&time.to_be_bytes());
        witness.extend_from_slice(at_time.as_bytes());
        let name = verifier.name();
        let (signature, witness) = (base64::encode(&signature), base64::encode(&witness));
        format!("{text}\n{DASH}{name} {signature}\n{DASH}{name} {witness}\n")
    }
}

/// What a witness signs.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Why a note is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteFault {
    /// Not in the form of a note, or of a checkpoint.
    Form,
    /// Signed by others only.
    Unsigned,
    /// It says that the key signed it, which it did not.
    Forged,
}

impl NoteFault {
    pub const fn as_str(self) -> &'static str {
        match self {
            NoteFault::Form => "it is not a signed checkpoint",
            NoteFault::Unsigned => "it is not signed by the key of this log",
            NoteFault::Forged => "its signature is forged",
        }
    }
}

/// A note taken apart: its text, and what the key signed of it.
struct Opened<'a> {
    text: &'a str,
    time: Option<u64>,
}

/// Holds a note against a key. Signatures by others are left alone.
fn open<'a>(note: &'a str, verifier: &Verifier) -> Result<Opened<'a>, NoteFault> {
    if note.len() > LONGEST || note.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteFault::Form);
    }
    let end = note.rfind("\n\n").ok_or(NoteFault::Form)? + 1;
    let (text, signatures) = (&note[..end], &note[end + 1..]);
    let lines = signatures.strip_suffix('\n').ok_or(NoteFault::Form)?.split('\n');
    let (mut signed, mut time) = (false, None);
    for (at, line) in lines.enumerate() {
        let (name, signature) =
            line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteFault::Form)?;
        let bytes = base64::decode(signature).ok_or(NoteFault::Form)?;
        let (id, bytes) =
            bytes.split_at_checked(4).filter(|_| at < MOST_SIGNATURES).ok_or(NoteFault::Form)?;
        if name != verifier.name() {
            continue;
        }
        let holds = |message: &str, bytes: &[u8]| {
            let signature = Signature::from_bytes(bytes.try_into().map_err(|_| NoteFault::Forged)?);
            match verifier.key.verifies(message.as_bytes(), &signature) {
                true => Ok(()),
                false => Err(NoteFault::Forged),
            }
        };
        if id == verifier.id(ED25519) {
            holds(text, bytes)?;
            signed = true;
        } else if id == verifier.id(COSIGNATURE) {
            let (at, bytes) = bytes.split_first_chunk::<8>().ok_or(NoteFault::Forged)?;
            let at = u64::from_be_bytes(*at);
            holds(&cosigned(text, at), bytes)?;
            time = Some(time.map_or(at, |other: u64| other.max(at)));
        }
    }
    if signed { Ok(Opened { text, time }) } else { Err(NoteFault::Unsigned) }
}

/// A checkpoint that its log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub checkpoint: Checkpoint,
    /// When, in seconds since 1970, if that was signed too.
    pub time: Option<u64>,
}

/// Reads a checkpoint and holds it against the key of its log.
///
/// # Errors
/// Everything but a checkpoint of the log of that name, signed by that key.
pub fn verify(note: &str, verifier: &Verifier) -> Result<SignedCheckpoint, NoteFault> {
    let Opened { text, time } = open(note, verifier)?;
    let checkpoint = Checkpoint::parse(text)
        .filter(|checkpoint| checkpoint.origin == verifier.name)
        .ok_or(NoteFault::Form)?;
    Ok(SignedCheckpoint { checkpoint, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and a note that others published: Go's module mirror, and the example in the documentation of Go's package
    /// for signed notes.
    #[test]
    fn keys_and_notes_of_others_are_read() {
        for text in [
            "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert_eq!(Verifier::parse(text).unwrap().to_string(), text);
        }
        let key =
            Verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert!(open(note, &key).unwrap().text.ends_with("problem is.\n"));
        assert_eq!(open(&note.replace("think", "thank"), &key).err(), Some(NoteFault::Forged));
        assert_eq!(verify(note, &key), Err(NoteFault::Form));
    }

    /// The example of C2SP tlog-checkpoint.
    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_checkpoint_is_three_lines() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((checkpoint.size, checkpoint.text().as_str()), (20_852_163, EXAMPLE));
        assert!(Checkpoint::parse(&format!("{EXAMPLE}more\n")).is_some());
        for bad in [
            "",
            "\n",
            &EXAMPLE[1..EXAMPLE.len() - 1],
            &EXAMPLE[27..],
            &EXAMPLE.replace("2085", "02085"),
            &EXAMPLE.replace("2085", "+2085"),
            &EXAMPLE.replace("2I=", "2J="),
            &EXAMPLE.replace("Cs", ""),
            &format!("{EXAMPLE}\n"),
        ] {
            assert_eq!(Checkpoint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_signed_holds_and_nothing_else() {
        let secret = SecretKey::from_seed([3; 32]).unwrap();
        let verifier = Verifier::new("hub.example/log", *secret.public()).unwrap();
        let checkpoint = Checkpoint { origin: "hub.example/log".into(), size: 7, root: Sha256::of(b"x") };
        let note = checkpoint.sign(&verifier, &secret, 1_700_000_000);
        let signed = verify(&note, &verifier).unwrap();
        assert_eq!((signed.checkpoint, signed.time), (checkpoint.clone(), Some(1_700_000_000)));
        // Signatures of others do not count, for or against.
        let foreign = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert!(verify(&foreign, &verifier).is_ok());
        let lines: Vec<&str> = note.split_inclusive('\n').collect();
        let without_time = lines[..5].concat();
        assert_eq!(verify(&without_time, &verifier).unwrap().time, None);
        let only_time = [&lines[..4], &lines[5..]].concat().concat();
        assert_eq!(verify(&only_time, &verifier), Err(NoteFault::Unsigned));
        let other =
            Verifier::new("hub.example/log", *SecretKey::from_seed([4; 32]).unwrap().public()).unwrap();
        assert_eq!(verify(&note, &other), Err(NoteFault::Unsigned));
        let elsewhere =
            Checkpoint { origin: "other.example/log".into(), ..checkpoint }.sign(&verifier, &secret, 1);
        assert_eq!(verify(&elsewhere, &verifier), Err(NoteFault::Form));
        // Every byte counts.
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(text) = String::from_utf8(bytes) {
                let signed = verify(&text, &verifier);
                assert!(signed.is_err() || signed.is_ok_and(|signed| signed.time.is_none()), "{at}: {text}");
            }
            assert!(note.get(..at).is_none_or(|cut| verify(cut, &verifier).is_err_or_untimed()), "{at}");
        }
    }

    trait Untimed {
        fn is_err_or_untimed(&self) -> bool;
    }

    impl Untimed for Result<SignedCheckpoint, NoteFault> {
        fn is_err_or_untimed(&self) -> bool {
            self.as_ref().map_or(true, |signed| signed.time.is_none())
        }
    }

    #[test]
    fn names_are_plain() {
        let key = *SecretKey::from_seed([3; 32]).unwrap().public();
        for bad in ["", "a b", "a+b", "a\nb", "a\u{2003}b", &"x".repeat(201)] {
            assert_eq!(Verifier::new(bad, key), None, "{bad}");
        }
        let text = Verifier::new("hub.example", key).unwrap().to_string();
        for bad in
            [&text.replace("hub", "hab"), &text[..text.len() - 1], "a+b", "a+00000000+", &text.to_uppercase()]
        {
            assert_eq!(Verifier::parse(bad), None, "{bad}");
        }
    }
}
