//! Writes the zip of a skill to be published: the same bytes for the same files, in the shape ClawHub's downloads have.

use super::tree::collate;
use super::unpack::Limits;
use super::{Problem, path::SafePath};
use crate::scan::archive::inflate::crc32;
use crate::sort;
use miniz_oxide::deflate::compress_to_vec;

/// 1980-01-01, the earliest day a zip can say.
const DATE: u16 = 1 << 5 | 1;
const UTF8: u16 = 1 << 11;

/// A zip of these files: in collation order, deflated at level 6 (stored where that is not smaller), no modes, no times,
/// no extra fields. What [`unpack`](super::unpack) would refuse by its default limits is an error here.
pub fn pack(files: &[(SafePath, Vec<u8>)]) -> Result<Vec<u8>, Problem> {
    let mut sorted: Vec<&(SafePath, Vec<u8>)> = files.iter().collect();
    sort::by(&mut sorted, |a, b| collate(a.0.as_str(), b.0.as_str()));
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (path, content) in &sorted {
        let deflated = compress_to_vec(content, 6);
        let (method, packed): (u16, &[u8]) =
            if deflated.len() < content.len() { (8, &deflated) } else { (0, content) };
        let too_large = |_| Problem::new("too large for a zip", path.as_str(), "leave it out");
        let offset = u32::try_from(out.len()).map_err(too_large)?;
        let size = u32::try_from(content.len()).map_err(too_large)?;
        // The path is at most 500 bytes, the packed form at most as long as the content.
        let name_len = path.as_str().len() as u16;
        let flags = if path.as_str().is_ascii() { 0 } else { UTF8 };
        let mut shared = Vec::with_capacity(26);
        for short in [20, flags, method, 0, DATE] {
            shared.extend_from_slice(&u16::to_le_bytes(short));
        }
        for long in [crc32(content), packed.len() as u32, size] {
            shared.extend_from_slice(&long.to_le_bytes());
        }
        shared.extend_from_slice(&name_len.to_le_bytes());
        shared.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&shared);
        out.extend_from_slice(path.as_str().as_bytes());
        out.extend_from_slice(packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&shared);
        // Comment length, disk, internal and external attributes: none.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(path.as_str().as_bytes());
    }
    let start = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(sorted.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    // The one who reads it would refuse: say so before it is sent.
    super::unpack::check(&out, &Limits::default()).map_err(|refusal| {
        Problem::new(refusal.to_string(), "the package", "change or leave out that file")
    })?;
    Ok(out)
}
