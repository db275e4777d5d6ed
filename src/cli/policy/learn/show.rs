//! What was learned, for people and for programs.

use crate::cli::error::Failure;
use crate::json::Writer;
use crate::policy::learn::{Header, Learned, Left, left_line, reason};
use crate::scan::names::escape;
use crate::scan::report::visible::visible;
use std::io;

/// One line for each grant and for each thing left out.
pub fn text(learned: &Learned, header: &Header<'_>) -> String {
    let mut out = format!("learned from {}, on top of {}\n", visible(header.from), visible(header.extends));
    for grant in &learned.grants {
        let ports: Vec<String> = grant.ports.iter().map(u16::to_string).collect();
        let ports = if ports.is_empty() { String::new() } else { format!(" port {}", ports.join(", ")) };
        let tls = if !grant.ports.is_empty() && !grant.tls { " without TLS" } else { "" };
        out.push_str(&format!(
            "grant     {}: {}{ports}{tls} ({})\n",
            grant.key,
            visible(&grant.value),
            reason(grant)
        ));
    }
    for (what, paths) in [("protect", &learned.protect), ("deny", &learned.deny)] {
        for (path, why) in paths {
            out.push_str(&format!("{what:<9} {} ({})\n", visible(path), visible(why)));
        }
    }
    for (what, all) in [("left out", &learned.left), ("looked at", &learned.looked)] {
        all.iter().for_each(|left| out.push_str(&format!("{what:<9} {}\n", left_line(left))));
    }
    learned
        .notes
        .iter()
        .chain(header.environment)
        .for_each(|note| out.push_str(&format!("note      {}\n", visible(note))));
    out
}

/// `weft.policy-learn/1`.
pub fn json(learned: &Learned, header: &Header<'_>, policy: &str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    fill(&mut page, learned, header, policy).map_err(|error| Failure::stdout(&error))?;
    Ok(page)
}

fn fill(page: &mut Vec<u8>, learned: &Learned, header: &Header<'_>, policy: &str) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-learn/1")?;
        w.field("from", header.from)?;
        w.field("agent", header.agent)?;
        w.field("extends", header.extends)?;
        w.key("grants")?.array_lines(|w| {
            learned.grants.iter().try_for_each(|grant| {
                w.object(|w| {
                    w.field("key", grant.key)?;
                    w.field("value", &grant.value)?;
                    if !grant.ports.is_empty() {
                        w.key("ports")?
                            .array(|w| grant.ports.iter().try_for_each(|port| w.number((*port).into())))?;
                        w.key("tls")?.boolean(grant.tls)?;
                    }
                    programs(w, &grant.by)?;
                    w.count("count", grant.count)?;
                    w.field("note", &grant.note)
                })
            })
        })?;
        for (key, paths) in [("protect", &learned.protect), ("deny", &learned.deny)] {
            w.key(key)?.array_lines(|w| {
                paths.iter().try_for_each(|(path, why)| {
                    w.object(|w| {
                        w.field("path", path)?;
                        w.field("why", why)
                    })
                })
            })?;
        }
        for (key, all) in [("left_out", &learned.left), ("looked_at", &learned.looked)] {
            w.key(key)?.array_lines(|w| all.iter().try_for_each(|left| one_left(w, left)))?;
        }
        w.strings("notes", learned.notes.iter().map(String::as_str))?;
        w.strings("environment", header.environment.iter().map(String::as_str))?;
        w.field("policy", policy)
    })?;
    page.push(b'\n');
    Ok(())
}

fn one_left(w: &mut Writer<'_>, left: &Left) -> io::Result<()> {
    w.object(|w| {
        w.field("what", &left.what)?;
        w.field("why", &left.why)?;
        programs(w, &left.by)
    })
}

fn programs(w: &mut Writer<'_>, by: &crate::policy::learn::Programs) -> io::Result<()> {
    let all: Vec<String> = by.iter().map(|path| escape(path.as_os_str().as_encoded_bytes())).collect();
    w.strings("by", all.iter().map(String::as_str))
}
