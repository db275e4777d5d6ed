//! What a client may believe of a registry's log, by what it remembers of it: that it only ever grew. Pure; who asks the
//! registry is `hub::log`'s, where it is remembered `book`'s.

use super::merkle;
use super::note::{SignedCheckpoint, Verifier};
use crate::digest::Sha256;

/// A checkpoint that is older than this many seconds may be an old state that somebody shows on purpose.
pub const STALE: u64 = 7 * 24 * 3600;
/// Clocks may differ by so many seconds.
const CLOCKS: u64 = 3600;

/// What was seen of a log last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub verifier: Verifier,
    pub size: u64,
    pub root: Sha256,
    /// Of the checkpoint, else when it came; seconds since 1970.
    pub time: u64,
}

/// Why a log is not believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFault {
    /// It has another key or name than the one that was pinned.
    Key,
    /// It is shorter than it was.
    Rollback,
    /// It is as long as it was, with other entries.
    Rewritten,
    /// It is longer, and does not continue what it was.
    Forked,
}

impl LogFault {
    pub const fn as_str(self) -> &'static str {
        match self {
            LogFault::Key => "the registry's log has another key than the one that was pinned",
            LogFault::Rollback => "the registry's log is shorter than it was: something was taken back",
            LogFault::Rewritten => "the registry's log was rewritten",
            LogFault::Forked => "the registry's log does not continue what it was",
        }
    }
}

/// May this checkpoint follow the remembered one, and is a consistency proof between the two sizes needed for it?
///
/// # Errors
/// Where no proof could help.
pub fn needs_proof(before: &Remembered, now: &SignedCheckpoint) -> Result<bool, LogFault> {
    let now = &now.checkpoint;
    match () {
        () if now.size < before.size => Err(LogFault::Rollback),
        () if now.size == before.size && now.root != before.root => Err(LogFault::Rewritten),
        () => Ok(now.size > before.size && before.size > 0),
    }
}

/// Follows from the remembered checkpoint to the new one. `proof` is empty where none is needed.
///
/// # Errors
/// Where the log did anything but grow.
pub fn follow(
    before: &Remembered,
    now: &SignedCheckpoint,
    proof: &[Sha256],
    clock: u64,
) -> Result<Remembered, LogFault> {
    needs_proof(before, now)?;
    let (old, new) = ((before.size, &before.root), (now.checkpoint.size, &now.checkpoint.root));
    if !merkle::extends(old, new, proof) {
        return Err(LogFault::Forked);
    }
    // An older signature of the same or a longer log is odd but harmless; the time does not go back for it.
    let time = now.time.unwrap_or(clock).max(before.time);
    Ok(Remembered { verifier: before.verifier.clone(), size: new.0, root: *new.1, time })
}

/// Is it so old that it may be an old state, shown on purpose? Without a time of its own nothing can be said.
#[must_use]
pub fn is_stale(now: &SignedCheckpoint, clock: u64) -> bool {
    now.time.is_some_and(|time| time.saturating_add(STALE) < clock)
}

/// Is it from the future, beyond what clocks differ by?
#[must_use]
pub fn is_future(now: &SignedCheckpoint, clock: u64) -> bool {
    now.time.is_some_and(|time| time > clock.saturating_add(CLOCKS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;
    use crate::trust::note::Checkpoint;

    fn at(leaves: &[Sha256], time: Option<u64>) -> SignedCheckpoint {
        fn root(leaves: &[Sha256]) -> Sha256 {
            match leaves {
                [] => merkle::empty(),
                [one] => *one,
                more => {
                    let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                    merkle::node(&root(left), &root(right))
                }
            }
        }
        let checkpoint = Checkpoint { origin: "h".into(), size: leaves.len() as u64, root: root(leaves) };
        SignedCheckpoint { checkpoint, time }
    }

    #[test]
    fn a_log_may_grow_and_nothing_else() {
        let leaves: Vec<Sha256> = (0..4u8).map(|i| merkle::leaf(&[i])).collect();
        let verifier = Verifier::new("h", *SecretKey::from_seed([1; 32]).unwrap().public()).unwrap();
        let remember = |signed: &SignedCheckpoint| Remembered {
            verifier: verifier.clone(),
            size: signed.checkpoint.size,
            root: signed.checkpoint.root,
            time: 100,
        };
        let before = remember(&at(&leaves[..2], None));
        let longer = at(&leaves, Some(200));
        let proof = [merkle::node(&leaves[2], &leaves[3])];
        assert_eq!(needs_proof(&before, &longer), Ok(true));
        let after = follow(&before, &longer, &proof, 900).unwrap();
        assert_eq!((after.size, after.root, after.time), (4, longer.checkpoint.root, 200));
        assert_eq!(follow(&before, &longer, &[], 900), Err(LogFault::Forked));
        assert_eq!(follow(&before, &longer, &[leaves[2]], 900), Err(LogFault::Forked));
        // Back to where it was, and back in time.
        assert_eq!(follow(&after, &at(&leaves[..2], Some(300)), &[], 900), Err(LogFault::Rollback));
        assert_eq!(follow(&after, &at(&leaves, Some(150)), &[], 900).unwrap().time, 200);
        assert_eq!(follow(&after, &at(&leaves, None), &[], 900).unwrap().time, 900);
        let mut other = leaves.clone();
        other[0] = merkle::leaf(b"x");
        assert_eq!(follow(&after, &at(&other, None), &[], 900), Err(LogFault::Rewritten));
        assert_eq!(follow(&before, &at(&other, None), &proof, 900), Err(LogFault::Forked));
        // From the empty log every one may follow.
        let empty = remember(&at(&[], None));
        assert_eq!(
            (needs_proof(&empty, &longer), follow(&empty, &longer, &[], 900).is_ok()),
            (Ok(false), true)
        );
    }

    #[test]
    fn age_is_told() {
        let signed = |time| at(&[], time);
        assert!(is_stale(&signed(Some(10)), 11 + STALE) && !is_stale(&signed(Some(11)), 11 + STALE));
        assert!(!is_stale(&signed(None), u64::MAX) && !is_stale(&signed(Some(u64::MAX >> 1)), 0));
        assert!(is_future(&signed(Some(9000)), 5000) && !is_future(&signed(Some(8600)), 5000));
    }
}
