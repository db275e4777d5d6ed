//! `path_*`: files by name, below the folder of a descriptor. Each is found by `walk`, decided about by its real path, and only then touched.

use super::errno::{Errno, Fail};
use super::files::{metadata, put_stat, times};
use super::link::Args;
use super::memory::Memory;
use super::table::{Entry, Folder, What, flag, right};
use super::walk::Place;
use super::world::World;
use crate::sandbox::fallback::rules::Change;
use crate::sys::names::{self, link_text, open_at, set_times};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;

type Done = Result<(), Fail>;

/// `oflags`
mod open_flag {
    pub const CREATE: u32 = 1;
    pub const FOLDER: u32 = 2;
    pub const EXCLUSIVE: u32 = 4;
    pub const TRUNCATE: u32 = 8;
}

fn text<'m>(memory: &'m Memory<'_>, args: &Args, at: usize) -> Result<&'m [u8], Errno> {
    let text = memory.bytes(args.word(at), args.word(at + 1))?;
    std::str::from_utf8(text).map(str::as_bytes).map_err(|_| Errno::ILLEGAL_SEQUENCE)
}

fn follows(flags: u32) -> bool {
    flags & 1 != 0
}

pub fn open(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (follow, how) = (follows(args.word(1)), args.word(4));
    let (wanted, inherited) = (args.0[5], args.0[6]);
    let (flags, fd_at) = (args.word(7), args.word(8));
    let flags = u16::try_from(flags).ok().filter(|flags| flags & !flag::ALL == 0).ok_or(Errno::INVALID)?;
    if how & !15 != 0 {
        return Err(Errno::INVALID.into());
    }
    memory.bytes(fd_at, 4)?;
    if !world.table.has_room() {
        return Err(Errno::TOO_MANY_FILES.into());
    }
    let makes = how & open_flag::CREATE != 0;
    let needed = if makes { right::OPEN | right::MAKE_FILE } else { right::OPEN };
    let (place, may) = world.find(args.word(0), needed, text(memory, args, 2)?, follow)?;
    let writes = wanted & (right::WRITE | right::ALLOCATE | right::SET_SIZE) != 0;
    let truncates = how & open_flag::TRUNCATE != 0;
    if (writes || truncates) && may & right::WRITE == 0 {
        return Err(Errno::NOT_CAPABLE.into());
    }
    let entry = match &place.node {
        None if !makes => return unseen(world, &place),
        None if how & open_flag::FOLDER != 0 => return Err(Errno::INVALID.into()),
        Some(_) if makes && how & open_flag::EXCLUSIVE != 0 => {
            world.need_read(&place.path)?;
            return Err(Errno::EXISTS.into());
        }
        Some(node) if node.stat.link => {
            world.need_read(&place.path)?;
            return Err(Errno::LOOP.into());
        }
        Some(node) if node.stat.dir => {
            world.need_read(&place.path)?;
            if writes || truncates || makes {
                return Err(Errno::IS_DIR.into());
            }
            let node = place.node.ok_or(Errno::NO_ENTRY)?;
            world.check_opened(&node.handle, false)?;
            Entry {
                what: What::Folder(Folder { handle: node.handle, listing: None, name: None }),
                rights: wanted & may & right::FOLDER,
                inheriting: inherited & may,
                flags: 0,
                standard: false,
            }
        }
        node => {
            if how & open_flag::FOLDER != 0 || place.folder {
                world.need_read(&place.path)?;
                return Err(Errno::NOT_DIR.into());
            }
            let reads = wanted & right::READ != 0;
            match node {
                // A new file is changed by being made.
                None => world.need_change(&place, Change::Make)?,
                Some(_) if writes || truncates => world.need_write(&place.path)?,
                Some(_) => world.need_read(&place.path)?,
            }
            let file = open_file(world, &place, how, flags, reads, writes || truncates)?;
            let rights = wanted & may & right::FILE;
            Entry { what: What::File(file), rights, inheriting: 0, flags, standard: false }
        }
    };
    let fd = world.table.add(entry)?;
    Ok(memory.put_u32(fd_at, fd)?)
}

fn open_file(
    world: &mut World,
    place: &Place,
    how: u32,
    flags: u16,
    reads: bool,
    writes: bool,
) -> Result<File, Fail> {
    let mut kernel = libc::O_NOFOLLOW | libc::O_NOCTTY;
    kernel |= match (reads, writes) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        _ => libc::O_RDONLY,
    };
    for (wasi, linux) in [
        (flag::APPEND, libc::O_APPEND),
        (flag::NONBLOCK, libc::O_NONBLOCK),
        (flag::DSYNC, libc::O_DSYNC),
        (flag::RSYNC | flag::SYNC, libc::O_SYNC),
    ] {
        kernel |= if flags & wasi != 0 { linux } else { 0 };
    }
    if place.node.is_none() {
        kernel |= libc::O_CREAT;
        kernel |= if how & open_flag::EXCLUSIVE != 0 { libc::O_EXCL } else { 0 };
    }
    let file = File::from(open_at(&place.dir, &place.name, kernel, 0o666)?);
    world.check_opened(&file, writes)?;
    // Not by O_TRUNC: it would be done before the look at what was opened.
    if how & open_flag::TRUNCATE != 0 && place.node.is_some() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// The error for a name at which nothing is; where nothing may be known, that neither.
fn unseen(world: &mut World, place: &Place) -> Done {
    world.need_read(&place.path)?;
    Err(Errno::NO_ENTRY.into())
}

pub fn create_directory(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (place, _) = world.find(args.word(0), right::MAKE_FOLDER, text(memory, args, 1)?, false)?;
    if place.node.is_some() {
        world.need_read(&place.path)?;
        return Err(Errno::EXISTS.into());
    }
    world.need_change(&place, Change::MakeDir)?;
    Ok(names::make_dir(&place.dir, &place.name, 0o777)?)
}

pub fn filestat_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (place, _) =
        world.find(args.word(0), right::LOOK_AT_PATH, text(memory, args, 2)?, follows(args.word(1)))?;
    let Some(node) = &place.node else { return unseen(world, &place) };
    // That a folder is there may be known where something below it is named.
    if !(node.stat.dir && world.rules.leads(&place.path)) {
        world.need_read(&place.path)?;
    }
    let meta = metadata(node.handle.as_fd())?;
    Ok(put_stat(memory, args.word(4), &meta)?)
}

pub fn filestat_set_times(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let times = times(args.0[4], args.0[5], args.0[6])?;
    let (place, _) =
        world.find(args.word(0), right::SET_PATH_TIMES, text(memory, args, 2)?, follows(args.word(1)))?;
    let Some(node) = &place.node else { return unseen(world, &place) };
    world.need_write(&place.path)?;
    Ok(set_times(&node.handle, Some(times))?)
}

pub fn link(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    if follows(args.word(1)) {
        return Err(Errno::INVALID.into());
    }
    let (old, _) = world.find(args.word(0), right::LINK_FROM, text(memory, args, 2)?, false)?;
    let (new, _) = world.find(args.word(4), right::LINK_TO, text(memory, args, 5)?, false)?;
    let Some(node) = &old.node else { return unseen(world, &old) };
    // Another name is another way to change the file.
    world.need_write(&old.path)?;
    if node.stat.dir {
        return Err(Errno(63).into());
    }
    taken(world, &new)?;
    world.need_change(&new, Change::Make)?;
    if new.folder {
        return Err(Errno::NO_ENTRY.into());
    }
    Ok(names::hard_link(&node.handle, &new.dir, &new.name)?)
}

fn taken(world: &mut World, place: &Place) -> Done {
    if place.node.is_none() {
        return Ok(());
    }
    world.need_read(&place.path)?;
    Err(Errno::EXISTS.into())
}

pub fn readlink(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (place, _) = world.find(args.word(0), right::READ_LINK, text(memory, args, 1)?, false)?;
    let Some(node) = &place.node else { return unseen(world, &place) };
    world.need_read(&place.path)?;
    if !node.stat.link {
        return Err(Errno::INVALID.into());
    }
    let target = link_text(&node.handle)?;
    let fits = target.get(..target.len().min(args.word(4) as usize)).unwrap_or_default();
    memory.put(args.word(3), fits)?;
    Ok(memory.put_u32(args.word(5), fits.len() as u32)?)
}

pub fn remove_directory(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (place, _) = world.find(args.word(0), right::REMOVE_FOLDER, text(memory, args, 1)?, false)?;
    let Some(node) = &place.node else { return unseen(world, &place) };
    if !node.stat.dir {
        world.need_read(&place.path)?;
        return Err(Errno::NOT_DIR.into());
    }
    world.need_change(&place, Change::RemoveDir)?;
    Ok(names::remove(&place.dir, &place.name, true)?)
}

pub fn unlink_file(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (place, _) = world.find(args.word(0), right::REMOVE_FILE, text(memory, args, 1)?, false)?;
    let Some(node) = &place.node else { return unseen(world, &place) };
    if node.stat.dir {
        world.need_read(&place.path)?;
        return Err(Errno::IS_DIR.into());
    }
    world.need_change(&place, Change::Remove)?;
    Ok(names::remove(&place.dir, &place.name, false)?)
}

pub fn rename(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (old, _) = world.find(args.word(0), right::RENAME_FROM, text(memory, args, 1)?, false)?;
    let (new, _) = world.find(args.word(3), right::RENAME_TO, text(memory, args, 4)?, false)?;
    let Some(node) = &old.node else { return unseen(world, &old) };
    let folder = |place: &Place| place.node.as_ref().is_some_and(|node| node.stat.dir);
    let change = if node.stat.dir { Change::MoveDir } else { Change::Move };
    world.need_change(&old, change)?;
    world.need_change(&new, if folder(&new) { Change::MoveDir } else { change })?;
    if new.folder && !node.stat.dir {
        return Err(Errno::NOT_DIR.into());
    }
    Ok(names::rename(&old.dir, &old.name, &new.dir, &new.name, 0)?)
}

pub fn symlink(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let target = text(memory, args, 0)?;
    match target {
        [] => return Err(Errno::NO_ENTRY.into()),
        // It would lead out of the folder, and whoever follows it later may not be held as this program is.
        [b'/', ..] => return Err(Errno::NOT_CAPABLE.into()),
        _ => {}
    }
    let target = CString::new(target).map_err(|_| Errno::INVALID)?;
    let (place, _) = world.find(args.word(2), right::MAKE_LINK, text(memory, args, 3)?, false)?;
    taken(world, &place)?;
    world.need_change(&place, Change::Make)?;
    if place.folder {
        return Err(Errno::NO_ENTRY.into());
    }
    Ok(names::make_link(&target, &place.dir, &place.name)?)
}
