//! A hook in a run of weft: it asks weft outside, which has the policy and the log that nobody inside can reach. What goes there and
//! back. Pure.

use super::{Client, judge, read};
use crate::agents::call::refuse;
use crate::policy::{Decision, Policy};
use crate::scan::names;

/// How a question begins; the name of the client and a newline follow, then its message as it came.
const BEGINS: &[u8] = b"weft-hook/1 ";
/// An answer that lets the call be. Every other is the reason why not.
const YES: &[u8] = b"yes";
/// The longest reason.
const REASON: usize = 16 * 1024;

/// The parts of a question, one after the other.
pub fn question(client: Client, message: &[u8]) -> [&[u8]; 4] {
    [BEGINS, client.as_str().as_bytes(), b"\n", message]
}

/// What somebody inside asked about, and what the policy says. Whatever it is that came, it is a question about a tool and no more.
pub fn decide(policy: &Policy, question: &[u8]) -> (String, Decision) {
    let none = |why: &str| ("a question that is none".to_owned(), refuse(why.to_owned()));
    let Some(rest) = question.strip_prefix(BEGINS) else { return none("it is not asked as weft asks") };
    let Some(end) = memchr::memchr(b'\n', rest) else { return none("it is not asked as weft asks") };
    let client = std::str::from_utf8(&rest[..end]).ok().and_then(Client::parse);
    let Some(client) = client else { return none("it is of no program that weft knows") };
    match read(client, &rest[end + 1..]) {
        Ok(wanted) => {
            let judged = judge(policy, &wanted);
            (judged.target, judged.decision)
        }
        Err(why) => ("a message that is no call".to_owned(), refuse(why)),
    }
}

/// The decision as it goes back.
pub fn answer(decision: &Decision) -> Vec<u8> {
    match decision.allowed {
        true => YES.to_vec(),
        false => {
            let mut text = reason(decision);
            text.truncate(text.floor_char_boundary(REASON));
            format!("no: {text}").into_bytes()
        }
    }
}

/// What came back: nothing, or the reason to refuse.
pub fn heard(answer: &[u8]) -> Result<(), String> {
    if answer == YES {
        return Ok(());
    }
    let text = String::from_utf8_lossy(answer);
    match text.strip_prefix("no: ") {
        Some(reason) => Err(names::escape(reason.as_bytes())),
        None => Err("weft outside of the sandbox gave no answer".to_owned()),
    }
}

/// Why a call is refused, with the line that says so.
pub fn reason(decision: &Decision) -> String {
    let by = decision.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
    names::escape(format!("{}{by}", decision.reason).as_bytes())
}
