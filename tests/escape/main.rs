//! Attempts to leave the sandbox. Each is one script in `attempts/`, named after its trick; it prints ESCAPED when the trick
//! worked. Each runs twice: without the sandbox, where it has to work (or the test would prove nothing), and inside, where it
//! must not. A line `# needs: root` or `# needs: user` limits an attempt to that user; `# policy: NAME` chooses a variant of the policy; `# only-inside` marks one that has no
//! meaning outside. All run at the level with namespaces and at the one without; the third, a filter as around a container, has to
//! lead to the second. Words on the command line choose attempts by name.

mod container;
mod policy;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use weft::sandbox::{launch, plan, probe::Probe};
use weft::sys::process::ids;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--inside", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        std::process::exit(inside(rest));
    }
    if let Some(("--contained", command)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        // Another test, or weft, under a filter as around a container.
        container::enter()?;
        let name = command.first().map(String::as_str).unwrap_or("weft");
        return Err(Command::new(name).args(&command[1..]).exec());
    }
    // Both levels, where this machine has both; one of them when asked for.
    let asked = |word: &str| args.iter().any(|arg| arg == word);
    let levels: &[&str] = match Probe::here().no_namespaces {
        _ if asked("--container") => &["container"],
        _ if asked("--fallback") => &["fallback"],
        Some(_) => &["fallback"],
        None if asked("--namespaces") => &["namespaces"],
        None => &["namespaces", "fallback", "container"],
    };
    let mut all_held = true;
    let mut shown = BTreeSet::new();
    for level in levels {
        // What is special about a container is how weft comes to the fallback level.
        let only_ordinary = *level == "container" && levels.len() > 1;
        all_held &= one_level(level, &args, &mut shown, only_ordinary)?;
    }
    std::process::exit(i32::from(!all_held))
}

/// `shown` are the attempts that worked without the sandbox, so that this is shown once.
fn one_level(
    level: &'static str,
    args: &[String],
    shown: &mut BTreeSet<String>,
    only_ordinary: bool,
) -> io::Result<bool> {
    let fixture = Fixture::new(level)?;
    let mut wrong = fixture.ordinary()?;
    let (mut held, mut impossible) = (0, 0);
    // Where the machine itself takes namespaces or privileges away, some tricks have no way to work.
    let restricted = Probe::here().no_namespaces.is_some();
    let mut names: Vec<PathBuf> =
        fs::read_dir(fixture.at("attempts"))?.flatten().map(|entry| entry.path()).collect();
    names.sort();
    if only_ordinary {
        names.clear();
    }
    for path in names {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let chosen = args.iter().filter(|arg| !arg.starts_with('-'));
        if chosen.clone().count() > 0 && !chosen.clone().any(|arg| name.contains(arg.as_str())) {
            continue;
        }
        let text = format!("\n{}", fs::read_to_string(&path)?);
        let root = ids().0 == 0;
        if text.contains("\n# needs: root") && !root || text.contains("\n# needs: user") && root {
            continue;
        }
        if !text.contains("\n# only-inside") && !shown.contains(&name) {
            fixture.reset()?;
            let (output, escaped) = fixture.attempt(&path, false)?;
            if escaped {
                shown.insert(name.clone());
            } else if restricted {
                impossible += 1;
                continue;
            } else {
                wrong.push(format!("{name}: does not work even without the sandbox:\n{output}"));
                continue;
            }
        }
        fixture.reset()?;
        let (output, escaped) = fixture.attempt(&path, true)?;
        if escaped {
            wrong.push(format!("{name}: ESCAPED\n{output}"));
        } else if output.contains("could not be set up") {
            wrong.push(format!("{name}: was not run:\n{output}"));
        } else {
            held += 1;
            if args.iter().any(|arg| arg == "-v") {
                say(&format!("--- {name}\n{output}"))?;
            }
        }
    }
    let none = if impossible > 0 { format!(", {impossible} impossible here") } else { String::new() };
    let user = ids().0;
    let tried = match only_ordinary {
        true => "ordinary programs were run".to_owned(),
        false => format!("{held} attempts held"),
    };
    say(&format!("{tried} as user {user} by {level}{none}, {} not as they should be", wrong.len()))?;
    for line in &wrong {
        say(line)?;
    }
    Ok(wrong.is_empty())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Runs a command under the policy of the fixture: what a subprocess of the test does.
fn inside(args: &[String]) -> i32 {
    let Some((fix, command)) = args.split_first() else { return 2 };
    let policy = policy::variant(Path::new(fix), &std::env::var("ESC_POLICY").unwrap_or_default());
    let level = std::env::var("ESC_LEVEL").unwrap_or_default();
    if level == "container"
        && let Err(error) = container::enter()
    {
        eprintln!("could not be set up: {error}");
        return 125;
    }
    let mut probe = Probe::here();
    if level == "fallback" {
        probe = probe.without_namespaces("the test says so");
    }
    let plan = match plan::plan(&policy, &probe, std::env::vars_os()) {
        Ok(plan) => plan,
        Err(refusal) => {
            eprintln!("could not be set up: {refusal}");
            return 125;
        }
    };
    match launch::run(&plan, &launch::words(command), &mut |_| Ok(())) {
        Ok(end) => end.code(),
        Err(error) => {
            eprintln!("{error}");
            125
        }
    }
}

/// A world with things to steal and to break.
struct Fixture {
    level: &'static str,
    dir: PathBuf,
    victim: Child,
    port: u16,
    _tcp: TcpListener,
    _abstract: UnixListener,
    _unix: UnixListener,
    _datagram: UnixDatagram,
}

impl Fixture {
    fn new(level: &'static str) -> io::Result<Self> {
        let dir = Path::new("/var/tmp").join(format!("weft-escape-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let name = format!("weft-escape-{}", std::process::id());
        let victim = Command::new("sleep").arg("600").env("ESC_VICTIM_SECRET", "SECRET").spawn()?;
        let fixture = Self {
            level,
            port: tcp.local_addr()?.port(),
            _tcp: tcp,
            _abstract: UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?,
            _unix: UnixListener::bind(dir.join("outside.sock"))?,
            _datagram: UnixDatagram::bind(dir.join("datagram.sock"))?,
            victim,
            dir,
        };
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/escape/attempts");
        fs::create_dir_all(fixture.at("attempts"))?;
        fs::write(fixture.shm(), "SECRET")?;
        for script in fs::read_dir(scripts)?.flatten() {
            fs::copy(script.path(), fixture.at("attempts").join(script.file_name()))?;
        }
        Ok(fixture)
    }

    /// Something in the shared memory of the host.
    fn shm(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("weft-escape-{}", std::process::id()))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Everything as at the beginning.
    fn reset(&self) -> io::Result<()> {
        for name in ["ws", "ro", "home", "outside"] {
            let _ = fs::remove_dir_all(self.at(name));
        }
        for name in ["ws/.git/hooks", "ro", "home/.ssh", "home/.sshfoo", "outside"] {
            fs::create_dir_all(self.at(name))?;
        }
        for name in ["home/.ssh/id", "ws/.env", "outside/file", "ws/.git/hooks/old"] {
            fs::write(self.at(name), "SECRET\n")?;
        }
        for name in ["ro/file", "ws/file", "home/file", "ws/weft.toml"] {
            fs::write(self.at(name), "plain\n")?;
        }
        fs::set_permissions(self.at("ro/file"), fs::Permissions::from_mode(0o644))?;
        std::os::unix::fs::symlink(self.at("outside"), self.at("ws/link-out"))?;
        Ok(())
    }

    /// Ordinary work has to go on as ever, or attempts would be held because nothing runs at all.
    fn ordinary(&self) -> io::Result<Vec<String>> {
        let cases: [(&str, i32); 17] = [
            ("exit 7", 7),
            ("kill -TERM $$", 143),
            ("echo hello > new && mv new newer && cat newer && rm newer && mkdir -p a/b && rmdir a/b a", 0),
            ("t=$(mktemp) && echo x > $t && cat $t && echo x > /dev/shm/x", 0),
            ("python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [-1, 2])))'", 0),
            (
                "python3 -c 'import socket, threading; s = socket.create_server((\"127.0.0.1\", 0)); socket.create_connection(s.getsockname())'",
                // Without a network namespace there is no loopback that is not the host's.
                if self.level == "namespaces" { 0 } else { 1 },
            ),
            (
                "python3 -c 'import os, socket; p = os.environ[\"TMPDIR\"] + \"/s\"; s = socket.socket(socket.AF_UNIX); s.bind(p); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect(p); a = s.accept()[0]; a.send(b\"x\"); assert c.recv(1) == b\"x\"'",
                0,
            ),
            (
                "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"\\0weft-inside\"); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect(\"\\0weft-inside\"); s.accept()'",
                0,
            ),
            ("mkfifo pipe && { echo x > pipe & read -r x < pipe && [ $x = x ]; }", 0),
            (
                "umask 027 && echo x > made && mkdir made.d && [ $(stat -c %a made) = 640 ] && [ $(stat -c %a made.d) = 750 ] && chmod 600 made && touch -d 2001-01-01 made && cp -p made kept && [ $(stat -c %a-%Y kept) = $(stat -c %a-%Y made) ]",
                0,
            ),
            (
                "ln -s file l && cat l && ln file hard && [ $(stat -c %h file) = 2 ] && mkdir -p d/e && mv d f && cat /dev/fd/3 3< file && rm -r f l hard && cat /proc/self/status > /dev/null",
                0,
            ),
            ("cat <(echo x) | grep -q x && : > /dev/null && read -r x < /dev/zero & kill %1", 0),
            (
                "git --version && cd $TMPDIR && git init -q x && cd x && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git status",
                0,
            ),
            ("exec nosuchcommand", 127),
            ("exec /etc/passwd", 126),
            ("[ \"$PWD\" = \"$ESC_FIX/ws\" ] && [ $(id -u) = \"$(stat -c %u file)\" ]", 0),
            ("exec nl", 126),
        ];
        let mut wrong = Vec::new();
        for (text, code) in cases {
            self.reset()?;
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--inside").arg(&self.dir).args(["/bin/bash", "-c", text]);
            command.current_dir(self.at("ws")).env_clear().env("PATH", PATH).env("ESC_FIX", &self.dir);
            command.env("ESC_LEVEL", self.level);
            let output = command.stdin(Stdio::null()).output()?;
            if output.status.code() != Some(code) {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("`{text}` gave {:?}, not {code}: {said}", output.status));
            }
        }
        wrong.extend(self.dies_with_weft()?);
        Ok(wrong)
    }

    /// When weft is killed, nothing inside goes on.
    fn dies_with_weft(&self) -> io::Result<Option<String>> {
        self.reset()?;
        let mut command = Command::new(std::env::current_exe()?);
        let text = "echo > started; (sleep 0.5; echo > late) & setsid sh -c 'sleep 0.5; echo > late' & sleep 0.5; echo > late";
        command.arg("--inside").arg(&self.dir).args(["/bin/bash", "-c", text]);
        command.env("ESC_LEVEL", self.level);
        let mut weft = command.current_dir(self.at("ws")).spawn()?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.at("ws/started").exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let started = self.at("ws/started").exists();
        weft.kill()?;
        weft.wait()?;
        std::thread::sleep(Duration::from_millis(800));
        let wrong = !started || self.at("ws/late").exists();
        Ok(wrong.then(|| format!("after SIGKILL of weft: started {started}, and something went on")))
    }

    /// What the script said, and whether it got out.
    fn attempt(&self, script: &Path, sandboxed: bool) -> io::Result<(String, bool)> {
        let shell =
            if script.extension().is_some_and(|ext| ext == "py") { "/usr/bin/python3" } else { "/bin/bash" };
        let output = self.at("output");
        let file =
            fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&output)?;
        let mut command = if sandboxed {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--inside").arg(&self.dir).arg(shell);
            command
        } else {
            Command::new(shell)
        };
        command.arg(script).current_dir(self.at("ws")).env_clear().stdin(Stdio::null());
        command.stderr(file.try_clone()?).stdout(file);
        command.env("PATH", PATH).env("ESC_FIX", &self.dir).env("ESC_PORT", self.port.to_string());
        command
            .env("ESC_VICTIM", self.victim.id().to_string())
            .env("ESC_TEST", std::process::id().to_string());
        let text = fs::read_to_string(script)?;
        let variant = text.lines().find_map(|line| line.strip_prefix("# policy: ")).unwrap_or("plain");
        command.env("ESC_POLICY", variant).env("ESC_LEVEL", self.level);
        command.env("ESC_INSIDE", if sandboxed { "1" } else { "" });
        command
            .env("ESC_API_TOKEN", "SECRET")
            .env("OTHER_SECRET", "SECRET")
            .env("LD_PRELOAD", "")
            .env("GCONV_PATH", "/SECRET");
        let mut child = command.spawn()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let text = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
        if fs::read_to_string(script)?.contains("\n# late") {
            std::thread::sleep(Duration::from_secs(1));
        }
        // Some tricks leave something behind for the outside instead of saying so.
        let left = self.at("outside/ESCAPED").exists() || self.at("ws/ESCAPED").exists();
        let escaped = left || text.lines().any(|line| line == "ESCAPED");
        Ok((text, escaped))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(self.shm());
    }
}
