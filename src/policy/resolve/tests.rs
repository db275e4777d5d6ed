//! Tests of resolving and deciding, on folders made for each.

use super::super::commands::Command;
use super::super::{ask, builtin, decide};
use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A home and a workspace, gone after the test.
struct Home(PathBuf);

impl Home {
    fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-policy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        for folder in ["home/.ssh", "ws/src", "ws/.git/hooks"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let home = Home(fs::canonicalize(root).unwrap());
        home.file("home/.ssh/id", "key");
        home.file("ws/.env", "SECRET=1");
        home
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn places(&self) -> Places {
        let mut places = Places::below(&self.0.join("home"), &self.0.join("ws"));
        // Elsewhere than the folder all of this stands in.
        places.tmpdir = "/private-tmp".into();
        places
    }

    fn policy(&self, text: &str) -> Policy {
        load_text("test", &format!("version = 1\n{text}"), &self.places())
            .unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    fn errors(&self, text: &str) -> String {
        load_text("test", &format!("version = 1\n{text}"), &self.places())
            .map(|_| ())
            .expect_err(text)
            .to_string()
    }

    fn ask(&self, policy: &Policy, verb: &str, path: &str) -> Decision {
        let path = self.0.join(path);
        ask(policy, &if verb == "read" { Question::Read(path) } else { Question::Write(path) })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_shipped_policy_resolves_and_its_tests_hold() {
    let home = Home::new();
    fs::remove_file(home.0.join("ws/.env")).unwrap();
    for name in builtin::names() {
        let policy = load(name, &home.places()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(policy.agent, name);
        assert!(policy.notes.is_empty(), "{name}: {:?}", policy.notes);
        assert!(policy.tests.len() >= 10, "{name}: its parents' tests count as well");
        for test in &policy.tests {
            let decision = ask(&policy, &test.question);
            assert_eq!(decision.allowed, test.allow, "{}: {}: {decision:?}", test.origin, test.name);
        }
    }
    let default = load_default(&home.places()).unwrap();
    assert!(home.ask(&default, "write", "ws/src/x").allowed);
    assert!(!home.ask(&default, "write", "ws/.git/hooks/x").allowed);
}

#[test]
fn layers_add_lists_override_scalars_and_keep_denies() {
    let home = Home::new();
    home.file("ws/p/parent.toml", "version = 1\nagent = 'parent'\n[filesystem]\nread = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/.env']\n[process]\nmax_processes = 5\nallow = ['sh']\n[env]\nset = { A = '1', B = '1' }\n");
    let child = home.file("ws/p/child.toml", "version = 1\nextends = ['parent.toml']\n[filesystem]\nread = ['${WORKSPACE}/.env', '~']\n[process]\nmax_processes = 7\nallow = ['cat']\n[env]\nset = { B = '2' }\n");
    let policy = load(child.to_str().unwrap(), &home.places()).unwrap();
    assert_eq!(policy.agent, "parent");
    assert_eq!(policy.process.max_processes.as_ref().map(|set| set.value), Some(7));
    let names: Vec<&str> = policy.process.allow.iter().flatten().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["sh", "cat"]);
    assert_eq!(policy.env.set["A"].value, "1");
    assert_eq!(policy.env.set["B"].value, "2");
    assert!(home.ask(&policy, "read", "ws/src/x").allowed);
    // Named by the child, and still denied.
    let denied = home.ask(&policy, "read", "ws/.env");
    assert!(!denied.allowed && denied.rule.unwrap().to_string().ends_with("parent.toml:5: filesystem.deny"));
    assert_eq!(policy.sources.len(), 2);
}

#[test]
fn cycles_are_shown_and_diamonds_are_fine() {
    let home = Home::new();
    home.file("ws/a.toml", "version = 1\nextends = ['b.toml']");
    home.file("ws/b.toml", "version = 1\nextends = ['./c.toml']");
    let c = home.file("ws/c.toml", "version = 1\nextends = ['../ws/a.toml']");
    let error = load(c.to_str().unwrap(), &home.places()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("extends itself") && error.matches(" → ").count() == 3, "{error}");
    let me = home.file("ws/me.toml", "version = 1\nextends = ['me.toml']");
    assert!(
        load(me.to_str().unwrap(), &home.places())
            .map(|_| ())
            .unwrap_err()
            .to_string()
            .contains("me.toml → ")
    );

    home.file("ws/left.toml", "version = 1\nextends = ['base']");
    home.file("ws/right.toml", "version = 1\nextends = ['base', 'left.toml']");
    let top = home.file("ws/top.toml", "version = 1\nextends = ['left.toml', 'right.toml']");
    assert_eq!(load(top.to_str().unwrap(), &home.places()).unwrap().sources.len(), 4);
    assert!(home.errors("extends = ['coding_agent']").contains("did you mean `coding-agent`?"));
    assert!(home.errors("extends = ['./none.toml']").contains("no such file"));
}

#[test]
fn bad_files_are_told() {
    let home = Home::new();
    let said =
        |path: &Path| load(path.to_str().unwrap(), &home.places()).map(|_| ()).unwrap_err().to_string();
    assert!(said(&home.0.join("none.toml")).contains("no such file or directory: check the path"));
    assert!(said(&home.0.join("ws/")).contains("not a regular file"));
    let path = home.0.join("bad.toml");
    fs::write(&path, b"version = 1\nagent = \"\xff\"").unwrap();
    assert!(said(&path).contains("bad.toml:2:10: the policy is not UTF-8"), "{}", said(&path));
    fs::write(&path, vec![b'#'; 10 * 1024 * 1024]).unwrap();
    assert!(said(&path).contains("larger than 1048576 bytes"));
    fs::write(&path, b"\xef\xbb\xbfversion = 1").unwrap();
    assert!(load(path.to_str().unwrap(), &home.places()).is_ok());
}

#[test]
fn links_are_followed_and_both_names_are_denied() {
    let home = Home::new();
    fs::create_dir_all(home.0.join("data")).unwrap();
    symlink(home.0.join("data"), home.0.join("ws/link")).unwrap();
    symlink(home.0.join("home/.ssh"), home.0.join("ws/keys")).unwrap();
    symlink(home.0.join("ws/not-yet"), home.0.join("ws/dangling")).unwrap();
    let policy = home.policy(
        "[filesystem]\nread = ['${WORKSPACE}/link', '~']\nwrite = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/keys', '${WORKSPACE}/dangling']",
    );
    assert_eq!(policy.filesystem.read.iter().next().unwrap().path, home.0.join("data"));
    for (path, allowed) in [
        ("ws/link/x", true),
        ("data/x", true),
        ("home/.bashrc", true),
        ("ws/keys/id", false),
        ("home/.ssh/id", false),
        ("home/.sshfoo", true),
        ("ws/dangling", false),
        ("ws/not-yet", false),
    ] {
        assert_eq!(home.ask(&policy, "read", path).allowed, allowed, "{path}");
    }
    let dangling = policy.filesystem.deny.iter().find(|deny| deny.written.ends_with("dangling")).unwrap();
    assert_eq!((dangling.path.as_path(), dangling.kind), (home.0.join("ws/not-yet").as_path(), None));
    assert!(dangling.creatable.is_some());
}

#[test]
fn globs_expand_now_and_deny_later_too() {
    let home = Home::new();
    home.file("ws/a/.env", "");
    home.file("ws/a/b/.env", "");
    home.file("ws/lib1/x", "");
    let policy = home.policy(
        "[filesystem]\nread = ['${WORKSPACE}/lib*', '${WORKSPACE}/none*']\nwrite = ['${WORKSPACE}/a']\ndeny = ['${WORKSPACE}/**/.env']",
    );
    assert_eq!(policy.filesystem.deny.len(), 3);
    assert!(policy.filesystem.deny_globs[0].creatable.is_some());
    assert_eq!(policy.notes.len(), 1);
    assert!(home.ask(&policy, "read", "ws/lib1/x").allowed);
    assert!(!home.ask(&policy, "write", "ws/a/new/.env").allowed);
    assert!(home.ask(&policy, "write", "ws/a/new/env").allowed);
    let elsewhere = home.policy("[filesystem]\nwrite = ['${WORKSPACE}/a']\ndeny = ['~/*/x']");
    assert!(elsewhere.filesystem.deny_globs[0].creatable.is_none());
}

#[test]
fn what_is_writable_is_executable_only_by_name() {
    let home = Home::new();
    for tool in ["ws/tool", "ws/bin/tool", "home/tool"] {
        let path = home.file(tool, "#!/bin/sh\n");
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let runs = |policy: &Policy, path: &str| {
        decide::exec(policy, &Command::locate(policy, home.0.join(path).to_str().unwrap())).allowed
    };
    let files = "read = ['~', '${WORKSPACE}']\nwrite = ['${WORKSPACE}']";
    let policy = home.policy(&format!("[filesystem]\n{files}"));
    assert!(policy.filesystem.exec_is_default);
    assert!(runs(&policy, "home/tool") && !runs(&policy, "ws/tool"));
    let policy = home.policy(&format!("[filesystem]\n{files}\nexec = ['/', '${{WORKSPACE}}/bin']"));
    assert!(runs(&policy, "home/tool") && !runs(&policy, "ws/tool") && runs(&policy, "ws/bin/tool"));
    let policy = home.policy(&format!("[filesystem]\n{files}\nexec = ['${{WORKSPACE}}']"));
    assert!(!runs(&policy, "home/tool") && runs(&policy, "ws/tool"));
    let policy = home.policy(&format!("[filesystem]\n{files}\n[process]\nallow = ['~/tool']"));
    assert!(runs(&policy, "home/tool") && !runs(&policy, "ws/bin/tool"));
}

#[test]
fn commands_and_shells() {
    let home = Home::new();
    let policy = home.policy(
        "[filesystem]\nread = ['/usr', '/bin', '/lib*']\n[process]\nshell = false\ndeny = ['cat', 'no-such-command']",
    );
    for (command, allowed) in [
        ("ls", true),
        ("cat", false),
        ("/bin/cat", false),
        ("/usr/bin/cat", false),
        ("sh", false),
        ("/bin/sh", false),
        ("bash", false),
        ("no-such-command", false),
        ("neither-that", false),
        ("../../bin/ls", false),
    ] {
        let decision = ask(&policy, &Question::Exec(command.to_owned()));
        assert_eq!(decision.allowed, allowed, "{command}: {decision:?}");
    }
}

#[test]
fn the_private_folder_is_not_the_hosts() {
    let home = Home::new();
    home.file("tmp/ro/x", "");
    let mut places = home.places();
    places.tmpdir = home.0.join("tmp");
    let text = "version = 1\n[filesystem]\nread = ['${HOME}/../tmp/ro']";
    assert!(load_text("t", text, &places).is_err());
    let text = format!(
        "version = 1\n[filesystem]\nread = ['{0}/tmp/ro']\nwrite = ['${{TMPDIR}}']",
        home.0.display()
    );
    let policy = load_text("t", &text, &places).unwrap();
    assert!(home.ask(&policy, "write", "tmp/x").allowed);
    assert!(home.ask(&policy, "read", "tmp/ro/x").allowed && !home.ask(&policy, "write", "tmp/ro/x").allowed);
    assert!(policy.filesystem.write.iter().all(|rule| rule.private));
}

#[test]
fn the_policy_and_the_log_are_out_of_reach() {
    let home = Home::new();
    let path = home.file(
        "ws/weft.toml",
        "version = 1\n[filesystem]\nwrite = ['${WORKSPACE}']\n[audit]\nfile = '${STATE}/log'\n",
    );
    let policy = load(path.to_str().unwrap(), &home.places()).unwrap();
    assert!(
        !home.ask(&policy, "write", "ws/weft.toml").allowed
            && home.ask(&policy, "read", "ws/weft.toml").allowed
    );
    assert!(!home.ask(&policy, "read", "home/.local/state/log").allowed);
    assert!(
        home.errors("[filesystem]\nwrite = ['~']\n[audit]\nfile = '~/log'")
            .contains("where the sandbox may write")
    );
    // Not there yet, and still not for the agent to write.
    let other = home.policy("[filesystem]\nwrite = ['${WORKSPACE}']");
    fs::remove_file(path).unwrap();
    assert!(!home.ask(&other, "write", "ws/weft.toml").allowed);
}

#[test]
fn hosts_ports_and_modes() {
    let home = Home::new();
    let policy = home.policy(
        "[network]\nallow = [{ host = '*.example.com' }, { host = 'localhost', ports = [8080, 80], tls = false }]\ndeny = ['bad.example.com']\nlisten = [3000]",
    );
    for (host, port, allowed) in [
        ("a.example.com", 443, true),
        ("a.example.com", 80, false),
        ("example.com", 443, false),
        ("bad.example.com", 443, false),
        ("x.bad.example.com", 443, true),
        ("localhost", 80, true),
        ("localhost", 443, false),
        ("127.0.0.1", 80, false),
    ] {
        let decision = decide::network(&policy, &Host::parse(host).unwrap(), port);
        assert_eq!(decision.allowed, allowed, "{host}:{port} {decision:?}");
    }
    assert!(decide::listen(&policy, 3000).allowed && !decide::listen(&policy, 3001).allowed);
    assert_eq!(home.policy("[network]").network.mode, NetworkMode::None);
    let open = home.policy("[network]\nunrestricted = true");
    assert!(decide::network(&open, &Host::parse("127.0.0.1").unwrap(), 1).allowed);
    assert!(home.errors("[network]\nunrestricted = true\ndeny = ['a.com']").contains("unenforced"));
}

#[test]
fn variables_of_the_environment() {
    let home = Home::new();
    let policy = home.policy("[env]\nallow = ['*']\ndeny = ['*_TOKEN']\nset = { D = '${WORKSPACE}/d$x' }");
    for (name, allowed) in
        [("PATH", true), ("GH_TOKEN", false), ("LD_PRELOAD", false), ("BASH_FUNC_x%%", false), ("D", true)]
    {
        assert_eq!(decide::env(&policy, name).allowed, allowed, "{name}");
    }
    assert_eq!(policy.env.set["D"].value, format!("{}/d$x", home.0.join("ws").display()));
    assert!(home.errors("[env]\nset = { LD_PRELOAD = 'x' }").contains("test:3:22: LD_PRELOAD steers"));
    assert!(
        home.errors("[env]\ndeny = ['A_*']\nset = { A_B = 'x' }")
            .contains("A_B is denied (test:3: env.deny)")
    );
    assert!(!decide::tool(&policy, "read").allowed);
    let tools = home.policy("[tools]\nallow = ['mcp__github__*', 'grep']\ndeny = ['*delete*']");
    for (name, allowed) in
        [("grep", true), ("grep2", false), ("mcp__github__x", true), ("mcp__github__delete", false)]
    {
        assert_eq!(decide::tool(&tools, name).allowed, allowed, "{name}");
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let home = Home::new();
    let errors = home.errors(
        "agent = '../x'\n[sandbox]\ntype = 'none'\nbest_effort = ['network.upd']\n[filesystem]\nread = ['usr', '/a/../b', '${HOEM}', '/a**']\n[network]\nallow = [{ host = '127.1' }, { host = 'a.com', ports = [0] }]\nlisten = [70000]\n[process]\nmax_memory = '2GB2'\nmax_cpu_time = '0s'\nmax_processes = -1\nallow = ['']\n[[test]]\nexpect = 'deny'\n[[test]]\nexpect = 'deny'\nconnect = 'a.com'\n[[network.inject]]\nhost = '*'\nheader = 'Host'\nfrom = 'KEY'\n",
    );
    for said in [
        "test:2:9: `../x` is no name",
        "test:4:8: type = \"none\" enforces nothing",
        "did you mean `network.udp`?",
        "test:7:9: `usr` is not an absolute path",
        "has a `.` or `..` in it",
        "did you mean ${HOME}?",
        "`**` beside other",
        "no usual IPv4",
        "0 is no port",
        "70000 is no port",
        "`2GB2` is no limit",
        "`0s` is no limit",
        "-1 is no limit",
        "`` is no command",
        "a test asks one question",
        "`a.com` has no port",
        "a secret goes to one host",
        "`Host` cannot be injected",
        "write `env:NAME`",
    ] {
        assert!(errors.contains(said), "{said} is not in\n{errors}");
    }
    let many = format!("[filesystem]\nread = [{}]", "'x',".repeat(5000));
    assert_eq!(home.errors(&many).lines().count(), Errors::MOST);
}

#[test]
fn only_plain_paths_are_decided_about() {
    let home = Home::new();
    let policy = home.policy("[filesystem]\nread = ['/']");
    for path in ["usr", "/usr/../etc", "", "/usr/\0"] {
        assert!(!decide::read(&policy, Path::new(path)).allowed, "{path:?}");
    }
    assert!(decide::read(&policy, Path::new("/usr")).allowed);
    assert!(!decide::write(&policy, Path::new("/usr")).allowed);
}

#[test]
fn the_hash_is_about_what_is_decided() {
    let home = Home::new();
    let hash = |text: &str| home.policy(text).hash;
    let plain = hash("[filesystem]\nread = ['/usr', '/bin']");
    assert_eq!(plain, hash("# a comment\n\n[filesystem]\nread = ['/bin', '/usr', '/usr']"));
    assert_eq!(plain.len(), 64);
    for other in [
        "[filesystem]\nread = ['/usr']",
        "[filesystem]\nread = ['/usr', '/bin']\nwrite = ['/bin']",
        "[filesystem]\nread = ['/usr', '/bin']\n[env]\nallow = ['A']",
        "[filesystem]\nread = ['/usr', '/bin']\n[process]\nallow = []",
        "[sandbox]\ntype = 'none'\nprivileged = true\n[filesystem]\nread = ['/usr', '/bin']",
        "agent = 'other'\n[filesystem]\nread = ['/usr', '/bin']",
    ] {
        assert_ne!(plain, hash(other), "{other}");
    }
}

#[test]
fn ten_thousand_rules_are_quick() {
    let home = Home::new();
    let mut text = String::from("[filesystem]\nread = [\n");
    for n in 0..10_000 {
        let name = format!("ws/many/{}/{n}", n % 100);
        home.file(&name, "");
        text.push_str(&format!("'{}',\n", home.0.join(name).display()));
    }
    text.push(']');
    let started = Instant::now();
    let policy = home.policy(&text);
    let took = started.elapsed();
    assert_eq!(policy.filesystem.read.len(), 10_000);
    // The promise is 50 ms for a release build on an idle machine; this is neither.
    assert!(took.as_millis() < 500, "{took:?}");
    eprintln!("10,000 rules: {took:?}");
}

#[test]
fn which_policy_is_meant() {
    let home = Home::new();
    let chosen = |given: Option<&str>| choose(given, &home.places()).map(|(policy, _)| policy.agent);
    assert_eq!(chosen(None).unwrap(), "default");
    assert_eq!(chosen(Some("skill")).unwrap(), "skill");
    // A scanner's configuration is no policy; both may be in one file.
    let path = home.file("ws/weft.toml", "[scan]\nexclude = ['x']\n");
    assert_eq!(chosen(None).unwrap(), "default");
    home.file("ws/weft.toml", "version = 1\nagent = 'mine'\n[scan]\nexclude = ['x']\n");
    assert_eq!(chosen(None).unwrap(), "mine");
    home.file("ws/weft.toml", "verzion = 1\n");
    assert!(chosen(None).unwrap_err().to_string().contains("did you mean `version`?"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(chosen(None).is_err());
    // What a killed run has left in the place of a policy.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(super::super::find::HELD)).unwrap();
    assert_eq!(chosen(None).unwrap(), "default");
    fs::remove_dir(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    assert!(chosen(None).is_err());
}
