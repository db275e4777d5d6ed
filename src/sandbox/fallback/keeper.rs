//! The keeper: a process of weft's own between weft and the command. It answers the calls that the filter hands over, is the parent
//! of every orphan inside, and ends everything inside when the command or weft ends. It runs no code but ours, and is not inside.

use super::caller::{Caller, Errno, errno};
use super::calls::is_fork;
use super::family::Family;
use super::meta::Of;
use super::walk::Node;
use super::{Fallback, SCOPES};
use crate::sandbox::launch::Message;
use crate::sandbox::observe::{Asked, Observer, What};
use crate::sandbox::pid1::{Failed, Inside, become_command, wait_for_group};
use crate::sandbox::programs;
use crate::sandbox::seccomp::{Table, Verdict};
use crate::sys::fs::{CWD, c_path, chdir, handle};
use crate::sys::landlock::{Ruleset, scope};
use crate::sys::numbers;
use crate::sys::process::{Child, Side, Status};
use crate::sys::seccomp::{Answer, answer, answer_fd, receive, wake_beside};
use crate::sys::{caps, names, process, signal, socket};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// What a call comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its result.
    Value(i64),
    /// Its result is a descriptor for this file, closed on exec or not.
    Fd(OwnedFd, bool),
    /// Nothing of it is in memory that could change: it runs.
    Continue,
    /// Somebody else answers.
    Later,
}

/// The keeper's state.
pub(super) struct Keeper<'a> {
    pub(super) fallback: &'a Fallback,
    pub(super) family: Family,
    pub(super) root: OwnedFd,
    /// Sockets with abstract names outside cannot be reached by this process.
    pub(super) scoped: bool,
    listener: Option<OwnedFd>,
    table: Table,
    weft: OwnedFd,
    /// Where connections to the outside are handed over.
    pub(super) egress: Option<OwnedFd>,
    helpers: usize,
    told: u32,
    /// The file that the call at hand was refused.
    pub(super) refused: Cell<Option<(PathBuf, bool)>>,
    /// What is asked for is told, whatever the answer.
    observer: Option<Observer>,
    /// The folder that is `TMPDIR`, and what the policy calls it.
    tmpdir: (PathBuf, PathBuf),
    /// Files whose refusal was told.
    told_files: BTreeSet<(PathBuf, bool)>,
}

/// So many pipes can be waited for at once.
const HELPERS: usize = 64;
/// So many refused calls are told.
const TOLD: u32 = 1000;

/// Everything from the first instruction of the keeper to the end of the run.
pub fn run(inside: &Inside<'_>, fallback: &Fallback, mask: &signal::Mask, weft: OwnedFd) -> ! {
    let ready = Keeper::new(inside, fallback, weft).and_then(|mut keeper| {
        let (command, said) = keeper.start(inside, mask)?;
        keeper.leave_the_terminal()?;
        Ok((keeper, command, said))
    });
    let code = match ready {
        Ok((mut keeper, command, said)) => keeper.attend(&command, &said),
        Err((weft, (step, path, error))) => {
            Message::failed(step, path, &error).send(&weft);
            Family::here().kill();
            125
        }
    };
    process::exit_now(code)
}

type Stuck = (OwnedFd, Failed);

impl<'a> Keeper<'a> {
    fn new(inside: &Inside<'_>, fallback: &'a Fallback, weft: OwnedFd) -> Result<Self, Stuck> {
        let scoped = inside.plan.landlock.abi >= SCOPES;
        let ready = || -> Result<OwnedFd, Failed> {
            let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
            caps::adopt_orphans().map_err(at("adopt orphans"))?;
            wait_for_group(inside, &weft)?;
            caps::no_new_privs().map_err(at("set no_new_privs"))?;
            // Not given without CAP_SETPCAP; then no_new_privs alone keeps an exec from giving more.
            match caps::forbid_for_good() {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
                done => done.map_err(at("empty the bounding set"))?,
            }
            caps::drop_all().map_err(at("drop capabilities"))?;
            caps::set_dumpable(false).map_err(at("close this process to others"))?;
            if scoped {
                let scopes = scope::ABSTRACT_UNIX_SOCKET | scope::SIGNAL;
                let narrow = Ruleset::new(0, 0, scopes).and_then(|ruleset| ruleset.restrict_self(false));
                narrow.map_err(at("scope the keeper"))?;
            }
            let here = fallback.rules.access(inside.start) != super::rules::Access::None;
            let places = [here.then_some(inside.start), Some(&inside.plan.workspace)];
            let there = |place: &std::path::Path| c_path(place).is_ok_and(|path| chdir(&path).is_ok());
            if !places.into_iter().flatten().any(there) {
                let error = io::Error::other("not there");
                return Err(("enter the workspace", inside.plan.workspace.clone(), error));
            }
            handle(CWD, c"/", 0).map_err(at("open the root"))
        };
        match ready() {
            Ok(root) => Ok(Self {
                fallback,
                family: Family::here(),
                root,
                scoped,
                listener: None,
                table: Table::new(inside.plan.calls),
                weft,
                egress: inside.egress.and_then(|egress| egress.try_clone().ok()),
                helpers: 0,
                told: 0,
                refused: Cell::new(None),
                told_files: BTreeSet::new(),
                observer: inside.plan.calls.observe.then(Observer::without_connections),
                tmpdir: (fallback.scratch.clone(), inside.plan.tmpdir.clone()),
            }),
            Err(failed) => Err((weft, failed)),
        }
    }

    /// Starts the process that becomes the command. What it has to say comes over the socket.
    fn start(&mut self, inside: &Inside<'_>, mask: &signal::Mask) -> Result<(Child, OwnedFd), Stuck> {
        let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
        let begun =
            socket::pair().map_err(at("make a socket")).and_then(|(up, down)| {
                match process::clone(0).map_err(at("start the command"))? {
                    Side::Parent(child) => Ok((child, up)),
                    Side::Child => {
                        drop(up);
                        let tied = caps::die_with_parent().map_err(at("tie the command to the keeper"));
                        let limited =
                            tied.and_then(|()| inside.plan.limits.apply().map_err(at("set limits")));
                        let (step, path, error) = match limited {
                            Ok(()) => become_command(inside, mask, &down),
                            Err(failed) => failed,
                        };
                        let number = error.raw_os_error().unwrap_or(0);
                        match step {
                            "exec" => Message::NoCommand { errno: number }.send(&down),
                            _ => Message::failed(step, path, &error).send(&down),
                        }
                        process::exit_now(if number == libc::ENOENT { 127 } else { 126 })
                    }
                }
            });
        match begun {
            Ok(begun) => Ok(begun),
            // The keeper goes no further, so its socket may go with the message.
            Err(failed) => match self.weft.try_clone() {
                Ok(weft) => Err((weft, failed)),
                Err(_) => process::exit_now(125),
            },
        }
    }

    /// A kill of weft's process group or session must not end the one that ends everything else.
    fn leave_the_terminal(&self) -> Result<(), Stuck> {
        process::umask(0);
        process::new_session().map_err(|error| match self.weft.try_clone() {
            Ok(weft) => (weft, ("leave the session", PathBuf::new(), error)),
            Err(_) => process::exit_now(125),
        })
    }

    fn attend(&mut self, command: &Child, said: &OwnedFd) -> i32 {
        let outside = process::parent();
        let code = self.until_end(command, said, outside).unwrap_or(125);
        // Nobody answers any more, so nothing new begins inside.
        self.family.kill();
        // weft does the same, unless it was killed.
        self.fallback.remove_scratch();
        code
    }

    fn until_end(&mut self, command: &Child, said: &OwnedFd, outside: i32) -> io::Result<i32> {
        let signals = signal::descriptor()?;
        let mut said = Some(said);
        loop {
            while let Ok(Some((pid, status))) = process::wait(-1, false) {
                match status {
                    Status::Stopped(signal) if pid == command.pid => {
                        Message::Stopped { signal }.send(&self.weft);
                    }
                    Status::Stopped(_) => {}
                    status if pid == command.pid => {
                        while let Some(socket) = said {
                            said = if self.hear(socket)? { Some(socket) } else { None };
                        }
                        if let Some(count) =
                            self.observer.as_ref().map(Observer::untold).filter(|count| *count > 0)
                        {
                            Message::Untold { count }.send(&self.weft);
                        }
                        Message::Ended { status }.send(&self.weft);
                        return Ok(status.code());
                    }
                    _ => {
                        self.helpers -= usize::from(self.family.ended(pid));
                    }
                }
            }
            let fds = [
                Some(self.weft.as_fd()),
                self.listener.as_ref().map(AsFd::as_fd),
                Some(signals.as_fd()),
                said.map(AsFd::as_fd),
            ];
            let [weft, call, signal, command_says] = socket::wait_any(fds, None)?;
            // weft says nothing after the start: it has ended, or wants this to end.
            if weft.any() {
                return Ok(125);
            }
            if command_says.any()
                && let Some(socket) = said
                && !self.hear(socket)?
            {
                said = None;
            }
            if call.readable {
                self.serve()?;
            } else if call.closed {
                self.listener = None;
            }
            while signal.readable
                && let Ok(Some(received)) = signal::next(&signals)
            {
                if !received.from_kernel && received.sender == outside {
                    // It may have ended in this moment; then there is nobody to tell.
                    let _ = process::kill(command.pid, received.signal);
                }
            }
        }
    }

    /// Takes one message of the process that becomes the command; false at the end.
    fn hear(&mut self, socket: &OwnedFd) -> io::Result<bool> {
        let mut buffer = [0; 4608];
        match socket::receive(socket, &mut buffer)? {
            None | Some((0, _)) => Ok(false),
            Some((_, Some(listener))) => {
                wake_beside(&listener);
                self.listener = Some(listener);
                Message::Listener.send(&self.weft);
                Ok(true)
            }
            Some((length, None)) => {
                if let Some(message) = Message::decode(&buffer[..length]) {
                    message.send(&self.weft);
                }
                Ok(true)
            }
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let Some(listener) = self.listener.as_ref() else { return Ok(()) };
        let Some(call) = receive(listener)? else { return Ok(()) };
        let fd = listener.try_clone()?;
        let caller = Caller { listener: fd.as_fd(), call };
        let (number, id) = (call.number as u32, call.id);
        self.tell_asked(&call);
        let reply = match self.table.verdict(number, &call.args) {
            Verdict::Ask => match self.ask(&caller) {
                Ok(Outcome::Value(value)) => Answer::Value(value),
                Ok(Outcome::Continue) => Answer::Continue,
                Ok(Outcome::Later) => return Ok(()),
                Ok(Outcome::Fd(file, cloexec)) => match answer_fd(&fd, id, file.as_fd(), cloexec) {
                    Ok(()) => return Ok(()),
                    // Its table is full.
                    Err(error) => Answer::Error(errno(error)),
                },
                Err(error) => {
                    self.tell_refused(call.pid);
                    Answer::Error(error)
                }
            },
            Verdict::Watch => {
                if matches!(i64::from(number), libc::SYS_execve | libc::SYS_execveat)
                    && let Some(program) = programs::asked_for(&call)
                {
                    Message::Exec { program, pid: call.pid }.send(&self.weft);
                }
                Answer::Continue
            }
            Verdict::Report(error) | Verdict::Refuse(error) => {
                self.told += 1;
                if self.told <= TOLD {
                    Message::Refused { number, args: call.args, pid: call.pid }.send(&self.weft);
                }
                Answer::Error(error)
            }
            Verdict::Allow => Answer::Error(libc::EPERM),
        };
        answer(&fd, id, reply)
    }

    /// Tells what a call asks for. Nothing is decided by it.
    fn tell_asked(&mut self, call: &crate::sys::seccomp::Call) {
        let Some(observer) = &mut self.observer else { return };
        for Asked { what, by } in observer.see(call) {
            let (scratch, tmpdir) = &self.tmpdir;
            let named = |path: PathBuf| match path.strip_prefix(scratch) {
                Ok(rest) => tmpdir.join(rest),
                Err(_) => path,
            };
            let what = match what {
                What::Read(path) => What::Read(named(path)),
                What::Write(path) => What::Write(named(path)),
                What::Look(path) => What::Look(named(path)),
                What::Connect(_) => continue,
            };
            Message::Asked(Asked { what, by }).send(&self.weft);
        }
    }

    fn tell_refused(&mut self, pid: i32) {
        let Some((path, write)) = self.refused.take() else { return };
        if self.told_files.len() < TOLD as usize && self.told_files.insert((path.clone(), write)) {
            Message::File { path, write, pid }.send(&self.weft);
        }
    }

    /// Opens a pipe that nobody may have at its other end yet, in a process that can wait.
    pub(super) fn open_beside(
        &mut self,
        caller: &Caller<'_>,
        node: &Node,
        flags: i32,
        cloexec: bool,
    ) -> Result<Outcome, Errno> {
        if self.helpers >= HELPERS {
            return Err(libc::EMFILE);
        }
        match process::clone(0).map_err(errno)? {
            Side::Parent(child) => {
                self.family.exclude(child.pid);
                self.helpers += 1;
                Ok(Outcome::Later)
            }
            Side::Child => {
                let id = caller.call.id;
                let sent = names::reopen(&node.handle, flags, 0)
                    .and_then(|file| answer_fd(caller.listener, id, file.as_fd(), cloexec));
                if let Err(error) = sent {
                    // A caller that is gone needs no answer.
                    let _ = answer(caller.listener, id, Answer::Error(errno(error)));
                }
                process::exit_now(0)
            }
        }
    }

    fn ask(&mut self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        const HERE: i32 = libc::AT_FDCWD;
        const KEEP: i32 = libc::AT_SYMLINK_NOFOLLOW;
        let args = caller.call.args;
        let int = |at: usize| args[at] as i32;
        let bits = |at: usize| args[at] as u32;
        let number = i64::from(caller.call.number);
        if is_fork(number) {
            let room = self.fallback.most.is_none_or(|most| self.family.room(most));
            return if room { Ok(Outcome::Continue) } else { Err(libc::EAGAIN) };
        }
        match number {
            libc::SYS_openat => self.open(caller, int(0), 1, int(2), bits(3)),
            libc::SYS_mkdirat => self.mkdir(caller, int(0), 1, bits(2)),
            libc::SYS_mknodat => self.mknod(caller, int(0), 1, bits(2)),
            libc::SYS_symlinkat => self.symlink(caller, 0, int(1), 2),
            libc::SYS_unlinkat => self.unlink(caller, int(0), 1, int(2)),
            #[cfg(not(target_arch = "riscv64"))]
            libc::SYS_renameat => self.rename(caller, (int(0), 1), (int(2), 3), 0),
            libc::SYS_renameat2 => self.rename(caller, (int(0), 1), (int(2), 3), bits(4)),
            libc::SYS_linkat => self.link(caller, (int(0), 1), (int(2), 3), int(4)),
            libc::SYS_truncate => self.truncate(caller),
            libc::SYS_fchmod => self.chmod(caller, Of::Fd(int(0)), bits(1)),
            libc::SYS_fchmodat => self.chmod(caller, Of::Path(int(0), 1, 0), bits(2)),
            numbers::SYS_fchmodat2 => self.chmod(caller, Of::Path(int(0), 1, int(3)), bits(2)),
            libc::SYS_fchown => self.chown(caller, Of::Fd(int(0)), (int(1), int(2))),
            libc::SYS_fchownat => self.chown(caller, Of::Path(int(0), 1, int(4)), (int(2), int(3))),
            libc::SYS_utimensat => {
                let of = if args[1] == 0 { Of::Fd(int(0)) } else { Of::Path(int(0), 1, int(3)) };
                let times = match args[2] {
                    0 => None,
                    at => Some(caller.numbers::<4>(at)?),
                };
                self.times(caller, of, times.map(|[a, an, m, mn]| [(a, an), (m, mn)]))
            }
            libc::SYS_setxattr => self.set_attribute(caller, Of::Path(HERE, 0, 0)),
            libc::SYS_lsetxattr => self.set_attribute(caller, Of::Path(HERE, 0, KEEP)),
            libc::SYS_fsetxattr => self.set_attribute(caller, Of::Fd(int(0))),
            libc::SYS_removexattr => self.remove_attribute(caller, Of::Path(HERE, 0, 0)),
            libc::SYS_lremovexattr => self.remove_attribute(caller, Of::Path(HERE, 0, KEEP)),
            libc::SYS_fremovexattr => self.remove_attribute(caller, Of::Fd(int(0))),
            libc::SYS_newfstatat => self.stat(caller, Of::Path(int(0), 1, int(3)), args[2]),
            libc::SYS_statx => self.statx(caller),
            libc::SYS_faccessat => self.may(caller, Of::Path(int(0), 1, 0), int(2)),
            libc::SYS_faccessat2 => self.may(caller, Of::Path(int(0), 1, int(3)), int(2)),
            libc::SYS_readlinkat => self.read_link(caller, int(0), 1, args[2], args[3]),
            libc::SYS_socket => self.stand_in(caller),
            libc::SYS_connect => self.connect(caller),
            libc::SYS_mmap => self.map(caller, int(4)),
            _ => self.ask_elder(caller),
        }
    }

    /// Calls that newer architectures do without.
    #[cfg(target_arch = "x86_64")]
    fn ask_elder(&mut self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        const HERE: i32 = libc::AT_FDCWD;
        const KEEP: i32 = libc::AT_SYMLINK_NOFOLLOW;
        const CREATE: i32 = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
        let args = caller.call.args;
        let int = |at: usize| args[at] as i32;
        let bits = |at: usize| args[at] as u32;
        let micro = |at: u64| -> Result<Option<[(i64, i64); 2]>, Errno> {
            if at == 0 {
                return Ok(None);
            }
            let [a, au, m, mu] = caller.numbers::<4>(at)?;
            match [au, mu].iter().all(|part| (0..1_000_000).contains(part)) {
                true => Ok(Some([(a, au * 1000), (m, mu * 1000)])),
                false => Err(libc::EINVAL),
            }
        };
        match i64::from(caller.call.number) {
            libc::SYS_stat => self.stat(caller, Of::Path(HERE, 0, 0), args[1]),
            libc::SYS_lstat => self.stat(caller, Of::Path(HERE, 0, KEEP), args[1]),
            libc::SYS_access => self.may(caller, Of::Path(HERE, 0, 0), int(1)),
            libc::SYS_readlink => self.read_link(caller, HERE, 0, args[1], args[2]),
            libc::SYS_open => self.open(caller, HERE, 0, int(1), bits(2)),
            libc::SYS_creat => self.open(caller, HERE, 0, CREATE, bits(1)),
            libc::SYS_mkdir => self.mkdir(caller, HERE, 0, bits(1)),
            libc::SYS_mknod => self.mknod(caller, HERE, 0, bits(1)),
            libc::SYS_symlink => self.symlink(caller, 0, HERE, 1),
            libc::SYS_unlink => self.unlink(caller, HERE, 0, 0),
            libc::SYS_rmdir => self.unlink(caller, HERE, 0, libc::AT_REMOVEDIR),
            libc::SYS_rename => self.rename(caller, (HERE, 0), (HERE, 1), 0),
            libc::SYS_link => self.link(caller, (HERE, 0), (HERE, 1), 0),
            libc::SYS_chmod => self.chmod(caller, Of::Path(HERE, 0, 0), bits(1)),
            libc::SYS_chown => self.chown(caller, Of::Path(HERE, 0, 0), (int(1), int(2))),
            libc::SYS_lchown => self.chown(caller, Of::Path(HERE, 0, KEEP), (int(1), int(2))),
            libc::SYS_utime => {
                let times = match args[1] {
                    0 => None,
                    at => Some(caller.numbers::<2>(at)?),
                };
                self.times(caller, Of::Path(HERE, 0, 0), times.map(|[a, m]| [(a, 0), (m, 0)]))
            }
            libc::SYS_utimes => self.times(caller, Of::Path(HERE, 0, 0), micro(args[1])?),
            libc::SYS_futimesat => {
                let of = if args[1] == 0 { Of::Fd(int(0)) } else { Of::Path(int(0), 1, 0) };
                self.times(caller, of, micro(args[2])?)
            }
            _ => Err(libc::ENOSYS),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn ask_elder(&mut self, _: &Caller<'_>) -> Result<Outcome, Errno> {
        Err(libc::ENOSYS)
    }

    /// Mapping code from a file. The descriptor is a number in a register; what it names could only be changed by another thread,
    /// that is by code which runs already, and which no mount would keep from mapping memory of its own.
    fn map(&self, caller: &Caller<'_>, fd: i32) -> Result<Outcome, Errno> {
        let place = self.walk().open_file(caller, fd)?;
        let gone = place.node.as_ref().is_some_and(|node| node.stat.links == 0);
        let in_memory = gone && place.path.to_string_lossy().starts_with("/memfd:");
        if in_memory || self.fallback.rules.maps(&place.path) {
            return Ok(Outcome::Continue);
        }
        Err(libc::EPERM)
    }
}
