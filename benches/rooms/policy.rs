//! Policies, their questions, and what the egress reads from hostile programs.

use crate::Run;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use weft::audit::{Action, AuditFile, SandboxAuditEntry};
use weft::egress::dns::{self, Known};
use weft::egress::http;
use weft::policy::host::Host;
use weft::policy::vars::Places;
use weft::policy::{self, Policy, decide};

/// Forty paths and fifty hosts; no path is there, and nothing is extended, so that the disk does not matter.
fn written() -> String {
    let mut text = "version = 1\nagent = \"bench\"\n[filesystem]\nread = [\n".to_owned();
    for number in 0..40 {
        text.push_str(&format!("  \"~/read/{number}\",\n"));
    }
    text.push_str("]\n[network]\nallow = [\n");
    for number in 0..50 {
        text.push_str(&format!("  {{ host = \"*.h{number}.example.com\", ports = [443] }},\n"));
    }
    text.push_str("]\n[tools]\nallow = [\"read_*\", \"list_*\"]\n");
    text
}

fn parsed(text: &str, places: &Places) -> Policy {
    policy::load_text("bench", text, places).expect("a policy without mistakes")
}

/// A question for the address of a name, as it comes over UDP.
fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a short label"));
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

pub fn add(run: &mut Run) {
    let places = Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/project"));
    let text = written();
    run.add("policy parse", || parsed(black_box(&text), &places));
    run.add("policy parse, shipped (coding-agent)", || {
        policy::load("coding-agent", &places).expect("it is shipped")
    });

    let policy = parsed(&text, &places);
    let inside = Path::new("/nowhere/home/read/39/some/file.txt");
    let outside = Path::new("/nowhere/home/.ssh/id_ed25519");
    run.add("policy decide, paths: 1000 times", || {
        (0..500)
            .filter(|_| {
                decide::read(&policy, black_box(inside)).allowed
                    && decide::read(&policy, black_box(outside)).allowed
            })
            .count()
    });
    let names = ["api.h49.example.com", "deep.er.h0.example.com", "example.org", "h49.example.com"];
    let hosts: Vec<Host> = names.iter().map(|name| Host::parse(name).expect("a host")).collect();
    run.add("policy decide, hosts: 1000 times", || {
        (0..1000)
            .filter(|i| decide::network(&policy, black_box(&hosts[i % hosts.len()]), 443).allowed)
            .count()
    });
    run.add("host parse: 1000 times", || {
        (0..1000).filter(|i| Host::parse(black_box(names[i % names.len()])).is_ok()).count()
    });
    let rules = &policy.network.allow;
    run.add("host match: 1000 times", || {
        let mut matched = 0;
        for _ in 0..1000 / rules.len() {
            matched += rules.iter().filter(|rule| rule.host.allows(black_box(&hosts[0]))).count();
        }
        matched
    });

    let folder = tempfolder();
    let mut log = AuditFile::open(&folder.join("audit.jsonl")).expect("a folder that can be written");
    let entry = SandboxAuditEntry::now(
        "0123456789abcdef",
        "bench",
        "policy",
        Action::Connect,
        "api.example.com:443",
        false,
        "network.allow does not name it",
        Some("weft.toml:12: network.allow".to_owned()),
    );
    run.add("audit append: 100 times", || (0..100).filter(|_| log.append(&entry).is_ok()).count());
    let _ = std::fs::remove_dir_all(&folder);

    let (known, unknown) = (question("api.h7.example.com"), question("www.example.org"));
    run.add("DNS answer: 1000 times", || {
        let mut bytes = 0;
        for message in [&known, &unknown].into_iter().cycle().take(1000) {
            let answer = dns::answer(black_box(message), &mut |name| {
                if name.ends_with("h7.example.com") {
                    Known::At(Ipv4Addr::new(198, 18, 0, 7))
                } else {
                    Known::No
                }
            });
            bytes += answer.map_or(0, |answer| answer.len());
        }
        bytes
    });
    let connect =
        b"CONNECT api.h7.example.com:443 HTTP/1.1\r\nHost: api.h7.example.com:443\r\nUser-Agent: a/1\r\n\r\n";
    let plain = b"GET http://api.h7.example.com/v1/list?limit=20 HTTP/1.1\r\nHost: api.h7.example.com\r\nAccept: */*\r\n\
        Accept-Encoding: gzip\r\nUser-Agent: agent/1.0 (bench)\r\nCookie: a=b; c=d\r\nConnection: keep-alive\r\n\r\n";
    run.add("HTTP parse, proxy: 1000 times", || {
        let messages: [&[u8]; 2] = [connect, plain];
        messages.into_iter().cycle().take(1000).filter(|m| http::request(black_box(m), false).is_ok()).count()
    });
}

/// A folder of this run's own, beside what is built.
pub fn tempfolder() -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}
