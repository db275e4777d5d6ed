//! Trigrams of a line: a small set that answers "can this literal stand here?" without looking at the line again.
//!
//! A pattern is only worth running where every part that it cannot do without may stand. `build.rs` finds those parts
//! (see `build/needs.rs`) and keeps three trigrams of each, ten bits a trigram, in one number.

/// Bits of the set.
const BITS: u32 = 10;

/// The trigrams of a line, ASCII case folded.
#[derive(Debug, Clone)]
pub struct Trigrams {
    bits: [u64; 1 << (BITS - 6)],
}

impl Trigrams {
    pub fn of(line: &[u8]) -> Trigrams {
        let mut bits = [0; 1 << (BITS - 6)];
        let mut window = 0u32;
        for (i, byte) in line.iter().enumerate() {
            window = (window >> 8) | (u32::from(byte | 0x20) << 16);
            if i >= 2 {
                let slot = slot(window);
                bits[(slot >> 6) as usize] |= 1 << (slot & 63);
            }
        }
        Trigrams { bits }
    }

    fn has(&self, slot: u32) -> bool {
        self.bits[(slot >> 6) as usize & (self.bits.len() - 1)] & (1 << (slot & 63)) != 0
    }

    /// May the literal that was packed into three trigrams stand in the line?
    fn may_hold(&self, packed: u32) -> bool {
        let mask = (1 << BITS) - 1;
        self.has(packed & mask)
            && self.has((packed >> BITS) & mask)
            && self.has((packed >> (2 * BITS)) & mask)
    }

    /// May the line have what a pattern needs? An empty need is met by every line.
    pub fn may_meet(&self, need: &[u32]) -> bool {
        need.is_empty() || self.meets(need).0
    }

    /// The answer for the need at the start of `need`, and what follows it.
    fn meets<'n>(&self, need: &'n [u32]) -> (bool, &'n [u32]) {
        let Some((head, mut rest)) = need.split_first() else { return (true, need) };
        let count = (head & COUNT) as usize;
        if head >> KIND_SHIFT == ANY {
            let (literals, rest) = rest.split_at(count.min(rest.len()));
            let met = literals.is_empty() || literals.iter().any(|literal| self.may_hold(*literal));
            return (met, rest);
        }
        let all = head >> KIND_SHIFT == ALL;
        let mut met = all;
        for _ in 0..count {
            let (one, next) = self.meets(rest);
            rest = next;
            met = if all { met && one } else { met || one };
        }
        (met, rest)
    }
}

/// One of the literals that follow; none: no line can be told.
pub const ANY: u32 = 0;
/// All of the needs that follow.
pub const ALL: u32 = 1;
/// One of the needs that follow.
pub const OR: u32 = 2;

const KIND_SHIFT: u32 = 28;
const COUNT: u32 = (1 << KIND_SHIFT) - 1;

/// The number that starts a need: its kind, and how many entries follow.
pub const fn head(kind: u32, entries: usize) -> u32 {
    kind << KIND_SHIFT | (entries as u32 & COUNT)
}

/// Where a folded trigram (in the low three bytes) is kept.
const fn slot(window: u32) -> u32 {
    window.wrapping_mul(0x9E37_79B1) >> (32 - BITS)
}

/// Three trigrams of a literal of at least three bytes: its first, a middle and its last.
pub fn pack(literal: &[u8]) -> Option<u32> {
    let last = literal.len().checked_sub(3)?;
    let at = |i: usize| {
        let [a, b, c] = [literal[i] | 0x20, literal[i + 1] | 0x20, literal[i + 2] | 0x20];
        slot(u32::from_le_bytes([a, b, c, 0]))
    };
    Some(at(0) | at(last / 2) << BITS | at(last) << (2 * BITS))
}
