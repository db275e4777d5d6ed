//! Base85 in its two alphabets, where the text names it.

use super::{Sink, bytes, spell};
use crate::rules::Lang;
use crate::scan::clues;
use std::ops::Range;

/// Shortest run that is read.
const MIN_RUN: usize = 20;
const MAX_RUN: usize = 64 << 10;

pub(super) fn find(sink: &mut Sink) {
    let text = sink.text;
    let mut candidates: Vec<Range<usize>> = spell::literals(text).filter(|r| r.len() >= MIN_RUN).collect();
    // A payload may stand on a line of its own.
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim();
        if (MIN_RUN..MAX_RUN).contains(&body.len()) && !body.contains(' ') {
            let at = start + line.find(body).unwrap_or(0);
            candidates.push(at..at + body.len());
        }
        start += line.len();
    }
    let keyed = sink.clues.has(clues::KEYED);
    for range in candidates {
        let run = text[range.clone()].trim_start_matches("<~").trim_end_matches("~>").as_bytes();
        let marks = run.iter().filter(|b| b.is_ascii_punctuation()).count();
        if marks * 20 < run.len() {
            continue;
        }
        for alphabet in [&RFC1924[..], &ASCII85[..]] {
            if let Some(decoded) = decode(run, alphabet)
                && let Some((mut chain, decoded)) = bytes::read(&decoded, keyed)
            {
                chain.insert(0, "base85");
                sink.put(range.clone(), &chain, decoded, Lang::Unknown);
                break;
            }
        }
    }
}

const RFC1924: [u8; 85] =
    *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

const ASCII85: [u8; 85] = {
    let mut table = [0; 85];
    let mut i = 0;
    while i < 85 {
        table[i as usize] = b'!' + i;
        i += 1;
    }
    table
};

fn decode(run: &[u8], alphabet: &[u8]) -> Option<Vec<u8>> {
    let mut values = [0xffu8; 256];
    for (i, b) in (0u8..).zip(alphabet) {
        values[*b as usize] = i;
    }
    let mut out = Vec::with_capacity(run.len() / 5 * 4 + 4);
    for group in run.chunks(5) {
        // A short last group is filled up with the highest digit.
        let mut word = 0u32;
        for i in 0..5 {
            let digit = group.get(i).map_or(84, |b| values[*b as usize]);
            if digit == 0xff {
                return None;
            }
            word = word.checked_mul(85)?.checked_add(u32::from(digit))?;
        }
        out.extend_from_slice(&word.to_be_bytes()[..group.len() - 1]);
    }
    Some(out)
}
