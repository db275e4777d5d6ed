//! The program's memory, as weft reads and writes it: every address comes from the program and is checked.

use super::errno::Errno;
use std::ops::Range;

/// Buffers of one call. More is `EINVAL`, as with `readv(2)`.
const MOST_BUFFERS: u32 = 1024;

pub struct Memory<'a>(pub &'a mut [u8]);

impl Memory<'_> {
    fn range(&self, at: u32, length: u32) -> Result<Range<usize>, Errno> {
        let start = at as usize;
        let end =
            start.checked_add(length as usize).filter(|end| *end <= self.0.len()).ok_or(Errno::FAULT)?;
        Ok(start..end)
    }

    pub fn bytes(&self, at: u32, length: u32) -> Result<&[u8], Errno> {
        let range = self.range(at, length)?;
        self.0.get(range).ok_or(Errno::FAULT)
    }

    pub fn bytes_mut(&mut self, at: u32, length: u32) -> Result<&mut [u8], Errno> {
        let range = self.range(at, length)?;
        self.0.get_mut(range).ok_or(Errno::FAULT)
    }

    fn array<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        self.bytes(at, N as u32)?.try_into().map_err(|_| Errno::FAULT)
    }

    pub fn u16(&self, at: u32) -> Result<u16, Errno> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub fn u32(&self, at: u32) -> Result<u32, Errno> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub fn u64(&self, at: u32) -> Result<u64, Errno> {
        self.array(at).map(u64::from_le_bytes)
    }

    pub fn u8(&self, at: u32) -> Result<u8, Errno> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    pub fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.bytes_mut(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    pub fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    /// A list of buffers (address and length of each), all of which lie in memory.
    pub fn buffers(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        if count > MOST_BUFFERS {
            return Err(Errno::INVALID);
        }
        let list = self.bytes(at, count.saturating_mul(8))?;
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let buffers: Vec<(u32, u32)> =
            list.chunks_exact(8).map(|one| (word(&one[..4]), word(&one[4..]))).collect();
        for (at, length) in &buffers {
            self.range(*at, *length)?;
        }
        Ok(buffers)
    }
}

/// The address so many bytes on; one past the end of all addresses is no address.
pub fn after(at: u32, bytes: u32) -> Result<u32, Errno> {
    at.checked_add(bytes).ok_or(Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_end_is_reached() {
        let mut bytes = [0u8; 16];
        let mut memory = Memory(&mut bytes);
        assert!(memory.bytes(16, 0).is_ok() && memory.bytes(0, 16).is_ok());
        for (at, length) in [(17, 0), (0, 17), (16, 1), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            assert_eq!(memory.bytes(at, length), Err(Errno::FAULT), "{at} {length}");
            assert!(memory.bytes_mut(at, length).is_err());
        }
        assert_eq!(memory.u64(9), Err(Errno::FAULT));
        assert_eq!(memory.put_u32(13, 1), Err(Errno::FAULT));
        assert_eq!(memory.put_u32(12, 7), Ok(()));
        assert_eq!(memory.u32(12), Ok(7));
        // A list of buffers of which one lies outside is refused before anything is read or written.
        memory.put_u32(0, 8).expect("inside");
        memory.put_u32(4, 9).expect("inside");
        assert_eq!(memory.buffers(0, 1), Err(Errno::FAULT));
        assert_eq!(memory.buffers(0, 3), Err(Errno::FAULT));
        assert_eq!(memory.buffers(0, u32::MAX), Err(Errno::INVALID));
    }
}
