//! Is this version the one its owner published, and is the owner one we trust? Decides from what is known; changes and
//! asks nothing.

use super::book::{Book, Pin};
use super::key::{PublicKey, Signature};
use super::letter::Rotation;
use super::statement::Statement;
use crate::digest::Sha256;
use crate::skill::Problem;
use crate::skill::version::Version;

/// A version of a skill, as it arrived.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Origin of the registry it was asked for at.
    pub registry: &'a str,
    pub owner: &'a str,
    pub slug: &'a str,
    pub version: &'a str,
    /// Of the bytes that arrived.
    pub content_hash: Sha256,
    pub signed: Option<(Statement, Signature)>,
    /// The version that is installed, if one is.
    pub installed: Option<&'a str>,
}

/// What the user allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// No trust on first use.
    pub frozen: bool,
    pub downgrade: bool,
    /// The key that a committed lock names for exactly these bytes: with `frozen` it counts, and is not pinned.
    pub locked: Option<PublicKey>,
}

/// The answer when it is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// Who signed; `None` for an unsigned skill of an owner that never signed.
    pub key: Option<PublicKey>,
    pub seq: Option<u64>,
    /// A pin to set once the skill is installed: the first use of a key, or one that was rotated to.
    pub pin: Option<Pin>,
    /// What a person should read.
    pub notes: Vec<String>,
}

/// Decides. `rotations` are letters that were read and hold; `now` is in seconds since 1970.
pub fn judge(
    book: &Book,
    claim: &Claim,
    allowed: Allowed,
    rotations: &[Rotation],
    now: u64,
) -> Result<Verdict, Problem> {
    let name = format!("@{}/{} {}", claim.owner, claim.slug, claim.version);
    let no = |what: String, fix: &str| Err(Problem::denied(what, name.clone(), fix));
    let seen = book.seen(claim.registry, claim.owner, claim.slug);
    if let Some((_, known)) = seen.and_then(|seen| seen.versions.iter().find(|(v, _)| v == claim.version))
        && *known != claim.content_hash
    {
        let what = format!("this version had other bytes before: {known}, now {}", claim.content_hash);
        return no(what, "do not install it; ask its owner");
    }
    if let (Some(installed), false) = (claim.installed, allowed.downgrade) {
        let older = match (Version::parse(claim.version), Version::parse(installed)) {
            (Some(new), Some(old)) => new < old,
            _ => false,
        };
        if older {
            return no(
                format!("{installed} is installed, which is newer"),
                "if you mean it: --allow-downgrade",
            );
        }
    }
    let pin = book.pin(claim.registry, claim.owner);
    let Some((statement, signature)) = &claim.signed else {
        let signed_before = seen.is_some_and(|seen| seen.latest.is_some());
        if let Some(pin) = pin {
            let what = format!("unsigned, but this owner signs with {}", short(&pin.public_key));
            return no(what, "do not install it; ask its owner");
        }
        if signed_before {
            return no("unsigned, but it was signed before".into(), "do not install it; ask its owner");
        }
        let notes = vec!["unsigned: nobody vouches for these bytes but the registry".to_owned()];
        return Ok(Verdict { key: None, seq: None, pin: None, notes });
    };
    if let Err(what) = covers(statement, claim) {
        return no(what, "do not install it; ask its owner");
    }
    let key = statement.public_key;
    if !statement.is_signed_by(signature) {
        return no("the signature does not hold".into(), "do not install it; ask its owner");
    }
    if let Some(revoked) = book.revoked(&key) {
        return no(
            format!("signed by a revoked key ({})", revoked.reason),
            "wait for a version with a new key",
        );
    }
    let mut notes = Vec::new();
    let new_pin = |how: &str| Pin {
        registry: claim.registry.to_owned(),
        owner: claim.owner.to_owned(),
        public_key: key,
        since: now,
        how: how.to_owned(),
    };
    let pin = match pin {
        Some(pin) if pin.public_key == key => None,
        Some(pin) => {
            if !rotated(pin, &key, book, rotations) {
                let what = format!(
                    "signed by another key than the one you trust for {}: {} instead of {}",
                    claim.owner,
                    key.fingerprint(),
                    pin.public_key.fingerprint()
                );
                let fix = "ask its owner, and if it is right: weft skill trust accept";
                return no(what, fix);
            }
            notes.push(format!("the owner's key changed, and the old key says so: {}", key.fingerprint()));
            Some(new_pin("rotation"))
        }
        None if allowed.frozen && allowed.locked == Some(key) => None,
        None if allowed.frozen => {
            let fix = format!("weft skill trust accept {} {} {key}", claim.registry, claim.owner);
            return no("nobody is trusted on first use with --frozen".into(), &fix);
        }
        None => {
            notes.push(format!(
                "first use of {}'s key, trusted from now on: {}",
                claim.owner,
                key.fingerprint()
            ));
            Some(new_pin("first use"))
        }
    };
    if let Some((latest, hash)) = seen.and_then(|seen| seen.latest) {
        if statement.seq < latest && !allowed.downgrade {
            let what = format!("number {} of this skill was seen, this is number {}", latest, statement.seq);
            return no(what, "an old version is offered again; if you mean it: --allow-downgrade");
        }
        let forked = (statement.seq == latest && statement.content_hash != hash)
            || (statement.seq == latest.saturating_add(1) && statement.previous != Some(hash));
        if forked {
            return no(
                "it does not follow the version seen before: the history was rewritten".into(),
                "do not install it; ask its owner",
            );
        }
        if statement.seq > latest.saturating_add(1) {
            notes.push(format!("{} versions between were not seen here", statement.seq - latest - 1));
        }
    }
    Ok(Verdict { key: Some(key), seq: Some(statement.seq), pin, notes })
}

/// Does the statement speak of what arrived, line by line?
fn covers(statement: &Statement, claim: &Claim) -> Result<(), String> {
    let lines = [
        ("registry", statement.registry.as_str(), claim.registry),
        ("owner", &statement.owner, claim.owner),
        ("slug", &statement.slug, claim.slug),
        ("version", &statement.version, claim.version),
    ];
    for (name, signed, here) in lines {
        if signed != here {
            return Err(format!("what is signed is for the {name} `{signed}`, not `{here}`"));
        }
    }
    if statement.content_hash != claim.content_hash {
        return Err(format!(
            "signed for {}, but the bytes are {}",
            statement.content_hash, claim.content_hash
        ));
    }
    Ok(())
}

/// Is there a chain of rotations from the pinned key to this one, over keys that are not revoked?
fn rotated(pin: &Pin, key: &PublicKey, book: &Book, rotations: &[Rotation]) -> bool {
    let mut at = pin.public_key;
    // Each letter is used once at most.
    for _ in 0..rotations.len() {
        if book.revoked(&at).is_some() {
            return false;
        }
        let next = rotations
            .iter()
            .find(|letter| letter.old == at && letter.registry == pin.registry && letter.owner == pin.owner);
        match next {
            Some(letter) if letter.new == *key => return true,
            Some(letter) => at = letter.new,
            None => return false,
        }
    }
    false
}

/// The first half of a fingerprint, to recognise a key by.
fn short(key: &PublicKey) -> String {
    key.fingerprint().chars().take(39).collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
