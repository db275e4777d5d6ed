//! The policy as a page of TOML, ready to be read over: each grant on its line with who wanted it, and at the top what was left
//! out and why.

use super::{Grant, Learned, Left, Programs};
use crate::scan::names::escape;
use crate::scan::report::visible::visible;
use std::fmt::Write;

/// What stands at the top.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// What it was learned from: `1 run of git status`.
    pub from: &'a str,
    pub agent: &'a str,
    /// A built-in name, or a path.
    pub extends: &'a str,
    /// What is to be said of the environment.
    pub environment: &'a [String],
}

/// So many entries of what was only looked at are listed.
const LOOKED: usize = 20;
/// So many programs are named for a grant.
const NAMED: usize = 4;

/// A text of TOML as a value.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `git, sh and 3 more`, by the names of their files.
pub fn named(by: &Programs) -> String {
    let mut names: Vec<String> =
        by.iter().filter_map(|path| path.file_name()).map(|name| escape(name.as_encoded_bytes())).collect();
    crate::sort::plain(&mut names);
    names.dedup();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(NAMED);
    format!("{}{more}", names.join(", "))
}

/// A line about what was left out.
pub fn left_line(left: &Left) -> String {
    let by = named(&left.by);
    let by = if by.is_empty() { String::new() } else { format!(" (wanted by {by})") };
    let why = if left.why.is_empty() { String::new() } else { format!(": {}", left.why) };
    visible(&format!("{}{why}{by}", left.what)).into_owned()
}

/// `git, sh: 3 files; note`
pub fn reason(grant: &Grant) -> String {
    let count = match (grant.count, grant.unit) {
        (0, _) | (_, "") => String::new(),
        (1, unit) => format!("1 {unit}"),
        (many, unit) => format!("{many} {unit}s"),
    };
    let by = named(&grant.by);
    let mut text = [by, count].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    if !grant.note.is_empty() {
        let between = if text.is_empty() { "" } else { "; " };
        text.push_str(between);
        text.push_str(&grant.note);
    }
    visible(&text).into_owned()
}

/// The whole page.
pub fn page(learned: &Learned, header: &Header<'_>) -> String {
    let mut out = String::new();
    let _ = fill(&mut out, learned, header);
    out
}

fn fill(out: &mut String, learned: &Learned, header: &Header<'_>) -> std::fmt::Result {
    writeln!(out, "# Learned by `weft policy learn` from {}.", visible(header.from))?;
    writeln!(
        out,
        "# Read it over before you use it: it says what was asked for, not what should be allowed."
    )?;
    let mut list = |title: &str, lines: &mut dyn Iterator<Item = String>| -> std::fmt::Result {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            writeln!(out, "#\n# {title}")?;
        }
        lines.try_for_each(|line| writeln!(out, "#   {line}"))
    };
    list("Left out:", &mut learned.left.iter().map(left_line))?;
    let looked = learned.looked.iter().take(LOOKED).map(left_line);
    let more = learned.looked.len().saturating_sub(LOOKED);
    let more = (more > 0).then(|| format!("and {more} more"));
    list("Looked at and not opened, so that nothing is granted:", &mut looked.chain(more))?;
    list("To be known:", &mut learned.notes.iter().map(|note| visible(note).into_owned()))?;
    list(
        "What programs read of the environment cannot be seen; what gets in is what the base lets in:",
        &mut header.environment.iter().map(|line| visible(line).into_owned()),
    )?;
    writeln!(out, "version = 1\nagent = {}\nextends = [{}]", quoted(header.agent), quoted(header.extends))?;
    let of = |key: &str| learned.grants.iter().filter(|grant| grant.key == key).collect::<Vec<_>>();
    let closed = !learned.deny.is_empty() || !learned.protect.is_empty();
    let files =
        [("read", of("filesystem.read")), ("write", of("filesystem.write")), ("exec", of("filesystem.exec"))];
    if closed || files.iter().any(|(_, grants)| !grants.is_empty()) {
        writeln!(out, "\n[filesystem]")?;
    }
    for (key, grants) in &files {
        entries(out, key, grants)?;
    }
    for (key, paths) in [("protect", &learned.protect), ("deny", &learned.deny)] {
        if !paths.is_empty() {
            writeln!(out, "{key} = [")?;
            paths
                .iter()
                .try_for_each(|(path, why)| writeln!(out, "  {}, # {}", quoted(path), visible(why)))?;
            writeln!(out, "]")?;
        }
    }
    let hosts = of("network.allow");
    if !hosts.is_empty() {
        writeln!(out, "\n[network]\nallow = [")?;
        for grant in hosts {
            let ports: Vec<String> = grant.ports.iter().map(u16::to_string).collect();
            let ports = match grant.ports.as_slice() {
                [443] => String::new(),
                _ => format!(", ports = [{}]", ports.join(", ")),
            };
            let tls = if grant.tls { "" } else { ", tls = false" };
            writeln!(out, "  {{ host = {}{ports}{tls} }}, # {}", quoted(&grant.value), reason(grant))?;
        }
        writeln!(out, "]")?;
    }
    for (table, key) in [("process", "process.allow"), ("env", "env.allow")] {
        let grants = of(key);
        if !grants.is_empty() {
            writeln!(out, "\n[{table}]")?;
            entries(out, "allow", &grants)?;
        }
    }
    for path in &learned.asserted {
        writeln!(out, "\n[[test]]\nexpect = \"deny\"\nread = {}", quoted(path))?;
    }
    Ok(())
}

fn entries(out: &mut String, key: &str, grants: &[&Grant]) -> std::fmt::Result {
    if grants.is_empty() {
        return Ok(());
    }
    writeln!(out, "{key} = [")?;
    grants.iter().try_for_each(|grant| writeln!(out, "  {}, # {}", quoted(&grant.value), reason(grant)))?;
    writeln!(out, "]")
}
