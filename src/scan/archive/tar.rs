//! Tar archives, read in memory: ustar, GNU and PAX, and the tricks that make two readers see two archives.

/// Does the 512-byte header's checksum hold? Old writers summed signed bytes; both sums are accepted.
pub fn checksum_holds(block: &[u8]) -> bool {
    let Some(field) = block.get(148..156) else { return false };
    let digits: Vec<u8> =
        field.iter().copied().skip_while(|&b| b == b' ').take_while(u8::is_ascii_digit).collect();
    let Some(expected) = std::str::from_utf8(&digits).ok().and_then(|s| i64::from_str_radix(s, 8).ok())
    else {
        return false;
    };
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (i, &b) in block.iter().take(512).enumerate() {
        let b = if (148..156).contains(&i) { b' ' } else { b };
        unsigned += i64::from(b);
        signed += i64::from(i8::from_ne_bytes([b]));
    }
    expected == unsigned || expected == signed
}
