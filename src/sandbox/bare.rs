//! The level `none`, for policies that ask for it: the command gets the environment and the limits of its policy, and nothing holds it to
//! the rest. A process of weft's own stands between, as at the other levels, for signals, stops and the end.

use super::launch::Message;
use super::limits::Limits;
use super::pid1::{Failed, Inside, Task, attend, exec_command, wait_for_group};
use super::plan::{Plan, Refusal};
use super::probe::Probe;
use crate::policy::Policy;
use crate::policy::effective::Effective;
use crate::sys::process::Side;
use crate::sys::{caps, fs as sys, process, signal};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The plan of a policy that wants no sandbox: its environment and what limits there can be.
pub fn plan(
    policy: &Policy,
    probe: &Probe,
    outside: impl Iterator<Item = (OsString, OsString)>,
    effective: Effective,
) -> Result<Plan, Refusal> {
    let without = probe.clone().without_namespaces(&effective.reason);
    let mut limits = Limits::of(policy, &without)?;
    let mut unenforced = Vec::new();
    // There is no keeper that could count.
    if let (Some(_), Some(most)) = (limits.counted.take(), &policy.process.max_processes) {
        let why = "without a sandbox processes are counted only in a cgroup, and none can be made here";
        unenforced.push((most.origin.clone(), why.to_owned()));
    }
    Ok(Plan { unenforced, ..Plan::without_walls(policy, probe, outside, &[], effective, limits) })
}

/// Everything from the clone to the end of the run. `outside` is weft's process number.
pub fn run(inside: &Inside<'_>, mask: &signal::Mask, weft: OwnedFd, outside: i32) -> ! {
    let code = match start(inside, mask, &weft, outside) {
        Ok(command) => attend(command, &weft, outside, None),
        Err((step, path, error)) => {
            Message::failed(step, path, &error).send(&weft);
            125
        }
    };
    process::exit_now(code)
}

fn start(
    inside: &Inside<'_>,
    mask: &signal::Mask,
    weft: &OwnedFd,
    outside: i32,
) -> Result<process::Child, Failed> {
    let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
    wait_for_group(inside, weft)?;
    inside.plan.limits.apply().map_err(at("set limits"))?;
    tie_to(outside).map_err(at("tie this process to weft"))?;
    let own = process::pid();
    match process::clone(0).map_err(at("start the command"))? {
        Side::Parent(child) => Ok(child),
        Side::Child => {
            let (step, path, error) = become_command(inside, mask, weft, own);
            let errno = error.raw_os_error().unwrap_or(0);
            match step {
                "exec" => Message::NoCommand { errno }.send(weft),
                _ => Message::failed(step, path, &error).send(weft),
            }
            process::exit_now(if errno == libc::ENOENT { 127 } else { 126 })
        }
    }
}

/// From now on this process ends with its parent. One that ended before is not the parent any more, and nobody would be told of it.
fn tie_to(parent: i32) -> io::Result<()> {
    caps::die_with_parent()?;
    if process::parent() == parent { Ok(()) } else { Err(io::Error::other("weft ended")) }
}

/// Returns only what went wrong.
fn become_command(inside: &Inside<'_>, mask: &signal::Mask, weft: &OwnedFd, parent: i32) -> Failed {
    let last = || -> Result<(), Failed> {
        let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
        // The command goes when weft goes; what it leaves behind does not.
        tie_to(parent).map_err(at("tie the command to weft"))?;
        sys::close_above_2_on_exec().map_err(at("close descriptors"))?;
        signal::default_sigpipe();
        signal::restore(mask).map_err(at("restore signals"))?;
        Message::Started.send(weft);
        Ok(())
    };
    match (last(), inside.task) {
        (Err(failed), _) => failed,
        (Ok(()), Task::Command(command)) => exec_command(command, &inside.plan.env),
        #[cfg(feature = "wasm")]
        (Ok(()), Task::Interpret(act)) => {
            let at = |step: &'static str| move |error| (step, PathBuf::new(), error);
            // What the interpreter itself needs is no privilege.
            let less = caps::no_new_privs()
                .map_err(at("set no_new_privs"))
                .and_then(|()| caps::drop_all().map_err(at("drop capabilities")))
                .and_then(|()| caps::set_dumpable(false).map_err(at("close this process to others")))
                .and_then(|()| match inside.plan.is_narrowed() {
                    true => super::wasm::walls::raise(inside.plan),
                    false => Ok(()),
                });
            match less {
                Err(failed) => failed,
                Ok(()) => process::exit_now(act(&super::pid1::Ours { weft, egress: inside.egress })),
            }
        }
        // Code of weft's own is there to try the walls, and there are none.
        (Ok(()), Task::Act(_)) => {
            ("try the walls", PathBuf::new(), io::Error::other("sandbox.type = \"none\" has none"))
        }
    }
}
