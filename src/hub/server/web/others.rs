//! Pages about the registry itself: its log, a rule of the scanner, and what is not there.

use super::lists::shortened;
use super::page::{Page, Site, encode, time};
use crate::hub::layout;
use crate::hub::server::http::Response;
use crate::rules::{RuleSet, links};

/// An entry of the log as the page tells it.
pub struct Entry {
    pub index: u64,
    /// Milliseconds since 1970; 0 for a private one.
    pub at: u64,
    pub kind: String,
    pub by: String,
    /// Whose skill, where it is about one: `owner/slug`.
    pub about: String,
    pub detail: String,
}

/// The log: its signed checkpoint, the key that verifies it, and some entries, newest first.
pub fn log(site: Site, checkpoint: &str, key: &str, entries: &[Entry], older: Option<u64>) -> Response {
    let mut page = Page::new(site, "Log", "");
    page.html("<h1>Log</h1>\n<p>Everything that happens here is appended to one log, and nothing in it is changed or taken out: it is a Merkle tree (RFC 9162) whose root this registry signs. weft remembers the last root it has seen and refuses a registry that shows another past.</p>\n");
    page.html("<h2>Signed checkpoint</h2>\n<pre tabindex=\"0\"><code>")
        .text(checkpoint)
        .html("</code></pre>\n");
    page.html("<p>Verifier key, in the form of the C2SP note format:</p>\n<pre tabindex=\"0\"><code>")
        .text(key)
        .html("</code></pre>\n<p>");
    if site.still {
        page.link(site, &format!("/{}", layout::checkpoint()), "checkpoint");
        page.html("; its tiles lie beside it, as C2SP tlog-tiles names them</p>\n");
    } else {
        page.link(site, "/api/v1/log/checkpoint", "checkpoint").html(", ");
        page.link(site, "/api/v1/openapi.json", "how to ask for proofs").html("</p>\n");
    }
    page.html("<h2>Entries</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th class=\"number\">Entry</th><th>Time</th><th>What</th><th>By</th><th>About</th></tr></thead>\n<tbody>\n");
    for entry in entries {
        page.html(&format!("<tr><td class=\"number\">{}</td><td>", entry.index));
        if entry.at > 0 {
            page.html(&time(entry.at));
        }
        page.html("</td><td>").text(&entry.kind).html("</td><td>");
        if !entry.by.is_empty() {
            page.link(site, &format!("/{}", encode(&entry.by)), &format!("@{}", entry.by));
        }
        page.html("</td><td>");
        if let Some((owner, slug)) = entry.about.split_once('/') {
            page.link(site, &super::lists::address(owner, slug), &entry.about).html(" ");
        }
        page.text(&shortened(&entry.detail, 200)).html("</td></tr>\n");
    }
    page.html("</tbody></table></div>\n");
    if let Some(older) = older.filter(|_| !site.still) {
        page.html("<p>").link(site, &format!("/log?from={older}"), "Older entries").html("</p>\n");
    }
    page.finish(site, 200)
}

/// A rule or combination of the scanner; none if there is none of this id.
pub fn rule(site: Site, id: &str) -> Option<Response> {
    let rules = RuleSet::builtin();
    let single = rules.rules.iter().find(|rule| rule.id == id);
    let combo = rules.combos.iter().find(|combo| combo.id == id);
    let (name, category, severity, words) = match (single, combo) {
        (Some(rule), _) => (rule.name, rule.category, rule.severity, rule.words.get()),
        (None, Some(combo)) => (combo.name, combo.category, combo.severity, combo.words.get()),
        (None, None) => return None,
    };
    let mut page = Page::new(site, &format!("{id} {name}"), "");
    page.html("<h1>").text(id).html(" ").text(name).html("</h1>\n<p class=\"row\">");
    page.badge("", category.as_str()).badge("warn", severity.as_str()).html("</p>\n");
    page.element("p", words.message).element("h2", "What to do").element("p", words.remediation);
    for (title, example) in [("Found in", words.example), ("Not found in", words.counter_example)] {
        if !example.is_empty() {
            page.element("h2", title)
                .html("<pre tabindex=\"0\"><code>")
                .text(example)
                .html("</code></pre>\n");
        }
    }
    if !words.references.is_empty() {
        page.element("h2", "More").html("<ul>\n");
        for reference in words.references {
            page.html("<li>");
            match links::url(reference) {
                Some(url) => page
                    .html("<a rel=\"noreferrer\" href=\"")
                    .text(&url)
                    .html("\">")
                    .text(reference)
                    .html("</a>"),
                None => page.text(reference),
            };
            page.html("</li>\n");
        }
        page.html("</ul>\n");
    }
    page.html("<p class=\"soft\">On your machine: <code>weft security explain ")
        .text(id)
        .html("</code></p>\n");
    Some(page.finish(site, 200))
}

/// Why there is no page.
pub fn refusal(site: Site, status: u16, text: &str) -> Response {
    let title = match status {
        404 => "Not here",
        403 | 410 | 423 => "Not shown",
        _ => "That did not work",
    };
    let mut page = Page::new(site, title, "");
    page.element("h1", title).element("p", text);
    page.html("<p>").link(site, "/", "All skills").html("</p>\n");
    page.finish(site, status)
}
