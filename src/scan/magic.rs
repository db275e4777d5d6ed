//! Magic numbers: what a file that is not text is, judged by its first bytes. Not by its name, and never by more than
//! the head it is given.

/// How much of a file [`kind`] wants to see. It works with less, and then knows less.
pub const HEAD: usize = 512;

/// What to think of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Runs, or holds code that something runs: machine code, bytecode, pickles, shortcuts.
    Executable,
    /// Holds other files.
    Archive,
    /// Images, sound, video, fonts.
    Media,
    /// Documents that may carry text for an agent or macros for an office program.
    Document,
    /// Databases, models, everything else.
    Data,
}

use Class::{Archive, Data, Document, Executable, Media};

/// Offset, bytes, kind, class. Kinds that need more than fixed bytes are in [`kind`].
const TABLE: &[(usize, &[u8], &str, Class)] = &[
    (0, b"\x7fELF", "elf", Executable),
    (0, b"\xfe\xed\xfa\xce", "mach-o", Executable),
    (0, b"\xfe\xed\xfa\xcf", "mach-o", Executable),
    (0, b"\xce\xfa\xed\xfe", "mach-o", Executable),
    (0, b"\xcf\xfa\xed\xfe", "mach-o", Executable),
    (0, b"\0asm", "wasm", Executable),
    (0, b"dex\n03", "dex", Executable),
    (0, b"\x1bLua", "luac", Executable),
    (0, b"BC\xc0\xde", "llvm-bitcode", Executable),
    (0, b"FasdUAS ", "applescript", Executable),
    (0, b"L\0\0\0\x01\x14\x02\0", "lnk", Executable),
    (0, b"\xac\xed\0\x05", "java-serialized", Executable),
    (0, b"PK\x03\x04", "zip", Archive),
    (0, b"PK\x05\x06", "zip", Archive),
    (0, b"PK\x07\x08", "zip", Archive),
    (0, b"Cr24\x02\0", "crx", Archive),
    (0, b"Cr24\x03\0", "crx", Archive),
    (0, b"\x1f\x8b\x08", "gzip", Archive),
    (0, b"\x1f\x9d", "compress", Archive),
    (257, b"ustar\0", "tar", Archive),
    (257, b"ustar ", "tar", Archive),
    (0, b"7z\xbc\xaf\x27\x1c", "7z", Archive),
    (0, b"Rar!\x1a\x07", "rar", Archive),
    (0, b"\xfd7zXZ\0", "xz", Archive),
    (0, b"\x28\xb5\x2f\xfd", "zstd", Archive),
    (0, b"\x04\x22\x4d\x18", "lz4", Archive),
    (0, b"LZIP\x01", "lzip", Archive),
    (0, b"MSCF\0\0\0\0", "cab", Archive),
    (0, b"!<arch>\n", "ar", Archive),
    (0, b"xar!\0", "xar", Archive),
    (0, b"\xed\xab\xee\xdb", "rpm", Archive),
    (0, b"070701", "cpio", Archive),
    (0, b"070707", "cpio", Archive),
    (0, b"hsqs", "squashfs", Archive),
    (0, b"\x89PNG\r\n\x1a\n", "png", Media),
    (0, b"\xff\xd8\xff", "jpeg", Media),
    (0, b"GIF87a", "gif", Media),
    (0, b"GIF89a", "gif", Media),
    (0, b"\0\0\x01\0", "ico", Media),
    (0, b"II*\0", "tiff", Media),
    (0, b"MM\0*", "tiff", Media),
    (0, b"8BPS\0\x01", "psd", Media),
    (0, b"ID3\x02", "mp3", Media),
    (0, b"ID3\x03", "mp3", Media),
    (0, b"ID3\x04", "mp3", Media),
    (0, b"\xff\xfb", "mp3", Media),
    (0, b"OggS\0", "ogg", Media),
    (0, b"fLaC", "flac", Media),
    (0, b"\x1a\x45\xdf\xa3", "matroska", Media),
    (0, b"wOFF\0\x01", "woff", Media),
    (0, b"wOF2\0\x01", "woff2", Media),
    (0, b"\0\x01\0\0\0", "ttf", Media),
    (0, b"OTTO\0", "otf", Media),
    (0, b"%PDF-", "pdf", Document),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole", Document),
    (0, b"ITSF\x03\0", "chm", Document),
    (0, b"SQLite format 3\0", "sqlite", Data),
    (0, b"bplist0", "plist", Data),
    (0, b"GGUF\x02\0", "gguf", Data),
    (0, b"GGUF\x03\0", "gguf", Data),
    (0, b"\x93NUMPY", "numpy", Data),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5", Data),
    (0, b"PAR1\x15", "parquet", Data),
    (0, b"Obj\x01", "avro", Data),
];

/// Kinds that [`kind`] recognises by looking closer, with their class.
const COMPUTED: &[(&str, Class)] = &[
    ("pe", Executable),
    ("dos-exe", Executable),
    ("class", Executable),
    ("pyc", Executable),
    ("pickle", Executable),
    ("bzip2", Archive),
    ("webp", Media),
    ("wav", Media),
    ("avi", Media),
    ("bmp", Media),
    ("mp4", Media),
];

/// The kind of a file by its first bytes ([`HEAD`] of them are enough), or `None` for text and the unknown.
pub fn kind(head: &[u8]) -> Option<&'static str> {
    for &(offset, magic, kind, _) in TABLE {
        // Most heads differ in the first byte; this keeps the table cheap on text.
        if head.get(offset) == Some(&magic[0]) && head[offset..].starts_with(magic) {
            return Some(kind);
        }
    }
    match head {
        [0xca, 0xfe, 0xba, 0xbe, rest @ ..] => Some(java_or_fat(rest)),
        [b'M', b'Z', ..] => pe_or_dos(head),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Some("bzip2"),
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] => match form.get(..4) {
            Some(b"WEBP") => Some("webp"),
            Some(b"WAVE") => Some("wav"),
            Some(b"AVI ") => Some("avi"),
            _ => None,
        },
        [0, _, _, _, b'f', b't', b'y', b'p', ..] => Some("mp4"),
        // A bitmap's four reserved bytes are zero.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("bmp"),
        // A pickle of protocol 2 to 5: frame, mark, empty container or global follows.
        [0x80, 2..=5, 0x95 | b'(' | b'}' | b']' | b')' | b'c' | b'X' | 0x8c, ..] => Some("pickle"),
        [lo, hi, b'\r', b'\n', ..] if is_python_magic(u16::from_le_bytes([*lo, *hi])) => Some("pyc"),
        _ if is_old_tar(head) => Some("tar"),
        _ => None,
    }
}

/// What to think of a kind that [`kind`] returned.
pub fn class(kind: &str) -> Class {
    let fixed = TABLE.iter().find(|row| row.2 == kind).map(|row| row.3);
    fixed.or_else(|| COMPUTED.iter().find(|row| row.0 == kind).map(|row| row.1)).unwrap_or(Data)
}

/// Does it run, or hold code that something runs?
pub fn is_executable(kind: &str) -> bool {
    class(kind) == Executable
}

/// Does it hold other files? [`is_readable_archive`] says whether this program can open it.
pub fn is_archive(kind: &str) -> bool {
    class(kind) == Archive
}

/// An archive that `scan::archive` reads.
pub fn is_readable_archive(kind: &str) -> bool {
    matches!(kind, "zip" | "crx" | "gzip" | "tar")
}

/// A Java class and a fat Mach-O start alike; a class has its major version (45 and up) where the other has a small
/// count of architectures.
fn java_or_fat(rest: &[u8]) -> &'static str {
    match rest {
        [0, 0, 0, count, ..] if *count < 45 => "mach-o",
        _ => "class",
    }
}

/// `MZ` is two letters that may start a text; a DOS header has zeros in it and points at the PE header.
fn pe_or_dos(head: &[u8]) -> Option<&'static str> {
    let at = u32::from_le_bytes([*head.get(0x3c)?, *head.get(0x3d)?, *head.get(0x3e)?, *head.get(0x3f)?]);
    match head.get(usize::try_from(at).ok()?..) {
        Some([b'P', b'E', 0, 0, ..]) => Some("pe"),
        // The PE header may stand behind the head we see.
        _ if head[..0x40].iter().filter(|&&b| b == 0).count() >= 8 => {
            Some(if at as usize >= head.len() && at < 0x1000 { "pe" } else { "dos-exe" })
        }
        _ => None,
    }
}

/// The version numbers CPython has written: 3.x, and the 1.5 to 2.7 series.
fn is_python_magic(version: u16) -> bool {
    matches!(version, 3000..=3999 | 20121 | 50428 | 50823 | 60202 | 60717 | 62011..=62219)
}

/// A tar header from before `ustar`: no magic, but a checksum over all 512 bytes.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    // The mode field is octal digits in every header; text rarely passes this.
    block[0] != 0 && matches!(block[100], b'0'..=b'7' | b' ') && super::archive::tar::checksum_holds(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_heads() {
        for (head, expected) in [
            (&b"\x7fELF\x02\x01"[..], "elf"),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", "mach-o"),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", "class"),
            (b"\xcf\xfa\xed\xfe\x07", "mach-o"),
            (b"\x6f\x0d\r\n\0\0\0\0", "pyc"),
            (b"\x03\xf3\r\n", "pyc"),
            (b"PK\x03\x04\x14", "zip"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"BZh91AY&SY", "bzip2"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
            (b"\x80\x04\x95\x10", "pickle"),
            (b"%PDF-1.7\n", "pdf"),
        ] {
            assert_eq!(kind(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn text_has_no_kind() {
        for text in [
            "",
            "M",
            "MZ",
            "MZ is a prefix",
            "BMW",
            "BZh is bzip2",
            "RIFF is a container format",
            "# Title\n",
            "GGUF is a format",
            "ID3 tags",
            "the ftyp",
            "Hi\r\nthere",
            "#!/bin/sh\n",
            "PK",
            "{\"a\": 1}",
            "---\nname: x\n---\n",
        ] {
            assert_eq!(kind(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_pe_is_told_from_a_dos_program() {
        let mut head = vec![0u8; 512];
        head[..2].copy_from_slice(b"MZ");
        assert_eq!(kind(&head), Some("dos-exe"));
        head[0x3c] = 0x80;
        head[0x80..0x84].copy_from_slice(b"PE\0\0");
        assert_eq!(kind(&head), Some("pe"));
    }

    #[test]
    fn every_kind_has_a_class() {
        assert!(is_executable("pyc") && is_executable("elf") && is_executable("pe"));
        assert!(is_archive("bzip2") && is_archive("7z") && !is_readable_archive("7z"));
        assert_eq!(class("webp"), Media);
        assert_eq!(class("never heard of"), Data);
    }
}
