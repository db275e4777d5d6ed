//! `fd_*`: what is done with an open descriptor.

use super::errno::{Errno, Fail};
use super::link::Args;
use super::memory::{Memory, after};
use super::table::{What, flag, right};
use super::world::World;
use crate::sys::guest;
use crate::sys::names::{open_at, real_path, set_times};
use std::fs::{File, Metadata};
use std::io::{IoSlice, Read, Seek, SeekFrom, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};

type Done = Result<(), Fail>;

/// So many bytes are moved by one call at most; a program asks again.
const AT_ONCE: u32 = 1 << 20;
/// Entries of a folder are read in pieces of this many bytes.
const LISTING: usize = 32 << 10;
/// `struct linux_dirent64` up to its name.
const DIRENT: usize = 19;

pub mod kind {
    pub const UNKNOWN: u8 = 0;
    pub const BLOCK_DEVICE: u8 = 1;
    pub const CHARACTER_DEVICE: u8 = 2;
    pub const FOLDER: u8 = 3;
    pub const FILE: u8 = 4;
    pub const STREAM_SOCKET: u8 = 6;
    pub const LINK: u8 = 7;
}

fn kind_of(meta: &Metadata) -> u8 {
    let is = meta.file_type();
    if is.is_file() {
        kind::FILE
    } else if is.is_dir() {
        kind::FOLDER
    } else if is.is_symlink() {
        kind::LINK
    } else if is.is_char_device() {
        kind::CHARACTER_DEVICE
    } else if is.is_block_device() {
        kind::BLOCK_DEVICE
    } else if is.is_socket() {
        kind::STREAM_SOCKET
    } else {
        kind::UNKNOWN
    }
}

/// `struct stat` of a handle, through the standard library's eyes.
pub fn metadata(fd: BorrowedFd<'_>) -> Result<Metadata, Errno> {
    let file = File::from(fd.try_clone_to_owned()?);
    Ok(file.metadata()?)
}

/// Writes WASI's `filestat`.
pub fn put_stat(memory: &mut Memory<'_>, at: u32, meta: &Metadata) -> Result<(), Errno> {
    let time = |seconds: i64, nanoseconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(nanoseconds).unwrap_or(0))
    };
    let words = [
        meta.dev(),
        meta.ino(),
        kind_of(meta).into(),
        meta.nlink(),
        meta.size(),
        time(meta.atime(), meta.atime_nsec()),
        time(meta.mtime(), meta.mtime_nsec()),
        time(meta.ctime(), meta.ctime_nsec()),
    ];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.put(at, &bytes)
}

/// Seconds and nanoseconds for `utimensat(2)` from what a program asks for.
pub fn times(accessed: u64, modified: u64, flags: u64) -> Result<[(i64, i64); 2], Errno> {
    if flags & !15 != 0 || flags & 3 == 3 || flags & 12 == 12 {
        return Err(Errno::INVALID);
    }
    let one = |time: u64, set: bool, now: bool| match (set, now) {
        (true, _) => ((time / 1_000_000_000) as i64, (time % 1_000_000_000) as i64),
        (_, true) => (0, libc::UTIME_NOW),
        _ => (0, libc::UTIME_OMIT),
    };
    Ok([one(accessed, flags & 1 != 0, flags & 2 != 0), one(modified, flags & 4 != 0, flags & 8 != 0)])
}

pub fn advise(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    world.table.file(args.word(0), right::ADVISE)?;
    let end = args.0[1].checked_add(args.0[2]);
    if args.word(3) > 5 || end.is_none_or(|end| i64::try_from(end).is_err()) {
        return Err(Errno::INVALID.into());
    }
    Ok(())
}

pub fn allocate(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::ALLOCATE)?;
    let number = |at: usize| i64::try_from(args.0[at]).map_err(|_| Errno::INVALID);
    Ok(guest::allocate(file, number(1)?, number(2)?)?)
}

pub fn close(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    world.table.remove(args.word(0))?;
    Ok(())
}

pub fn datasync(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::DATASYNC)?;
    Ok(file.sync_data()?)
}

pub fn sync(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    match &world.table.get(args.word(0))?.what {
        What::Folder(_) => Ok(()),
        What::File(_) => Ok(world.table.file(args.word(0), right::SYNC)?.0.sync_all()?),
    }
}

pub fn fdstat_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let entry = world.table.get(args.word(0))?;
    let mut bytes = [0; 24];
    bytes[0] = kind_of(&metadata(entry.as_fd())?);
    bytes[2..4].copy_from_slice(&entry.flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&entry.rights.to_le_bytes());
    bytes[16..].copy_from_slice(&entry.inheriting.to_le_bytes());
    Ok(memory.put(args.word(1), &bytes)?)
}

pub fn fdstat_set_flags(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let wanted = args.word(1);
    let flags = u16::try_from(wanted).ok().filter(|flags| flags & !flag::ALL == 0).ok_or(Errno::INVALID)?;
    if flags & (flag::DSYNC | flag::RSYNC | flag::SYNC) != 0 {
        return Err(Errno::NOT_SUPPORTED.into());
    }
    let entry = world.table.get_mut(args.word(0))?;
    if entry.rights & right::SET_FLAGS == 0 {
        return Err(Errno::NOT_CAPABLE.into());
    }
    if let What::File(file) = &entry.what {
        guest::set_status(file, flags & flag::APPEND != 0, flags & flag::NONBLOCK != 0)?;
        entry.flags = flags;
    }
    Ok(())
}

pub fn fdstat_set_rights(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let entry = world.table.get_mut(args.word(0))?;
    // Rights only ever become fewer.
    if args.0[1] & !entry.rights != 0 || args.0[2] & !entry.inheriting != 0 {
        return Err(Errno::NOT_CAPABLE.into());
    }
    entry.rights = args.0[1];
    entry.inheriting = args.0[2];
    Ok(())
}

pub fn filestat_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let entry = world.table.get(args.word(0))?;
    if entry.rights & right::LOOK == 0 {
        return Err(Errno::NOT_CAPABLE.into());
    }
    let meta = metadata(entry.as_fd())?;
    Ok(put_stat(memory, args.word(1), &meta)?)
}

pub fn filestat_set_size(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::SET_SIZE)?;
    let size = i64::try_from(args.0[1]).map_err(|_| Errno::INVALID)?;
    Ok(crate::sys::names::set_length(file, size)?)
}

pub fn filestat_set_times(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    let times = times(args.0[1], args.0[2], args.0[3])?;
    let entry = world.table.get(args.word(0))?;
    if entry.rights & right::SET_TIMES == 0 {
        return Err(Errno::NOT_CAPABLE.into());
    }
    let fd = entry.as_fd().try_clone_to_owned()?;
    // Opened for reading in a place that may not be changed, it has no right to it.
    world.need_write(&real_path(&fd)?)?;
    Ok(set_times(&fd, Some(times))?)
}

pub fn read(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::READ)?;
    read_into(memory, args, args.word(3), |bytes| file.read(bytes))
}

pub fn pread(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::READ | right::SEEK)?;
    let offset = i64::try_from(args.0[3]).map_err(|_| Errno::INVALID)? as u64;
    read_into(memory, args, args.word(4), |bytes| file.read_at(bytes, offset))
}

/// One read of the kernel's, spread over the program's buffers.
fn read_into(
    memory: &mut Memory<'_>,
    args: &Args,
    count: u32,
    mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
) -> Done {
    let buffers = memory.buffers(args.word(1), args.word(2))?;
    memory.bytes(count, 4)?;
    let mut filled = buffers.iter().filter(|(_, length)| *length > 0);
    let done = match (filled.next(), filled.next()) {
        (None, _) => read(&mut [])?,
        (Some((at, length)), None) => read(memory.bytes_mut(*at, (*length).min(AT_ONCE))?)?,
        _ => {
            let total: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
            let mut bytes = vec![0; total.min(AT_ONCE.into()) as usize];
            let done = read(&mut bytes)?;
            let mut rest = bytes.get(..done).unwrap_or_default();
            for (at, length) in &buffers {
                let (here, more) = rest.split_at(rest.len().min(*length as usize));
                memory.put(*at, here)?;
                rest = more;
            }
            done
        }
    };
    Ok(memory.put_u32(count, done as u32)?)
}

pub fn write(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (fd, count) = (args.word(0), args.word(3));
    let standard = {
        let entry = world.table.get(fd)?;
        entry.standard && kind_of(&metadata(entry.as_fd())?) != kind::FILE
    };
    let (file, _) = world.table.file(fd, right::WRITE)?;
    let done = write_from(memory, args, count, |slices| file.write_vectored(slices))?;
    if standard { world.spend_output(done) } else { Ok(()) }
}

pub fn pwrite(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (file, _) = world.table.file(args.word(0), right::WRITE | right::SEEK)?;
    let mut offset = i64::try_from(args.0[3]).map_err(|_| Errno::INVALID)? as u64;
    write_from(memory, args, args.word(4), |slices| {
        let mut done = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let here = file.write_at(slice, offset)?;
            done += here;
            offset += here as u64;
            if here < slice.len() {
                break;
            }
        }
        Ok(done)
    })
    .map(drop)
}

fn write_from(
    memory: &mut Memory<'_>,
    args: &Args,
    count: u32,
    write: impl FnOnce(&[IoSlice<'_>]) -> std::io::Result<usize>,
) -> Result<u64, Fail> {
    let buffers = memory.buffers(args.word(1), args.word(2))?;
    memory.bytes(count, 4)?;
    let mut slices = Vec::with_capacity(buffers.len());
    let mut left = AT_ONCE;
    for (at, length) in &buffers {
        let length = (*length).min(left);
        left -= length;
        slices.push(IoSlice::new(memory.bytes(*at, length)?));
    }
    let done = write(&slices)?;
    drop(slices);
    memory.put_u32(count, done as u32)?;
    Ok(done as u64)
}

pub fn seek(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let delta = args.0[1] as i64;
    let only_asks = delta == 0 && args.word(2) == 1;
    let needed = if only_asks { right::TELL } else { right::SEEK | right::TELL };
    let file = seekable(world, args.word(0), needed)?;
    let to = match args.word(2) {
        0 => SeekFrom::Start(u64::try_from(delta).map_err(|_| Errno::INVALID)?),
        1 => SeekFrom::Current(delta),
        2 => SeekFrom::End(delta),
        _ => return Err(Errno::INVALID.into()),
    };
    let place = file.seek(to)?;
    Ok(memory.put_u64(args.word(3), place)?)
}

pub fn tell(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let place = seekable(world, args.word(0), right::TELL)?.stream_position()?;
    Ok(memory.put_u64(args.word(1), place)?)
}

/// A standard stream that has no place says so as a pipe does.
fn seekable(world: &mut World, fd: u32, needed: u64) -> Result<&mut File, Errno> {
    let entry = world.table.get(fd)?;
    if entry.standard && entry.rights & needed != needed {
        return Err(Errno::SEEK_PIPE);
    }
    world.table.file(fd, needed).map(|(file, _)| file)
}

pub fn renumber(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    Ok(world.table.renumber(args.word(0), args.word(1))?)
}

pub fn prestat_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let name = started_with(world, args.word(0))?;
    let length = u32::try_from(name.len()).map_err(|_| Errno::TOO_BIG)?;
    memory.put_u32(args.word(1), 0)?;
    Ok(memory.put_u32(after(args.word(1), 4)?, length)?)
}

pub fn prestat_name(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let name = started_with(world, args.word(0))?;
    if (args.word(2) as usize) < name.len() {
        return Err(Errno::NAME_TOO_LONG.into());
    }
    Ok(memory.put(args.word(1), name)?)
}

fn started_with(world: &World, fd: u32) -> Result<&[u8], Errno> {
    match &world.table.get(fd)?.what {
        What::Folder(folder) => folder.name.as_deref().ok_or(Errno::BAD_FD),
        What::File(_) => Err(Errno::BAD_FD),
    }
}

/// Entries from a cookie on, the last one cut where the buffer ends.
pub fn readdir(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let [fd, buffer, room] = [args.word(0), args.word(1), args.word(2)];
    let (cookie, used_at) = (args.0[3], args.word(4));
    memory.bytes(buffer, room)?;
    memory.bytes(used_at, 4)?;
    let listing = listing(world, fd)?;
    let mut at = File::from(listing);
    at.seek(SeekFrom::Start(cookie)).map_err(|_| Errno::INVALID)?;
    let mut used = 0u32;
    let mut block = vec![0u8; LISTING];
    'all: loop {
        let count = guest::entries(&at, &mut block)?;
        let mut rest = block.get(..count).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        while let Some(head) = rest.get(..DIRENT) {
            let word = |at: usize| {
                head.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
            };
            let length = usize::from(u16::from_ne_bytes([head[16], head[17]]));
            let Some(one) = rest.get(DIRENT..length) else { return Err(Errno::IO.into()) };
            let name = one.split(|byte| *byte == 0).next().unwrap_or_default();
            let mut entry = [0u8; 24];
            // The kernel's offset of the next entry is the cookie.
            entry[..8].copy_from_slice(&word(8).to_le_bytes());
            entry[8..16].copy_from_slice(&word(0).to_le_bytes());
            entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
            entry[20] = match head[18] {
                libc::DT_REG => kind::FILE,
                libc::DT_DIR => kind::FOLDER,
                libc::DT_LNK => kind::LINK,
                libc::DT_CHR => kind::CHARACTER_DEVICE,
                libc::DT_BLK => kind::BLOCK_DEVICE,
                libc::DT_SOCK => kind::STREAM_SOCKET,
                _ => kind::UNKNOWN,
            };
            for part in [&entry[..], name] {
                let fits = part.len().min((room - used) as usize);
                memory.put(after(buffer, used)?, part.get(..fits).unwrap_or_default())?;
                used += fits as u32;
            }
            if used == room {
                break 'all;
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Ok(memory.put_u32(used_at, used)?)
}

/// The folder opened for listing, if the policy lets its names be read.
fn listing(world: &mut World, fd: u32) -> Result<OwnedFd, Fail> {
    let (folder, _) = world.table.folder(fd, right::LIST)?;
    if let Some(open) = &folder.listing {
        return Ok(open.try_clone()?);
    }
    let path = real_path(&folder.handle)?;
    let open = open_at(&folder.handle, c".", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0);
    world.need_read(&path)?;
    let open = open?;
    world.check_opened(&open, false)?;
    let again = open.try_clone()?;
    if let What::Folder(folder) = &mut world.table.get_mut(fd)?.what {
        folder.listing = Some(open);
    }
    Ok(again)
}

/// Whether a file that was inherited is a socket.
pub fn is_socket(entry: &super::table::Entry) -> Result<bool, Errno> {
    Ok(kind_of(&metadata(entry.as_fd())?) == kind::STREAM_SOCKET)
}
