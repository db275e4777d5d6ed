//! What programs inside a run ask weft outside: hooks, about calls of tools. Decided by the policy of the run and written down as what
//! they are; nothing else can get into the log that way.

use super::record::Recorder;
use crate::agents::call::refuse;
use crate::agents::hook::inside;
use crate::audit::{Action, AuditError};
use crate::sandbox::questions::Question;
use crate::scan::names;

/// So many are answered in one run; a program that asks more only fills the disk.
const QUESTIONS: u64 = 10_000;

/// Answers one. What cannot be written down is not answered. `before`: how many there were.
pub fn answer(recorder: &mut Recorder<'_>, before: u64, question: &Question) -> Result<(), AuditError> {
    if before >= QUESTIONS {
        if before == QUESTIONS {
            let why = format!("{QUESTIONS} questions of hooks were answered, no more are");
            recorder.log.record(Action::Limit, "hook", false, &why, None)?;
        }
        question.answer(inside::answer(&refuse(format!("{QUESTIONS} questions were asked in this run"))));
        return Ok(());
    }
    let (target, decision) = inside::decide(recorder.policy, &question.text);
    let target = names::escape(target.as_bytes());
    let reason = format!("{}; asked by a hook inside", decision.reason);
    let rule = decision.rule.as_ref().map(|rule| rule.to_string());
    recorder.log.record(Action::Tool, &target, decision.allowed, &reason, rule)?;
    question.answer(inside::answer(&decision));
    Ok(())
}
