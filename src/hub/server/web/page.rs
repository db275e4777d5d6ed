//! The frame that every page has: head, search box, footer; and the headers that keep a browser from doing more with it
//! than showing it.

use super::html::{escape, escape_into};
use crate::clock::civil;
use crate::hub::server::http::Response;

/// The stylesheet, at `/assets/style.css`.
pub const STYLE: &str = include_str!("style.css");
/// The picture on the tab, at `/assets/icon.svg`.
pub const ICON: &str = include_str!("icon.svg");

/// Nothing but our own stylesheet and icon is loaded, no script runs, forms go nowhere else, and no other site shows the page in a
/// frame of its own (CSP level 3).
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all pages of a registry share.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// What stands before every path, without a slash at its end; mostly empty.
    pub root: &'a str,
    /// The whole address of the registry, without a slash at its end.
    pub base: &'a str,
    /// Events in the log, for the footer.
    pub size: u64,
    /// Pages are files: links name them, and there is nobody to search or to send headers.
    pub still: bool,
}

impl Site<'_> {
    /// A path of this registry as a link has it.
    pub fn path(&self, path: &str) -> String {
        let is_page = !(path.starts_with("/api/") || path.starts_with("/assets/"));
        match self.still && is_page {
            true => format!("{}{}/index.html", self.root, path.trim_end_matches('/')),
            false => format!("{}{path}", self.root),
        }
    }
}

/// A page that is being written.
pub struct Page {
    out: String,
}

impl Page {
    /// `query` is what the search box shows.
    pub fn new(site: Site, title: &str, query: &str) -> Page {
        let (root, home) = (escape(site.root), escape(&site.path("/")));
        let mut out = String::with_capacity(16 * 1024);
        out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
        escape_into(&mut out, title);
        out.push_str(" – weft hub</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
        if site.still {
            // What can be said of it in a page: `frame-ancestors` cannot.
            let policy = POLICY.split("; frame-ancestors").next().unwrap_or(POLICY);
            out.push_str(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"));
        }
        out.push_str(&format!("<link rel=\"stylesheet\" href=\"{root}/assets/style.css\">\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"{root}/assets/icon.svg\">\n</head>\n<body>\n"));
        out.push_str("<a class=\"skip\" href=\"#main\">Skip to content</a>\n<header>\n");
        out.push_str(&format!("<a class=\"brand\" href=\"{home}\">weft hub</a>\n"));
        if !site.still {
            out.push_str(&format!("<form role=\"search\" action=\"{root}/\" method=\"get\">\n<label class=\"unseen\" for=\"q\">Search skills</label>\n<input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Search skills\" maxlength=\"200\" value=\"{}\">\n<button>Search</button>\n</form>\n", escape(query)));
        }
        out.push_str("</header>\n<main id=\"main\">\n");
        Page { out }
    }

    /// As it is: only what was escaped before.
    pub fn html(&mut self, html: &str) -> &mut Page {
        self.out.push_str(html);
        self
    }

    /// Text of anyone.
    pub fn text(&mut self, text: &str) -> &mut Page {
        escape_into(&mut self.out, text);
        self
    }

    /// `<tag>text</tag>`
    pub fn element(&mut self, tag: &str, text: &str) -> &mut Page {
        self.html(&format!("<{tag}>")).text(text).html(&format!("</{tag}>\n"))
    }

    /// A link to a path of this registry.
    pub fn link(&mut self, site: Site, path: &str, text: &str) -> &mut Page {
        self.html("<a href=\"").text(&site.path(path)).html("\">").text(text).html("</a>")
    }

    /// A mark beside a name; `class` is ours.
    pub fn badge(&mut self, class: &str, text: &str) -> &mut Page {
        self.html(&format!("<span class=\"badge {class}\">")).text(text).html("</span>\n")
    }

    pub fn finish(mut self, site: Site, status: u16) -> Response {
        let log = escape(&site.path("/log"));
        self.out.push_str(&format!("</main>\n<footer>\n<p>Every publication is scanned, hashed and written to a <a href=\"{log}\">public log</a> of {} entries. A clean scan is no proof that a skill is harmless: <code>weft run --policy skill</code> runs it where it cannot get out.</p>\n</footer>\n</body>\n</html>\n", site.size));
        answer(status, "text/html; charset=utf-8", self.out.into_bytes())
    }
}

/// A page, or a part of one, with the headers that belong to it.
pub fn answer(status: u16, kind: &'static str, bytes: Vec<u8>) -> Response {
    Response::new(status, kind, bytes)
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Frame-Options", "DENY")
        .with("Referrer-Policy", "no-referrer")
        .with("Cross-Origin-Opener-Policy", "same-origin")
        .with("Cache-Control", "no-cache")
}

/// `2026-11-24`, of milliseconds since 1970.
pub fn date(milliseconds: u64) -> String {
    let (year, month, day) = civil(milliseconds / 86_400_000);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A date for people and machines.
pub fn time(milliseconds: u64) -> String {
    let second = milliseconds / 1000 % 86_400;
    let date = date(milliseconds);
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    format!("<time datetime=\"{date}T{clock}Z\" title=\"{date} {clock} UTC\">{date}</time>")
}

/// `1,234`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3 KB`
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{}.{} KB", bytes / 1000, bytes % 1000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A segment or a value of an address.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
