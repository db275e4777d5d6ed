//! What is valid in a policy and still worth a second look. Each finding has an id, the line, and a fix.

use super::commands::SHELLS;
use super::host::{Class, Host, HostPattern, class};
use super::path::PathRule;
use super::{Filesystem, NetworkMode, Origin, Policy, SandboxType, decide};
use crate::sort;
use std::path::Path;

/// A note says what a line gives up on purpose; a warning is for what is probably not meant, an error for what
/// leaves the policy without effect; both fail `policy check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// A kind of finding. `docs/policy.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    pub id: &'static str,
    pub name: &'static str,
    pub level: Level,
    pub fix: &'static str,
}

macro_rules! lints {
    ($($konst:ident = $id:literal $name:literal $level:ident $fix:literal;)*) => {
        $(const $konst: Lint = Lint { id: $id, name: $name, level: Level::$level, fix: $fix };)*
        /// All of them.
        pub const ALL: &[Lint] = &[$($konst),*];
    };
}

lints! {
    WIDE_READ = "PL-001" "wide-read" Warning "name the folders that are needed";
    WIDE_WRITE = "PL-002" "wide-write" Warning "write only ${WORKSPACE} and ${TMPDIR}, or name the folder";
    WRITE_EXEC = "PL-003" "write-and-exec" Note "take it out of filesystem.exec unless the agent has to run what it builds";
    CREDENTIALS = "PL-004" "credentials-readable" Warning "extend `base`, or add it to filesystem.deny";
    ANY_HOST = "PL-005" "any-host" Warning "name the hosts that are needed";
    UNRESTRICTED = "PL-006" "unrestricted-network" Warning "name the hosts in network.allow";
    PRIVATE_NETWORK = "PL-007" "private-network" Warning "name the one host that is meant";
    PLAIN_TEXT = "PL-008" "plain-text" Warning "leave tls = false for loopback";
    GLOB_DENY = "PL-009" "deny-can-be-made-again" Warning "name the paths one by one, or move what is denied out of the writable folder";
    DEAD = "PL-010" "dead-rule" Warning "take it out: it never allows anything";
    PERSISTENCE = "PL-011" "can-outlive-the-run" Warning "add it to filesystem.protect";
    SOCKET = "PL-012" "socket-of-a-service" Warning "add it to filesystem.deny: who can talk to the service can leave the sandbox";
    NO_SANDBOX = "PL-013" "no-sandbox" Error "take out type = \"none\" and privileged = true";
    BEST_EFFORT = "PL-014" "best-effort" Note "leave it out if a run should rather fail than go without";
    ANY_VARIABLE = "PL-015" "any-variable" Warning "name the variables that are needed";
    ANY_TOOL = "PL-016" "any-tool" Warning "name the tools, or prefixes such as read_*";
    INJECT = "PL-017" "inject-goes-nowhere" Warning "add the host to network.allow with port 443";
    NO_LOG = "PL-018" "no-audit-file" Note "set audit.file = \"${STATE}/weft/audit/${AGENT}.jsonl\"";
    NO_LIMIT = "PL-019" "no-process-limit" Note "set process.max_processes";
    NO_TEST = "PL-020" "no-test" Note "add a [[test]] that must be denied, so that widening this policy fails";
    SHELL = "PL-021" "shell-by-other-means" Warning "with shell = false leave interpreters out of process.allow, or say shell = true";
    PRIVILEGED = "PL-022" "privileged" Warning "take it out: only type = \"none\" needs it";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub lint: Lint,
    pub origin: Origin,
    pub message: String,
    /// The path that one line more in the policy would keep away, as that line would name it: for PL-004, PL-011 and PL-012.
    pub path: Option<String>,
}

/// Below the home folder: what is worth stealing.
pub(super) const CREDENTIALS_AT: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".config/gh",
    ".config/gcloud",
    ".cargo/credentials.toml",
    ".password-store",
    ".local/share/keyrings",
    ".mozilla",
    ".config/google-chrome",
    ".config/chromium",
    ".bash_history",
    ".zsh_history",
    ".vault-token",
    ".pgpass",
    ".config/solana",
    ".electrum",
    ".bitcoin",
    ".ethereum",
];

/// Below the home folder: what other programs run or obey the next time they start.
pub(super) const RUN_LATER_AT: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".config/fish/config.fish",
    ".config/autostart",
    ".config/systemd/user",
    ".gitconfig",
    ".config/git/config",
    ".ssh/authorized_keys",
    ".ssh/config",
    ".vimrc",
    ".npmrc",
    ".claude/settings.json",
    ".codex/config.toml",
    ".openclaw/openclaw.json",
    ".cursor/mcp.json",
    ".local/bin",
    ".cargo/bin",
    ".cargo/config.toml",
    "Library/LaunchAgents",
];

/// Below the workspace.
pub(super) const RUN_LATER_IN_WORKSPACE: &[&str] = &[".git/hooks", ".git/config"];

/// Services that do what they are told, with more rights than a sandbox.
pub(super) const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/user",
    "/tmp/.X11-unix",
    "/run/snapd.socket",
    "/var/lib/lxd/unix.socket",
];

/// Folders that are too much to read, or to write, in one line.
pub(super) const WIDE_TO_READ: &[&str] =
    &["/", "/home", "/root", "/etc", "/var", "/proc", "/sys", "/run", "/dev", "/mnt", "/media", "/Users"];
pub(super) const WIDE_TO_WRITE: &[&str] = &[
    "/",
    "/home",
    "/root",
    "/etc",
    "/var",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/boot",
    "/opt",
    "/proc",
    "/sys",
    "/run",
    "/dev",
    "/srv",
    "/mnt",
    "/media",
    "/usr/local",
    "/usr/bin",
    "/usr/lib",
    "/var/lib",
    "/Users",
    "/Applications",
];

/// Everything to say about the policy, in the order of the lints.
pub fn lint(policy: &Policy) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    files(policy, &mut found);
    network(policy, &mut found);
    others(policy, &mut found);
    sort::by(&mut found.0, |a, b| (a.lint.id, &a.origin).cmp(&(b.lint.id, &b.origin)));
    found.0.dedup();
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, lint: Lint, origin: &Origin, message: impl Into<String>) {
        self.0.push(Finding { lint, origin: origin.clone(), message: message.into(), path: None });
    }

    fn add_path(&mut self, lint: Lint, origin: &Origin, path: String, says: &str) {
        let message = format!("{path}{says}");
        self.0.push(Finding { lint, origin: origin.clone(), message, path: Some(path) });
    }
}

fn files(policy: &Policy, found: &mut Found) {
    let files = &policy.filesystem;
    let home = super::find::real(&policy.places.home).unwrap_or_else(|_| policy.places.home.clone());
    let wide = |list: &[&str], rule: &PathRule| {
        !rule.private
            && (list.iter().any(|wide| rule.path == Path::new(wide)) || home.starts_with(&rule.path))
    };
    for rule in files.read.iter().filter(|rule| wide(WIDE_TO_READ, rule)) {
        found.add(
            WIDE_READ,
            &rule.origin,
            format!("{} is readable with all that is in it", rule.path.display()),
        );
    }
    for rule in files.write.iter().filter(|rule| wide(WIDE_TO_WRITE, rule)) {
        found.add(
            WIDE_WRITE,
            &rule.origin,
            format!("{} is writable with all that is in it", rule.path.display()),
        );
    }
    for exec in files.exec.iter() {
        if files.exec_rule(&exec.path).is_some() && files.write_rule(&exec.path).is_some() {
            let message =
                format!("{} is writable and executable: what was written there can run", exec.path.display());
            found.add(WRITE_EXEC, &exec.origin, message);
        }
    }
    // The run's own temporary folder is not the host's: what it covers is out of reach.
    type Rule = for<'f> fn(&'f Filesystem, &Path) -> Option<&'f PathRule>;
    let allowed = |path: &Path, rule: Rule, decide: fn(&Policy, &Path) -> decide::Decision| {
        let real = super::find::real(path).unwrap_or_else(|_| path.to_owned());
        let found = rule(files, &real).filter(|rule| !rule.private && decide(policy, &real).allowed);
        found.map(|rule| rule.origin.clone())
    };
    for name in CREDENTIALS_AT {
        if let Some(rule) = allowed(&home.join(name), Filesystem::read_rule, decide::read) {
            found.add_path(CREDENTIALS, &rule, format!("~/{name}"), " is readable");
        }
    }
    let later = RUN_LATER_AT.iter().map(|name| (home.join(name), format!("~/{name}")));
    let workspace = &policy.places.workspace;
    let in_workspace =
        RUN_LATER_IN_WORKSPACE.iter().map(|name| (workspace.join(name), format!("${{WORKSPACE}}/{name}")));
    for (path, shown) in later.chain(in_workspace) {
        if let Some(rule) = allowed(&path, Filesystem::write_rule, decide::write) {
            found.add_path(
                PERSISTENCE,
                &rule,
                shown,
                " is writable, and is run or obeyed outside the sandbox",
            );
        }
    }
    for socket in SOCKETS {
        if let Some(rule) = allowed(Path::new(socket), Filesystem::read_rule, decide::read) {
            found.add_path(SOCKET, &rule, (*socket).to_owned(), " is within reach");
        }
    }
    for glob in &files.deny_globs {
        if glob.creatable.is_some() && !policy.sandbox.tolerates("filesystem.deny") {
            let message = format!(
                "new files that match {} can be made in a writable folder; weft run refuses",
                glob.glob.as_str()
            );
            found.add(GLOB_DENY, &glob.origin, message);
        }
    }
    for rule in files.read.iter().chain(files.write.iter()).chain(files.exec.iter()) {
        if let Some(deny) = decide::denied(policy, &rule.path)
            && let Some(by) = deny.rule
        {
            found.add(DEAD, &rule.origin, format!("{} is denied ({by})", rule.written.display()));
        }
    }
}

fn network(policy: &Policy, found: &mut Found) {
    let network = &policy.network;
    if let NetworkMode::Unrestricted(origin) = &network.mode {
        found.add(
            UNRESTRICTED,
            origin,
            "every address can be reached, those of this machine and its network too",
        );
    }
    for rule in &network.allow {
        let host = &rule.host;
        let one_label = matches!(host, HostPattern::Below(above) if !above.contains('.'));
        let all = matches!(host, HostPattern::Cidr(_, 0));
        if *host == HostPattern::Any || one_label || all {
            found.add(ANY_HOST, &rule.origin, format!("`{host}` is nearly everyone"));
        }
        let address = match host {
            HostPattern::Ip(address) | HostPattern::Cidr(address, _) => Some(class(*address)),
            _ => None,
        };
        let wide =
            matches!(host, HostPattern::Cidr(..)) && address.is_some_and(|class| class != Class::Public);
        if wide || matches!(address, Some(Class::Metadata)) {
            found.add(PRIVATE_NETWORK, &rule.origin, format!("`{host}` is inside your own network"));
        }
        let loopback = address == Some(Class::Loopback) || *host == HostPattern::Exact("localhost".into());
        if !rule.tls && !loopback {
            found.add(
                PLAIN_TEXT,
                &rule.origin,
                format!("what goes to `{host}` can be read and changed on the way"),
            );
        }
        if let Some(deny) =
            network.deny.iter().find(|deny| deny.value == *host || deny.value == HostPattern::Any)
        {
            found.add(DEAD, &rule.origin, format!("`{host}` is denied ({})", deny.origin));
        }
    }
    for inject in &policy.inject {
        if let HostPattern::Exact(name) = &inject.host
            && !decide::network(policy, &Host::Name(name.clone()), 443).allowed
        {
            found.add(INJECT, &inject.origin, format!("{name} cannot be reached"));
        }
    }
}

fn others(policy: &Policy, found: &mut Found) {
    // For what is missing: the last file is the one that a person would add it to.
    let whole = policy.sources.last().map_or("policy".into(), |source| source.name.clone());
    let missing = |key| Origin { file: whole.clone(), line: 0, key };
    let kind = policy.sandbox.kind.as_ref();
    if let Some(none) = kind.filter(|set| set.value == SandboxType::None) {
        found.add(NO_SANDBOX, &none.origin, "nothing holds a command to this policy");
    } else if let Some(privileged) = policy.sandbox.privileged.as_ref().filter(|set| set.value) {
        found.add(PRIVILEGED, &privileged.origin, "a policy that extends this one may do without a sandbox");
    }
    for set in &policy.sandbox.best_effort {
        found.add(BEST_EFFORT, &set.origin, format!("{} may go unenforced", set.value));
    }
    let env = &policy.env;
    for set in &env.allow {
        if set.value.chars().all(|c| c == '*') {
            found.add(ANY_VARIABLE, &set.origin, "every variable is visible, keys and tokens too");
        } else if !set.value.contains('*') {
            let decision = decide::env(policy, &set.value);
            if !decision.allowed {
                found.add(DEAD, &set.origin, format!("{} never passes: {}", set.value, decision.reason));
            }
        }
    }
    let tools = &policy.tools;
    for set in &tools.allow {
        if set.value.chars().all(|c| c == '*') {
            found.add(ANY_TOOL, &set.origin, "every tool is allowed, also one that a server adds tomorrow");
        } else if let Some(deny) = tools.deny.iter().find(|deny| deny.value == set.value) {
            found.add(DEAD, &set.origin, format!("`{}` is denied ({})", set.value, deny.origin));
        }
    }
    let process = &policy.process;
    for rule in process.allow.iter().flatten() {
        if let Some(deny) = process.deny.iter().find(|deny| deny.name == rule.name) {
            found.add(DEAD, &rule.origin, format!("{} is denied ({})", rule.name, deny.origin));
        }
        if !process.shell && SHELLS.contains(&rule.name.as_str()) {
            found.add(SHELL, &rule.origin, format!("{} is a shell, and shell = false denies it", rule.name));
        }
    }
    if policy.audit.file.is_none() {
        found.add(NO_LOG, &missing("audit.file"), "what happened is forgotten when the run ends");
    }
    if process.max_processes.is_none() {
        found.add(
            NO_LIMIT,
            &missing("process.max_processes"),
            "a fork bomb is held only by the limits of this account",
        );
    }
    if !policy.tests.iter().any(|test| !test.allow) {
        found.add(NO_TEST, &missing("test"), "nothing fails when this policy is widened");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::vars::Places;
    use crate::policy::{builtin, load, load_text};
    use std::collections::BTreeSet;

    /// Real folders with nothing in them that could change what a rule means.
    fn places() -> Places {
        let root = std::env::temp_dir().join(format!("weft-lint-{}", std::process::id()));
        for folder in ["home/.ssh", "ws/.git/hooks"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let root = root.canonicalize().unwrap();
        let mut places = Places::below(&root.join("home"), &root.join("ws"));
        places.tmpdir = "/private-tmp".into();
        places
    }

    fn ids(text: &str) -> BTreeSet<&'static str> {
        let policy =
            load_text("t", &format!("version = 1\n{text}"), &places()).unwrap_or_else(|e| panic!("{e}"));
        lint(&policy).into_iter().map(|finding| finding.lint.id).collect()
    }

    #[test]
    fn each_lint_finds_what_it_is_for_and_not_its_opposite() {
        for (id, found_in, not_in) in [
            ("PL-001", "[filesystem]\nread = ['/etc']", "[filesystem]\nread = ['/etc/passwd']"),
            ("PL-001", "[filesystem]\nread = ['~']", "[filesystem]\nread = ['${WORKSPACE}']"),
            ("PL-002", "[filesystem]\nwrite = ['/']", "[filesystem]\nwrite = ['${TMPDIR}']"),
            (
                "PL-003",
                "[filesystem]\nwrite = ['${WORKSPACE}']\nexec = ['${WORKSPACE}']",
                "[filesystem]\nread = ['${WORKSPACE}']\nwrite = ['${WORKSPACE}']",
            ),
            ("PL-004", "[filesystem]\nread = ['~']", "[filesystem]\nread = ['~']\ndeny = ['~']"),
            (
                "PL-005",
                "[network]\nallow = [{ host = '*' }]",
                "[network]\nallow = [{ host = '*.example.com' }]",
            ),
            ("PL-005", "[network]\nallow = [{ host = '*.com' }]", "[network]"),
            ("PL-006", "[network]\nunrestricted = true", "[network]\nunrestricted = false"),
            (
                "PL-007",
                "[network]\nallow = [{ host = '10.0.0.0/8' }]",
                "[network]\nallow = [{ host = '10.0.0.1' }]",
            ),
            (
                "PL-008",
                "[network]\nallow = [{ host = 'a.com', tls = false }]",
                "[network]\nallow = [{ host = 'localhost', tls = false }]",
            ),
            (
                "PL-009",
                "[filesystem]\nwrite = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/**/.env']",
                "[filesystem]\nread = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/**/.env']",
            ),
            (
                "PL-010",
                "[filesystem]\nread = ['~/.ssh']\ndeny = ['~']",
                "[filesystem]\nread = ['~']\ndeny = ['~/.ssh']",
            ),
            ("PL-010", "[env]\nallow = ['LD_PRELOAD']", "[env]\nallow = ['PATH']"),
            (
                "PL-011",
                "[filesystem]\nwrite = ['${WORKSPACE}']",
                "[filesystem]\nwrite = ['${WORKSPACE}']\nprotect = ['${WORKSPACE}/.git/hooks', '${WORKSPACE}/.git/config']",
            ),
            ("PL-012", "[filesystem]\nread = ['/run']", "[filesystem]\nread = ['/usr']"),
            ("PL-013", "[sandbox]\ntype = 'none'\nprivileged = true", "[sandbox]\nprivileged = true"),
            ("PL-014", "[sandbox]\nbest_effort = ['network.udp']", "[sandbox]\nbest_effort = []"),
            ("PL-015", "[env]\nallow = ['*']", "[env]\nallow = ['LC_*']"),
            ("PL-016", "[tools]\nallow = ['*']", "[tools]\nallow = ['read_*']"),
            (
                "PL-017",
                "[[network.inject]]\nhost = 'a.com'\nheader = 'X'\nfrom = 'env:K'",
                "[network]\nallow = [{ host = 'a.com' }]\n[[network.inject]]\nhost = 'a.com'\nheader = 'X'\nfrom = 'env:K'",
            ),
            ("PL-018", "", "[audit]\nfile = '${STATE}/x'"),
            ("PL-019", "", "[process]\nmax_processes = 9"),
            ("PL-020", "", "[[test]]\nexpect = 'deny'\ntool = 'x'"),
            ("PL-021", "[process]\nshell = false\nallow = ['bash']", "[process]\nallow = ['bash']"),
            ("PL-022", "[sandbox]\nprivileged = true", "[sandbox]\ntype = 'none'\nprivileged = true"),
        ] {
            assert!(ids(found_in).contains(id), "{id} is not in {found_in}");
            assert!(!ids(not_in).contains(id), "{id} is in {not_in}");
        }
    }

    #[test]
    fn shipped_policies_have_no_warnings() {
        for name in builtin::names() {
            let policy = load(name, &places()).unwrap();
            let warnings: Vec<Finding> =
                lint(&policy).into_iter().filter(|f| f.lint.level >= Level::Warning).collect();
            assert!(warnings.is_empty(), "{name}: {warnings:#?}");
        }
    }
}
