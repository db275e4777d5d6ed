//! Trigrams of a line: a small set that answers "can this literal stand here?" without looking at the line again.
//!
//! A pattern is only worth running where every part that it cannot do without may stand. `build.rs` finds those parts
//! (see `build/needs.rs`) and keeps the rarest trigram of each, twelve bits.

/// Bits of the set.
const BITS: u32 = 12;

/// The trigrams of a line, ASCII case folded, and its marks.
#[derive(Debug, Clone)]
pub struct Trigrams<'t> {
    /// For each trigram the number of the last line that had it; made for the first line.
    seen: Vec<u16>,
    this: u16,
    line: &'t [u8],
}

impl<'t> Trigrams<'t> {
    /// Of no line.
    pub const fn empty() -> Trigrams<'t> {
        Trigrams { seen: Vec::new(), this: 0, line: &[] }
    }

    /// Forgets what was in it and takes this line.
    pub fn take(&mut self, line: &'t [u8]) {
        if self.seen.is_empty() {
            self.seen = vec![0; 1 << BITS];
        }
        self.this = self.this.wrapping_add(1);
        if self.this == 0 {
            self.seen.fill(0);
            self.this = 1;
        }
        self.line = line;
        let Some(seen) = self.seen.first_chunk_mut::<{ 1 << BITS }>() else { return };
        let mut window = 0u32;
        for byte in line {
            // The first two windows have zeros in them: no trigram that is asked for has.
            window = (window >> 8) | (u32::from(byte | 0x20) << 16);
            seen[usize::from(slot(window)) & ((1 << BITS) - 1)] = self.this;
        }
    }

    /// May the trigram of this number stand in the line? Or the mark.
    fn has(&self, slot: u16) -> bool {
        if slot & MARK != 0 {
            return memchr::memchr(slot as u8, self.line).is_some();
        }
        self.seen.get(usize::from(slot)) == Some(&self.this)
    }

    /// Of the branches asked for, those whose need the line may meet.
    pub fn may_meet(&self, mut needs: &[u16], branches: u64) -> u64 {
        let mut met = 0;
        let mut bit = 1;
        while let Some((length, rest)) = needs.split_first() {
            let (need, rest) = rest.split_at(usize::from(*length).min(rest.len()));
            needs = rest;
            if branches & bit != 0 && (need.is_empty() || self.meets(need, true).0) {
                met |= bit;
            }
            bit <<= 1;
        }
        met
    }

    /// The answer for the need at the start of `need`, and what follows it. Not `asked`: only what follows.
    fn meets<'n>(&self, need: &'n [u16], asked: bool) -> (bool, &'n [u16]) {
        let Some((head, mut rest)) = need.split_first() else { return (true, need) };
        if head >> KIND_SHIFT == ANY {
            return self.any(*head, rest, asked);
        }
        let all = head >> KIND_SHIFT == ALL;
        let mut met = all;
        for _ in 0..head & COUNT {
            // What is decided is not asked for again.
            let asked = asked && met == all;
            let (one, next) = match rest.split_first() {
                Some((head, rest)) if head >> KIND_SHIFT == ANY => self.any(*head, rest, asked),
                _ => self.meets(rest, asked),
            };
            rest = next;
            met = if all { met && one } else { met || one };
        }
        (met, rest)
    }

    #[inline]
    fn any<'n>(&self, head: u16, entries: &'n [u16], asked: bool) -> (bool, &'n [u16]) {
        let (trigrams, rest) = entries.split_at(usize::from(head & COUNT).min(entries.len()));
        let met = asked && (trigrams.is_empty() || trigrams.iter().any(|trigram| self.has(*trigram)));
        (met, rest)
    }
}

/// One of the trigrams that follow; none: no line can be told.
pub const ANY: u16 = 0;
/// All of the needs that follow.
pub const ALL: u16 = 1;
/// One of the needs that follow.
pub const OR: u16 = 2;

const KIND_SHIFT: u32 = 14;
const COUNT: u16 = (1 << KIND_SHIFT) - 1;

/// The number that starts a need: its kind, and how many entries follow.
pub const fn head(kind: u16, entries: usize) -> u16 {
    kind << KIND_SHIFT | (entries as u16 & COUNT)
}

/// Where a folded trigram (in the low three bytes) is kept.
const fn slot(window: u32) -> u16 {
    (window.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as u16
}

/// The number of a trigram.
pub fn number([a, b, c]: [u8; 3]) -> u16 {
    slot(u32::from_le_bytes([a | 0x20, b | 0x20, c | 0x20, 0]))
}

/// Bit of a number that is that of a mark.
const MARK: u16 = 1 << 15;

/// The number of a byte that stands for itself.
pub const fn mark(byte: u8) -> u16 {
    MARK | byte as u16
}

/// Bytes that few lines have, so that one alone tells something.
pub fn is_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'|' | b';'
            | b'&'
            | b'<'
            | b'>'
            | b'$'
            | b'`'
            | b'\\'
            | b'@'
            | b'%'
            | b'*'
            | b'!'
            | b'?'
            | b'='
            | b'{'
            | b'['
            | b'~'
            | b'^'
            | b'#'
            | b'+'
    )
}
