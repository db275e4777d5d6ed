//! A question as a person types it, made plain by a look at the machine, then decided. The looking is here, the deciding
//! is not.

use super::commands::Command;
use super::decide::{self, Decision};
use super::host::Host;
use super::{Policy, Question, find};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Answers the question for this machine as it is now.
pub fn ask(policy: &Policy, question: &Question) -> Decision {
    match question {
        Question::Read(path) => file(policy, path, decide::read),
        Question::Write(path) => file(policy, path, decide::write),
        Question::Exec(command) => decide::exec(policy, &Command::locate(policy, command)),
        Question::Connect { host, port } => match Host::parse(host) {
            Ok(host) => decide::network(policy, &host, *port),
            Err(why) => Decision { allowed: false, rule: None, reason: Cow::Owned(why) },
        },
        Question::Tool(name) => decide::tool(policy, name),
        Question::Env(name) => decide::env(policy, name),
    }
}

fn file(policy: &Policy, path: &Path, decide: fn(&Policy, &Path) -> Decision) -> Decision {
    let typed = policy.places.workspace.join(path);
    // What is in the run's own temporary folder is not on this machine yet.
    let private = policy.filesystem.read_rule(&typed).is_some_and(|rule| rule.private);
    let real: PathBuf =
        if private { typed.clone() } else { find::real(&typed).unwrap_or_else(|_| typed.clone()) };
    let decision = decide(policy, &real);
    match decision.allowed.then(|| decide::denied(policy, &typed)).flatten() {
        Some(denied) => denied,
        None => decision,
    }
}
