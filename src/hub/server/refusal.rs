//! Saying no: a status and one sentence for a person, as plain text, which the real CLI prints as it is.

use super::http::Response;
use crate::skill::Problem;
use std::borrow::Cow;

/// What every call gives.
pub type Answer = Result<Response, Refusal>;

/// A no, with the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub text: Cow<'static, str>,
    /// The text is JSON.
    pub is_json: bool,
    /// Seconds after which it may be tried again.
    pub retry: Option<u64>,
    /// What whoever runs the registry should read, and nobody else.
    pub log: Option<String>,
}

impl Refusal {
    pub fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status, text: text.into(), is_json: false, retry: None, log: None }
    }

    /// The request is wrong.
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(400, text)
    }

    /// Who asks may not do this.
    pub fn forbidden(text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(403, text)
    }

    pub fn missing(text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(404, text)
    }

    pub fn no_skill() -> Refusal {
        Refusal::missing("Skill not found")
    }

    pub fn no_version() -> Refusal {
        Refusal::missing("Version not found")
    }

    pub fn into_response(self) -> Response {
        let response = match self.is_json {
            true => Response::json(self.status, self.text.into_owned().into_bytes()),
            false => Response::text(self.status, &self.text),
        };
        match self.retry {
            Some(seconds) => response.with("Retry-After", seconds.to_string()),
            None => response,
        }
    }
}

/// What the machine could not do. Where nothing can be written, reading goes on and this is 507 (RFC 4918).
impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        if problem.full {
            return Refusal::new(
                507,
                "The registry's disk is full: nothing was published or changed. Reading goes on.",
            );
        }
        let refusal =
            Refusal::new(500, "The registry could not do this: its log says why. Nothing was changed.");
        Refusal { log: Some(problem.to_string()), ..refusal }
    }
}
