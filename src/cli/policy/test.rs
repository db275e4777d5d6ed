//! `weft policy test`: the assertions of a policy, so that a change that widens it fails.

use super::live::{self, Live};
use super::{failure, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::values::say;
use crate::json::Writer;
use crate::policy::{Decision, Test as Assertion, ask, load};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};

/// Run the [[test]] entries of policies
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "test",
    help_triggers("--help"),
    example = "{command_name} weft.toml",
    example = "{command_name} --live weft.toml",
    example = "{command_name} --format junit weft.toml > policy.xml",
    note = "Tests of the policies it extends run as well, against the extended policy. With --live the kernel is asked too, from inside the sandbox: files are opened and not changed, in writable places one is made and removed, programs are not started, nothing is sent. What does not exist here cannot be tried, and fails nothing.",
    error_code(0, "every test holds"),
    error_code(1, "a test does not hold"),
    error_code(2, "a policy is wrong, or has no test")
)]
pub struct Test {
    /// text, json or junit
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// also ask the kernel, from inside the sandbox
    #[argh(switch)]
    live: bool,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// a policy file, or the name of a built-in policy
    #[argh(positional, arg_name = "FILE")]
    files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Junit,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "junit" => Ok(Format::Junit),
            _ => Err(say("use text, json or junit")),
        }
    }
}

struct Suite<'a> {
    name: &'a str,
    cases: Vec<Case>,
}

struct Case {
    test: Assertion,
    decision: Decision,
    /// With `--live`.
    live: Option<Live>,
}

impl Suite<'_> {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.holds()).count()
    }
}

impl Case {
    fn holds(&self) -> bool {
        self.test.allow == self.decision.allowed
            && self.live.as_ref().is_none_or(|live| live.holds(&self.test))
    }

    /// What was answered, and by which line.
    fn answer(&self) -> String {
        let decision = &self.decision;
        let word = if decision.allowed { "allowed" } else { "denied" };
        let rule = decision.rule.as_ref().map_or("no line allows it".to_owned(), |rule| rule.to_string());
        let live = self.live.as_ref().map_or(String::new(), |live| format!("; live: {}", live.words()));
        format!("{word} by {rule}: {}{live}", decision.reason)
    }
}

pub fn run(command: &Test) -> Result<Exit, Failure> {
    if command.live {
        let failed = |error: io::Error| Failure::usage("cannot close descriptors", error.to_string(), "");
        crate::sandbox::launch::close_inherited().map_err(failed)?;
    }
    if command.files.is_empty() {
        return Err(Failure::usage("nothing to test", "", "name a policy file, such as weft.toml"));
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let mut suites = Vec::new();
    for name in &command.files {
        let mut policy = load(name, &places).map_err(|errors| failure(&errors))?;
        if policy.tests.is_empty() {
            return Err(Failure::usage("the policy has no [[test]]", name, "add one that must be denied"));
        }
        let live = match command.live {
            true => live::answers(name, command.workspace.as_ref())?,
            false => Vec::new(),
        };
        let tests = std::mem::take(&mut policy.tests);
        let mut live = live.into_iter();
        let cases = tests.into_iter().map(|test| {
            let decision = ask(&policy, &test.question);
            Case { test, decision, live: live.next() }
        });
        suites.push(Suite { name, cases: cases.collect() });
    }
    out(|page| match command.format {
        Format::Text => text(&suites, page),
        Format::Json => json(&suites, page),
        Format::Junit => junit(&suites, page),
    })?;
    Ok(if suites.iter().any(|suite| suite.failed() > 0) { Exit::Findings } else { Exit::Ok })
}

fn text(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    for suite in suites {
        for case in suite.cases.iter().filter(|case| !case.holds()) {
            let line = format!("failed   {}: {}: {}", case.test.origin, case.test.name, case.answer());
            writeln!(page, "{}", visible(&line))?;
        }
        let (all, failed) = (suite.cases.len(), suite.failed());
        let untried = |case: &&Case| matches!(case.live, Some(Live::Untried(_)));
        let tried = match suite.cases.iter().filter(untried).count() {
            _ if suite.cases.iter().all(|case| case.live.is_none()) => String::new(),
            untried => format!(", {} of them tried live", all - untried),
        };
        writeln!(page, "{}: {} of {all} tests hold{tried}", visible(suite.name), all - failed)?;
    }
    Ok(())
}

fn json(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-test/1")?;
        w.key("files")?.array_lines(|w| {
            suites.iter().try_for_each(|suite| {
                w.object_lines(|w| {
                    w.field("name", suite.name)?;
                    w.count("tests", suite.cases.len() as u64)?;
                    w.count("failures", suite.failed() as u64)?;
                    w.key("cases")?.array_lines(|w| {
                        suite.cases.iter().try_for_each(|case| {
                            w.object(|w| {
                                w.field("name", &case.test.name)?;
                                w.field("file", &case.test.origin.file)?;
                                w.count("line", case.test.origin.line.into())?;
                                w.key("holds")?.boolean(case.holds())?;
                                w.key("allowed")?.boolean(case.decision.allowed)?;
                                w.field("answer", &case.answer())?;
                                match &case.live {
                                    Some(live) => w.field("live", &live.words()),
                                    None => Ok(()),
                                }
                            })
                        })
                    })
                })
            })
        })
    })?;
    page.write_all(b"\n")
}

fn junit(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    let all: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let failed: usize = suites.iter().map(Suite::failed).sum();
    writeln!(page, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(page, "<testsuites name=\"weft policy\" tests=\"{all}\" failures=\"{failed}\" errors=\"0\">")?;
    for suite in suites {
        let (name, count, failed) = (xml(suite.name), suite.cases.len(), suite.failed());
        writeln!(page, "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\">")?;
        for case in &suite.cases {
            write!(page, "    <testcase classname=\"{name}\" name=\"{}\"", xml(&case.test.name))?;
            if case.holds() {
                writeln!(page, "/>")?;
            } else {
                let message = xml(&format!("{}: {}", case.test.origin, case.answer()));
                writeln!(page, "><failure message=\"{message}\"/></testcase>")?;
            }
        }
        writeln!(page, "  </testsuite>")?;
    }
    writeln!(page, "</testsuites>")
}

fn xml(text: &str) -> String {
    crate::scan::report::junit::escape(text)
}
