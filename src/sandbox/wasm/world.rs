//! Everything that a WebAssembly program has: arguments, variables, descriptors, what the policy lets it do, and who is told of it.

use super::errno::{Errno, Fail, Stop};
use super::http::Way;
use super::limits::Bounds;
use super::rules::Rules;
use super::table::{Entry, Folder, Table, What, right};
use super::walk::{self, Lost, Place};
use crate::sandbox::launch::Message;
use crate::sys::fs::fstat;
use crate::sys::guest;
use crate::sys::names::real_path;
use crate::sys::process;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// So many refused files are told one by one.
const TOLD: usize = 1_000;

pub struct World {
    /// Each without a NUL byte.
    pub args: Vec<Vec<u8>>,
    /// `NAME=value`
    pub env: Vec<Vec<u8>>,
    pub table: Table,
    pub rules: Rules,
    pub bounds: Bounds,
    /// Bytes that may still go to standard output and error together, files aside.
    pub output: Option<u64>,
    /// The way out, if there is one.
    pub http: Option<Way>,
    weft: OwnedFd,
    told: HashSet<(PathBuf, bool)>,
}

impl World {
    pub fn new(weft: OwnedFd, rules: Rules, bounds: Bounds, files: usize) -> World {
        World {
            args: Vec::new(),
            env: Vec::new(),
            table: Table::new(files),
            rules,
            bounds,
            output: None,
            http: None,
            weft,
            told: HashSet::new(),
        }
    }

    /// Standard input, output and error as this process has them.
    pub fn add_standard(&mut self) {
        let streams = [
            std::io::stdin().as_fd().try_clone_to_owned(),
            std::io::stdout().as_fd().try_clone_to_owned(),
            std::io::stderr().as_fd().try_clone_to_owned(),
        ];
        for (number, stream) in streams.into_iter().enumerate() {
            let Some((stream, stat)) = stream.ok().and_then(|fd| fstat(&fd).ok().map(|stat| (fd, stat)))
            else {
                self.table.leave_free();
                continue;
            };
            let way = if number == 0 { right::READ } else { right::WRITE };
            // A terminal is known by having a place that cannot be set.
            let place = if stat.file { right::SEEK | right::TELL } else { 0 };
            let rights = way | place | right::SET_FLAGS | right::LOOK | right::POLL | right::SYNC;
            let what = What::File(File::from(stream));
            let entry = Entry { what, rights, inheriting: 0, flags: 0, standard: true };
            // The table begins empty and holds at least these.
            let _ = self.table.add(entry);
        }
    }

    /// A folder that the program starts with. One that is gone or is another one by now is left out.
    pub fn add_folder(&mut self, name: &str, path: &Path, id: Option<crate::policy::path::FileId>) {
        let Ok(handle) = walk::folder(path) else { return };
        let same =
            |id: crate::policy::path::FileId| fstat(&handle).is_ok_and(|stat| stat.id == (id.dev, id.ino));
        if !id.is_none_or(same) {
            return;
        }
        let writes = self.rules.writes_below(path);
        let names = if writes { right::FOLDER } else { right::FOLDER & !right::NAMES & !right::SET_TIMES };
        let files = if writes { right::FILE } else { right::FILE & !right::CHANGES & !right::SET_TIMES };
        let folder = Folder { handle, listing: None, name: Some(name.as_bytes().to_vec()) };
        let entry = Entry {
            what: What::Folder(folder),
            rights: names,
            inheriting: names | files,
            flags: 0,
            standard: false,
        };
        let _ = self.table.add(entry);
    }

    /// The file that a path below a descriptor names.
    pub fn find(&mut self, fd: u32, rights: u64, text: &[u8], follow: bool) -> Result<(Place, u64), Fail> {
        let (folder, inheriting) = self.table.folder(fd, rights)?;
        match walk::find(folder.handle.as_fd(), text, follow, &|path| self.rules.leads(path)) {
            Ok(place) => Ok((place, inheriting)),
            Err(Lost::Errno(errno)) => Err(errno.into()),
            Err(Lost::Barred(path)) => Err(self.refuse(&path, false)),
        }
    }

    /// The file may be read, or this call is over.
    pub fn need_read(&mut self, path: &Path) -> Result<(), Fail> {
        if self.rules.read(path) { Ok(()) } else { Err(self.refuse(path, false)) }
    }

    /// The file may be changed, or this call is over.
    pub fn need_write(&mut self, path: &Path) -> Result<(), Fail> {
        if self.rules.write(path) { Ok(()) } else { Err(self.refuse(path, true)) }
    }

    /// The name may change so, or this call is over.
    pub fn need_change(
        &mut self,
        place: &Place,
        change: crate::sandbox::fallback::rules::Change,
    ) -> Result<(), Fail> {
        if self.rules.change(&place.path, change) { Ok(()) } else { Err(self.refuse(&place.path, true)) }
    }

    /// What was opened is what was decided about, and nothing that weft's own process is made of: looked at before a byte moves.
    pub fn check_opened(&mut self, file: impl AsFd, write: bool) -> Result<(), Fail> {
        let path = real_path(&file)?;
        if guest::is_proc(&file)? {
            return Err(self.refuse(&path, write));
        }
        let stat = fstat(&file)?;
        if stat.device && !crate::sandbox::mounts::DEVICES.iter().any(|device| path == Path::new(device)) {
            return Err(self.refuse(&path, write));
        }
        // A file that lost its name meanwhile has none to decide about.
        if stat.links == 0 {
            return Err(Errno::NO_ENTRY.into());
        }
        if write { self.need_write(&path) } else { self.need_read(&path) }
    }

    /// Tells weft, once for each path, and gives the error for the program.
    fn refuse(&mut self, path: &Path, write: bool) -> Fail {
        let shown = self.rules.shown(path);
        if self.told.len() < TOLD && self.told.insert((shown.clone(), write)) {
            Message::File { path: shown, write, pid: process::pid() }.send(&self.weft);
        }
        Errno::ACCESS.into()
    }

    /// Tells weft of a limit that the program has reached.
    pub fn tell_limits(&mut self) {
        if self.bounds.untold() {
            Message::MemoryShort.send(&self.weft);
        }
    }

    /// Counts what goes to a standard stream that is no file.
    pub fn spend_output(&mut self, bytes: u64) -> Result<(), Fail> {
        let Some(left) = &mut self.output else { return Ok(()) };
        match left.checked_sub(bytes) {
            Some(rest) => *left = rest,
            None => return Err(Fail::Stop(Stop::Signal(libc::SIGXFSZ))),
        }
        Ok(())
    }
}
