//! The last entries of a run in memory. Not a file.

use super::SandboxAuditEntry;
use std::collections::VecDeque;

/// Holds up to 10,000 entries; when full it forgets the older half, so that forgetting is rare and cheap.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    entries: VecDeque<SandboxAuditEntry>,
    forgotten: u64,
    denied: u64,
}

impl Ring {
    pub const CAPACITY: usize = 10_000;

    pub fn push(&mut self, entry: SandboxAuditEntry) {
        if self.entries.len() >= Ring::CAPACITY {
            let half = Ring::CAPACITY / 2;
            self.entries.drain(..half);
            self.forgotten += half as u64;
        }
        self.denied += u64::from(!entry.allowed);
        self.entries.push_back(entry);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &SandboxAuditEntry> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries were dropped to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many denials there were, forgotten ones included.
    pub fn denied(&self) -> u64 {
        self.denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;

    #[test]
    fn halves_when_full_and_keeps_counting() {
        let mut ring = Ring::default();
        for n in 0..10_001 {
            ring.push(SandboxAuditEntry::now(
                "r",
                "a",
                "p",
                Action::Tool,
                &n.to_string(),
                n % 2 == 0,
                "",
                None,
            ));
        }
        assert_eq!((ring.len(), ring.forgotten(), ring.denied()), (5_001, 5_000, 5_000));
        assert_eq!(ring.iter().next().map(|entry| entry.target.as_str()), Some("5000"));
        assert_eq!(ring.iter().next_back().map(|entry| entry.target.as_str()), Some("10000"));
    }
}
