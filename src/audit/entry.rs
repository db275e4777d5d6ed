//! One entry of the audit log and its line of JSON. Not the file it goes to.

use crate::clock;
use crate::json::{Node, Value, Writer, parse};
use std::io;

/// What was asked or what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Start,
    Policy,
    Enforcement,
    Read,
    Write,
    Exec,
    Connect,
    Listen,
    Resolve,
    Tool,
    Env,
    Syscall,
    Limit,
    Exit,
}

impl Action {
    pub const ALL: [Action; 14] = [
        Action::Start,
        Action::Policy,
        Action::Enforcement,
        Action::Read,
        Action::Write,
        Action::Exec,
        Action::Connect,
        Action::Listen,
        Action::Resolve,
        Action::Tool,
        Action::Env,
        Action::Syscall,
        Action::Limit,
        Action::Exit,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Policy => "policy",
            Action::Enforcement => "enforcement",
            Action::Read => "read",
            Action::Write => "write",
            Action::Exec => "exec",
            Action::Connect => "connect",
            Action::Listen => "listen",
            Action::Resolve => "resolve",
            Action::Tool => "tool",
            Action::Env => "env",
            Action::Syscall => "syscall",
            Action::Limit => "limit",
            Action::Exit => "exit",
        }
    }

    pub fn parse(word: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Belongs to the run itself, and is kept at every level.
    pub const fn is_frame(self) -> bool {
        matches!(self, Action::Start | Action::Policy | Action::Enforcement | Action::Limit | Action::Exit)
    }
}

/// A decision, or an event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxAuditEntry {
    /// Microseconds since 1970, UTC.
    pub timestamp: u64,
    pub run: String,
    pub agent_id: String,
    pub policy: String,
    pub action: Action,
    pub target: String,
    pub allowed: bool,
    pub reason: String,
    /// The line of the policy that decided: `file:line: key`.
    pub rule: Option<String>,
    /// The program that asked, where a run is observed: it was asked for, whether or not it was there.
    pub by: Option<String>,
}

/// An entry read back, with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    pub seq: u64,
    pub prev: String,
    pub entry: SandboxAuditEntry,
}

impl SandboxAuditEntry {
    #[expect(clippy::too_many_arguments, reason = "one for each field; Log is the short form")]
    pub fn now(
        run: &str,
        agent: &str,
        policy: &str,
        action: Action,
        target: &str,
        allowed: bool,
        reason: &str,
        rule: Option<String>,
    ) -> SandboxAuditEntry {
        SandboxAuditEntry {
            timestamp: u64::try_from(clock::now().as_micros()).unwrap_or(u64::MAX),
            run: bounded(run),
            agent_id: bounded(agent),
            policy: policy.to_owned(),
            action,
            target: bounded(target),
            allowed,
            reason: bounded(reason),
            rule: rule.map(|rule| bounded(&rule)),
            by: None,
        }
    }

    /// Keeps the name of the program that asked.
    #[must_use]
    pub fn asked_by(mut self, program: &str) -> SandboxAuditEntry {
        self.by = Some(bounded(program));
        self
    }

    /// Allowed is for who debugs; denied is for everyone.
    pub const fn level(&self) -> &'static str {
        if self.allowed { "debug" } else { "warn" }
    }

    /// One line of JSON with a newline at its end and none before.
    pub(super) fn line(&self, seq: u64, prev: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(400);
        // Writing to a Vec cannot fail.
        let _ = self.write(&mut Writer::new(&mut out), Some((seq, prev)), None);
        out.push(b'\n');
        out
    }

    /// As an object on one line; with its place in the chain when it is for the file, with a note when it is for a reader.
    pub fn write(
        &self,
        w: &mut Writer,
        chain: Option<(u64, &str)>,
        note: Option<(&str, &str)>,
    ) -> io::Result<()> {
        w.object(|w| {
            if let Some((seq, _)) = chain {
                w.count("seq", seq)?;
            }
            w.field("time", &time(self.timestamp))?;
            w.field("run", &self.run)?;
            w.field("agent_id", &self.agent_id)?;
            w.field("policy", &self.policy)?;
            w.field("action", self.action.as_str())?;
            w.field("target", &self.target)?;
            w.key("allowed")?.boolean(self.allowed)?;
            w.field("reason", &self.reason)?;
            if let Some(rule) = &self.rule {
                w.field("rule", rule)?;
            }
            if let Some(by) = &self.by {
                w.field("by", by)?;
            }
            if let Some((key, text)) = note {
                w.field(key, text)?;
            }
            match chain {
                Some((_, prev)) => w.field("prev", prev),
                None => Ok(()),
            }
        })
    }

    pub(super) fn parse(line: &str) -> Result<Chained, String> {
        let node = parse(line).map_err(|error| error.what)?;
        // weft writes none that is longer, and whoever reads a log may keep many.
        let text = |key: &str| match node.get(key).and_then(Node::as_str) {
            Some(text) if text.len() > FIELD + MORE => {
                Err(format!("its {key} is longer than any that is written"))
            }
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("it has no {key}")),
        };
        let may = |key: &str| node.get(key).map(|_| text(key)).transpose();
        let seq = node.get("seq").and_then(Node::as_u64).ok_or("it has no seq")?;
        let allowed = match node.get("allowed").map(|node| &node.value) {
            Some(Value::Bool(allowed)) => *allowed,
            _ => return Err("it has no allowed".to_owned()),
        };
        let (when, action) = (text("time")?, text("action")?);
        Ok(Chained {
            seq,
            prev: text("prev")?,
            entry: SandboxAuditEntry {
                timestamp: micros(&when).ok_or_else(|| format!("its time is {when:?}"))?,
                run: text("run")?,
                agent_id: text("agent_id")?,
                policy: text("policy")?,
                action: Action::parse(&action).ok_or_else(|| format!("its action is {action:?}"))?,
                target: text("target")?,
                allowed,
                reason: text("reason")?,
                rule: may("rule")?,
                by: may("by")?,
            },
        })
    }
}

/// The target of the frame entry that says: in this run everything that is asked for is written down.
pub const OBSERVED: &str = "observe";
/// The reason of an entry about a file that was looked at and not opened.
pub const LOOKED_AT: &str = "looked at, not opened";

/// Longer fields are cut; a path has at most 4,096 bytes.
const FIELD: usize = 4096;
/// Room for how much is missing.
const MORE: usize = 64;

/// The first part of a text that is too long, with how much is missing.
fn bounded(text: &str) -> String {
    if text.len() <= FIELD {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(FIELD);
    format!("{}… ({} bytes more)", &text[..cut], text.len() - cut)
}

/// `2026-01-31T08:15:00.000000Z`
pub fn time(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = clock::civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        micros % 1_000_000
    )
}

/// The inverse of [`time`], and of nothing else.
fn micros(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let micros = (clock::days(year, month, day) * 86_400 + seconds) * 1_000_000 + number(20..26)?;
    (time(micros) == text).then_some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(target: &str) -> SandboxAuditEntry {
        SandboxAuditEntry::now(
            "r1",
            "a",
            "ff",
            Action::Read,
            target,
            false,
            "not allowed",
            Some("p.toml:3: x".into()),
        )
    }

    #[test]
    fn times_go_there_and_back() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(951_827_696_000_001), "2000-02-29T12:34:56.000001Z");
        for day in (0..60_000).step_by(17) {
            let at = day * 86_400_000_000 + 86_399_999_999;
            assert_eq!(micros(&time(at)), Some(at));
        }
        assert_eq!(micros("2026-02-30T00:00:00.000000Z"), None);
        assert_eq!(micros("not a time"), None);
    }

    #[test]
    fn a_line_reads_back_as_it_was() {
        for target in [
            "/etc/passwd",
            "a\nb\"c\\d",
            "\u{202e}gpj.exe",
            "\u{e0041}\u{1b}[2J",
            "naïve 文 🦀",
            "\u{0}\u{7f}\u{9b}",
        ] {
            let entry = entry(target);
            let line = String::from_utf8(entry.line(7, "00")).unwrap();
            assert_eq!(line.matches('\n').count(), 1);
            let back = SandboxAuditEntry::parse(line.trim_end()).expect(&line);
            assert_eq!((back.seq, back.entry), (7, entry));
        }
    }

    #[test]
    fn names_forge_no_line() {
        let line = entry("x\"}\n{\"seq\":1,\"allowed\":true}\r\u{85}\u{2028}").line(1, "00");
        let line = String::from_utf8(line).unwrap();
        assert!(line.trim_end().chars().all(|c| !c.is_control() && c != '\u{2028}'), "{line}");
    }

    #[test]
    fn a_long_target_is_cut() {
        assert!(entry(&"é".repeat(100_000)).line(1, "00").len() < 10_000);
    }

    #[test]
    fn what_weft_cut_reads_back_and_longer_fields_do_not() {
        let line = String::from_utf8(entry(&"x".repeat(usize::from(u16::MAX))).line(1, "00")).unwrap();
        assert!(SandboxAuditEntry::parse(line.trim_end()).is_ok(), "{line}");
        for key in ["run", "agent_id", "target", "reason", "rule"] {
            let long =
                line.replacen(&format!("\"{key}\":\""), &format!("\"{key}\":\"{}", "y".repeat(5000)), 1);
            let error = SandboxAuditEntry::parse(long.trim_end()).expect_err(key);
            assert!(error.contains(key) && error.contains("longer"), "{error}");
        }
    }
}
