//! What somebody who has broken out of the interpreter can do: code of the test's own runs where the interpreter would. Under the type
//! `wasm` each attempt succeeds, which shows that it is one; under `combined` without namespaces Landlock and the filter refuse it.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use weft::policy::effective::Platform;
use weft::policy::load_text;
use weft::policy::vars::Places;
use weft::sandbox::plan::{Runs, plan_for};
use weft::sandbox::{launch, probe::Probe};
use weft::sys::process;

/// An attempt, and whether it succeeded.
type Attempt = (&'static str, fn(&Place) -> bool);

struct Place {
    top: PathBuf,
    victim: Child,
}

const ATTEMPTS: &[Attempt] = &[
    ("read a file that is not named", |place| fs::read(place.at("outside")).is_ok()),
    ("write one", |place| fs::write(place.at("outside"), "x").is_ok()),
    ("make one", |place| fs::write(place.at("new"), "x").is_ok()),
    ("list a folder that is not named", |place| fs::read_dir(&place.top).is_ok()),
    ("write a file that may be read", |place| fs::write(place.at("ro/file"), "x").is_ok()),
    ("start a program", |_| Command::new("/bin/true").status().is_ok()),
    ("make a thread", |_| std::thread::Builder::new().spawn(|| ()).is_ok()),
    ("listen", |_| TcpListener::bind("127.0.0.1:0").is_ok()),
    ("make a socket for datagrams", |_| UdpSocket::bind("127.0.0.1:0").is_ok()),
    ("make a socket with a name", |place| UnixListener::bind(place.at("ws/socket")).is_ok()),
    ("signal another process", |place| process::kill(place.victim(), 0).is_ok()),
    ("look at another process", |place| fs::read(format!("/proc/{}/cmdline", place.victim())).is_ok()),
    ("change who may execute a file", |place| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place.at("ws/file"), fs::Permissions::from_mode(0o755)).is_ok()
    }),
];

/// What the interpreter needs, and what the policy gives.
const ALLOWED: &[Attempt] = &[
    ("read", |place| fs::read_to_string(place.at("ro/file")).is_ok_and(|text| text == "text")),
    ("write", |place| fs::write(place.at("ws/made"), "text").is_ok()),
    ("rename", |place| fs::write(place.at("ws/a"), "").is_ok() && renames(&place.at("ws"))),
    ("list", |place| fs::read_dir(place.at("ws")).is_ok_and(|all| all.flatten().count() > 0)),
    ("take memory", |_| vec![1u8; 64 << 20].iter().map(|byte| u64::from(*byte)).sum::<u64>() == 64 << 20),
];

fn renames(folder: &Path) -> bool {
    fs::File::open(folder)
        .is_ok_and(|handle| weft::sys::names::rename(&handle, c"a", &handle, c"b", 0).is_ok())
}

impl Place {
    fn make() -> Place {
        let top = PathBuf::from(format!("/var/tmp/weft-walls-{}", std::process::id()));
        for folder in ["ws", "ro"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        for file in ["outside", "ws/file", "ro/file"] {
            fs::write(top.join(file), "text").unwrap();
        }
        let victim = Command::new("sleep").arg("600").spawn().unwrap();
        Place { top, victim }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    fn victim(&self) -> i32 {
        i32::try_from(self.victim.id()).unwrap()
    }

    /// Those that succeeded where the interpreter of this sandbox type would be.
    fn try_all(&self, kind: &str, attempts: &[Attempt]) -> Vec<&'static str> {
        let text = format!(
            "version = 1\n[sandbox]\ntype = \"{kind}\"\n[filesystem]\nread = [\"{0}/ro\", \"{0}/ws\"]\nwrite = [\"{0}/ws\"]\n",
            self.top.display()
        );
        let policy = load_text("walls", &text, &Places::below(&self.at("home"), &self.at("ws"))).unwrap();
        let probe = Probe::here().without_namespaces("the test says so");
        let plan = plan_for(&policy, &probe, std::iter::empty(), Runs::Module, Platform::Linux).unwrap();
        assert_eq!(plan.level(), if kind == "wasm" { "wasm" } else { "fallback" });
        // One at a time: an attempt may be the end of whoever makes it.
        let succeeds = |(_, attempt): &&Attempt| {
            let act = |_: &weft::sandbox::pid1::Ours<'_>| if attempt(self) { 7 } else { 0 };
            let end = launch::run_interpreter(&plan, &act, &mut |_| Ok(())).unwrap();
            end.code() == 7
        };
        attempts.iter().filter(succeeds).map(|(name, _)| *name).collect()
    }
}

impl Place {
    /// Whoever has taken the interpreter over says that namespaces were refused: weft does not run it again with less.
    fn tells_lies(&self) {
        let text = "version = 1\n[sandbox]\ntype = \"combined\"\n";
        let policy = load_text("lies", text, &Places::below(&self.at("home"), &self.at("ws"))).unwrap();
        let here = Probe::here();
        if let Some(why) = &here.no_namespaces {
            return println!("SKIPPED: lies of an interpreter behind namespaces: {why}");
        }
        for probe in [here.clone(), Probe { listener: false, ..here }] {
            let plan = plan_for(&policy, &probe, std::iter::empty(), Runs::Module, Platform::Linux).unwrap();
            assert_eq!(plan.level(), "namespaces");
            let act = |ours: &weft::sandbox::pid1::Ours<'_>| {
                // As the first process says it: the letter, EPERM, the step, no path, a text.
                let said = [b"F", &1i32.to_ne_bytes()[..], b"create namespaces\0\0refused"].concat();
                i32::from(weft::sys::socket::send(ours.weft, &said, None).is_err())
            };
            let error = launch::run_interpreter(&plan, &act, &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.step, "after the start: create namespaces");
            assert!(!launch::namespaces_refused(&error));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_dir_all(&self.top);
    }
}

fn main() {
    let place = Place::make();
    let names = |attempts: &[Attempt]| attempts.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(place.try_all("combined", ALLOWED), names(ALLOWED), "what is needed");
    assert_eq!(place.try_all("combined", ATTEMPTS), Vec::<&str>::new(), "behind the walls");
    assert_eq!(fs::read_to_string(place.at("outside")).unwrap(), "text");
    assert_eq!(place.try_all("wasm", ATTEMPTS), names(ATTEMPTS), "without them");
    place.tells_lies();
    println!("{} attempts: each succeeds without walls and none behind them", ATTEMPTS.len());
}
