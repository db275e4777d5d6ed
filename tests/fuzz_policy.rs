//! Fuzzes the policy reader: whatever the file says, it resolves or is refused, soon and without a panic; and whatever
//! it resolves to can be asked.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/fuzz.rs"]
mod fuzz;

use std::path::Path;
use weft::policy::host::{Host, HostPattern};
use weft::policy::vars::Places;
use weft::policy::{Question, ask, builtin, lint, load_text};

#[test]
fn policies() {
    let words: [&[u8]; 24] = [
        b"version = 1\n",
        b"extends = [\"base\"]\n",
        b"extends = [\"./x.toml\"]\n",
        b"[filesystem]\n",
        b"[network]\nallow = [{ host = \"",
        b"[[network.inject]]\n",
        b"[[test]]\n",
        b"${WORKSPACE}",
        b"${TMPDIR}",
        b"${",
        b"~",
        b"*",
        b"/**/",
        b"/..",
        b"//",
        b"\"\"\"",
        b"'''",
        b"[[[[[[[[",
        b"{a={a={a={",
        b"\\u0000",
        b"9999999999GiB",
        b"xn--",
        "ü\u{301}\u{202e}".as_bytes(),
        b"\xff\xfe",
    ];
    let seeds: Vec<Vec<u8>> = builtin::ALL.iter().map(|policy| policy.text.as_bytes().to_vec()).collect();
    let root = std::env::temp_dir().join(format!("weft-fuzz-policy-{}", std::process::id()));
    std::fs::create_dir_all(root.join("ws/a/b")).unwrap();
    let places = Places::below(&root, &root.join("ws"));
    fuzz::run("policy", &seeds, &words, |input| {
        let text = String::from_utf8_lossy(input);
        match load_text("fuzz.toml", &text, &places) {
            Ok(policy) => {
                assert_eq!(policy.hash.len(), 64);
                let _ = lint::lint(&policy);
                let denied = policy.filesystem.deny.first().map(|deny| deny.path.clone());
                if let Some(path) = denied {
                    assert!(!ask(&policy, &Question::Read(path.clone())).allowed, "{path:?}");
                    assert!(!ask(&policy, &Question::Write(path.join("below"))).allowed);
                }
                assert!(!ask(&policy, &Question::Env("LD_PRELOAD".into())).allowed);
                for test in &policy.tests {
                    let _ = ask(&policy, &test.question);
                }
            }
            Err(errors) => assert!(errors.to_string().len() > 10),
        }
    });
    std::fs::remove_dir_all(root).unwrap();
}

/// A pattern that can be read covers what it says, and nothing that cannot be read as a host.
#[test]
fn hosts() {
    let words: [&[u8]; 12] = [
        b"*.",
        b"xn--",
        b"0x7f",
        b"127.0.0.1",
        b"::ffff:",
        b"[::1]",
        b"/8",
        b".",
        b"-",
        b"%",
        "ß".as_bytes(),
        "。".as_bytes(),
    ];
    let seeds: Vec<Vec<u8>> =
        ["*.example.com", "münchen.de", "10.0.0.0/8", "fd00::/8", "[::1]", "localhost."]
            .iter()
            .map(|host| host.as_bytes().to_vec())
            .collect();
    fuzz::run("host", &seeds, &words, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(host) = Host::parse(&text) {
            let shown = host.to_string();
            assert_eq!(Host::parse(&shown).as_ref(), Ok(&host), "{text:?} is shown as {shown:?}");
            assert!(shown.is_ascii() && !shown.contains(char::is_whitespace));
            let pattern = HostPattern::parse(shown.trim_matches(['[', ']'])).expect(&shown);
            assert!(pattern.covers(&host) && pattern.allows(&host), "{text:?}");
            assert!(HostPattern::Any.covers(&host));
        }
        let _ = HostPattern::parse(&text)
            .map(|pattern| HostPattern::parse(&pattern.to_string()).expect("shown as read"));
    });
}

/// The log reader takes any bytes.
#[test]
fn logs() {
    let path = std::env::temp_dir().join(format!("weft-fuzz-log-{}.jsonl", std::process::id()));
    let mut file = weft::audit::AuditFile::open(&path).unwrap();
    for target in ["/a", "b\n", "\u{202e}"] {
        let entry = weft::audit::SandboxAuditEntry::now(
            "run",
            "agent",
            "policy",
            weft::audit::Action::Read,
            target,
            false,
            "reason",
            None,
        );
        file.append(&entry).unwrap();
    }
    let seed = std::fs::read(&path).unwrap();
    let words: [&[u8]; 6] = [b"\n", b"\"seq\":", b"{", b"\\u", b"\"prev\":\"", b"\xff"];
    fuzz::run("audit", &[seed], &words, |input| {
        std::fs::write(&path, input).unwrap();
        let verdict = weft::audit::verify(&path, None).unwrap();
        let mut read = 0;
        let unreadable = weft::audit::entries(&path, |_| read += 1).unwrap();
        assert_eq!(read + unreadable, verdict.lines);
        assert!(verdict.holds() || verdict.problem_count > 0);
    });
    std::fs::remove_file(Path::new(&path)).unwrap();
}
