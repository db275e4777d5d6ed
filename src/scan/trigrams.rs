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

    /// May the line have what a pattern needs? `program` is a node after the other, each its kind (the upper two bits: one
    /// of these literals, all of these nodes, one of these nodes) and how many follow; `build.rs` writes it.
    pub fn may_satisfy(&self, program: &[u32]) -> bool {
        self.node(program).0
    }

    /// Whether a node may hold, and what stands behind it. Nodes are as deep as patterns nest.
    fn node<'p>(&self, program: &'p [u32]) -> (bool, &'p [u32]) {
        let [head, rest @ ..] = program else { return (true, program) };
        let count = (head & 0x3fff_ffff) as usize;
        let (mut met, mut rest) = (head >> 30 == 1, rest);
        if head >> 30 == 0 {
            let (literals, behind) = rest.split_at(count.min(rest.len()));
            return (literals.iter().any(|literal| self.may_hold(*literal)), behind);
        }
        for _ in 0..count {
            let (one, behind) = self.node(rest);
            rest = behind;
            met = if head >> 30 == 1 { met && one } else { met || one };
        }
        (met, rest)
    }
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
