//! From the layers of a policy to the [`Policy`]: lists add up, scalars override, denies stay, names become places.
//!
//! Everything wrong is collected, so that one run tells all of it.

use super::commands::SearchPath;
use super::decide::covers;
use super::error::{Error, Errors};
use super::file::{Expect, HostTable, InjectTable, Lines, List, TestTable, Text};
use super::find::{Finder, Found};
use super::host::{Host, HostPattern, Ports};
use super::load::{Layer, Loader};
use super::path::{Glob, Kind, PathRule, PathRules};
use super::vars::{Places, expand};
use super::*;
use crate::rules::schema::nearest;
use toml::Spanned;

/// Reads and resolves the policy `name`: a path if it has a slash or ends in `.toml`, else one that weft ships.
pub fn load(name: &str, places: &Places) -> Result<Policy, Errors> {
    let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
    resolve(&Loader::load(name, places)?, &stem, places)
}

/// Resolves a policy whose text is at hand; relative paths in `extends` are looked for from the workspace.
pub fn load_text(name: &str, text: &str, places: &Places) -> Result<Policy, Errors> {
    resolve(&Loader::text(name, text, &places.workspace, places)?, name, places)
}

/// The policy that is meant: the given one, else `weft.toml` in the workspace, else the default. Says which.
pub fn choose(given: Option<&str>, places: &Places) -> Result<(Policy, String), Errors> {
    if let Some(name) = given {
        return Ok((load(name, places)?, name.to_owned()));
    }
    let own = places.workspace.join("weft.toml");
    // A folder of that name is what an interrupted run left in its place, so that no agent could put a policy there.
    let name = own.to_string_lossy();
    if is_there(&own) && !super::file::is_only_scan(&super::file::read(&name, &own)?) {
        return Ok((load(&name, places)?, name.into_owned()));
    }
    Ok((load_default(places)?, "base and the workspace".to_owned()))
}

/// Anything but an empty folder, a dangling link included: what is there and cannot be read must not be passed over.
fn is_there(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => {
            std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
        }
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The policy of a run that names none and has no `weft.toml`: `base`, and the workspace to work in.
pub fn load_default(places: &Places) -> Result<Policy, Errors> {
    load_text("default", DEFAULT, places)
}

const DEFAULT: &str = r#"version = 1
agent = "default"
extends = ["base"]
[filesystem]
write = ["${WORKSPACE}", "${TMPDIR}"]
protect = ["${WORKSPACE}/.git/hooks", "${WORKSPACE}/.git/config"]
deny = ["${WORKSPACE}/.env"]
"#;

fn resolve(layers: &[Layer], stem: &str, places: &Places) -> Result<Policy, Errors> {
    let mut resolver = Resolver {
        places,
        agent: String::new(),
        finder: Finder::default(),
        errors: Vec::new(),
        notes: Vec::new(),
    };
    resolver.agent = resolver.agent(layers, stem);
    let policy = resolver.policy(layers);
    match Errors::new(resolver.errors) {
        None => Ok(policy),
        Some(errors) => Err(errors),
    }
}

struct Resolver<'a> {
    places: &'a Places,
    agent: String,
    finder: Finder,
    errors: Vec<Error>,
    notes: Vec<Note>,
}

/// The last layer that says something decides.
fn last<'l, T>(layers: &'l [Layer], get: impl Fn(&'l Layer) -> Option<T>) -> Option<(&'l Layer, T)> {
    layers.iter().rev().find_map(|layer| get(layer).map(|value| (layer, value)))
}

fn origin<T>(layer: &Layer, at: &Spanned<T>, key: &'static str) -> Origin {
    Origin { file: layer.lines.name.clone(), line: layer.lines.line(&at.span()), key }
}

fn set<T: Copy>(
    layers: &[Layer],
    key: &'static str,
    get: impl Fn(&Layer) -> Option<&Spanned<T>>,
) -> Option<Set<T>> {
    last(layers, get).map(|(layer, value)| Set { value: *value.get_ref(), origin: origin(layer, value, key) })
}

impl Resolver<'_> {
    fn fail<T>(
        &mut self,
        lines: &Lines,
        at: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        // A file may hold more mistakes than anyone reads.
        if self.errors.len() < Errors::MOST {
            self.errors.push(lines.error(&at.span(), message, help));
        }
    }

    /// The name is part of paths and of log lines, so it is plain.
    fn agent(&mut self, layers: &[Layer], stem: &str) -> String {
        let plain = |name: &str| {
            (1..=64).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match last(layers, |layer| layer.file.agent.as_ref()) {
            Some((_, agent)) if plain(agent.get_ref()) => agent.get_ref().clone(),
            Some((layer, agent)) => {
                let message = format!("`{}` is no name for an agent", agent.get_ref());
                self.fail(&layer.lines, agent, message, "use up to 64 letters, digits, `-`, `_` and `.`");
                "agent".to_owned()
            }
            None if plain(stem) => stem.to_owned(),
            None => "agent".to_owned(),
        }
    }

    fn policy(&mut self, layers: &[Layer]) -> Policy {
        let env = self.env(layers);
        let sandbox = self.sandbox(layers);
        let mut filesystem = self.filesystem(layers);
        let audit = self.audit(layers, &mut filesystem);
        let network = self.network(layers);
        let process = self.process(layers, env.set.get("PATH").map(|set| set.value.as_str()));
        let mut policy = Policy {
            agent: self.agent.clone(),
            sandbox,
            filesystem,
            network,
            process,
            env,
            inject: self.each(layers, |layer| Some(&layer.file.network.inject), Resolver::inject),
            tools: Tools {
                allow: self.patterns(layers, "tools.allow", |layer| &layer.file.tools.allow),
                deny: self.patterns(layers, "tools.deny", |layer| &layer.file.tools.deny),
            },
            audit,
            monitor: self.monitor(layers),
            tests: self.each(layers, |layer| Some(&layer.file.test), Resolver::test),
            places: self.places.clone(),
            sources: layers.iter().map(|layer| layer.source.clone()).collect(),
            notes: std::mem::take(&mut self.notes),
            hash: String::new(),
        };
        policy.hash = super::canonical::hash(&policy);
        policy
    }

    /// Every entry of a list, through all layers.
    fn each<'l, T: 'l, R>(
        &mut self,
        layers: &'l [Layer],
        list: impl Fn(&'l Layer) -> Option<&'l Vec<Spanned<T>>>,
        mut one: impl FnMut(&mut Self, &Layer, &Spanned<T>) -> Option<R>,
    ) -> Vec<R> {
        let entries = layers
            .iter()
            .flat_map(|layer| list(layer).into_iter().flatten().map(move |entry| (layer, entry)));
        entries.filter_map(|(layer, entry)| one(self, layer, entry)).collect()
    }

    fn sandbox(&mut self, layers: &[Layer]) -> Sandbox {
        let kind = set(layers, "sandbox.type", |layer| layer.file.sandbox.kind.as_ref());
        let privileged = set(layers, "sandbox.privileged", |layer| layer.file.sandbox.privileged.as_ref());
        let free = privileged.as_ref().is_some_and(|set| set.value);
        if let Some((layer, at)) = last(layers, |layer| layer.file.sandbox.kind.as_ref())
            && *at.get_ref() == SandboxType::None
            && !free
        {
            let help = "say `privileged = true` beside it if you mean it, or take `type` out";
            self.fail(&layer.lines, at, "type = \"none\" enforces nothing", help);
        }
        let best_effort = self.each(
            layers,
            |layer| layer.file.sandbox.best_effort.as_ref(),
            |this, layer, name| {
                let known = BEST_EFFORT.iter().find(|known| **known == name.get_ref());
                if known.is_none() {
                    let help = match nearest(name.get_ref(), BEST_EFFORT) {
                        Some(near) => {
                            format!("did you mean `{near}`? (known are {})", BEST_EFFORT.join(", "))
                        }
                        None => format!("known are {}", BEST_EFFORT.join(", ")),
                    };
                    this.fail(&layer.lines, name, format!("`{}` is no rule", name.get_ref()), help);
                }
                Some(Set { value: *known?, origin: origin(layer, name, "sandbox.best_effort") })
            },
        );
        Sandbox { kind, privileged, best_effort }
    }

    fn filesystem(&mut self, layers: &[Layer]) -> Filesystem {
        let read = self.path_rules(layers, "filesystem.read", |layer| &layer.file.filesystem.read);
        let write = self.path_rules(layers, "filesystem.write", |layer| &layer.file.filesystem.write);
        let exec_is_default = layers.iter().all(|layer| layer.file.filesystem.exec.is_none());
        let exec = if exec_is_default {
            let none = PathRules::default();
            let writable = |rule: &&PathRule| write_rule(&rule.path, &write, [&read, &none]).is_some();
            PathRules::new(read.iter().filter(|rule| !writable(rule)).cloned().collect())
        } else {
            self.path_rules(layers, "filesystem.exec", |layer| &layer.file.filesystem.exec)
        };
        let mut files = Filesystem { read, write, exec, exec_is_default, ..Filesystem::default() };
        for layer in layers {
            for entry in layer.file.filesystem.deny.iter().flatten() {
                self.deny(layer, entry, &mut files);
            }
        }
        files.protected = self.protected(layers, &files);
        files
    }

    fn path_rules(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        list: impl Fn(&Layer) -> &List,
    ) -> PathRules {
        let mut rules = Vec::new();
        for layer in layers {
            for entry in list(layer).iter().flatten() {
                self.path_rule(layer, entry, key, &mut rules);
            }
        }
        PathRules::new(rules)
    }

    fn path_rule(&mut self, layer: &Layer, entry: &Text, key: &'static str, rules: &mut Vec<PathRule>) {
        let Some((text, private)) = self.path(layer, entry) else { return };
        let origin = origin(layer, entry, key);
        let private_rule = |path: &str, origin| PathRule {
            written: path.into(),
            path: path.into(),
            kind: Kind::Dir,
            id: None,
            private: true,
            origin,
        };
        if let Some(glob) = Glob::new(&text) {
            if private {
                self.fail(
                    &layer.lines,
                    entry,
                    "${TMPDIR} is empty when the run begins",
                    "leave the pattern out",
                );
                return;
            }
            let Some(found) = self.expand(layer, entry, &glob) else { return };
            if found.is_empty() {
                self.note(&origin, format!("nothing matches {}", entry.get_ref()));
            }
            for written in found {
                self.found_rule(written, &origin, rules);
            }
        } else if private {
            rules.push(private_rule(&text, origin));
        } else if Path::new(&text) == self.places.tmpdir {
            self.note(&origin, format!("{text} is the run's own temporary folder; the host's is not shown"));
            rules.push(private_rule(&text, origin));
        } else {
            self.found_rule(PathBuf::from(text), &origin, rules);
        }
    }

    fn found_rule(&mut self, written: PathBuf, origin: &Origin, rules: &mut Vec<PathRule>) {
        match self.finder.look(&written) {
            Found::There { path, kind, id } => {
                rules.push(PathRule { written, path, kind, id, private: false, origin: origin.clone() });
            }
            Found::Missing { .. } => self.note(origin, format!("{} does not exist", written.display())),
            Found::Hidden { why, .. } => {
                self.note(origin, format!("{} is skipped: {why}", written.display()))
            }
        }
    }

    fn deny(&mut self, layer: &Layer, entry: &Text, files: &mut Filesystem) {
        let Some((text, private)) = self.path(layer, entry) else { return };
        let origin = origin(layer, entry, "filesystem.deny");
        let Some(glob) = Glob::new(&text) else {
            let path = self.deny_path(PathBuf::from(text), private, origin, files);
            files.deny.push(path);
            return;
        };
        let Some(found) = self.expand(layer, entry, &glob) else { return };
        for written in found {
            let path = self.deny_path(written, private, origin.clone(), files);
            files.deny.push(path);
        }
        let creatable =
            files.write.iter().find(|rule| glob.reaches(&rule.path)).map(|rule| rule.origin.clone());
        files.deny_globs.push(DenyGlob { glob, creatable, origin });
    }

    fn deny_path(&mut self, written: PathBuf, private: bool, origin: Origin, files: &Filesystem) -> DenyPath {
        let found = match private {
            true => Found::Missing { path: written.clone() },
            false => self.finder.look(&written),
        };
        let (path, kind, id) = match found {
            Found::There { path, kind, id } => (path, Some(kind), id),
            Found::Missing { path } | Found::Hidden { path, .. } => (path, None, None),
        };
        let above = [&path, &written].into_iter().find_map(|path| match private {
            true => files.write.covering(path),
            false => files.write.covering_on_host(path),
        });
        let creatable = above.map(|rule| rule.origin.clone());
        DenyPath { written, path, kind, id, creatable, origin }
    }

    /// What `protect` names; the policy's own files; and `weft.toml` in the workspace, which the next run would go by.
    fn protected(&mut self, layers: &[Layer], files: &Filesystem) -> Vec<DenyPath> {
        let mut protected: Vec<DenyPath> = Vec::new();
        for layer in layers {
            for entry in layer.file.filesystem.protect.iter().flatten() {
                let Some((text, private)) = self.path(layer, entry) else { continue };
                if text.contains('*') {
                    let help = "name the paths one by one: what a pattern will match later cannot be held";
                    self.fail(&layer.lines, entry, "protect takes no patterns", help);
                }
                protected.push(self.deny_path(
                    PathBuf::from(text),
                    private,
                    origin(layer, entry, "filesystem.protect"),
                    files,
                ));
            }
        }
        let own =
            layers.iter().filter_map(|layer| Some((layer.source.path.clone()?, layer.lines.name.clone())));
        let next = [(self.places.workspace.join("weft.toml"), Arc::from("weft.toml"))];
        for (path, file) in own.chain(next) {
            let rule = self.deny_path(path, false, Origin { file, line: 0, key: "the policy itself" }, files);
            if rule.creatable.is_some() && !protected.iter().any(|other| other.path == rule.path) {
                protected.push(rule);
            }
        }
        protected
    }

    /// The path with variables replaced, and whether it stands in the private temporary folder.
    fn path(&mut self, layer: &Layer, entry: &Text) -> Option<(String, bool)> {
        let expanded = match expand(entry.get_ref(), true, self.places, &self.agent) {
            Ok(expanded) => expanded,
            Err((message, help)) => {
                self.fail(&layer.lines, entry, message, help);
                return None;
            }
        };
        match plain(&expanded.text) {
            Ok(text) => Some((text, expanded.private)),
            Err(why) => {
                let help = "write it in full, or begin with ~ or a variable such as ${WORKSPACE}";
                self.fail(&layer.lines, entry, format!("`{}` {why}", entry.get_ref()), help);
                None
            }
        }
    }

    fn expand(&mut self, layer: &Layer, entry: &Text, glob: &Glob) -> Option<Vec<PathBuf>> {
        let found = self.finder.expand(glob);
        if found.is_none() {
            let message = format!(
                "the patterns up to `{}` look at more than {} files or match more than {}",
                entry.get_ref(),
                super::find::LOOKED_AT,
                super::find::MATCHES
            );
            self.fail(&layer.lines, entry, message, "name folders instead: a rule covers all that is below");
        }
        found
    }

    fn note(&mut self, origin: &Origin, text: String) {
        // What weft ships names what may be there on some system or other; that it is not on this one is no news.
        if self.notes.len() < 1000 && !origin.file.starts_with("builtin:") {
            self.notes.push(Note { origin: origin.clone(), text });
        }
    }

    fn audit(&mut self, layers: &[Layer], files: &mut Filesystem) -> Audit {
        let level = last(layers, |layer| layer.file.audit.level).map_or(AuditLevel::All, |(_, level)| level);
        let mut file = None;
        if let Some((layer, entry)) = last(layers, |layer| layer.file.audit.file.as_ref())
            && let Some((text, private)) = self.path(layer, entry)
        {
            let origin = origin(layer, entry, "audit.file");
            let deny = self.deny_path(PathBuf::from(&text), private, origin.clone(), files);
            if text.contains('*') {
                self.fail(&layer.lines, entry, "a log has one name", "leave the * out");
            } else if let Some(write) = deny.creatable.as_ref().filter(|_| !private) {
                let message = format!("the log stands where the sandbox may write ({write})");
                self.fail(&layer.lines, entry, message, "use ${STATE}/weft/audit/${AGENT}.jsonl");
            } else if private {
                self.fail(&layer.lines, entry, "${TMPDIR} is gone after the run", "use ${STATE}");
            }
            // Nothing inside reads the log either, whatever `read` covers.
            files.deny.push(deny);
            file = Some(Set { value: PathBuf::from(text), origin });
        }
        Audit { file, level }
    }

    fn network(&mut self, layers: &[Layer]) -> Network {
        let allow = self.each(layers, |layer| Some(&layer.file.network.allow), Resolver::host);
        let deny = self.each(
            layers,
            |layer| layer.file.network.deny.as_ref(),
            |this, layer, entry| {
                let value = this.pattern(layer, entry)?;
                Some(Set { value, origin: origin(layer, entry, "network.deny") })
            },
        );
        let listen = self.each(
            layers,
            |layer| Some(&layer.file.network.listen),
            |this, layer, entry| {
                let value = this.port(layer, entry)?;
                Some(Set { value, origin: origin(layer, entry, "network.listen") })
            },
        );
        let unrestricted = last(layers, |layer| layer.file.network.unrestricted.as_ref());
        let mode = match unrestricted.filter(|(_, value)| *value.get_ref()) {
            Some((layer, value)) => {
                if let Some(deny) = deny.first() {
                    let message = format!("unrestricted = true would leave {} unenforced", deny.origin);
                    self.fail(&layer.lines, value, message, "name the hosts in `allow` instead");
                }
                let origin = origin(layer, value, "network.unrestricted");
                if !allow.is_empty() {
                    self.note(
                        &origin,
                        "network.allow says nothing when the network is unrestricted".to_owned(),
                    );
                }
                NetworkMode::Unrestricted(origin)
            }
            None if allow.is_empty() => NetworkMode::None,
            None => NetworkMode::Hosts,
        };
        let allow = if mode == NetworkMode::Hosts { allow } else { Vec::new() };
        Network { mode, allow, deny, listen }
    }

    fn host(&mut self, layer: &Layer, entry: &Spanned<HostTable>) -> Option<HostRule> {
        let table = entry.get_ref();
        let host = self.pattern(layer, &table.host);
        let ports = match &table.ports {
            None => Ports::default(),
            Some(list) => {
                let ports = list.get_ref().iter().filter_map(|port| self.port(layer, port)).collect();
                match Ports::new(ports) {
                    Some(ports) => ports,
                    None => {
                        self.fail(
                            &layer.lines,
                            list,
                            "no ports",
                            "leave `ports` out for [443], or name some",
                        );
                        return None;
                    }
                }
            }
        };
        let origin = origin(layer, &table.host, "network.allow");
        Some(HostRule { host: host?, ports, tls: table.tls.unwrap_or(true), origin })
    }

    fn pattern(&mut self, layer: &Layer, text: &Text) -> Option<HostPattern> {
        let parsed = HostPattern::parse(text.get_ref());
        parsed.map_err(|why| self.fail(&layer.lines, text, why, "")).ok()
    }

    fn port(&mut self, layer: &Layer, port: &Spanned<i64>) -> Option<u16> {
        let found = u16::try_from(*port.get_ref()).ok().filter(|port| *port > 0);
        if found.is_none() {
            self.fail(&layer.lines, port, format!("{} is no port", port.get_ref()), "ports are 1 to 65535");
        }
        found
    }

    fn inject(&mut self, layer: &Layer, entry: &Spanned<InjectTable>) -> Option<Inject> {
        let table = entry.get_ref();
        let host = self.pattern(layer, &table.host)?;
        if !matches!(host, HostPattern::Exact(_)) {
            self.fail(&layer.lines, &table.host, "a secret goes to one host", "name it in full");
        }
        let header = table.header.get_ref();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // Headers that frame the request or name its receiver are not for secrets.
        let framing =
            ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"];
        if header.is_empty()
            || !header.bytes().all(token)
            || framing.contains(&header.to_ascii_lowercase().as_str())
        {
            self.fail(
                &layer.lines,
                &table.header,
                format!("`{header}` cannot be injected"),
                "use a header such as Authorization",
            );
        }
        let from = table.from.get_ref().strip_prefix("env:").filter(|name| is_variable(name));
        if from.is_none() {
            self.fail(
                &layer.lines,
                &table.from,
                format!("`{}` names no secret", table.from.get_ref()),
                "write `env:NAME`",
            );
        }
        let origin = origin(layer, &table.host, "network.inject");
        Some(Inject { host, header: header.clone(), from_env: from?.to_owned(), origin })
    }

    fn process(&mut self, layers: &[Layer], path: Option<&str>) -> Process {
        let search = SearchPath::new(path);
        let listed = layers.iter().any(|layer| layer.file.process.allow.is_some());
        let allow = self.each(
            layers,
            |layer| layer.file.process.allow.as_ref(),
            |this, layer, entry| this.command(layer, entry, "process.allow", &search, false),
        );
        let deny = self.each(
            layers,
            |layer| layer.file.process.deny.as_ref(),
            |this, layer, entry| this.command(layer, entry, "process.deny", &search, true),
        );
        let shell = set(layers, "process.shell", |layer| layer.file.process.shell.as_ref());
        let syscalls = set(layers, "process.syscalls", |layer| layer.file.process.syscalls.as_ref());
        Process {
            allow: listed.then_some(allow),
            deny,
            shell: shell.as_ref().is_none_or(|set| set.value),
            shell_origin: shell.map(|set| set.origin),
            shells: search.shells(),
            max_processes: self
                .count(layers, "process.max_processes", |l| l.file.process.max_processes.as_ref()),
            max_memory: self.size(layers, "process.max_memory", |l| l.file.process.max_memory.as_ref()),
            max_cpu_time: self.time(layers, "process.max_cpu_time", |l| l.file.process.max_cpu_time.as_ref()),
            max_wall_time: self
                .time(layers, "process.max_wall_time", |l| l.file.process.max_wall_time.as_ref()),
            max_file_size: self
                .size(layers, "process.max_file_size", |l| l.file.process.max_file_size.as_ref()),
            max_open_files: self
                .count(layers, "process.max_open_files", |l| l.file.process.max_open_files.as_ref()),
            syscalls: syscalls.as_ref().map_or(Syscalls::default(), |set| set.value),
            syscalls_origin: syscalls.map(|set| set.origin),
        }
    }

    fn command(
        &mut self,
        layer: &Layer,
        entry: &Text,
        key: &'static str,
        search: &SearchPath,
        deny: bool,
    ) -> Option<CommandRule> {
        let text = entry.get_ref();
        let origin = origin(layer, entry, key);
        if !text.contains('/') {
            let named = !text.is_empty() && !text.starts_with(['.', '~', '$']) && !text.contains(['*', '\0']);
            if !named {
                self.fail(
                    &layer.lines,
                    entry,
                    format!("`{text}` is no command"),
                    "write its name, or its path in full",
                );
                return None;
            }
            let paths = search.all(text, deny);
            if paths.is_empty() && !deny {
                self.note(&origin, format!("{text} is not installed"));
            }
            return Some(CommandRule { name: text.clone(), paths, origin });
        }
        let (name, _) = self.path(layer, entry)?;
        let written = match Glob::new(&name) {
            Some(glob) => self.expand(layer, entry, &glob)?,
            None => vec![PathBuf::from(&name)],
        };
        let mut paths = Vec::new();
        for written in written {
            match self.finder.look(&written) {
                Found::There { path, .. } => {
                    if path != written {
                        paths.push(written);
                    }
                    paths.push(path);
                }
                Found::Missing { path } | Found::Hidden { path, .. } if deny => paths.push(path),
                Found::Missing { .. } | Found::Hidden { .. } => {}
            }
        }
        if paths.is_empty() && !deny {
            self.note(&origin, format!("{name} does not exist"));
        }
        Some(CommandRule { name, paths, origin })
    }

    fn count(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        get: impl Fn(&Layer) -> Option<&Spanned<i64>>,
    ) -> Option<Set<u64>> {
        let (layer, at) = last(layers, get)?;
        let value = u64::try_from(*at.get_ref()).ok().filter(|value| (1..=1 << 31).contains(value));
        if value.is_none() {
            self.fail(&layer.lines, at, format!("{} is no limit", at.get_ref()), "use a number above 0");
        }
        Some(Set { value: value?, origin: origin(layer, at, key) })
    }

    fn size(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        get: impl Fn(&Layer) -> Option<&Text>,
    ) -> Option<Set<u64>> {
        self.unit(layers, key, get, super::units::size, "write it as 512MiB or 2GiB")
    }

    fn time(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        get: impl Fn(&Layer) -> Option<&Text>,
    ) -> Option<Set<Duration>> {
        self.unit(layers, key, get, super::units::duration, "write it as 30s, 10m or 1h30m")
    }

    fn unit<T>(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        get: impl Fn(&Layer) -> Option<&Text>,
        read: impl Fn(&str) -> Option<T>,
        help: &str,
    ) -> Option<Set<T>> {
        let (layer, at) = last(layers, get)?;
        let value = read(at.get_ref());
        if value.is_none() {
            self.fail(&layer.lines, at, format!("`{}` is no limit", at.get_ref()), help);
        }
        Some(Set { value: value?, origin: origin(layer, at, key) })
    }

    fn env(&mut self, layers: &[Layer]) -> Env {
        let allow = self.patterns(layers, "env.allow", |layer| &layer.file.env.allow);
        let deny = self.patterns(layers, "env.deny", |layer| &layer.file.env.deny);
        let mut all = BTreeMap::new();
        for layer in layers {
            for (name, text) in &layer.file.env.set {
                if !is_variable(name) {
                    self.fail(&layer.lines, text, format!("`{name}` is no name of a variable"), "");
                } else if super::decide::is_loader_variable(name) {
                    let message = format!("{name} steers the loader or the shell before any program runs");
                    self.fail(&layer.lines, text, message, "no policy can set it; take it out");
                } else {
                    match expand(text.get_ref(), false, self.places, &self.agent) {
                        Ok(done) if done.text.contains('\0') => {
                            self.fail(&layer.lines, text, "a variable cannot hold a NUL", "");
                        }
                        Ok(_) if let Some(deny) = deny.iter().find(|deny| covers(&deny.value, name)) => {
                            self.fail(
                                &layer.lines,
                                text,
                                format!("{name} is denied ({})", deny.origin),
                                "a deny stays",
                            );
                        }
                        Ok(done) => {
                            let origin = origin(layer, text, "env.set");
                            all.insert(name.clone(), Set { value: done.text, origin });
                        }
                        Err((message, help)) => self.fail(&layer.lines, text, message, help),
                    }
                }
            }
        }
        Env { allow, deny, set: all }
    }

    /// Names with `*` in them, not empty.
    fn patterns(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        list: impl Fn(&Layer) -> &List,
    ) -> Vec<Set<String>> {
        let mut found = Vec::new();
        for layer in layers {
            for entry in list(layer).iter().flatten() {
                let text = entry.get_ref();
                if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '=') {
                    self.fail(
                        &layer.lines,
                        entry,
                        format!("`{}` names nothing", text.escape_debug()),
                        "use a name, with * for any part",
                    );
                } else {
                    found.push(Set { value: text.clone(), origin: origin(layer, entry, key) });
                }
            }
        }
        found
    }

    fn monitor(&mut self, layers: &[Layer]) -> Monitor {
        let calls =
            self.count(layers, "monitor.calls_per_5s", |layer| layer.file.monitor.calls_per_5s.as_ref());
        let action =
            last(layers, |layer| layer.file.monitor.action).map_or(MonitorAction::default(), |(_, a)| a);
        let narrow =
            |set: Set<u64>| Set { value: u32::try_from(set.value).unwrap_or(u32::MAX), origin: set.origin };
        Monitor { calls_per_5s: calls.map(narrow), action }
    }

    fn test(&mut self, layer: &Layer, entry: &Spanned<TestTable>) -> Option<Test> {
        let table = entry.get_ref();
        let asked = [
            ("read", &table.read),
            ("write", &table.write),
            ("exec", &table.exec),
            ("connect", &table.connect),
            ("tool", &table.tool),
            ("env", &table.env),
        ];
        let mut asked = asked.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        let (Some((key, text)), None) = (asked.next(), asked.next()) else {
            let help = "give one of read, write, exec, connect, tool, env";
            self.fail(&layer.lines, entry, "a test asks one question", help);
            return None;
        };
        let question = match key {
            "read" => Question::Read(self.path(layer, text)?.0.into()),
            "write" => Question::Write(self.path(layer, text)?.0.into()),
            "exec" if text.get_ref().contains('/') => Question::Exec(self.path(layer, text)?.0),
            "exec" => Question::Exec(text.get_ref().clone()),
            "connect" => match endpoint(text.get_ref()) {
                Ok((host, port)) => Question::Connect { host, port },
                Err(why) => {
                    self.fail(&layer.lines, text, why, "write host:port, IPv6 in brackets");
                    return None;
                }
            },
            "tool" => Question::Tool(text.get_ref().clone()),
            _ => Question::Env(text.get_ref().clone()),
        };
        let allow = table.expect == Expect::Allow;
        let expect = if allow { "allow" } else { "deny" };
        let name = table.name.clone().unwrap_or_else(|| format!("{expect} {key} {}", text.get_ref()));
        Some(Test { name, allow, question, origin: origin(layer, entry, "test") })
    }
}

/// `host:port`, an IPv6 address in brackets.
pub fn endpoint(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port"))?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0);
    let port = port.ok_or_else(|| format!("`{text}` has no port"))?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(format!("`{text}`: where does the address end?"));
    }
    Ok((Host::parse(host)?.to_string(), port))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'=')
}

/// An absolute path without repeated or trailing slashes, or why it is none.
fn plain(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') {
        return Err("is not an absolute path");
    }
    if text.contains('\0') || text.len() > 4096 {
        return Err("is not a path");
    }
    let mut out = String::with_capacity(text.len());
    for name in text.split('/').filter(|name| !name.is_empty()) {
        if name == "." || name == ".." {
            return Err("has a `.` or `..` in it, which may mean another folder than it seems");
        }
        if name.contains("**") && name != "**" {
            return Err("has `**` beside other characters; it stands alone between slashes");
        }
        out.push('/');
        out.push_str(name);
    }
    if out.is_empty() {
        out.push('/');
    }
    // What is below a rule is covered anyway.
    let cut = out.trim_end_matches("/**").len();
    out.truncate(cut);
    Ok(if out.is_empty() { "/".to_owned() } else { out })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
