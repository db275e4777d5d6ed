//! `weft run` on a terminal: keys, job control, resizing. A shell with a terminal of its own types what a person would.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Types each step after the text it waits for has appeared, and prints the whole screen.
const DRIVER: &str = r#"
import fcntl, os, pty, re, select, struct, sys, termios, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ["PS1"] = "ready> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
seen = ""
def until(word, seconds=20):
    global seen
    end = time.time() + seconds
    start = len(seen)
    while time.time() < end:
        if re.search(word, seen[until.at:]):
            until.at = until.at + re.search(word, seen[until.at:]).end()
            return
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
    print(seen)
    sys.exit("waited in vain for " + word)
until.at = 0
def size(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
def keys(text):
    os.write(terminal, text.encode())
size(24, 80)
until("ready> ")
for line in open(sys.argv[1]):
    what, _, rest = line.rstrip("\n").partition(" ")
    if what == "wait":
        until(rest)
    elif what == "size":
        size(*map(int, rest.split()))
    elif what == "gone":
        if rest in seen:
            sys.exit("on the screen: " + rest + "\n" + seen)
    else:
        keys(rest.encode().decode("unicode_escape"))
print(seen)
os.kill(pid, 9)
"#;

/// Says the new size when the signal has come.
const WINDOW: &str = r#"
import os, signal, time
came = []
signal.signal(signal.SIGWINCH, lambda *signal: came.append(signal))
print("ready", flush=True)
while not came:
    time.sleep(0.01)
print("new", *os.get_terminal_size(), flush=True)
"#;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plays the steps in a workspace of its own; fails where a text does not appear.
fn play(name: &str, steps: &str) {
    let root = Path::new("/var/tmp").join(format!("weft-terminal-{}-{name}", std::process::id()));
    fs::create_dir_all(root.join("ws")).unwrap();
    let folder = Folder(root);
    fs::write(folder.0.join("ws/window.py"), WINDOW).unwrap();
    let script = folder.0.join("steps");
    fs::write(&script, steps.replace("WEFT", env!("CARGO_BIN_EXE_weft"))).unwrap();
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", DRIVER]).arg(&script).current_dir(folder.0.join("ws")).env_clear();
    python.env("HOME", &folder.0).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "dumb");
    let Ok(output) = python.stdin(Stdio::null()).output() else {
        return process::skipped("there is no python3");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

// Python sleeps in short pieces: a signal that comes between its last look and one long sleep would be noticed when that ends.
#[test]
fn keys_interrupt_the_command_and_not_weft() {
    play(
        "interrupt",
        r#"keys WEFT run --policy coding-agent -- /usr/bin/python3 -q\n
wait >>> $
keys import time; print("go" + "ing"); exec("while True: time.sleep(.05)")\n
wait \ngoing
keys \x03
wait KeyboardInterrupt
keys print(6 * 7)\n
wait \n42
keys exit()\n
wait ready>
keys echo "code $?"\n
wait code 0
keys WEFT run --policy coding-agent -- sh -c 'echo go"ing"; exec sleep 600'\n
wait \ngoing
keys \x03
wait ready>
keys echo "code $?"\n
wait code 130
"#,
    );
}

#[test]
fn jobs_stop_and_go_on() {
    play(
        "jobs",
        r#"keys WEFT run --policy coding-agent -- sh -c 'echo go"ing"; read x; echo "got $x"'\n
wait \ngoing
keys \x1a
wait Stopped
wait ready>
keys jobs\n
wait Stopped
wait ready>
keys fg\n
wait sh -c
keys hello\n
wait \ngot hello
wait ready>
keys echo "code $?"\n
wait code 0
"#,
    );
}

#[test]
fn a_shell_inside_has_jobs_of_its_own() {
    play(
        "inner",
        r#"keys WEFT run --policy coding-agent -- env PS1='inner> ' bash --norc --noprofile -i\n
wait \ninner>
keys sh -c 'echo go"ing"; exec sleep 600'\n
wait \ngoing
keys \x1a
wait Stopped
wait inner>
keys kill %1; fg\n
wait inner>
keys exit 3\n
wait ready>
keys echo "code $?"\n
wait code 3
"#,
    );
}

#[test]
fn the_window_can_change() {
    play(
        "window",
        r#"keys WEFT run --policy coding-agent -- /usr/bin/python3 window.py\n
wait \nready
size 33 111
wait \nnew 111 33
wait ready>
"#,
    );
}

/// What is typed as a passphrase is not on the screen, a key that ends weft leaves the terminal as it was, and the rotated key is
/// guarded as the old one.
#[cfg(feature = "client")]
#[test]
fn passphrases_are_not_shown() {
    play(
        "passphrase",
        r#"keys WEFT skill keygen work --passphrase\n
wait new key: $
keys horse battery\n
wait again: $
keys horse staple\n
wait differ
wait ready>
keys WEFT skill keygen work --passphrase\n
wait new key: $
keys horse battery\n
wait again: $
keys horse battery\n
wait \nkey work
wait ready>
keys WEFT skill key rotate work next --registry https://x.example --owner a -o letter\n
wait key work: $
keys \x03
wait ready>
keys echo "code $?"\n
wait code 130
wait ready>
keys stty -a | grep -o '[- ]echo '\n
wait \n echo
wait ready>
keys WEFT skill key rotate work next --registry https://x.example --owner a -o letter\n
wait key work: $
keys horse battery\n
wait ready>
keys WEFT skill key show next\n
wait with a passphrase
wait ready>
gone horse
"#,
    );
}
