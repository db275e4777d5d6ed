/// Kinds of bytes that are told apart.
pub const KINDS: usize = 32;

/// The kind of a byte: letters one by one in either case, marks by what they do.
pub const fn kind(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => (byte - b'a') as usize,
        b'A'..=b'Z' => (byte - b'A') as usize,
        b' ' => 26,
        b'0'..=b'9' => 27,
        b'_' | b'-' => 28,
        b'"' | b'\'' | b'`' => 29,
        b'.' | b'/' | b':' => 30,
        _ => 31,
    }
}
