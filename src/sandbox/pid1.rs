//! Inside: the first process of the new namespaces. It builds the world of the command, gives up every privilege, starts the
//! command, and from then on only waits: for orphans, for signals to hand on, for the end. It runs no code but ours.

use super::launch::Message;
use super::network::{self, Maker, Network};
use super::plan::Plan;
use super::{questions, seccomp};
use crate::egress;
use crate::sys::process::{Side, Status};
use crate::sys::{caps, fs as sys, process, signal, socket};
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the first process needs to know.
#[derive(Debug)]
pub struct Inside<'a> {
    /// What to enforce.
    pub plan: &'a Plan,
    /// The filter program of the plan.
    pub filter: &'a [crate::sys::seccomp::Instruction],
    /// What to run.
    pub task: Task<'a>,
    /// Where weft was started.
    pub start: &'a Path,
    /// weft waits to put this process into a group before it goes on.
    pub grouped: bool,
    /// Where the way out is handed over, if there is one.
    pub egress: Option<&'a OwnedFd>,
    /// weft reads what Landlock refuses from the kernel's audit log.
    pub recorded: bool,
    /// User and group, to be themselves inside.
    pub ids: (u32, u32),
}

/// What runs behind the walls.
#[derive(Clone, Copy)]
pub enum Task<'a> {
    /// A command and its arguments.
    Command(&'a [CString]),
    /// Code of weft's own; gives the exit code.
    Act(&'a dyn Fn() -> i32),
    /// An interpreter, likewise.
    #[cfg(feature = "wasm")]
    Interpret(&'a dyn Fn(&Ours<'_>) -> i32),
}

/// What code of weft's own has that a command has not.
#[cfg(feature = "wasm")]
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Where messages go.
    pub weft: &'a OwnedFd,
    /// Where connections to the egress go, if there is one.
    pub egress: Option<&'a OwnedFd>,
}

impl std::fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(command) => f.debug_tuple("Command").field(command).finish(),
            Self::Act(_) => f.write_str("Act"),
            #[cfg(feature = "wasm")]
            Self::Interpret(_) => f.write_str("Interpret"),
        }
    }
}

/// A failure, as it travels to weft.
pub(super) type Failed = (&'static str, PathBuf, io::Error);

/// Everything from the first instruction inside to the end of the run.
pub fn run(inside: &Inside<'_>, mask: &signal::Mask, weft: OwnedFd) -> ! {
    let code = match set_up(inside, &weft).and_then(|()| start(inside, mask, &weft)) {
        // Signals of the outside come from nobody in here.
        Ok(child) => attend(child, &weft, 0, inside.egress),
        Err((step, path, error)) => {
            Message::failed(step, path, &error).send(&weft);
            125
        }
    };
    process::exit_now(code)
}

fn set_up(inside: &Inside<'_>, weft: &OwnedFd) -> Result<(), Failed> {
    let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
    let told = |(step, error)| (step, PathBuf::new(), error);
    let Inside { plan, egress, grouped, .. } = *inside;
    // Beside what follows; the listeners of the egress are made there.
    let beside = plan.own_network && !grouped;
    let network = beside.then(|| Network::begin(plan, egress)).transpose().map_err(told)?;
    let (uid, gid) = inside.ids;
    let write = |path: &CStr, text: String| sys::write_file(path, text.as_bytes());
    write(c"/proc/self/setgroups", "deny".to_owned()).map_err(at("give up groups"))?;
    write(c"/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(at("map the user"))?;
    write(c"/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(at("map the group"))?;
    write(c"/proc/sys/user/max_user_namespaces", "0".to_owned()).map_err(at("forbid user namespaces"))?;
    if plan.own_network && grouped {
        network::here(plan, egress).map_err(told)?;
    }
    inside.plan.mounts.apply().map_err(|(path, error)| ("mount", path, error))?;
    let places = [inside.start, &inside.plan.workspace, Path::new("/")];
    let there = |place: &&Path| sys::c_path(place).is_ok_and(|path| sys::chdir(&path).is_ok());
    if !places.iter().any(there) {
        return Err(("enter the workspace", inside.plan.workspace.clone(), io::Error::other("not there")));
    }
    wait_for_group(inside, weft)?;
    inside.plan.limits.apply().map_err(at("set limits"))?;
    let maker = network.map(Network::join).transpose().map_err(told)?;
    caps::forbid_for_good().map_err(at("empty the bounding set"))?;
    caps::drop_all().map_err(at("drop capabilities"))?;
    caps::no_new_privs().map_err(at("set no_new_privs"))?;
    // Nobody inside may look into this process, whose memory still holds the outside's environment.
    caps::set_dumpable(false).map_err(at("close this process to others"))?;
    caps::die_with_parent().map_err(at("tie this process to weft"))?;
    maker.map_or(Ok(()), Maker::leave).map_err(told)?;
    // Had weft ended before that call, its end of the socket would be closed.
    match socket::wait_any([Some(weft.as_fd())], Some(Duration::ZERO)) {
        Ok([ready]) if !ready.any() => Ok(()),
        _ => Err(("tie this process to weft", PathBuf::new(), io::Error::other("weft ended"))),
    }
}

/// weft moves this process while it builds its world; the command starts only afterwards.
pub(super) fn wait_for_group(inside: &Inside<'_>, weft: &OwnedFd) -> Result<(), Failed> {
    if !inside.grouped {
        return Ok(());
    }
    let step = "wait for the cgroup";
    socket::wait_any([Some(weft.as_fd())], None).map_err(|error| (step, PathBuf::new(), error))?;
    match socket::receive(weft, &mut [0; 1]) {
        Ok(Some((1, _))) => Ok(()),
        _ => Err((step, PathBuf::new(), io::Error::other("weft ended"))),
    }
}

fn start(inside: &Inside<'_>, mask: &signal::Mask, weft: &OwnedFd) -> Result<process::Child, Failed> {
    match process::clone(0).map_err(|error| ("start the command", PathBuf::new(), error))? {
        Side::Parent(child) => Ok(child),
        Side::Child => {
            let (step, path, error) = become_command(inside, mask, weft);
            let errno = error.raw_os_error().unwrap_or(0);
            if step == "exec" {
                Message::NoCommand { errno }.send(weft);
            } else {
                Message::failed(step, path, &error).send(weft);
            }
            process::exit_now(if errno == libc::ENOENT { 127 } else { 126 })
        }
    }
}

/// The last steps, in the process that becomes the command. Returns only what went wrong.
pub(super) fn become_command(inside: &Inside<'_>, mask: &signal::Mask, weft: &OwnedFd) -> Failed {
    let last = || -> Result<(), Failed> {
        let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
        let Plan { landlock, mounts, .. } = inside.plan;
        landlock.apply(mounts, inside.recorded).map_err(|(path, error)| ("landlock", path, error))?;
        sys::close_above_2_on_exec().map_err(at("close descriptors"))?;
        // Behind the walls already, so that whoever is behind them may connect. Without it a hook refuses what it is asked.
        if inside.plan.hears_questions()
            && matches!(inside.task, Task::Command(_))
            && let Ok(made) = questions::make()
        {
            Message::Questions.send_with(weft, made.as_fd()).map_err(at("hand over a socket"))?;
        }
        signal::default_sigpipe();
        signal::restore(mask).map_err(at("restore signals"))?;
        let report = inside.plan.calls.report;
        let listener =
            crate::sys::seccomp::install(inside.filter, report).map_err(at("install the filter"))?;
        if let Some(listener) = listener {
            Message::Listener.send_with(weft, listener.as_fd()).map_err(at("hand over the listener"))?;
        }
        Ok(())
    };
    if let Err(failed) = last() {
        return failed;
    }
    // What a program would be; weft reads from it which program it starts, and nobody else is inside yet.
    if let Err(error) = caps::set_dumpable(true) {
        return ("open this process to weft", PathBuf::new(), error);
    }
    let command = match inside.task {
        Task::Command(command) => command,
        Task::Act(act) => process::exit_now(act()),
        #[cfg(feature = "wasm")]
        Task::Interpret(act) => {
            // From here on the socket is in the hands of what may be taken over by a program: no failure of the walls is believed any more.
            if !inside.plan.calls.report {
                Message::Started.send(weft);
            }
            // Nothing is executed, so that nobody closes it to others any more.
            if let Err(error) = caps::set_dumpable(false) {
                return ("close this process to others", PathBuf::new(), error);
            }
            process::exit_now(act(&Ours { weft, egress: inside.egress }))
        }
    };
    exec_command(command, &inside.plan.env)
}

/// Executes a command found along `PATH` of its own environment. Returns only what went wrong.
pub(super) fn exec_command(command: &[CString], env: &[CString]) -> Failed {
    let Some(name) = command.first() else {
        return ("exec", PathBuf::new(), io::Error::from_raw_os_error(libc::ENOENT));
    };
    let mut found = libc::ENOENT;
    for program in candidates(name, env) {
        let error = match process::exec(&program, command, env) {
            Ok(never) => match never {},
            Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
        };
        match error {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => found = libc::EACCES,
            other => {
                found = other;
                break;
            }
        }
    }
    ("exec", PathBuf::new(), io::Error::from_raw_os_error(found))
}

/// Where a command of that name could be, in the order of `PATH` inside.
fn candidates(name: &CStr, env: &[CString]) -> Vec<CString> {
    if name.to_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    let path = env.iter().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
    let dirs = path.unwrap_or(b"/usr/bin:/bin").split(|byte| *byte == b':').filter(|dir| !dir.is_empty());
    dirs.filter_map(|dir| CString::new([dir, b"/", name.to_bytes()].concat()).ok()).collect()
}

/// Waits for the command and for everybody's orphans; hands on the signals that `outside` sends, weft as this process sees it.
/// Makes sockets of this network when `egress` asks for them.
pub(super) fn attend(
    command: process::Child,
    weft: &OwnedFd,
    outside: i32,
    mut egress: Option<&OwnedFd>,
) -> i32 {
    let Ok(signals) = signal::descriptor() else { return 125 };
    loop {
        while let Ok(Some((pid, status))) = process::wait(-1, false) {
            match status {
                Status::Stopped(signal) if pid == command.pid => Message::Stopped { signal }.send(weft),
                Status::Stopped(_) => {}
                status if pid == command.pid => {
                    Message::Ended { status }.send(weft);
                    // The end of this process is the end of everything inside.
                    return status.code();
                }
                _ => {}
            }
        }
        match socket::wait_any([Some(signals.as_fd()), egress.map(AsFd::as_fd)], None) {
            Ok([_, asked]) if asked.any() => egress = egress.filter(|egress| egress::inside::answer(egress)),
            Ok(_) => {}
            Err(_) => return 125,
        }
        while let Ok(Some(received)) = signal::next(&signals) {
            if !received.from_kernel && received.sender == outside {
                // It may have ended in this moment; then there is nobody to tell.
                let _ = process::kill(command.pid, received.signal);
            }
        }
    }
}

/// The arguments as the kernel takes them; a NUL byte cannot be part of one.
pub fn c_args(command: &[OsString]) -> io::Result<Vec<CString>> {
    command
        .iter()
        .map(|arg| CString::new(arg.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL)))
        .collect()
}

/// The filter program of a plan.
pub fn filter(plan: &Plan) -> Vec<crate::sys::seccomp::Instruction> {
    seccomp::program(plan.calls)
}
