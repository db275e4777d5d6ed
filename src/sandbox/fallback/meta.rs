//! Permissions, owners, times and attributes of files, in place of the process that asked: Landlock lets every owner change them.

use super::caller::{Caller, Errno};
use super::files::done;
use super::keeper::{Keeper, Outcome};
use super::rules::Access;
use super::walk::{Node, Place};
use crate::sys::names;

/// Which file is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// An open one.
    Fd(i32),
    /// The one at the path that an argument points to, below a folder; with flags of the `*at` family.
    Path(i32, usize, i32),
}

/// The largest value of an attribute, in bytes (`XATTR_SIZE_MAX`).
const LARGEST: usize = 65536;

impl Keeper<'_> {
    pub(super) fn of(&self, caller: &Caller<'_>, of: Of) -> Result<Place, Errno> {
        let (dir, at, flags) = match of {
            Of::Fd(fd) if fd < 0 => return Err(libc::EBADF),
            Of::Fd(fd) => return self.walk().open_file(caller, fd),
            Of::Path(dir, at, flags) => (dir, at, flags),
        };
        let text = caller.text(at)?;
        if text.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            return self.walk().open_file(caller, dir);
        }
        self.walk().find(caller, dir, &text, flags & libc::AT_SYMLINK_NOFOLLOW == 0)
    }

    /// The file, if it may be written.
    fn writable<'p>(&self, caller: &Caller<'_>, place: &'p Place) -> Result<&'p Node, Errno> {
        let node = place.node.as_ref().ok_or(libc::ENOENT)?;
        let in_memory = node.stat.links == 0 && place.path.to_string_lossy().starts_with("/memfd:");
        if !in_memory && (!place.path.is_absolute() || node.stat.device) {
            return Err(libc::EPERM);
        }
        if !in_memory {
            self.need(caller, place, Access::Write).map_err(|_| libc::EPERM)?;
        }
        Ok(node)
    }

    pub(super) fn chmod(&self, caller: &Caller<'_>, of: Of, mode: u32) -> Result<Outcome, Errno> {
        let place = self.of(caller, of)?;
        let node = self.writable(caller, &place)?;
        if node.stat.link {
            return Err(libc::EOPNOTSUPP);
        }
        done(names::set_mode(&node.handle, mode & 0o1777))
    }

    pub(super) fn chown(&self, caller: &Caller<'_>, of: Of, ids: (i32, i32)) -> Result<Outcome, Errno> {
        let place = self.of(caller, of)?;
        let node = self.writable(caller, &place)?;
        done(names::set_owner(&node.handle, ids.0 as u32, ids.1 as u32))
    }

    pub(super) fn times(
        &self,
        caller: &Caller<'_>,
        of: Of,
        times: Option<[(i64, i64); 2]>,
    ) -> Result<Outcome, Errno> {
        let place = self.of(caller, of)?;
        let node = self.writable(caller, &place)?;
        done(names::set_times(&node.handle, times))
    }

    pub(super) fn set_attribute(&self, caller: &Caller<'_>, of: Of) -> Result<Outcome, Errno> {
        let name = caller.c_text(1)?;
        let length = usize::try_from(caller.call.args[3]).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(libc::E2BIG);
        }
        let value = if length == 0 { Vec::new() } else { caller.bytes(caller.call.args[2], length)? };
        let place = self.of(caller, of)?;
        let node = self.writable(caller, &place)?;
        if node.stat.link {
            return Err(libc::EPERM);
        }
        done(names::set_attribute(&node.handle, &name, &value, caller.int(4)))
    }

    pub(super) fn remove_attribute(&self, caller: &Caller<'_>, of: Of) -> Result<Outcome, Errno> {
        let name = caller.c_text(1)?;
        let place = self.of(caller, of)?;
        let node = self.writable(caller, &place)?;
        if node.stat.link {
            return Err(libc::EPERM);
        }
        done(names::remove_attribute(&node.handle, &name))
    }
}
