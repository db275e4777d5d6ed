//! Questions that only the kernel can answer, asked from inside the walls of a plan: each in a child of its own, where the
//! command of a run would be. Not which questions.

use super::error::{Exit, Failure};
use super::run::prepare::{self, Prepared};
use crate::sandbox::launch;
use crate::sandbox::plan::Plan;
use crate::sandbox::probe::Probe;
use crate::sys::attempt;
use crate::words::reason;
use std::io::{self, Read, Write};

/// More answers do not fit into a pipe that nobody reads yet.
pub const MOST: usize = 60_000;

/// The answers to questions 0 to `count` − 1: 0 for "it worked", else the error number; [`attempt::KILLED`] for a child that a
/// signal ended.
pub fn ask(plan: &Plan, count: usize, question: &dyn Fn(usize) -> u8) -> Result<Vec<u8>, Failure> {
    let failed = |what: &str, error: &io::Error| {
        let what = format!("the sandbox could not be set up: {what}");
        Failure { exit: Exit::Run(125), ..Failure::usage(what, reason(error), "") }
    };
    let (mut from, to) = io::pipe().map_err(|error| failed("make a pipe", &error))?;
    let act = || {
        let answers: Vec<u8> = (0..count.min(MOST)).map(|at| attempt::in_child(&|| question(at))).collect();
        i32::from((&to).write_all(&answers).is_err())
    };
    let ended = launch::run_inside(plan, &act, &mut |_| Ok(()));
    if let Err(error) = ended {
        let at = error.path.display().to_string();
        let what = format!("the sandbox could not be set up: {}: {}", error.step, error.text);
        return Err(Failure { exit: Exit::Run(125), ..Failure::usage(what, at, "") });
    }
    drop(to);
    let mut answers = Vec::new();
    from.read_to_end(&mut answers).map_err(|error| failed("read the answers", &error))?;
    if answers.len() != count.min(MOST) {
        let end = ended.map_or(0, launch::End::code);
        let what = format!("the sandbox ended early (code {end}), {} of {count} answers", answers.len());
        return Err(Failure { exit: Exit::Run(125), ..Failure::usage(what, "", "") });
    }
    Ok(answers)
}

/// A plan that this kernel carries out. A machine may refuse namespaces only when they are made; a run plans again then, so this makes
/// them once, with nothing inside.
pub fn plan(prepared: &Prepared, probe: Probe) -> Result<Plan, Failure> {
    let plan = prepare::plan(prepared, &probe, None)?;
    if !plan.has_namespaces() {
        return Ok(plan);
    }
    match launch::run_inside(&plan, &|| 0, &mut |_| Ok(())) {
        Err(error) if launch::namespaces_refused(&error) => {
            prepare::plan(prepared, &probe.without_namespaces(&launch::why(&error)), None)
        }
        // Whatever else is wrong shows, with its reason, when something is asked.
        _ => Ok(plan),
    }
}

/// An error number in words.
pub fn words(errno: u8) -> String {
    match errno {
        0 => "it worked".to_owned(),
        attempt::KILLED => "killed".to_owned(),
        errno => reason(&io::Error::from_raw_os_error(errno.into())),
    }
}
