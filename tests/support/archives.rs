//! Writes archives for tests, honest ones and forged ones. Shared by unit tests and tests of the binary; each uses a
//! part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use miniz_oxide::deflate::compress_to_vec;

/// A member of a zip, with everything a forger may want to change.
#[derive(Clone)]
pub struct ZipMember {
    pub name: Vec<u8>,
    /// The name in the local header, if it is another.
    pub local_name: Option<Vec<u8>>,
    pub data: Vec<u8>,
    pub deflate: bool,
    /// Replaces the method in both headers.
    pub method: Option<u16>,
    pub flags: u16,
    pub mode: u32,
    /// Added to the checksum.
    pub crc_error: u32,
    /// Sizes in a data descriptor behind the data, zeros in the local header.
    pub streamed: bool,
    /// Sizes and offset in zip64 extra fields.
    pub zip64: bool,
    /// Left out of the directory.
    pub unlisted: bool,
}

impl ZipMember {
    pub fn new(name: &str, data: &[u8]) -> ZipMember {
        ZipMember {
            name: name.as_bytes().to_vec(),
            local_name: None,
            data: data.to_vec(),
            deflate: true,
            method: None,
            flags: 0,
            mode: 0o100_644,
            crc_error: 0,
            streamed: false,
            zip64: false,
            unlisted: false,
        }
    }
}

pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &b in bytes {
        crc ^= u32::from(b);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn len16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap()
}

/// A zip of these members, with a comment.
pub fn zip_with(members: &[ZipMember], comment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0u16;
    for m in members {
        let offset = len32(&out);
        let packed = if m.deflate { compress_to_vec(&m.data, 6) } else { m.data.clone() };
        let method = m.method.unwrap_or(if m.deflate { 8 } else { 0 });
        let crc = crc32(&m.data).wrapping_add(m.crc_error);
        let flags = m.flags | if m.streamed { 8 } else { 0 };
        let name = m.local_name.as_ref().unwrap_or(&m.name);
        put32(&mut out, &[0x0403_4b50]);
        put16(&mut out, &[20, flags, method, 0, 0]);
        let (local_crc, sizes) =
            if m.streamed { (0, [0, 0]) } else { (crc, [len32(&packed), len32(&m.data)]) };
        put32(&mut out, &[local_crc, sizes[0], sizes[1]]);
        put16(&mut out, &[len16(name), 0]);
        out.extend_from_slice(name);
        out.extend_from_slice(&packed);
        if m.streamed {
            put32(&mut out, &[0x0807_4b50, crc, len32(&packed), len32(&m.data)]);
        }
        if m.unlisted {
            continue;
        }
        count += 1;
        let extra = if m.zip64 {
            let mut extra = Vec::new();
            put16(&mut extra, &[1, 24]);
            for value in [len32(&m.data), len32(&packed), offset] {
                extra.extend_from_slice(&u64::from(value).to_le_bytes());
            }
            extra
        } else {
            Vec::new()
        };
        let or_wide = |v: u32| if m.zip64 { u32::MAX } else { v };
        put32(&mut directory, &[0x0201_4b50]);
        put16(&mut directory, &[3 << 8 | 20, 20, flags, method, 0, 0]);
        put32(&mut directory, &[crc, or_wide(len32(&packed)), or_wide(len32(&m.data))]);
        put16(&mut directory, &[len16(&m.name), len16(&extra), 0, 0, 0]);
        put32(&mut directory, &[m.mode << 16, or_wide(offset)]);
        directory.extend_from_slice(&m.name);
        directory.extend_from_slice(&extra);
    }
    let start = len32(&out);
    out.extend_from_slice(&directory);
    if members.iter().any(|m| m.zip64) {
        let record = out.len() as u64;
        put32(&mut out, &[0x0606_4b50]);
        out.extend_from_slice(&44u64.to_le_bytes());
        put16(&mut out, &[45, 45]);
        put32(&mut out, &[0, 0]);
        for value in [u64::from(count), u64::from(count), directory.len() as u64, u64::from(start)] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        put32(&mut out, &[0x0706_4b50, 0]);
        out.extend_from_slice(&record.to_le_bytes());
        put32(&mut out, &[1, 0x0605_4b50]);
        put16(&mut out, &[0, 0, u16::MAX, u16::MAX]);
        put32(&mut out, &[u32::MAX, u32::MAX]);
    } else {
        put32(&mut out, &[0x0605_4b50]);
        put16(&mut out, &[0, 0, count, count]);
        put32(&mut out, &[len32(&directory), start]);
    }
    put16(&mut out, &[len16(comment)]);
    out.extend_from_slice(comment);
    out
}

/// An ordinary zip.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(&members.iter().map(|(name, data)| ZipMember::new(name, data)).collect::<Vec<_>>(), b"")
}

/// A gzip stream, with the file's name in its header if it is not empty.
pub fn gzip(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, if name.is_empty() { 0 } else { 8 }, 0, 0, 0, 0, 0, 3];
    if !name.is_empty() {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
    }
    out.extend_from_slice(&compress_to_vec(data, 6));
    put32(&mut out, &[crc32(data), len32(data)]);
    out
}

/// One tar header and its data. `kind` is the type flag, `link` the target.
pub fn tar_member(name: &[u8], kind: u8, link: &[u8], mode: u32, data: &[u8]) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
    block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Writes the checksum of a header that was changed.
pub fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&b| u32::from(b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// An ordinary tar.
pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out: Vec<u8> =
        members.iter().flat_map(|(name, data)| tar_member(name.as_bytes(), b'0', b"", 0o644, data)).collect();
    out.resize(out.len() + 1024, 0);
    out
}
