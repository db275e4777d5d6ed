//! Kills, full disks, read-only folders, many at once: after each, what is on disk is the old or the new.

use super::*;
use crate::skill::install::tests::{Dir, harmless, offer};
use crate::skill::install::{Consent, install};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Another process that runs `child` below: the test binary itself.
fn child(dir: &Path, work: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "skill::store::tests::child_process", "--nocapture"])
        .env("WEFT_TEST_DIR", dir)
        .env("WEFT_TEST_WORK", work)
        .env_remove("WEFT_TEST_KILL_AT")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Not a test of its own: the part that runs in the other process.
#[test]
fn child_process() {
    let (Ok(dir), Ok(work)) = (std::env::var("WEFT_TEST_DIR"), std::env::var("WEFT_TEST_WORK")) else {
        return;
    };
    let root = PathBuf::from(&dir);
    let workspace = Workspace::open(&root, Path::new("skills")).unwrap();
    let put = |n: u32, version: &str| {
        let consent = Consent { allow_downgrade: true, ..Consent::default() };
        let zip = harmless(n);
        install(
            &workspace,
            &root.join("config/trust.json"),
            &offer(&zip, version),
            &consent,
            &mut |_, _| vec![],
        )
    };
    let take = || workspace.lock().unwrap().remove(&record_of(&workspace));
    match work.as_str() {
        "install" => drop(put(1, "1.0.0").unwrap()),
        "update" => drop(put(2, "2.0.0").unwrap()),
        "remove" => take().unwrap(),
        "loop" => loop {
            let _ = (put(1, "1.0.0"), put(2, "2.0.0"), take(), put(2, "2.0.0"));
        },
        "fails" => {
            let before = picture(&root);
            let problem = put(2, "2.0.0").unwrap_err();
            assert!(!problem.denied, "{problem}");
            assert_eq!(picture(&root), before, "{problem}");
        }
        other => panic!("{other}"),
    }
}

fn picture(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains("/.weft/trees/") {
                all.push(format!("{} {}", path.display(), Sha256::of(&fs::read(&path).unwrap())));
            }
        }
    }
    all.sort();
    all
}

fn record_of(workspace: &Workspace) -> Record {
    let hub = workspace.hub_lock().unwrap();
    let key = "demo".to_owned();
    let entry = hub.entry(&key);
    Record {
        registry: String::new(),
        owner: None,
        slug: key.clone(),
        version: String::new(),
        installed_at: 0,
        content_hash: entry.map_or(Sha256::of(b""), |entry| entry.content_hash),
        fingerprint: Sha256::of(b""),
        public_key: None,
        seq: None,
        verdict: "clean".into(),
        moderation: None,
        accepted: Vec::new(),
        key,
    }
}

/// After the next command, the folder and both locks agree, and nothing else is there. Gives the version.
fn settled(dir: &Dir) -> Option<String> {
    let workspace = dir.workspace();
    drop(workspace.lock().unwrap());
    let (claw, hub) = (workspace.claw_lock().unwrap(), workspace.hub_lock().unwrap());
    let left: Vec<_> = fs::read_dir(dir.0.join("skills"))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
        .unwrap_or_default();
    let entry = hub.entry("demo");
    assert_eq!(claw.entry("demo").and_then(|entry| entry.version), entry.map(|entry| entry.version.clone()));
    match entry {
        Some(entry) => {
            assert_eq!(left, ["demo"]);
            assert_eq!(workspace.drift("demo", &entry.content_hash).unwrap(), Drift::None);
        }
        None => assert!(left.is_empty(), "{left:?}"),
    }
    entry.map(|entry| entry.version.clone())
}

const STEPS: [&str; 6] = ["staged", "journal", "moved", "claw lock", "hub lock", "journal gone"];

#[test]
fn a_kill_at_any_step_leaves_old_or_new() {
    for (at, step) in STEPS.into_iter().enumerate() {
        let moved = at >= 2;
        let dir = Dir::new();
        let kill = |work: &str| {
            let status = child(&dir.0, work).env("WEFT_TEST_KILL_AT", step).status().unwrap();
            assert!(!status.success(), "{work} was not killed at {step}");
        };
        kill("install");
        assert_eq!(settled(&dir).as_deref(), moved.then_some("1.0.0"), "install, {step}");
        assert!(child(&dir.0, "install").status().unwrap().success(), "{step}");
        assert_eq!(settled(&dir).as_deref(), Some("1.0.0"));
        kill("update");
        assert_eq!(settled(&dir).as_deref(), Some(if moved { "2.0.0" } else { "1.0.0" }), "update, {step}");
        if step != "staged" {
            kill("remove");
            let left = if moved { None } else { settled(&dir) };
            assert_eq!(settled(&dir), left, "remove, {step}");
            assert_eq!(left.is_none(), moved);
        }
    }
}

#[test]
fn a_kill_at_any_time_leaves_old_or_new() {
    let dir = Dir::new();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..25u64 {
        let mut child = child(&dir.0, "loop").spawn().unwrap();
        // No order depends on this: it only spreads the kills.
        std::thread::sleep(Duration::from_millis(20 + round * 13 % 90));
        child.kill().unwrap();
        child.wait().unwrap();
        seen.insert(settled(&dir));
    }
    assert!(!seen.is_empty());
}

#[test]
fn twenty_at_once_are_twenty() {
    let dir = Dir::new();
    std::thread::scope(|scope| {
        for n in 0..20 {
            let dir = &dir;
            scope.spawn(move || {
                let slug = format!("demo-{n}");
                let zip = harmless(n);
                let offer = crate::skill::install::Offer { slug: &slug, ..offer(&zip, "1.0.0") };
                dir.install(&offer, &Consent::default()).unwrap();
            });
        }
    });
    let workspace = dir.workspace();
    assert_eq!(workspace.claw_lock().unwrap().entries().len(), 20);
    assert_eq!(workspace.hub_lock().unwrap().0.len(), 20);
    assert_eq!(fs::read_dir(dir.0.join("skills")).unwrap().count(), 20);
    let book = crate::trust::book::load(&dir.book()).unwrap();
    assert_eq!(book.seen.len(), 20);
}

#[test]
fn one_skill_many_at_once() {
    let dir = Dir::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let dir = &dir;
            scope.spawn(move || {
                let zip = harmless(n % 2);
                let version = format!("1.{}.0", n % 2);
                let consent = Consent { allow_downgrade: true, ..Consent::default() };
                dir.install(&offer(&zip, &version), &consent).unwrap();
            });
        }
    });
    assert!(settled(&dir).is_some());
}

/// Runs the child with a file system of its own mounted over the workspace; `None` where this machine does not let us.
fn on_tmpfs(options: &str, prepare: &str, work: &str) -> Option<bool> {
    let dir = Dir::new();
    let command = child(&dir.0, work);
    let args: Vec<String> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    // $0 is the test binary, $1 the folder.
    let script = format!(
        "mount -t tmpfs -o size=1m none \"$WEFT_TEST_DIR\" || exit 99; cd \"$WEFT_TEST_DIR\" || exit 99; \
         WEFT_TEST_WORK=install \"$0\" {args} || exit 98; {prepare}; mount -o remount,{options} none \"$WEFT_TEST_DIR\" || exit 97; \
         \"$0\" {args}",
        args = args.join(" ")
    );
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .arg(command.get_program())
        .env("WEFT_TEST_DIR", &dir.0)
        .env("WEFT_TEST_WORK", work)
        .stdout(Stdio::null())
        .status();
    match status.ok()?.code()? {
        99 | 1 if std::env::var_os("CI").is_none() && !can_unshare() => None,
        code => {
            assert!(!matches!(code, 97..=99), "could not prepare: {code}");
            Some(code == 0)
        }
    }
}

fn can_unshare() -> bool {
    Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_leaves_the_old_version() {
    // Nearly full at different heights, so that it fails at different steps.
    for free in [0, 4, 8, 12, 16, 24] {
        let prepare = format!("head -c 4m /dev/zero > fill 2>/dev/null; truncate -s -{free}k fill");
        match on_tmpfs("size=1m", &prepare, "fails") {
            None => return eprintln!("SKIPPED: no mount namespaces here"),
            Some(held) => assert!(held, "{free} KiB free"),
        }
    }
}

#[test]
fn a_read_only_workspace_is_an_error() {
    match on_tmpfs("ro", "true", "fails") {
        None => eprintln!("SKIPPED: no mount namespaces here"),
        Some(held) => assert!(held),
    }
}
