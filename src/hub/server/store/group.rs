//! Several events of which all count or none, over a crash: before they are written, a small file says where they will be.
//! A start that finds only some of them takes those away.

use crate::digest::Sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// `offset length sha256-of-the-first-line`, in digits of a fixed number.
const WIDTH: usize = 20 + 1 + 20 + 1 + 64 + 1;

pub struct Group {
    file: File,
}

impl Group {
    pub fn open(folder: &Path) -> io::Result<Group> {
        let path = folder.join("group");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(Group { file })
    }

    /// Says that so many bytes are about to be written there, on the disk when it returns.
    pub fn announce(&self, offset: u64, length: u64, first: &[u8]) -> io::Result<()> {
        let text = format!("{offset:020} {length:020} {}\n", Sha256::of(first));
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.sync_data()
    }

    /// Takes back what was announced, when it was written whole or not at all. If that fails, the first line says that it was
    /// about other events.
    pub fn clear(&self) {
        let _ = self.file.set_len(0);
    }

    /// Where the group begins if it is in the log, which ends at `end`, and not whole.
    pub fn half(&mut self, log: &File, end: u64) -> io::Result<Option<u64>> {
        let mut text = String::new();
        let read = (&self.file).take(WIDTH as u64 + 1).read_to_string(&mut text);
        let announced = || {
            let mut words = text.strip_suffix('\n')?.split(' ');
            let offset: u64 = words.next()?.parse().ok()?;
            let length: u64 = words.next()?.parse().ok()?;
            Some((offset, length, Sha256::parse(words.next()?)?))
        };
        let Some((offset, length, first)) = announced().filter(|_| read.is_ok() && text.len() == WIDTH)
        else {
            return Ok(None);
        };
        if end <= offset || end >= offset.saturating_add(length) {
            return Ok(None);
        }
        let mut lines = super::lines::Lines::new(log, offset, end);
        let same = lines.next()?.is_some_and(|line| Sha256::of(line.bytes) == first);
        Ok(same.then_some(offset))
    }
}
