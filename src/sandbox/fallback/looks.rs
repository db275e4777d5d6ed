//! Looking at files, in place of the process that asked: what they are, whether they may be used, where links lead. What no rule
//! names is told not to exist.

use super::caller::{Caller, Errno, errno};
use super::files::done;
use super::keeper::{Keeper, Outcome};
use super::meta::Of;
use super::rules::Access;
use super::walk::{Node, Place};
use crate::sys::memory::write_memory;
use crate::sys::names;
use crate::sys::seccomp::still_waits;
use std::path::Path;

impl Keeper<'_> {
    fn look<'p>(&self, caller: &Caller<'_>, place: &'p Place) -> Result<&'p Node, Errno> {
        let node = place.node.as_ref().ok_or(libc::ENOENT)?;
        // What is open may be looked at, whatever its name is.
        if place.name.is_empty() || self.shown(caller, place) { Ok(node) } else { Err(libc::ENOENT) }
    }

    /// A result that lies in memory of the caller.
    fn write(&self, caller: &Caller<'_>, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if !still_waits(caller.listener, caller.call.id) {
            return Err(libc::EINTR);
        }
        write_memory(caller.call.pid, address, bytes).map_err(|_| libc::EFAULT)
    }

    pub(super) fn stat(&self, caller: &Caller<'_>, of: Of, to: u64) -> Result<Outcome, Errno> {
        let place = self.of(caller, of)?;
        let node = self.look(caller, &place)?;
        let bytes = names::stat_bytes(&node.handle).map_err(errno)?;
        self.write(caller, to, &bytes)?;
        Ok(Outcome::Value(0))
    }

    pub(super) fn statx(&self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        const SYNC: i32 = libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC;
        let flags = caller.int(2);
        let place = match caller.call.args[1] {
            // Linux 6.11
            0 if flags & libc::AT_EMPTY_PATH != 0 => self.of(caller, Of::Fd(caller.int(0)))?,
            _ => self.of(caller, Of::Path(caller.int(0), 1, flags))?,
        };
        let node = self.look(caller, &place)?;
        let mask = caller.call.args[3] as u32;
        let bytes = names::statx_bytes(&node.handle, flags & SYNC, mask).map_err(errno)?;
        self.write(caller, caller.call.args[4], &bytes)?;
        Ok(Outcome::Value(0))
    }

    pub(super) fn may(&self, caller: &Caller<'_>, of: Of, mode: i32) -> Result<Outcome, Errno> {
        let place = self.of(caller, of)?;
        let node = self.look(caller, &place)?;
        let path = &place.path;
        let access = if path.is_absolute() { self.access(caller, path) } else { Access::Write };
        let refused = (mode & libc::W_OK != 0 && access < Access::Write)
            || (mode & libc::R_OK != 0 && access < Access::Read)
            || (mode & libc::X_OK != 0 && node.stat.file && !self.fallback.rules.runs(path));
        if refused {
            return Err(libc::EACCES);
        }
        done(names::may(&node.handle, mode))
    }

    pub(super) fn read_link(
        &self,
        caller: &Caller<'_>,
        dir: i32,
        path: usize,
        to: u64,
        room: u64,
    ) -> Result<Outcome, Errno> {
        if room as i32 <= 0 {
            return Err(libc::EINVAL);
        }
        let text = caller.text(path)?;
        let place = match text.is_empty() {
            true => self.walk().open_file(caller, dir)?,
            false => self.walk().find(caller, dir, &text, false)?,
        };
        let node = self.look(caller, &place)?;
        if !node.stat.link {
            return Err(libc::EINVAL);
        }
        // These mean whoever asks, and the keeper did.
        let mut target = match place.path.as_path() {
            path if path == Path::new("/proc/self") => caller.process()?.to_string().into_bytes(),
            path if path == Path::new("/proc/thread-self") => {
                format!("{}/task/{}", caller.process()?, caller.call.pid).into_bytes()
            }
            _ => names::link_text(&node.handle).map_err(errno)?,
        };
        target.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        self.write(caller, to, &target)?;
        Ok(Outcome::Value(target.len() as i64))
    }
}
