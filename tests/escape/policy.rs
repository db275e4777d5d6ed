//! The policy the attempts run under, made of the fixture's places.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use weft::policy::path::{FileId, Kind, PathRule, PathRules};
use weft::policy::{
    Audit, AuditLevel, CommandRule, DenyPath, Env, Filesystem, Monitor, Network, Origin, Policy, Process,
    Sandbox, Set, Syscalls, Tools, vars::Places,
};

fn origin(key: &'static str) -> Origin {
    Origin { file: "escape.toml".into(), line: 1, key }
}

fn rules(key: &'static str, paths: &[PathBuf]) -> PathRules {
    let rule = |written: &PathBuf| {
        let path = std::fs::canonicalize(written).ok()?;
        let meta = std::fs::metadata(&path).ok()?;
        let kind = if meta.is_dir() {
            Kind::Dir
        } else if meta.is_file() {
            Kind::File
        } else {
            Kind::Other
        };
        let id = Some(FileId { dev: meta.dev(), ino: meta.ino() });
        Some(PathRule { written: written.clone(), path, kind, id, private: false, origin: origin(key) })
    };
    PathRules::new(paths.iter().filter_map(rule).collect())
}

fn private(rules: PathRules, path: &str) -> PathRules {
    let origin = origin("filesystem.write");
    let tmp = PathRule {
        written: path.into(),
        path: path.into(),
        kind: Kind::Dir,
        id: None,
        private: true,
        origin,
    };
    PathRules::new(rules.iter().cloned().chain([tmp]).collect())
}

fn deny(path: PathBuf, creatable: bool) -> DenyPath {
    let meta = std::fs::metadata(&path).ok();
    DenyPath {
        written: path.clone(),
        kind: meta.as_ref().map(|meta| if meta.is_dir() { Kind::Dir } else { Kind::File }),
        id: meta.as_ref().map(|meta| FileId { dev: meta.dev(), ino: meta.ino() }),
        path,
        creatable: creatable.then(|| origin("filesystem.write")),
        origin: origin("filesystem.deny"),
    }
}

fn command(name: &str) -> CommandRule {
    let found = Path::new("/usr/bin").join(name);
    let real = std::fs::canonicalize(&found).unwrap_or_else(|_| found.clone());
    CommandRule { name: name.into(), paths: vec![found, real], origin: origin("process.allow") }
}

/// The policy of an attempt that says `# policy: NAME`.
pub fn variant(fix: &Path, name: &str) -> Policy {
    let mut policy = policy(fix);
    let process = &mut policy.process;
    match name {
        "allow" => process.allow = Some(["bash", "python3", "grep", "cp", "nl"].map(command).into()),
        "noshell" => {
            process.shell = false;
            process.shells = ["bash", "sh", "dash"].map(|name| Path::new("/usr/bin").join(name)).into();
        }
        "readonly" => process.syscalls = Syscalls::ReadOnly,
        "file-worker" => process.syscalls = Syscalls::FileWorker,
        _ => {}
    }
    policy
}

/// The policy for a fixture: system folders readable, `ws` writable, `ro` readable, `home` readable but for its keys.
pub fn policy(fix: &Path) -> Policy {
    let at = |name: &str| fix.join(name);
    let system =
        ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", "/etc/alternatives"];
    let exec = ["/usr", "/bin", "/lib", "/lib64"].map(PathBuf::from);
    let mut read: Vec<PathBuf> = system.iter().map(PathBuf::from).collect();
    read.extend([at("ro"), at("home"), at("attempts"), at("ws")]);
    let set = |value: &str| Set { value: value.to_owned(), origin: origin("env.allow") };
    let limit = |value| Some(Set { value, origin: origin("process") });
    Policy {
        agent: "escape".into(),
        sandbox: Sandbox { kind: None, privileged: None, best_effort: Vec::new() },
        filesystem: Filesystem {
            read: rules("filesystem.read", &read),
            write: private(rules("filesystem.write", &[at("ws")]), "/tmp"),
            exec: rules("filesystem.exec", &exec),
            exec_is_default: true,
            patterns: Vec::new(),
            deny: vec![
                deny(at("home/.ssh"), false),
                deny(at("ws/.env"), true),
                deny(at("ws/.git/hooks"), true),
                deny(at("ws/.later/deep"), true),
            ],
            deny_globs: Vec::new(),
            protected: vec![deny(at("ws/weft.toml"), true)],
        },
        network: Network::default(),
        process: Process {
            allow: None,
            deny: vec![CommandRule {
                name: "nl".into(),
                paths: vec!["/usr/bin/nl".into(), "/bin/nl".into()],
                origin: origin("process.deny"),
            }],
            shell: true,
            shell_origin: None,
            shells: Vec::new(),
            max_processes: limit(64),
            max_memory: limit(1 << 30),
            max_cpu_time: None,
            max_wall_time: None,
            max_file_size: limit(64 << 20),
            max_open_files: limit(256),
            syscalls: Syscalls::Agent,
            syscalls_origin: None,
        },
        env: Env { allow: vec![set("PATH"), set("ESC_*")], deny: vec![set("*_TOKEN")], set: BTreeMap::new() },
        inject: Vec::new(),
        tools: Tools::default(),
        audit: Audit { file: None, level: AuditLevel::All },
        monitor: Monitor::default(),
        tests: Vec::new(),
        places: Places {
            home: at("home"),
            workspace: at("ws"),
            tmpdir: "/tmp".into(),
            state: at("state"),
            config: at("config"),
            cache: at("cache"),
            agent: None,
        },
        sources: Vec::new(),
        notes: Vec::new(),
        hash: String::new(),
    }
}
