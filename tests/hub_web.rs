//! The hub's pages as a browser gets them: hostile text in every field stays text, links lead where they may, and each page has what
//! keeps a browser from doing more than showing it.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/hub.rs"]
mod hub;
#[path = "support/server.rs"]
mod server;

use hub::{Got, Hub};

/// What an attacker would like to be taken for a tag, an attribute or an address.
const BAD: &str =
    "\\\"'><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>x</a>\\u202e";

const TAGS: &str = " html head meta title link body a header form label input button main h1 h2 h3 h4 h5 h6 p nav ul ol li span \
    div pre code table thead tbody tr th td dl dt dd em strong del blockquote hr br time details summary footer ";
const ATTRIBUTES: &str = " lang charset name content rel type href class role action method for id placeholder maxlength value \
    aria-label aria-current datetime title tabindex start required autocomplete autocapitalize spellcheck ";

/// Every tag of a page: its name, and its attributes as they stand.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut all = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let inside = &rest[..end];
        rest = &rest[end + 1..];
        if inside == "!doctype html" {
            continue;
        }
        if let Some(name) = inside.strip_prefix('/') {
            assert!(TAGS.contains(&format!(" {name} ")), "</{name}>");
            continue;
        }
        let (name, mut words) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        while !words.trim().is_empty() {
            words = words.trim_start();
            let stop = words.find(['=', ' ']).unwrap_or(words.len());
            let key = words[..stop].to_owned();
            words = &words[stop..];
            let mut value = String::new();
            if let Some(quoted) = words.strip_prefix("=\"") {
                let end = quoted.find('"').unwrap();
                value = quoted[..end].to_owned();
                words = &quoted[end + 1..];
                assert!(words.is_empty() || words.starts_with(' '), "{inside}");
            }
            attributes.push((key, value));
        }
        all.push((name.to_owned(), attributes));
    }
    all
}

#[track_caller]
fn is_safe(got: &Got) {
    let page = got.text();
    assert!(got.header("content-type").unwrap().starts_with("text/html"), "{page}");
    let policy = got.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(got.header("access-control-allow-origin"), None, "no other site's script reads a page");
    assert!(!page.contains('\u{202e}'), "text that turns around is shown as what it is");
    for (name, attributes) in tags(&page) {
        assert!(TAGS.contains(&format!(" {name} ")), "<{name}> in {page}");
        for (key, value) in attributes {
            assert!(ATTRIBUTES.contains(&format!(" {key} ")), "{key}={value} in <{name}>");
            if matches!(key.as_str(), "href" | "action") {
                let fine = value.starts_with('/') && !value.starts_with("//")
                    || value.starts_with('#')
                    || value.starts_with("https://")
                    || value.starts_with("http://");
                assert!(fine, "{key}={value}");
            }
        }
    }
}

#[test]
fn hostile_text_in_every_field_stays_text() {
    let hub = Hub::new();
    hub.admin(&format!(r#"{{"command":"user add","handle":"eve","role":"user","name":"{BAD}"}}"#));
    let token = hub.token("eve", true);
    // Files are scanned: signs that turn text around are refused there.
    let spoken = BAD.replace("\\\"", "\"").replace("\\u202e", "");
    let title = BAD;
    let payload = format!(
        r#"{{"slug":"trap","displayName":"{title}","version":"1.0.0","changelog":"{BAD}","acceptLicenseTerms":true,"tags":["latest"],"topics":["a<b>"]}}"#
    );
    let page = format!(
        "---\nname: trap\ndescription: 'words <b>bold</b> \"quoted\"'\nmetadata:\n  openclaw:\n    requires:\n      env: ['A\"><b>']\n---\n# {spoken}\n\n{spoken}\n\n[x](javascript:alert(1)) ![y](https://track.example/y.png)\n"
    );
    let got = hub.publish(&token, &payload, &[("SKILL.md", &page), ("notes '\"&.md", &spoken)]);
    assert_eq!(got.status, 200, "{}", got.text());
    let comment = format!("{{\"text\":\"{BAD}\"}}");
    let said = hub.post("/api/weft/skills/eve%2Ftrap/comments", &token, &comment);
    assert!(said.status < 300, "{}", said.text());
    let reason = format!(r#"{{"reason":"{BAD}"}}"#);
    hub.post("/api/weft/skills/eve%2Ftrap/deprecate", &token, &reason);
    for target in [
        "/",
        "/?q=trap",
        "/?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/?sort=%22%3E%3Cscript%3E&after=%3Cb%3E%2F%3Cb%3E",
        "/eve",
        "/eve/skills/trap",
        "/eve/skills/trap?version=1.0.0",
        "/eve/skills/trap/file?version=1.0.0&path=notes%20%27%22%26.md",
        "/eve/skills/trap/file?version=1.0.0&path=%3Cb%3E",
        "/log",
        "/device?code=%22%3E%3Cscript%3E",
        "/rules/US-001",
        "/rules/%3Cscript%3E",
        "/%3Cscript%3E",
        "/%3Cscript%3E/skills/%3Cscript%3E",
    ] {
        let got = hub.get(target, "");
        is_safe(&got);
        // Said of the page, not of what it could not find.
        if got.status == 200 && target.contains("trap") {
            assert!(got.text().contains("trap"), "{target}");
        }
    }
    let shown = hub.get("/eve/skills/trap", "").text();
    assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown, not dropped");
    assert!(!shown.contains("<img"), "a picture would tell its server who reads");
}

#[test]
fn a_page_says_what_the_registry_knows() {
    let hub = Hub::at(Some("https://skills.example/hub"), weft::hub::server::limit::Rates::default());
    let token = hub.user("alice", "user");
    hub.skill(&token, "words", "1.0.0");
    hub.skill(&token, "words", "1.1.0");
    let page = hub.get("/hub/alice/skills/words", "");
    assert_eq!(page.status, 200);
    let text = page.text();
    for part in [
        "weft skill install @alice/words --registry https://skills.example/hub",
        "CLAWHUB_REGISTRY=https://skills.example/hub clawhub install @alice/words",
        "unsigned",
        "1.1.0",
        "SHA-256",
        "inclusion proof",
        "Counts words, 1.1.0.",
        "href=\"/hub/alice\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let old = hub.get("/hub/alice/skills/words?version=1.0.0", "").text();
    assert!(old.contains("not the latest version") && old.contains("@alice/words@1.0.0"), "{old}");
    assert!(hub.get("/hub/?q=counts", "").text().contains("1 found"));
    let gone = hub.get("/hub/alice/skills/nothing", "");
    assert_eq!(gone.status, 404);
    is_safe(&gone);
    let log = hub.get("/hub/log", "").text();
    assert!(log.contains("private") && log.contains("publish") && log.contains("alice/words"), "{log}");
    assert!(!log.contains(&token), "{log}");
    for link in tags(&text).into_iter().filter(|(name, _)| name == "a") {
        let href = link.1.into_iter().find(|(key, _)| key == "href").unwrap().1.replace("&amp;", "&");
        if href.starts_with("/hub/") {
            let got = hub.get(href.split('#').next().unwrap(), "");
            assert!(got.status == 200, "{href}: {}", got.status);
        }
    }
}
