//! The readable parts of a binary: runs of text, eight bits wide or sixteen, in the order they stand. Not a decoder of
//! any format.

/// A run shorter than this says nothing.
const SHORTEST: usize = 6;
/// And this many of its characters must be more than blanks.
const SOLID: usize = 4;

/// Appends the runs of printable text in `bytes` to `out`, one line break between two runs; line breaks inside a run
/// stay, so that a text with some junk in front decodes to itself. UTF-16 text is found by its zero bytes.
///
/// Returns how many bytes at the end may be the start of a run that goes on: a reader that has more to come passes
/// them again with what follows. At most [`CARRY`] bytes.
pub fn extract(bytes: &[u8], more_to_come: bool, out: &mut String) -> usize {
    let mut i = 0;
    while i < bytes.len() {
        // Most bytes of compressed data start nothing, or something too short: those two must be cheap.
        if !STARTS[usize::from(bytes[i])] {
            i += 1;
            continue;
        }
        let (wide_end, is_wide) = if bytes.get(i + 1) == Some(&0) { wide_run(bytes, i) } else { (i, false) };
        let end = if is_wide { wide_end } else { narrow_run(bytes, i) };
        if end == i {
            if more_to_come && bytes.len() - i < 4 {
                return bytes.len() - i;
            }
            i += 1;
            continue;
        }
        // How a run ends shows in the bytes behind it: whether they are the start of a sixteen-bit one.
        if more_to_come && end.max(wide_end) + 2 * SHORTEST + 4 > bytes.len() && bytes.len() - i <= CARRY {
            return bytes.len() - i;
        }
        if end - i >= SHORTEST {
            push_run(&bytes[i..end], is_wide, out);
        }
        i = end;
    }
    0
}

/// See [`extract`].
pub const CARRY: usize = 4096;

/// Appends runs of at least `shortest` printable bytes: what a file that claims to be UTF-16 says to a reader who takes
/// it for ASCII.
pub fn extract_narrow(bytes: &[u8], shortest: usize, out: &mut String) -> bool {
    let before = out.len();
    for run in bytes.split(|&b| !is_printable(b)).filter(|run| run.len() >= shortest) {
        push_run(run, false, out);
    }
    out.len() > before
}

const fn is_printable(b: u8) -> bool {
    0x20 <= b && b < 0x7f || matches!(b, b'\t' | b'\n' | b'\r')
}

/// The bytes a run can start with: printable ones and the first of UTF-8 characters.
static STARTS: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = is_printable(b as u8) || 0xc2 <= b && b <= 0xf4;
        b += 1;
    }
    table
};

/// The end of a run of `x 0 x 0 …` from `i`, and whether it is long enough to be one.
fn wide_run(bytes: &[u8], i: usize) -> (usize, bool) {
    let units = bytes[i..].chunks_exact(2).take_while(|pair| is_printable(pair[0]) && pair[1] == 0).count();
    // A big-endian run ends with its last character, whose zero came before it.
    let end = i + 2 * units;
    let last = usize::from(units > 0 && bytes.get(end).is_some_and(|&b| is_printable(b)));
    (end + last, units + last >= SHORTEST)
}

/// The end of a run of printable ASCII and well-formed UTF-8 from `i`.
fn narrow_run(bytes: &[u8], i: usize) -> usize {
    let mut end = i;
    loop {
        end += bytes[end..].iter().take_while(|&&b| is_printable(b)).count();
        let width = multibyte(&bytes[end..]);
        if width == 0 {
            // A sixteen-bit run that follows without a gap begins with the last of these characters.
            let joined = end > i + 1 && bytes.get(end) == Some(&0) && wide_run(bytes, end - 1).1;
            return if joined { end - 1 } else { end };
        }
        end += width;
    }
}

/// The width of the well-formed character of two to four bytes at the front, or 0.
fn multibyte(bytes: &[u8]) -> usize {
    let width = match bytes {
        [0xc2..=0xdf, 0x80..=0xbf, ..] => return 2,
        [0xe0..=0xef, 0x80..=0xbf, ..] => 3,
        [0xf0..=0xf4, 0x80..=0xbf, ..] => 4,
        _ => return 0,
    };
    match bytes.get(..width).map(std::str::from_utf8) {
        Some(Ok(_)) => width,
        _ => 0,
    }
}

fn push_run(run: &[u8], wide: bool, out: &mut String) {
    let start = out.len();
    if start > 0 && !out.ends_with('\n') {
        out.push('\n');
    }
    let from = out.len();
    if wide {
        out.extend(run.iter().step_by(2).map(|&b| char::from(b)));
    } else {
        out.push_str(std::str::from_utf8(run).unwrap_or(""));
    }
    let text = &out[from..];
    if text.len() < SHORTEST || text.chars().filter(|c| !c.is_whitespace()).take(SOLID).count() < SOLID {
        out.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(bytes: &[u8]) -> String {
        let mut out = String::new();
        assert_eq!(extract(bytes, false, &mut out), 0);
        out
    }

    #[test]
    fn finds_eight_and_sixteen_bit_text_in_order() {
        assert_eq!(strings(b"\x01\x02curl -s http\0\x03ab\x04second"), "curl -s http\nsecond");
        assert_eq!(strings(b"\xff\xffp\0o\0w\0e\0r\0s\0h\0e\0l\0l\0\xff\xff"), "powershell");
        assert_eq!(strings(b"\x01hello p\0o\0w\0e\0r\0s\0"), "hello \npowers");
        assert_eq!(strings(b"\xff\xff\0p\0o\0w\0e\0r\0s\0h\0e\0l\0l\xff\xff"), "powershell");
        assert_eq!(strings("\u{1}größe 日本".as_bytes()), "größe 日本");
    }

    #[test]
    fn a_text_behind_junk_keeps_its_lines() {
        assert_eq!(
            strings(b"\x7fELF\x02\x01\x01\0\0line one\r\n\r\nline two\n"),
            "line one\r\n\r\nline two\n"
        );
    }

    #[test]
    fn short_and_blank_runs_are_noise() {
        assert_eq!(strings(b"\x01ab\x02      \n\n\n\x03abcde\x04"), "");
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let bytes =
            b"\x01\x02first run of text\0\0\0w\0i\0d\0e\0 \0t\0e\0x\0t\0\xff last one \xe6\x97\xa5\xff";
        let whole = strings(bytes);
        for cut in 0..bytes.len() {
            let mut out = String::new();
            let carry = extract(&bytes[..cut], true, &mut out);
            extract(&bytes[cut - carry..], false, &mut out);
            assert_eq!(out, whole, "cut at {cut}");
        }
    }
}
