//! From the layers of a policy to the [`Policy`]: lists add up, scalars override, denies stay, names become places.
//!
//! Everything wrong is collected, so that one run tells all of it.

mod files;
mod network;
mod process;
mod tools;

use super::commands::SearchPath;
use super::decide::covers;
use super::error::{Error, Errors};
use super::file::{ArgumentTable, Expect, HostTable, InjectTable, Lines, List, TestTable, Text};
use super::find::{Finder, Found};
use super::host::{Host, HostPattern, Ports};
use super::load::{Disk, Files, Layer, Loader};
use super::path::{Glob, Kind, PathRule, PathRules};
use super::vars::{Places, expand};
use super::*;
use crate::rules::schema::nearest;
use toml::Spanned;

/// Reads and resolves the policy `name`: a path if it has a slash or ends in `.toml`, else one that weft ships.
pub fn load(name: &str, places: &Places) -> Result<Policy, Errors> {
    let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
    resolve(&Loader::load(name, places, &Disk)?, &stem, places, false)
}

/// For comparing policies: what does not exist on this machine is kept instead of passed over, so that what a policy comes
/// to elsewhere is looked at as well. `agent` is the name that a policy without one gets. Never to be enforced.
pub fn load_whole(name: &str, agent: &str, places: &Places, files: &dyn Files) -> Result<Policy, Errors> {
    resolve(&Loader::load(name, places, files)?, agent, places, true)
}

/// [`load_default`] for comparing, under the name of what it is compared with.
pub fn default_whole(agent: &str, places: &Places) -> Result<Policy, Errors> {
    let places = Places { agent: Some(agent.to_owned()), ..places.clone() };
    resolve(&Loader::text("default", DEFAULT, &places.workspace, &places)?, agent, &places, true)
}

/// Resolves a policy whose text is at hand; relative paths in `extends` are looked for from the workspace.
pub fn load_text(name: &str, text: &str, places: &Places) -> Result<Policy, Errors> {
    resolve(&Loader::text(name, text, &places.workspace, places)?, name, places, false)
}

/// A policy whose text is at hand in place of the file of that name, whose folder relative paths in `extends` are looked for from.
#[cfg(not(target_family = "wasm"))]
pub(super) fn load_edited(
    name: &str,
    text: &str,
    folder: &Path,
    places: &Places,
    whole: bool,
) -> Result<Policy, Errors> {
    let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
    resolve(&Loader::text(name, text, folder, places)?, &stem, places, whole)
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

/// A dangling link is there too: what cannot be read must not be passed over.
fn is_there(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(_) => !super::find::only_holds_a_name(path),
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

fn resolve(layers: &[Layer], stem: &str, places: &Places, whole: bool) -> Result<Policy, Errors> {
    let mut resolver = Resolver {
        places,
        whole,
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
    /// Keep what does not exist.
    whole: bool,
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
        if let Some(agent) = &self.places.agent {
            return agent.clone();
        }
        let plain = super::vars::is_agent_name;
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
                arguments: self.each(layers, |layer| Some(&layer.file.tools.argument), Resolver::argument),
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

    fn count(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        get: impl Fn(&Layer) -> Option<&Spanned<i64>>,
    ) -> Option<Set<u64>> {
        let (layer, at) = last(layers, get)?;
        Some(Set { value: self.number(layer, at)?, origin: origin(layer, at, key) })
    }

    fn number(&mut self, layer: &Layer, at: &Spanned<i64>) -> Option<u64> {
        let value = u64::try_from(*at.get_ref()).ok().filter(|value| (1..=1 << 31).contains(value));
        if value.is_none() {
            self.fail(&layer.lines, at, format!("{} is no limit", at.get_ref()), "use a number above 0");
        }
        value
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
                } else if super::decide::is_loader_variable(name.as_bytes()) {
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
        let denied = self.count(layers, "monitor.denied_per_minute", |layer| {
            layer.file.monitor.denied_per_minute.as_ref()
        });
        let bytes_out = self.size(layers, "monitor.bytes_out", |layer| layer.file.monitor.bytes_out.as_ref());
        let action =
            last(layers, |layer| layer.file.monitor.action).map_or(MonitorAction::default(), |(_, a)| a);
        let narrow =
            |set: Set<u64>| Set { value: u32::try_from(set.value).unwrap_or(u32::MAX), origin: set.origin };
        let webhook = last(layers, |layer| layer.file.monitor.webhook.as_ref()).and_then(|(layer, text)| {
            if let Some(why) = webhook_fault(text.get_ref()) {
                let help = "write https://…, or env:NAME for a variable that holds the address";
                self.fail(&layer.lines, text, format!("`{}` {why}", text.get_ref().escape_debug()), help);
                return None;
            }
            Some(Set { value: text.get_ref().clone(), origin: origin(layer, text, "monitor.webhook") })
        });
        let (calls_per_5s, denied_per_minute) = (calls.map(narrow), denied.map(narrow));
        Monitor { calls_per_5s, denied_per_minute, bytes_out, action, webhook }
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

/// Why alerts cannot be sent there. Only to this machine they may go in plain text.
pub fn webhook_fault(text: &str) -> Option<&'static str> {
    if let Some(name) = text.strip_prefix("env:") {
        return (!is_variable(name)).then_some("names no variable");
    }
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'`\\<>".contains(&b)) && text.len() <= 2048;
    let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) if plain => (true, rest),
        (None, Some(rest)) if plain => (false, rest),
        _ => return Some("is not an https address"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let Ok(host) = Host::parse(host) else { return Some("has no host that can be read") };
    let own = match &host {
        Host::Name(name) => name == "localhost",
        Host::Ip(address) => address.is_loopback(),
    };
    (!https && !own).then_some("would be sent in plain text")
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
    let patterns = text.contains('*');
    let mut out = String::with_capacity(text.len());
    for name in text.split('/').filter(|name| !name.is_empty()) {
        if name == "." || name == ".." {
            return Err("has a `.` or `..` in it, which may mean another folder than it seems");
        }
        if patterns && name.contains("**") && name != "**" {
            return Err("has `**` beside other characters; it stands alone between slashes");
        }
        out.push('/');
        out.push_str(name);
    }
    if out.is_empty() {
        out.push('/');
    }
    // What is below a rule is covered anyway.
    while let Some(cut) = out.strip_suffix("/**") {
        out.truncate(cut.len());
    }
    Ok(if out.is_empty() { "/".to_owned() } else { out })
}

#[cfg(test)]
mod tests;
