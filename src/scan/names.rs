//! Names of files as people see them: one line, nothing a terminal or a log would obey. Not for opening files.

use std::fmt::Write;

/// Appends `name` so that it stays one printable line and two names never look the same: bytes that are not UTF-8
/// become `\xNN`, control, bidi and invisible characters `\u{…}`, and a backslash is doubled.
pub fn escape_into(name: &[u8], out: &mut String) {
    if name.iter().all(|&b| (0x20..0x7f).contains(&b) && b != b'\\') {
        out.extend(name.iter().map(|&b| char::from(b)));
        return;
    }
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                out.push_str("\\\\");
            } else if is_unsafe(c) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
}

/// The way back from [`escape`]; none for what it does not give, such as a name that was cut.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        rest = if let Some(after) = escaped.strip_prefix('\\') {
            out.push(b'\\');
            after
        } else if let Some(after) = escaped.strip_prefix("u{") {
            let (digits, after) = after.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            after
        } else {
            let after = escaped.strip_prefix('x')?;
            out.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
            after.get(2..)?
        };
    }
    out.extend_from_slice(rest.as_bytes());
    (escape(&out) == text).then_some(out)
}

/// [`escape_into`] a new string.
pub fn escape(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    escape_into(name, &mut out);
    out
}

/// Characters that move the cursor, reorder the line, or are not seen at all.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(escape(b"a b-c_1.md"), "a b-c_1.md");
        assert_eq!(escape("größe/日本".as_bytes()), "größe/日本");
    }

    #[test]
    fn there_is_a_way_back() {
        for name in
            [&b"a b"[..], b"a\nb\x1b[2J", b"\xff\\\xfe", "\u{202e}\u{e0041}é".as_bytes(), b"\\u{a}", b""]
        {
            assert_eq!(unescape(&escape(name)).as_deref(), Some(name), "{}", escape(name));
        }
        for not in ["\\", "\\q", "\\u{}", "\\u{110000}", "\\xf", "\\xff\\", "\\u{61}", "a\nb", "\\x61"] {
            assert_eq!(unescape(not), None, "{not:?}");
        }
    }

    #[test]
    fn names_cannot_forge_a_line_or_another_name() {
        assert_eq!(escape(b"a\nHIGH b\x1b[2J"), "a\\u{a}HIGH b\\u{1b}[2J");
        assert_eq!(escape("x\u{202e}dm.exe".as_bytes()), "x\\u{202e}dm.exe");
        assert_eq!(escape(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(escape(b"\\xff"), "\\\\xff");
    }
}
