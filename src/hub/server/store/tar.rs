//! As much of the tar format (POSIX ustar) as a backup needs: regular files with short names, one behind the other. Any tar
//! can read what this writes.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// With `/` between its parts.
    pub name: String,
    pub size: u64,
    /// A regular file; everything else is told, and has no content.
    pub file: bool,
}

/// Writes the header of a file that has so many bytes; they follow, then [`pad`].
pub fn header(out: &mut dyn Write, name: &str, size: u64, time: u64) -> io::Result<()> {
    let mut block = [0u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    if name.len() >= 100 {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    // What eleven octal digits do not hold is written as a number in base 256, as GNU tar and star do.
    if size >> 33 == 0 {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80]);
        put(128, &size.to_be_bytes());
    }
    put(136, format!("{:011o}\0", time & 0o77_777_777_777).as_bytes());
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (to, from) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    out.write_all(&block)
}

fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Fills up the last block of a file.
pub fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    out.write_all(&[0; BLOCK][..padding(size)])
}

/// The end of the archive.
pub fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// Reads the next header; `None` at the end. The content follows: `size` bytes, then what [`skip_padding`] takes.
pub fn next(input: &mut dyn Read) -> io::Result<Option<Member>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut block = [0u8; BLOCK];
    input.read_exact(&mut block)?;
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let field = |at: usize, length: usize| block.get(at..at + length).unwrap_or_default();
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).map(str::to_owned).map_err(|_| bad("a name is not UTF-8"))
    };
    let octal = |bytes: &[u8]| {
        let digits = std::str::from_utf8(bytes).ok().map(|text| text.trim_matches([' ', '\0']));
        digits.and_then(|digits| u64::from_str_radix(digits, 8).ok())
    };
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = field(148, 8).iter().map(|byte| u64::from(*byte)).sum();
    if octal(field(148, 8)) != Some(sum - own + 8 * u64::from(b' ')) {
        return Err(bad("not a tar archive, or damaged"));
    }
    let size = match field(124, 12) {
        [0x80, 0, 0, 0, rest @ ..] => rest.try_into().ok().map(u64::from_be_bytes),
        digits => octal(digits),
    };
    let size = size.filter(|size| *size < 1 << 62).ok_or_else(|| bad("a file has no size"))?;
    let (prefix, mut name) = (text(field(345, 155))?, text(field(0, 100))?);
    if !prefix.is_empty() {
        name = format!("{prefix}/{name}");
    }
    let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
    let kind = field(156, 1);
    Ok(Some(Member { name, size, file: matches!(kind, b"0" | b"\0") }))
}

/// Reads over what fills up the last block of a file.
pub fn skip_padding(input: &mut dyn Read, size: u64) -> io::Result<()> {
    input.read_exact(&mut [0; BLOCK][..padding(size)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        for (name, content) in [("a", "x".repeat(511)), ("b/c", String::new()), ("d", "y".repeat(1024))] {
            header(&mut bytes, name, content.len() as u64, 1_700_000_000).unwrap();
            bytes.extend_from_slice(content.as_bytes());
            pad(&mut bytes, content.len() as u64).unwrap();
        }
        end(&mut bytes).unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        let mut input = bytes.as_slice();
        let mut found = Vec::new();
        while let Some(member) = next(&mut input).unwrap() {
            let mut content = vec![0; member.size as usize];
            input.read_exact(&mut content).unwrap();
            skip_padding(&mut input, member.size).unwrap();
            found.push((member.name, content.len(), member.file));
        }
        assert_eq!(found, [("a".into(), 511, true), ("b/c".into(), 0, true), ("d".into(), 1024, true)]);
        // A header of which one byte is another is noticed.
        for at in 0..BLOCK {
            let mut bad = bytes.clone();
            bad[at] ^= 0x11;
            assert!(next(&mut bad.as_slice()).is_err(), "{at}");
        }
        assert!(next(&mut &bytes[..100]).is_err());
        assert!(header(&mut Vec::new(), &"x".repeat(100), 0, 0).is_err());
        let mut large = Vec::new();
        header(&mut large, "large", 9 << 33, 0).unwrap();
        assert_eq!(next(&mut large.as_slice()).unwrap().unwrap().size, 9 << 33);
    }
}
