//! What an owner says about keys, signed: "from now on this one" (rotation), "never again this one" (revocation). Each is
//! a text that anyone can carry; the signatures make it true.

use super::key::{PublicKey, SecretKey, Signature};

const ROTATION: &str = "weft-key-rotation-v1";
const REVOCATION: &str = "weft-key-revocation-v1";

/// The owner's key changes; both keys say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub registry: String,
    pub owner: String,
    pub old: PublicKey,
    pub new: PublicKey,
    /// Seconds since 1970.
    pub created: u64,
}

/// A key is not to be trusted any more; it says so itself, so that who has it can end it but nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub public_key: PublicKey,
    /// Seconds since 1970.
    pub created: u64,
    /// One line.
    pub reason: String,
}

impl Rotation {
    fn body(&self) -> String {
        format!(
            "{ROTATION}\nregistry {}\nowner {}\nold {}\nnew {}\ncreated {}\n",
            self.registry, self.owner, self.old, self.new, self.created
        )
    }

    /// The letter with its signatures. `None` if a key is not the one it names, or a value is not plain.
    pub fn write(&self, old: &SecretKey, new: &SecretKey) -> Option<String> {
        let body = self.body();
        let fits = (*old.public(), *new.public()) == (self.old, self.new) && self.old != self.new;
        let plain = [&self.registry, &self.owner].iter().all(|value| is_line(value) && !value.contains(' '));
        let (by_old, by_new) = (old.sign(body.as_bytes()), new.sign(body.as_bytes()));
        (fits && plain).then(|| format!("{body}signature_old {by_old}\nsignature_new {by_new}\n"))
    }

    /// Reads a letter; `None` unless both signatures hold.
    pub fn read(text: &str) -> Option<Rotation> {
        let mut lines = Lines::new(text, ROTATION)?;
        let rotation = Rotation {
            registry: lines.value("registry")?.to_owned(),
            owner: lines.value("owner")?.to_owned(),
            old: PublicKey::parse(lines.value("old")?).ok()?,
            new: PublicKey::parse(lines.value("new")?).ok()?,
            created: lines.value("created")?.parse().ok()?,
        };
        let body = rotation.body();
        let by_old = Signature::parse(lines.value("signature_old")?)?;
        let by_new = Signature::parse(lines.value("signature_new")?)?;
        // The text before the signatures is exactly what was signed: no second spelling.
        let holds = lines.ended()
            && text.starts_with(&body)
            && rotation.old != rotation.new
            && rotation.old.verifies(body.as_bytes(), &by_old)
            && rotation.new.verifies(body.as_bytes(), &by_new);
        holds.then_some(rotation)
    }
}

impl Revocation {
    fn body(&self) -> String {
        format!(
            "{REVOCATION}\npublic_key {}\ncreated {}\nreason {}\n",
            self.public_key, self.created, self.reason
        )
    }

    /// The letter with its signature. `None` if the key is another, or the reason is not one line.
    pub fn write(&self, key: &SecretKey) -> Option<String> {
        let body = self.body();
        let fits = *key.public() == self.public_key && is_line(&self.reason);
        fits.then(|| format!("{body}signature {}\n", key.sign(body.as_bytes())))
    }

    /// Reads a letter; `None` unless its signature holds.
    pub fn read(text: &str) -> Option<Revocation> {
        let mut lines = Lines::new(text, REVOCATION)?;
        let revocation = Revocation {
            public_key: PublicKey::parse(lines.value("public_key")?).ok()?,
            created: lines.value("created")?.parse().ok()?,
            reason: lines.value("reason")?.to_owned(),
        };
        let body = revocation.body();
        let signature = Signature::parse(lines.value("signature")?)?;
        let holds = lines.ended()
            && text.starts_with(&body)
            && revocation.public_key.verifies(body.as_bytes(), &signature);
        holds.then_some(revocation)
    }
}

/// One line of a letter: printable, not too long.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= 500 && !text.chars().any(char::is_control) && text.trim() == text
}

/// `name value` lines in a fixed order.
struct Lines<'a>(std::str::SplitInclusive<'a, char>);

impl<'a> Lines<'a> {
    fn new(text: &'a str, header: &str) -> Option<Lines<'a>> {
        let mut lines = text.split_inclusive('\n');
        (text.len() <= 4096 && lines.next()?.strip_suffix('\n') == Some(header)).then_some(Lines(lines))
    }

    fn value(&mut self, name: &str) -> Option<&'a str> {
        let line = self.0.next()?.strip_suffix('\n')?;
        line.strip_prefix(name)?.strip_prefix(' ').filter(|value| is_line(value))
    }

    fn ended(&mut self) -> bool {
        self.0.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32]).unwrap()
    }

    #[test]
    fn a_rotation_needs_both_keys() {
        let (old, new, other) = (key(1), key(2), key(3));
        let rotation = Rotation {
            registry: "https://hub.example".into(),
            owner: "alice".into(),
            old: *old.public(),
            new: *new.public(),
            created: 5,
        };
        let text = rotation.write(&old, &new).unwrap();
        assert_eq!(Rotation::read(&text), Some(rotation.clone()));
        assert_eq!(rotation.write(&old, &other), None);
        assert_eq!(rotation.write(&other, &new), None);
        // One who has only the new key signs twice.
        let forged = text.lines().map(|line| match line.strip_prefix("signature_old ") {
            Some(_) => format!("signature_old {}\n", new.sign(rotation.body().as_bytes())),
            None => format!("{line}\n"),
        });
        assert_eq!(Rotation::read(&forged.collect::<String>()), None);
        for (from, to) in [("alice", "mallo"), ("created 5", "created 05"), ("hub", "hab"), ("v1", "v2")] {
            assert_eq!(Rotation::read(&text.replace(from, to)), None, "{from}");
        }
        assert_eq!(Rotation::read(&format!("{text}x\n")), None);
    }

    #[test]
    fn a_revocation_needs_the_key() {
        let revocation =
            Revocation { public_key: *key(1).public(), created: 9, reason: "laptop lost".into() };
        let text = revocation.write(&key(1)).unwrap();
        assert_eq!(Revocation::read(&text), Some(revocation.clone()));
        assert_eq!(revocation.write(&key(2)), None);
        assert_eq!(Revocation::read(&text.replace("lost", "kept")), None);
        let lines = Revocation { reason: "a\nsignature b".into(), ..revocation };
        assert_eq!(lines.write(&key(1)), None);
    }
}
