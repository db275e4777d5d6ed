//! A question of another program: an action and a target as text, and for a tool its arguments.

use super::call::{self, Call, refuse};
use crate::audit::Action;
use crate::json::Node;
use crate::policy::{Decision, Policy, Question, ask, endpoint};
use std::path::PathBuf;

/// What may be asked, as every interface names it.
pub const ACTIONS: &str = "read, write, exec, connect, tool or env";

/// A question that has a meaning.
#[derive(Debug)]
pub enum Query<'a> {
    Plain(Question),
    Call(Call<'a>),
}

/// Longer targets are no names of anything.
const LONGEST: usize = 4096;

impl<'a> Query<'a> {
    /// The error is a sentence without its end.
    pub fn new(action: &str, target: &'a str, input: Option<&'a Node>) -> Result<Query<'a>, String> {
        if target.is_empty() || target.len() > LONGEST || target.contains('\0') {
            return Err(format!("a target has 1 to {LONGEST} bytes and no NUL"));
        }
        if input.is_some() && action != "tool" {
            return Err("only a tool has an input".to_owned());
        }
        if input.is_some_and(|input| input.as_object().is_none()) {
            return Err("the input of a tool is an object".to_owned());
        }
        Ok(Query::Plain(match action {
            "read" => Question::Read(PathBuf::from(target)),
            "write" => Question::Write(PathBuf::from(target)),
            "exec" => Question::Exec(target.to_owned()),
            "connect" => {
                let (host, port) = endpoint(target)?;
                Question::Connect { host, port }
            }
            "env" => Question::Env(target.to_owned()),
            "tool" => return Ok(Query::Call(Call { tool: target, arguments: input })),
            _ => return Err(format!("an action is {ACTIONS}")),
        }))
    }

    pub fn decide(&self, policy: &Policy) -> Decision {
        match self {
            Query::Plain(Question::Read(path) | Question::Write(path)) if path.starts_with("~") => {
                refuse("`~` stands for a folder only in a shell; name the path in full")
            }
            Query::Plain(question) => ask(policy, question),
            Query::Call(call) => call::decide(policy, *call),
        }
    }

    /// What the log calls it.
    pub const fn action(&self) -> Action {
        match self {
            Query::Plain(question) => of_question(question),
            Query::Call(_) => Action::Tool,
        }
    }
}

/// What the log calls the question.
pub const fn of_question(question: &Question) -> Action {
    match question {
        Question::Read(_) => Action::Read,
        Question::Write(_) => Action::Write,
        Question::Exec(_) => Action::Exec,
        Question::Connect { .. } => Action::Connect,
        Question::Tool(_) => Action::Tool,
        Question::Env(_) => Action::Env,
    }
}
