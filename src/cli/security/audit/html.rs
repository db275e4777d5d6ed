//! The report as one page for a browser: no script, nothing fetched, light and dark. Most of what is in it comes from logs, policies
//! and workspaces, so that every text goes through [`text`]; a policy of the page forbids the browser what got through in spite of it.

use super::chart::{Row, over_time, rows};
use super::{Page, text::minute};
use crate::audit::usage::{Grant, Use};
use crate::base64;
use crate::cli::security::review::agents::{Agent, Known};
use crate::cli::security::review::{Area, Finding, Review, shown};
use crate::rules::Severity;
use crate::scan::report::visible::visible;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};

const CSS: &str = include_str!("page.css");
/// Denied targets of an agent, and grants, that are listed.
const LISTED: usize = 50;
const GRANTS: usize = 400;
/// Findings that are shown as cards; the others are a table.
const CARDS: usize = 300;

/// Text that is nothing but text in HTML and in attributes, whatever is in it.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

pub fn write(page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let review = page.review;
    let hash = base64::encode(&Sha256::digest(CSS));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>weft security audit</title>\n<style>{CSS}</style></head>\n<body><main>\n"
    )?;
    let place = shown(&review.places.workspace, &review.places.home);
    let agents: Vec<String> =
        review.agents.iter().map(|agent| format!("<code>{}</code>", text(&agent.id))).collect();
    write!(
        out,
        "<h1>Security audit</h1>\n<p class=\"soft\"><code>{}</code> · {} UTC · weft {} · {}</p>\n<ul class=\"sums\">",
        text(&place),
        minute(page.made),
        env!("CARGO_PKG_VERSION"),
        agents.join(" ")
    )?;
    for (severity, count) in page.counts() {
        let word = severity.as_str();
        write!(out, "<li class=\"{word}\"><b>{count}</b>{word}</li>")?;
    }
    out.write_all(b"</ul>\n")?;
    charts(page, out)?;
    findings(review, out)?;
    out.write_all(b"<h2>Agents</h2>\n")?;
    review.agents.iter().try_for_each(|one| agent(one, review, out))?;
    looked_at(review, out)?;
    out.write_all(b"</main></body></html>\n")
}

fn key(out: &mut dyn Write, words: &[&str]) -> io::Result<()> {
    out.write_all(b"<ul class=\"key\">")?;
    words.iter().try_for_each(|word| write!(out, "<li class=\"{word}\">{word}</li>"))?;
    out.write_all(b"</ul>")
}

fn charts(page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let review = page.review;
    out.write_all(b"<h2>At a glance</h2>\n<div class=\"charts\">")?;
    let mut hours: BTreeMap<u64, u64> = BTreeMap::new();
    let mut denied = 0;
    for agent in &review.agents {
        denied += agent.activity.denied;
        agent.activity.hours.iter().for_each(|(hour, count)| *hours.entry(*hour).or_default() += count);
    }
    write!(out, "<section class=\"card wide\"><h3>Denied attempts over time: {denied}</h3>")?;
    match over_time(&hours) {
        Some(svg) => out.write_all(svg.as_bytes())?,
        None => out.write_all(b"<p class=\"note\">The logs have none.</p>")?,
    }
    out.write_all(b"</section>\n<section class=\"card\"><h3>Findings by severity and kind</h3>")?;
    let severities = Severity::ALL.into_iter().rev();
    let of = |area: Area, severity: Severity| {
        let all = review.findings.iter();
        all.filter(|finding| finding.area == area && finding.severity == severity).count() as u64
    };
    let mut areas = Vec::new();
    for area in Area::ALL {
        let parts: Vec<_> =
            severities.clone().map(|one| (of(area, one), one.as_str(), one.as_str())).collect();
        if parts.iter().any(|part| part.0 > 0) {
            areas.push(Row { label: area.title().to_owned(), parts });
        }
    }
    if areas.is_empty() {
        out.write_all(b"<p class=\"note\">None.</p>")?;
    } else {
        out.write_all(rows("Findings by severity and kind", &areas).as_bytes())?;
        key(out, &["critical", "high", "medium", "low", "info"])?;
    }
    out.write_all(b"</section>\n<section class=\"card\"><h3>Grants, by what the logs show</h3>")?;
    let mut all = Vec::new();
    for agent in review.agents.iter().take(12) {
        let (mut used, mut unused, mut unknown) = (0, 0, 0);
        for known in &agent.policies {
            for grant in &known.grants {
                match grant.used {
                    Use::Used(_) => used += 1,
                    Use::Unused(_) => unused += 1,
                    Use::Unknown(_) => unknown += 1,
                }
            }
        }
        let label: String = agent.id.chars().take(20).collect();
        let parts = vec![
            (used, "used", "used"),
            (unused, "unused", "never used"),
            (unknown, "unknown", "that the log cannot tell of"),
        ];
        all.push(Row { label: text(&label), parts });
    }
    out.write_all(rows("Grants that were used", &all).as_bytes())?;
    key(out, &["used", "unused", "unknown"])?;
    out.write_all(
        b"<p class=\"note\">Unknown: what is read, written or passed in the environment without being refused leaves no entry in the log.</p></section></div>\n",
    )
}

fn findings(review: &Review, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Findings: {}</h2>", review.findings.len())?;
    if review.findings.is_empty() {
        out.write_all(b"<p class=\"card\">None.</p>\n")?;
    }
    let (cards, more) = review.findings.split_at(review.findings.len().min(CARDS));
    cards.chunk_by(Finding::is_alike).try_for_each(|alike| finding(alike, out))?;
    if more.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<details class=\"card\"><summary>{} more</summary><div class=\"scroll\"><table>",
        more.len()
    )?;
    for one in more {
        let word = one.severity.as_str();
        write!(
            out,
            "<tr><td><span class=\"sev {word}\">{word}</span></td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            one.id,
            text(&one.what),
            text(&one.at)
        )?;
    }
    out.write_all(b"</table></div></details>\n")
}

/// Findings of one kind on one card.
fn finding(alike: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let Some(finding) = alike.first() else { return Ok(()) };
    let word = finding.severity.as_str();
    write!(
        out,
        "<article class=\"card finding\"><span class=\"sev {word}\">{word}</span><b>{} {}</b> <span class=\"soft\">{}",
        text(finding.id),
        text(finding.name),
        finding.area.title()
    )?;
    for agent in &finding.agents {
        write!(out, " · {}", text(agent))?;
    }
    out.write_all(b"</span><ul>")?;
    for one in alike {
        write!(out, "<li>{}", text(&one.what))?;
        if !one.at.is_empty() {
            write!(out, " <code>{}</code>", text(&one.at))?;
        }
        if one.count > 1 {
            write!(out, " <span class=\"soft\">and {} more places</span>", one.count - 1)?;
        }
        out.write_all(b"</li>")?;
    }
    out.write_all(b"</ul>")?;
    if !finding.fix.is_empty() {
        write!(out, "<p class=\"soft\">→ {}</p>", text(&finding.fix))?;
    }
    out.write_all(b"</article>\n")
}

fn agent(agent: &Agent, review: &Review, out: &mut dyn Write) -> io::Result<()> {
    let activity = &agent.activity;
    write!(out, "<section class=\"card\"><h3>{}</h3><dl>", text(&agent.id))?;
    for known in &agent.known {
        write!(out, "<dt>known from</dt><dd>{}</dd>", text(known))?;
    }
    for known in &agent.policies {
        let hash = known.loaded.as_ref().map_or("wrong", |policy| policy.hash.get(..12).unwrap_or_default());
        let place = shown(&known.places.workspace, &known.places.home);
        write!(
            out,
            "<dt>policy</dt><dd>{} in <code>{}</code> ({hash})</dd>",
            text(&known.name),
            text(&place)
        )?;
    }
    if activity.is_empty() {
        out.write_all(b"<dt>log</dt><dd>no entries: nothing was decided under this name yet</dd></dl>")?;
    } else {
        write!(
            out,
            "<dt>log</dt><dd>{} runs and calls, {} to {} UTC; {} allowed, {} denied</dd></dl>",
            activity.runs(),
            minute(activity.first),
            minute(activity.last),
            activity.allowed,
            activity.denied
        )?;
    }
    let most = activity.denied_most(LISTED);
    if !most.is_empty() {
        write!(
            out,
            "<details{}><summary>Denied most ({} of {})</summary><div class=\"scroll\"><table><tr><th class=\"n\">times</th><th>what</th><th>last, UTC</th><th>why</th></tr>",
            if review.agents.len() < 4 { " open" } else { "" },
            most.len(),
            activity.subjects() as u64 + activity.untold
        )?;
        for denied in &most {
            let rule =
                denied.rule.as_ref().map_or(String::new(), |rule| format!(" <code>{}</code>", text(rule)));
            write!(
                out,
                "<tr><td class=\"n\">{}</td><td>{} <code>{}</code></td><td class=\"t\">{}</td><td>{}{rule}</td></tr>",
                denied.count,
                denied.action,
                text(&denied.target),
                minute(denied.last),
                text(&denied.reason)
            )?;
        }
        out.write_all(b"</table></div></details>")?;
    }
    agent.policies.iter().try_for_each(|known| grants(known, out))?;
    out.write_all(b"</section>\n")
}

fn grants(known: &Known, out: &mut dyn Write) -> io::Result<()> {
    let mut all: Vec<&Grant> = known.grants.iter().collect();
    let order = |grant: &&Grant| match grant.used {
        Use::Unused(_) => 0,
        Use::Used(_) => 1,
        Use::Unknown(_) => 2,
    };
    crate::sort::by(&mut all, |a, b| (order(a), &a.origin).cmp(&(order(b), &b.origin)));
    write!(
        out,
        "<details><summary>Grants of {} ({})</summary><div class=\"scroll\"><table><tr><th>grant</th><th>line</th><th>in the log</th></tr>",
        text(&known.name),
        all.len()
    )?;
    for grant in all.iter().take(GRANTS) {
        let used = match grant.used {
            Use::Used(1) => "used once".to_owned(),
            Use::Used(times) => format!("used {times} times"),
            Use::Unused(of) => format!("<span class=\"bad\">never</span>, in {of}"),
            Use::Unknown(why) => text(why),
        };
        write!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{used}</td></tr>",
            text(&grant.what),
            text(&grant.origin.to_string())
        )?;
    }
    out.write_all(b"</table></div></details>")
}

fn looked_at(review: &Review, out: &mut dyn Write) -> io::Result<()> {
    let home = &review.places.home;
    out.write_all(b"<h2>Looked at</h2>\n<section class=\"card\"><dl>")?;
    for log in &review.logs {
        let said = match &log.verdict {
            Ok(verdict) if verdict.holds() => {
                format!(
                    "{} entries, the chain holds, head <code>{}</code>",
                    verdict.lines,
                    text(&verdict.head)
                )
            }
            Ok(verdict) => {
                format!("{} entries, <span class=\"bad\">the chain is broken</span>", verdict.lines)
            }
            Err(why) => format!("<span class=\"bad\">not readable</span>: {}", text(why)),
        };
        write!(out, "<dt>log</dt><dd><code>{}</code>: {said}</dd>", text(&shown(&log.path, home)))?;
    }
    let scanned = &review.scanned;
    for root in &scanned.roots {
        write!(out, "<dt>scanned</dt><dd><code>{}</code></dd>", text(&shown(root, home)))?;
    }
    write!(
        out,
        "<dt>scan</dt><dd>{} files, {} skills, {} things left out, {} findings taken away by comments in the files</dd>",
        scanned.files, scanned.skills, scanned.skipped, scanned.ignored
    )?;
    for (key, value) in &review.kernel {
        write!(out, "<dt>{}</dt><dd>{}</dd>", text(key), text(value))?;
    }
    if !review.others.is_empty() {
        write!(out, "<dt>other agents</dt><dd>{}</dd>", text(&review.others.join(", ")))?;
    }
    out.write_all(b"</dl></section>\n")?;
    if !review.skills.is_empty() {
        out.write_all(b"<h2>Installed skills</h2>\n<section class=\"card scroll\"><table><tr><th>skill</th><th>version</th><th>signed</th><th>remarks</th></tr>")?;
        for skill in &review.skills {
            write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                text(&skill.key),
                text(&skill.version),
                if skill.signed { "yes" } else { "no" },
                text(&skill.remarks.join(", "))
            )?;
        }
        out.write_all(b"</table></section>\n")?;
    }
    if !review.unknown.is_empty() {
        out.write_all(b"<h2>Not judged</h2>\n<section class=\"card\">")?;
        review.unknown.iter().try_for_each(|one| write!(out, "<p>{}</p>", text(one)))?;
        out.write_all(b"</section>\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_nothing_but_text() {
        assert_eq!(
            super::text("<script>'\"&\u{202e}\n</script>"),
            "&lt;script&gt;&#39;&quot;&amp;&lt;U+202E&gt;&lt;U+000A&gt;&lt;/script&gt;"
        );
    }
}
