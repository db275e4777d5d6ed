//! The descriptors of a WebAssembly program: what each is, and which rights are left on it. A number that is not in here means nothing.

use super::errno::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Rights of WASI preview 1, one bit each.
pub mod right {
    pub const DATASYNC: u64 = 1;
    pub const READ: u64 = 1 << 1;
    pub const SEEK: u64 = 1 << 2;
    pub const SET_FLAGS: u64 = 1 << 3;
    pub const SYNC: u64 = 1 << 4;
    pub const TELL: u64 = 1 << 5;
    pub const WRITE: u64 = 1 << 6;
    pub const ADVISE: u64 = 1 << 7;
    pub const ALLOCATE: u64 = 1 << 8;
    pub const MAKE_FOLDER: u64 = 1 << 9;
    pub const MAKE_FILE: u64 = 1 << 10;
    pub const LINK_FROM: u64 = 1 << 11;
    pub const LINK_TO: u64 = 1 << 12;
    pub const OPEN: u64 = 1 << 13;
    pub const LIST: u64 = 1 << 14;
    pub const READ_LINK: u64 = 1 << 15;
    pub const RENAME_FROM: u64 = 1 << 16;
    pub const RENAME_TO: u64 = 1 << 17;
    pub const LOOK_AT_PATH: u64 = 1 << 18;
    pub const SET_PATH_TIMES: u64 = 1 << 20;
    pub const LOOK: u64 = 1 << 21;
    pub const SET_SIZE: u64 = 1 << 22;
    pub const SET_TIMES: u64 = 1 << 23;
    pub const MAKE_LINK: u64 = 1 << 24;
    pub const REMOVE_FOLDER: u64 = 1 << 25;
    pub const REMOVE_FILE: u64 = 1 << 26;
    pub const POLL: u64 = 1 << 27;

    /// What changes a file's content.
    pub const CHANGES: u64 = WRITE | ALLOCATE | SET_SIZE | DATASYNC;
    /// What can be done with a file.
    pub const FILE: u64 = CHANGES | READ | SEEK | SET_FLAGS | SYNC | TELL | ADVISE | LOOK | SET_TIMES | POLL;
    /// What changes names below a folder.
    pub const NAMES: u64 = MAKE_FOLDER
        | MAKE_FILE
        | LINK_FROM
        | LINK_TO
        | RENAME_FROM
        | RENAME_TO
        | SET_PATH_TIMES
        | MAKE_LINK
        | REMOVE_FOLDER
        | REMOVE_FILE;
    /// What can be done with a folder.
    pub const FOLDER: u64 =
        NAMES | OPEN | LIST | READ_LINK | LOOK_AT_PATH | LOOK | SET_TIMES | SYNC | SET_FLAGS;
}

/// Flags of an open file, as WASI numbers them.
pub mod flag {
    pub const APPEND: u16 = 1;
    pub const DSYNC: u16 = 2;
    pub const NONBLOCK: u16 = 4;
    pub const RSYNC: u16 = 8;
    pub const SYNC: u16 = 16;
    pub const ALL: u16 = 31;
}

/// What a descriptor is.
#[derive(Debug)]
pub enum What {
    /// A file, a pipe or a terminal.
    File(File),
    /// A folder, by handle.
    Folder(Folder),
}

#[derive(Debug)]
pub struct Folder {
    /// Where paths begin.
    pub handle: OwnedFd,
    /// The same opened for listing, once it was listed.
    pub listing: Option<OwnedFd>,
    /// The name of a folder that the program was started with.
    pub name: Option<Vec<u8>>,
}

#[derive(Debug)]
pub struct Entry {
    pub what: What,
    pub rights: u64,
    /// What files that are opened below it can have.
    pub inheriting: u64,
    pub flags: u16,
    /// It was there when the program started: standard input, output or error.
    pub standard: bool,
}

impl Entry {
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.what {
            What::File(file) => file.as_fd(),
            What::Folder(folder) => folder.handle.as_fd(),
        }
    }
}

#[derive(Debug)]
pub struct Table {
    entries: Vec<Option<Entry>>,
    most: usize,
}

impl Table {
    /// An empty one for so many descriptors.
    pub fn new(most: usize) -> Table {
        Table { entries: Vec::new(), most }
    }

    /// Puts it at the lowest free number.
    pub fn add(&mut self, entry: Entry) -> Result<u32, Errno> {
        let free = self.entries.iter().position(Option::is_none).unwrap_or(self.entries.len());
        if free >= self.most {
            return Err(Errno::TOO_MANY_FILES);
        }
        if free == self.entries.len() {
            self.entries.push(None);
        }
        if let Some(place) = self.entries.get_mut(free) {
            *place = Some(entry);
        }
        u32::try_from(free).map_err(|_| Errno::TOO_MANY_FILES)
    }

    /// Leaves the next number free, for a standard stream that is closed.
    pub fn leave_free(&mut self) {
        self.entries.push(None);
    }

    /// Whether another one could be put in.
    pub fn has_room(&self) -> bool {
        self.entries.iter().filter(|entry| entry.is_some()).count() < self.most
    }

    pub fn get(&self, fd: u32) -> Result<&Entry, Errno> {
        self.entries.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BAD_FD)
    }

    pub fn get_mut(&mut self, fd: u32) -> Result<&mut Entry, Errno> {
        self.entries.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BAD_FD)
    }

    /// A file with these rights.
    pub fn file(&mut self, fd: u32, rights: u64) -> Result<(&mut File, &mut u16), Errno> {
        let entry = self.get_mut(fd)?;
        if entry.rights & rights != rights {
            // A folder has none of these; what is meant is that it is one.
            return Err(match entry.what {
                What::Folder(_) => Errno::IS_DIR,
                // As the kernel has it for a file that was not opened for this.
                What::File(_) if rights & (right::READ | right::WRITE) != 0 => Errno::BAD_FD,
                What::File(_) => Errno::NOT_CAPABLE,
            });
        }
        match &mut entry.what {
            What::File(file) => Ok((file, &mut entry.flags)),
            What::Folder(_) => Err(Errno::IS_DIR),
        }
    }

    /// A folder with these rights.
    pub fn folder(&self, fd: u32, rights: u64) -> Result<(&Folder, u64), Errno> {
        let entry = self.get(fd)?;
        match &entry.what {
            What::Folder(_) if entry.rights & rights != rights => Err(Errno::NOT_CAPABLE),
            What::Folder(folder) => Ok((folder, entry.inheriting)),
            What::File(_) => Err(Errno::NOT_DIR),
        }
    }

    pub fn remove(&mut self, fd: u32) -> Result<Entry, Errno> {
        self.entries.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BAD_FD)
    }

    /// Gives a descriptor the number of another, which is closed.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        self.get(from)?;
        if from != to {
            let entry = self.remove(from)?;
            if let Some(place) = self.entries.get_mut(to as usize) {
                *place = Some(entry);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rights: u64) -> Entry {
        let file = File::open("/dev/null").expect("it is there");
        Entry { what: What::File(file), rights, inheriting: 0, flags: 0, standard: false }
    }

    #[test]
    fn numbers_that_were_never_given_mean_nothing() {
        let mut table = Table::new(2);
        assert_eq!(table.add(entry(right::FILE)), Ok(0));
        assert_eq!(table.add(entry(right::READ)), Ok(1));
        assert_eq!(table.add(entry(0)), Err(Errno::TOO_MANY_FILES));
        for fd in [2, 3, 1000, u32::MAX] {
            assert_eq!(table.get(fd).err(), Some(Errno::BAD_FD), "{fd}");
            assert_eq!(table.renumber(0, fd), Err(Errno::BAD_FD));
            assert_eq!(table.renumber(fd, 0), Err(Errno::BAD_FD));
        }
        assert!(table.file(1, right::READ).is_ok());
        assert_eq!(table.file(1, right::WRITE).err(), Some(Errno::BAD_FD));
        assert_eq!(table.file(1, right::SEEK).err(), Some(Errno::NOT_CAPABLE));
        assert_eq!(table.folder(1, 0).err(), Some(Errno::NOT_DIR));
        assert_eq!(table.renumber(1, 0), Ok(()));
        assert_eq!(table.get(1).err(), Some(Errno::BAD_FD));
        assert_eq!(table.get(0).map(|entry| entry.rights), Ok(right::READ));
        assert_eq!(table.add(entry(0)), Ok(1));
    }
}
