//! Carries a plan out: starts the first process inside, then watches from outside until the end.

use super::bare;
use super::denials::{Denial, Denials};
use super::fallback::keeper;
use super::fallback::outside::Outside;
use super::limits::Groups;
use super::observe::{Asked, Observer, What};
use super::outlet::{Outlet, Outward};
use super::pid1::{self, Inside, Task};
use super::placeholders::Placeholders;
use super::plan::Plan;
use super::questions::{Question, Questions};
use super::{programs, seccomp};
use crate::egress;
use crate::sys::fs as sys;
use crate::sys::process::{self, Side, Status};
use crate::sys::{seccomp as listener, signal, socket};
use crate::words;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What happened during a run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Everything is in place; the command is about to start.
    Started,
    /// A system call was refused.
    Refused {
        /// Its name.
        call: &'static str,
        /// Its arguments as numbers.
        args: [u64; 6],
        /// The caller.
        pid: i32,
    },
    /// A program is about to be started, as far as that can be seen; told before it happens, while the caller waits.
    Exec {
        /// As the caller names it, made absolute.
        program: PathBuf,
        /// The caller.
        pid: i32,
    },
    /// A file was refused, where there is somebody who sees it: at the fallback level. Each path is told once.
    File {
        /// Its real path.
        path: PathBuf,
        /// It was to be changed, not only read.
        write: bool,
        /// The caller.
        pid: i32,
    },
    /// A file or an address was asked for, where the plan observes; told before it happens, and once for each program.
    Asked(Asked),
    /// So much more was asked for than is told.
    Untold(u64),
    /// Somebody inside wanted to talk to somebody outside.
    Network(egress::Event),
    /// Landlock refused something, where the kernel's audit log can be read.
    Landlock(Denial),
    /// A limit was hit.
    Limit(&'static str),
    /// Why a WebAssembly program did not end by itself, or did not begin.
    Trap(String),
    /// A program inside asks about a call of a tool, and waits for the answer.
    Question(Question),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The command ran to this end.
    Command(Status),
    /// There is no such command inside.
    NotFound,
    /// The command is there but cannot be executed.
    NotExecutable(i32),
    /// The time was up.
    TimedOut,
}

impl End {
    /// weft's exit code.
    pub fn code(self) -> i32 {
        match self {
            Self::Command(status) => status.code(),
            Self::NotFound => 127,
            Self::NotExecutable(_) => 126,
            Self::TimedOut => 124,
        }
    }
}

/// Why nothing was run.
#[derive(Debug)]
pub struct Error {
    /// What was being done.
    pub step: String,
    /// To which path, if any.
    pub path: PathBuf,
    /// The kernel's error number, 0 if it was not the kernel.
    pub errno: i32,
    /// What went wrong.
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox could not be set up, nothing was run: {}", self.step)?;
        if !self.path.as_os_str().is_empty() {
            write!(f, " {}", self.path.display())?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for Error {}

pub(super) fn failed(step: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error {
        step: step.to_owned(),
        path: path.to_owned(),
        errno: error.raw_os_error().unwrap_or(0),
        text: error.to_string(),
    }
}

/// Bytes of a program's name that travel beside a path.
const BY: usize = 400;

/// From the inside to weft.
#[derive(Debug)]
pub(super) enum Message {
    Failed {
        step: String,
        path: PathBuf,
        errno: i32,
        text: String,
    },
    NoCommand {
        errno: i32,
    },
    Listener,
    /// The socket on which programs inside ask.
    Questions,
    Started,
    Stopped {
        signal: i32,
    },
    Ended {
        status: Status,
    },
    Refused {
        number: u32,
        args: [u64; 6],
        pid: i32,
    },
    Exec {
        program: PathBuf,
        pid: i32,
    },
    File {
        path: PathBuf,
        write: bool,
        pid: i32,
    },
    Asked(Asked),
    Untold {
        count: u64,
    },
    MemoryShort,
    Trap {
        text: String,
    },
}

impl Message {
    pub(super) fn failed(step: &str, path: PathBuf, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(0);
        Self::Failed { step: step.to_owned(), path, errno, text: error.to_string() }
    }

    fn encode(&self) -> Vec<u8> {
        let (tag, number, rest) = match self {
            Self::Failed { step, path, errno, text } => {
                let rest = [step.as_bytes(), path.as_os_str().as_bytes(), text.as_bytes()].join(&0);
                (b'F', *errno, rest)
            }
            Self::NoCommand { errno } => (b'N', *errno, Vec::new()),
            Self::Listener => (b'L', 0, Vec::new()),
            Self::Questions => (b'Q', 0, Vec::new()),
            Self::Started => (b'B', 0, Vec::new()),
            Self::Stopped { signal } => (b'S', *signal, Vec::new()),
            Self::Ended { status: Status::Exited(code) } => (b'E', *code, Vec::new()),
            Self::Ended { status: Status::Killed(signal) | Status::Stopped(signal) } => {
                (b'K', *signal, Vec::new())
            }
            Self::Refused { number, args, pid } => {
                let args = args.iter().flat_map(|arg| arg.to_ne_bytes());
                (b'R', *number as i32, pid.to_ne_bytes().into_iter().chain(args).collect())
            }
            Self::Exec { program, pid } => (b'X', *pid, program.as_os_str().as_bytes().to_vec()),
            Self::Asked(Asked { what, by }) => {
                let (tag, path) = match what {
                    What::Read(path) => (b'r', path.as_path()),
                    What::Write(path) => (b'w', path.as_path()),
                    What::Look(path) => (b'l', path.as_path()),
                    // Told by who carries it.
                    What::Connect(_) => (b'l', Path::new("")),
                };
                // One of the two is a path that the kernel took, and no longer than that.
                let by = by.as_os_str().as_bytes();
                (tag, 0, [path.as_os_str().as_bytes(), by.get(..BY).unwrap_or(by)].join(&0))
            }
            Self::Untold { count } => (b'U', i32::try_from(*count).unwrap_or(i32::MAX), Vec::new()),
            Self::File { path, write, pid } => {
                let tag = if *write { b'W' } else { b'O' };
                (tag, *pid, path.as_os_str().as_bytes().to_vec())
            }
            Self::MemoryShort => (b'M', 0, Vec::new()),
            Self::Trap { text } => (b'T', 0, text.as_bytes().to_vec()),
        };
        let mut bytes = vec![tag];
        bytes.extend(number.to_ne_bytes());
        bytes.extend(rest);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let number = i32::from_ne_bytes(*number);
        Some(match tag {
            b'F' => {
                let mut parts = rest.splitn(3, |byte| *byte == 0);
                let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                let step = text();
                let path = PathBuf::from(text());
                Self::Failed { step, path, errno: number, text: text() }
            }
            b'N' => Self::NoCommand { errno: number },
            b'L' => Self::Listener,
            b'Q' => Self::Questions,
            b'B' => Self::Started,
            b'S' => Self::Stopped { signal: number },
            b'E' => Self::Ended { status: Status::Exited(number) },
            b'K' => Self::Ended { status: Status::Killed(number) },
            b'R' => {
                let (pid, rest) = rest.split_first_chunk::<4>()?;
                let mut args = [0; 6];
                for (arg, bytes) in args.iter_mut().zip(rest.chunks_exact(8)) {
                    *arg = u64::from_ne_bytes(bytes.try_into().ok()?);
                }
                Self::Refused { number: number as u32, args, pid: i32::from_ne_bytes(*pid) }
            }
            b'W' | b'O' => Self::File {
                path: OsString::from_vec(rest.to_vec()).into(),
                write: tag == &b'W',
                pid: number,
            },
            b'r' | b'w' | b'l' => {
                let mut parts = rest.splitn(2, |byte| *byte == 0);
                let mut path =
                    || PathBuf::from(OsString::from_vec(parts.next().unwrap_or_default().to_vec()));
                let (path, by) = (path(), path());
                let what = match tag {
                    b'r' => What::Read(path),
                    b'w' => What::Write(path),
                    _ => What::Look(path),
                };
                Self::Asked(Asked { what, by })
            }
            b'U' => Self::Untold { count: u64::try_from(number).unwrap_or(0) },
            b'X' => Self::Exec { program: OsString::from_vec(rest.to_vec()).into(), pid: number },
            b'M' => Self::MemoryShort,
            b'T' => Self::Trap { text: String::from_utf8_lossy(rest).into_owned() },
            _ => return None,
        })
    }

    /// weft may be gone; then nobody needs to know.
    pub(super) fn send(&self, weft: &OwnedFd) {
        let _ = socket::send(weft, &self.encode(), None);
    }

    pub(super) fn send_with(&self, weft: &OwnedFd, fd: BorrowedFd<'_>) -> io::Result<()> {
        socket::send(weft, &self.encode(), Some(fd))
    }
}

/// Runs a command under a plan, from start to end. Call it from a process with a single thread.
pub fn run(
    plan: &Plan,
    command: &[OsString],
    witness: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<End, Error> {
    let command = pid1::c_args(command).map_err(failed("read the command", Path::new("")))?;
    start(plan, Task::Command(&command), witness)
}

/// Runs code of weft's own where the command would be, behind the same walls; what it returns is the exit code.
pub fn run_inside(
    plan: &Plan,
    act: &dyn Fn() -> i32,
    witness: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<End, Error> {
    start(plan, Task::Act(act), witness)
}

/// The same for code that talks to weft and to its egress by itself: an interpreter.
#[cfg(feature = "wasm")]
pub fn run_interpreter(
    plan: &Plan,
    act: &dyn Fn(&pid1::Ours<'_>) -> i32,
    witness: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<End, Error> {
    start(plan, Task::Interpret(act), witness)
}

fn start(
    plan: &Plan,
    task: Task<'_>,
    witness: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<End, Error> {
    let nowhere = Path::new("");
    let filter = pid1::filter(plan);
    let start = std::env::current_dir().unwrap_or_else(|_| plan.workspace.clone());
    let _placeholders = Placeholders::make(&plan.mounts)?;
    let outside = plan.fallback.as_ref().map(Outside::make).transpose()?;
    #[cfg(feature = "wasm")]
    let _scratch = plan
        .guest
        .as_ref()
        .filter(|_| plan.is_interpreted())
        .map(super::wasm::plan::Scratch::make)
        .transpose()?;
    let groups = Groups::make(&plan.limits).map_err(|(path, e)| failed("make the cgroup", &path)(e))?;
    let outlet = Outlet::make(plan)?;
    let (up, down) = socket::pair().map_err(failed("make a socket", nowhere))?;
    let mask = signal::block_all().map_err(failed("block signals", nowhere))?;
    let ids = process::ids();
    let readable = ids.0 == 0 && plan.has_walls();
    let denials = readable.then(|| Denials::open(plan.landlock.abi)).flatten();
    // While a process is moved into a group nobody in it can make another, and the kernel takes its time for that: then the network is
    // made here, and set up while that goes on.
    let net = if plan.own_network && !groups.is_empty() { process::NEW_NET } else { 0 };
    let flags = if plan.has_namespaces() { process::ALL_NAMESPACES | net } else { 0 };
    let weft = process::pid();
    let first = match process::clone(flags).map_err(failed("create namespaces", nowhere)) {
        Err(error) => {
            let _ = signal::restore(&mask);
            return Err(error);
        }
        Ok(Side::Child) => {
            drop(up);
            let (recorded, grouped) = (denials.is_some(), !groups.is_empty());
            drop(denials);
            let egress = outlet.as_ref().map(Outlet::theirs);
            let inside =
                Inside { plan, filter: &filter, task, start: &start, grouped, egress, recorded, ids };
            match &plan.fallback {
                Some(fallback) => keeper::run(&inside, fallback, &mask, down),
                None if !plan.has_walls() => bare::run(&inside, &mask, down, weft),
                None => pid1::run(&inside, &mask, down),
            }
        }
        Ok(Side::Parent(first)) => first,
    };
    drop(down);
    let (outward, unready) = match outlet.map(Outlet::start).transpose() {
        Ok(outward) => (outward, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let mut watch = Watch {
        plan,
        first: &first,
        up,
        listener: None,
        outward,
        questions: None,
        end: None,
        started: false,
        killed: false,
        refused: 0,
        denials,
        command: None,
        table: seccomp::Table::new(plan.calls),
        observer: Observer::default(),
        untold: 0,
    };
    let result = groups
        .add(first.pid)
        .map_err(|(path, error)| failed("enter the cgroup", &path)(error))
        .and(unready)
        .and_then(|()| {
            if groups.is_empty() {
                return Ok(());
            }
            match socket::send(&watch.up, b"G", None) {
                // It has ended, and has said why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                done => done.map_err(failed("let the inside go on", nowhere)),
            }
        })
        .and_then(|()| watch.until_end(witness));
    let result = result.and_then(|end| {
        watch.read_records(witness, true).map_err(failed("write the audit log", nowhere)).map(|()| end)
    });
    if result.is_err() {
        watch.end_all();
    }
    let status = process::wait(first.pid, true);
    drop(outside);
    let untold = watch.observer.untold() + watch.untold;
    let told = watch.outward.take().map_or(Ok(()), |outward| outward.stop(witness));
    let _ = signal::restore(&mask);
    let end = result?;
    told.map_err(failed("write the audit log", nowhere))?;
    if untold > 0 {
        witness(Event::Untold(untold)).map_err(failed("write the audit log", nowhere))?;
    }
    for limit in groups.reached() {
        witness(Event::Limit(limit)).map_err(failed("write the audit log", nowhere))?;
    }
    match (end, status) {
        (Some(end), _) => Ok(end),
        // The first process was killed from outside, and everything inside with it.
        (None, Ok(Some((_, status)))) => Ok(End::Command(status)),
        (None, Ok(None)) => Ok(End::Command(Status::Killed(libc::SIGKILL))),
        (None, Err(error)) => Err(failed("wait for the end", nowhere)(error)),
    }
}

/// The outside of a run.
struct Watch<'a> {
    plan: &'a Plan,
    first: &'a process::Child,
    up: OwnedFd,
    listener: Option<OwnedFd>,
    outward: Option<Outward>,
    questions: Option<Questions>,
    end: Option<End>,
    /// The walls are up, and what runs behind them is not weft's first process any more.
    started: bool,
    killed: bool,
    refused: u64,
    denials: Option<Denials>,
    /// The process that became the command, once it has.
    command: Option<i32>,
    /// What the filter says to each call.
    table: seccomp::Table,
    observer: Observer,
    /// What the keeper did not tell.
    untold: u64,
}

/// How long a command has to end by itself after it was told that its time is up.
const GRACE: Duration = Duration::from_secs(2);
/// So many refused calls are told one by one; a program that goes on asking would only fill the log.
const TOLD: u64 = 1000;

impl Watch<'_> {
    fn until_end(&mut self, witness: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Option<End>, Error> {
        let nowhere = Path::new("");
        let told = failed("write the audit log", nowhere);
        let signals = signal::descriptor().map_err(failed("watch for signals", nowhere))?;
        let mut deadline = self.plan.limits.wall.map(|wall| Instant::now() + wall);
        let mut timed_out = false;
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let fds = [
                Some(self.up.as_fd()),
                self.listener.as_ref().map(AsFd::as_fd),
                Some(signals.as_fd()),
                Some(self.first.fd.as_fd()),
                self.outward.as_ref().map(Outward::news),
                self.denials.as_ref().map(Denials::as_fd),
                self.questions.as_ref().map(Questions::news),
            ];
            let [message, call, signal, ended, news, record, asked] =
                socket::wait_any(fds, left).map_err(failed("wait", nowhere))?;
            if message.any() && self.read_message(witness)? {
                return Ok(if timed_out { Some(End::TimedOut) } else { self.end });
            }
            if news.any()
                && let Some(outward) = &mut self.outward
            {
                outward.tell(witness).map_err(&told)?;
            }
            if asked.any()
                && let Some(questions) = &mut self.questions
                && !questions.hear(&mut |question| witness(Event::Question(question))).map_err(&told)?
            {
                self.questions = None;
            }
            if call.readable {
                self.answer(witness).map_err(&told)?;
            } else if call.closed {
                // Nobody is left who could call.
                self.listener = None;
            }
            if record.any() {
                self.read_records(witness, false).map_err(&told)?;
            }
            while signal.readable
                && let Ok(Some(received)) = signal::next(&signals)
            {
                // Keys on the terminal reach the command by themselves; it is in the same process group.
                if received.signal != libc::SIGCHLD && !received.from_kernel {
                    let _ = process::signal(&self.first.fd, received.signal);
                }
            }
            if ended.any() && !message.any() {
                return Ok(if timed_out { Some(End::TimedOut) } else { self.end });
            }
            if deadline.is_some_and(|at| at <= Instant::now()) {
                if timed_out {
                    self.end_all();
                    self.killed = true;
                    deadline = None;
                } else {
                    timed_out = true;
                    witness(Event::Limit("process.max_wall_time")).map_err(&told)?;
                    let _ = process::signal(&self.first.fd, libc::SIGTERM);
                    deadline = Some(Instant::now() + GRACE);
                }
            }
            if timed_out && self.end.is_some() {
                self.end = Some(End::TimedOut);
            }
        }
    }

    /// What Landlock refused; `last`: and what the kernel still has to say after the end.
    fn read_records(
        &mut self,
        witness: &mut dyn FnMut(Event) -> io::Result<()>,
        last: bool,
    ) -> io::Result<()> {
        let (Some(denials), refused) = (&mut self.denials, &mut self.refused) else { return Ok(()) };
        let mut found = |denial| {
            *refused += 1;
            if *refused <= TOLD { witness(Event::Landlock(denial)) } else { Ok(()) }
        };
        match last {
            false => denials.read(self.command, &mut found),
            true => denials.rest(self.command, &mut found),
        }
    }

    /// Ends everything inside at once.
    fn end_all(&self) {
        // The keeper ends what is inside before it ends itself. Whoever is gone already needs not be told.
        let _ = match &self.plan.fallback {
            Some(_) => socket::send(&self.up, b"K", None),
            None => process::signal(&self.first.fd, libc::SIGKILL),
        };
    }

    /// True at the end of the conversation.
    fn read_message(&mut self, witness: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<bool, Error> {
        let nowhere = Path::new("");
        let mut buffer = [0; 4608];
        let received =
            socket::receive(&self.up, &mut buffer).map_err(failed("hear from the inside", nowhere))?;
        let Some((length, fd)) = received else { return Ok(false) };
        if length == 0 {
            return Ok(true);
        }
        match Message::decode(&buffer[..length]) {
            Some(Message::Failed { step, path, errno, text }) => {
                // What runs by now is no witness for how the walls were built: weft would build others.
                let step = if self.started { format!("after the start: {step}") } else { step };
                return Err(Error { step, path, errno, text });
            }
            Some(Message::NoCommand { errno: libc::ENOENT }) => self.end = Some(End::NotFound),
            Some(Message::NoCommand { errno }) => self.end = Some(End::NotExecutable(errno)),
            // Later ones, and a later socket, would come from what runs, and weft takes no descriptor from that.
            Some(Message::Listener) if !self.started => {
                self.listener = fd;
                self.started = true;
                witness(Event::Started).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Questions) if !self.started => {
                // Without it hooks inside refuse.
                self.questions = fd.and_then(|made| Questions::listen(made).ok());
            }
            Some(Message::Started) => {
                self.started = true;
                witness(Event::Started).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Refused { number, args, pid }) => {
                let event = Event::Refused { call: seccomp::name(number), args, pid };
                witness(event).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::File { path, write, pid }) => {
                witness(Event::File { path, write, pid }).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Asked(asked)) => {
                witness(Event::Asked(asked)).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Untold { count }) => self.untold = count,
            Some(Message::Exec { program, pid }) => {
                self.command.get_or_insert(pid);
                witness(Event::Exec { program, pid }).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::MemoryShort) => {
                witness(Event::Limit("process.max_memory"))
                    .map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Trap { text }) => {
                witness(Event::Trap(text)).map_err(failed("write the audit log", nowhere))?;
            }
            Some(Message::Stopped { .. }) => {
                signal::stop_self();
                // Continued: so is the command, wherever it was put meanwhile.
                let _ = process::signal(&self.first.fd, libc::SIGCONT);
            }
            Some(Message::Ended { status }) => {
                // When there was no command, its end says nothing.
                self.end.get_or_insert(End::Command(status));
            }
            Some(Message::Listener | Message::Questions) | None => {
                let error = io::Error::other("a message that no version of weft sends");
                return Err(failed("hear from the inside", nowhere)(error));
            }
        }
        Ok(false)
    }

    fn answer(&mut self, witness: &mut dyn FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let call = match listener::receive(listener) {
            Ok(Some(call)) => call,
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        };
        let number = call.number as u32;
        if self.table.verdict(number, &call.args) == seccomp::Verdict::Watch {
            if !matches!(i64::from(number), libc::SYS_execve | libc::SYS_execveat) {
                for asked in self.observer.see(&call) {
                    witness(Event::Asked(asked))?;
                }
                return listener::answer(listener, call.id, listener::Answer::Continue);
            }
            self.command.get_or_insert(call.pid);
            // Nothing starts that could not be written down first.
            if let Some(program) = programs::asked_for(&call) {
                witness(Event::Exec { program, pid: call.pid })?;
            }
            return listener::answer(listener, call.id, listener::Answer::Continue);
        }
        let error = seccomp::error_for(number, &call.args, self.plan.calls);
        listener::answer(listener, call.id, listener::Answer::Error(error))?;
        self.refused += 1;
        if self.refused <= TOLD {
            witness(Event::Refused { call: seccomp::name(number), args: call.args, pid: call.pid })?;
        }
        Ok(())
    }
}

/// Whether an error means that this user may not make namespaces or mounts in them (a filter around a container, AppArmor), so
/// that the level without them can be tried: plan again with `Probe::without_namespaces`.
pub fn namespaces_refused(error: &Error) -> bool {
    let refused =
        matches!(error.errno, libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EINVAL | libc::ENOSYS);
    match error.step.as_str() {
        "create namespaces" => refused,
        "give up groups" | "map the user" | "map the group" | "forbid user namespaces" => refused,
        "mount" => refused && error.path == Path::new("/"),
        _ => false,
    }
}

/// Step and error of a failure in one phrase: `create namespaces: no space left on device`.
pub fn why(error: &Error) -> String {
    format!("{}: {}", error.step, words::without_number(&error.text))
}

/// Turns the words of a command line into what [`run`] takes.
pub fn words(command: &[String]) -> Vec<OsString> {
    command.iter().map(|word| OsString::from_vec(word.clone().into_bytes())).collect()
}

/// Closes what weft was started with beyond the terminal, before anything is opened.
pub fn close_inherited() -> io::Result<()> {
    sys::close_inherited()
}
