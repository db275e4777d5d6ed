//! How much work one file may make, counted in steps. A step is about what looking at one byte costs; the passes that
//! every text gets are not counted, only what a text can make more of: rewritings, candidates, lines that are held
//! against each other. Counted and not timed, so that a scan says the same on every machine.

use std::cell::Cell;

/// Steps that every byte of a file brings.
const PER_BYTE: u64 = 20;
/// Steps that a file may take whatever its size: a small one may well unpack to a large one.
const SPARE: u64 = 4 << 20;

/// The steps of one file.
#[derive(Clone, Debug, Default)]
pub struct Work {
    spent: Cell<u64>,
    limit: u64,
    exceeded: Cell<bool>,
}

impl Work {
    /// For a text of so many bytes.
    pub const fn for_text(len: usize) -> Work {
        let limit = (len as u64).saturating_mul(PER_BYTE).saturating_add(SPARE);
        Work { spent: Cell::new(0), limit, exceeded: Cell::new(false) }
    }

    /// Takes so many steps. False if they are more than is left: then the work they are for is not to be done, and
    /// the report says so.
    #[must_use]
    pub fn spend(&self, steps: usize) -> bool {
        let spent = self.spent.get().saturating_add(steps as u64);
        if spent > self.limit {
            self.exceeded.set(true);
            return false;
        }
        self.spent.set(spent);
        true
    }

    /// Steps taken so far.
    pub const fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Was something left undone?
    pub const fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_not_done_and_known() {
        let work = Work::for_text(10);
        let limit = usize::try_from(10 * PER_BYTE + SPARE).unwrap();
        assert!(work.spend(limit - 1) && !work.is_exceeded());
        assert!(!work.spend(2) && work.is_exceeded());
        assert!(work.spend(1), "smaller work may still fit");
        assert_eq!(work.spent(), limit as u64);
        assert!(!work.spend(usize::MAX));
    }
}
