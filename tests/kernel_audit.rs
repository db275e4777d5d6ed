//! What Landlock refuses gets into the log from the kernel's audit records, where auditing is on. It is off on most machines without
//! auditd; with `WEFT_TEST_AUDIT=1` and as root the test switches it on and off again. A test of its own file, so that no other runs then.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::path::Path;
use std::process::Command;

/// Sets or asks whether the kernel records: netlink(7), AUDIT_SET and AUDIT_GET of linux/audit.h. Prints what was set before.
const SWITCH: &str = r#"
import socket, struct, sys
def ask(kind, body):
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)
    link.settimeout(10)
    link.send(struct.pack("IHHII", 16 + len(body), kind, 1 | 4, 1, 0) + body)
    while True:
        answer = link.recv(4096)
        length, kind = struct.unpack("IH", answer[:6])
        if kind == 2 and struct.unpack("i", answer[16:20])[0] != 0:
            sys.exit("refused")
        yield kind, answer[16:]
before = next(body for kind, body in ask(1000, b"") if kind == 1000)
print(struct.unpack("I", before[4:8])[0])
if len(sys.argv) > 1:
    next(ask(1001, struct.pack("9I", 1, int(sys.argv[1]), 0, 0, 0, 0, 0, 0, 0) + bytes(4)))
"#;

fn switch(to: Option<&str>) -> Option<String> {
    let output = Command::new("python3").args(["-c", SWITCH]).args(to).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Off again, whatever happens.
struct Off;

impl Drop for Off {
    fn drop(&mut self) {
        switch(Some("0"));
    }
}

#[test]
fn refusals_of_landlock_are_in_the_log() {
    let probe = weft::sandbox::probe::Probe::here();
    if !probe.root || probe.landlock < 7 {
        return process::skipped("the kernel's audit records need root and Landlock ABI 7");
    }
    let _off = match switch(None).as_deref() {
        Some("0") if std::env::var_os("WEFT_TEST_AUDIT").is_some() => {
            assert!(switch(Some("1")).is_some(), "auditing could not be switched on");
            Some(Off)
        }
        Some("0") => {
            return process::skipped("auditing is off; WEFT_TEST_AUDIT=1 switches it on for the test");
        }
        Some(_) => None,
        None => return process::skipped("the kernel does not tell whether it audits"),
    };
    let root = Path::new("/var/tmp").join(format!("weft-kernel-audit-{}", std::process::id()));
    fs::create_dir_all(root.join("ws")).unwrap();
    let mut weft = Command::new(env!("CARGO_BIN_EXE_weft"));
    // Two processes of one run, and a program that was started after the walls were up.
    weft.args(["run", "--policy", "coding-agent", "--", "sh", "-c", "kill -0 1; sh -c 'kill -0 1'; true"]);
    weft.current_dir(root.join("ws")).env_clear().env("HOME", &root).env("PATH", "/usr/bin:/bin");
    let output = weft.output().unwrap();
    let log = fs::read_to_string(root.join(".local/state/weft/audit/coding-agent.jsonl"));
    fs::remove_dir_all(&root).unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = log.unwrap();
    let denied: Vec<&str> =
        log.lines().filter(|line| line.contains("\"reason\":\"Landlock: scope.signal\"")).collect();
    assert_eq!(denied.len(), 2, "{log}");
    assert!(denied.iter().all(|line| line.contains("\"allowed\":false")), "{log}");
}
