//! The hash of a policy: two policies that decide the same on this machine have the same. Lines and file names are left out.

use super::path::PathRules;
use super::{CommandRule, DenyPath, NetworkMode, Policy, Set};
use crate::sort;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::path::Path;

/// Every fact goes in as a key and its parts, each with its length before it, so that no two run together.
#[derive(Default)]
struct Facts {
    /// All of them, one after the other: a start of `weft run` makes some hundreds.
    bytes: Vec<u8>,
    facts: Vec<Fact>,
}

/// Where in the bytes it is.
struct Fact {
    key: &'static str,
    start: usize,
    /// Behind the key.
    parts: usize,
    end: usize,
}

impl Facts {
    fn add(&mut self, key: &'static str, parts: &[&[u8]]) {
        let start = self.bytes.len();
        self.part(key.as_bytes());
        let behind = self.bytes.len();
        parts.iter().for_each(|part| self.part(part));
        self.facts.push(Fact { key, start, parts: behind, end: self.bytes.len() });
    }

    fn part(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.bytes.extend_from_slice(part);
    }

    /// SHA-256 over the facts in the order of their bytes, each once.
    fn hash(mut self) -> String {
        let bytes = &self.bytes;
        // The length of the first part is a number: most comparisons end there or with the first letters behind it.
        let first =
            |fact: &Fact| bytes[fact.parts..fact.end].first_chunk().map(|size| u64::from_be_bytes(*size));
        sort::by(&mut self.facts, |a, b| {
            // Nearly always it is the very same text.
            let keys = match std::ptr::eq(a.key, b.key) {
                true => Ordering::Equal,
                false => (a.key.len(), a.key).cmp(&(b.key.len(), b.key)),
            };
            let parts = || bytes[a.parts..a.end].cmp(&bytes[b.parts..b.end]);
            keys.then_with(|| first(a).cmp(&first(b))).then_with(parts)
        });
        self.facts.dedup_by(|a, b| bytes[a.start..a.end] == bytes[b.start..b.end]);
        let mut hasher = Sha256::new();
        self.facts.iter().for_each(|fact| hasher.update(&bytes[fact.start..fact.end]));
        crate::digest::to_hex(&hasher.finalize())
    }

    fn shown<T: std::fmt::Debug>(&mut self, key: &'static str, value: &Option<Set<T>>) {
        if let Some(set) = value {
            self.add(key, &[format!("{:?}", set.value).as_bytes()]);
        }
    }

    fn paths(&mut self, key: &'static str, rules: &PathRules) {
        for rule in rules.iter() {
            let private: &[u8] = if rule.private { b"private" } else { b"" };
            self.add(key, &[bytes(&rule.path), private]);
        }
    }

    fn denied(&mut self, key: &'static str, rules: &[DenyPath]) {
        for rule in rules {
            self.add(key, &[bytes(&rule.written), bytes(&rule.path)]);
        }
    }

    fn words(&mut self, key: &'static str, list: &[Set<String>]) {
        list.iter().for_each(|set| self.add(key, &[set.value.as_bytes()]));
    }

    fn commands(&mut self, key: &'static str, rules: &[CommandRule]) {
        for rule in rules {
            let mut parts = vec![rule.name.as_bytes()];
            parts.extend(rule.paths.iter().map(|path| bytes(path)));
            self.add(key, &parts);
        }
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// SHA-256 over the sorted facts, in hex.
pub fn hash(policy: &Policy) -> String {
    let mut facts = Facts::default();
    facts.add("agent", &[policy.agent.as_bytes()]);
    facts.shown("sandbox.type", &policy.sandbox.kind);
    facts.shown("sandbox.privileged", &policy.sandbox.privileged);
    policy
        .sandbox
        .best_effort
        .iter()
        .for_each(|set| facts.add("sandbox.best_effort", &[set.value.as_bytes()]));
    let files = &policy.filesystem;
    facts.paths("filesystem.read", &files.read);
    facts.paths("filesystem.write", &files.write);
    // What follows from the others says nothing new.
    if files.exec_is_default {
        facts.add("filesystem.exec", &[]);
    } else {
        facts.paths("filesystem.exec", &files.exec);
    }
    facts.denied("filesystem.deny", &files.deny);
    facts.denied("filesystem.protected", &files.protected);
    files.deny_globs.iter().for_each(|rule| facts.add("filesystem.deny", &[rule.glob.as_str().as_bytes()]));
    let network = &policy.network;
    let mode: &[u8] = match network.mode {
        NetworkMode::None => b"none",
        NetworkMode::Hosts => b"hosts",
        NetworkMode::Unrestricted(_) => b"unrestricted",
    };
    facts.add("network", &[mode]);
    for rule in &network.allow {
        let ports: Vec<u8> = rule.ports.iter().flat_map(u16::to_be_bytes).collect();
        facts.add("network.allow", &[rule.host.to_string().as_bytes(), &ports, &[u8::from(rule.tls)]]);
        let limits = [rule.max_connections, rule.max_bytes_out, rule.rate];
        if limits.iter().any(Option::is_some) {
            let limits = format!("{limits:?}");
            facts.add("network.allow", &[rule.host.to_string().as_bytes(), &ports, limits.as_bytes()]);
        }
    }
    facts.shown("network.max_connections", &network.max_connections);
    facts.shown("network.max_bytes_out", &network.max_bytes_out);
    network.deny.iter().for_each(|set| facts.add("network.deny", &[set.value.to_string().as_bytes()]));
    network.listen.iter().for_each(|set| facts.add("network.listen", &[&set.value.to_be_bytes()]));
    for inject in &policy.inject {
        let host = inject.host.to_string();
        let variable = inject.variable.as_deref().unwrap_or_default();
        let parts = [host.as_str(), &inject.header, &inject.from_env, variable].map(str::as_bytes);
        facts.add("network.inject", &parts);
    }
    let process = &policy.process;
    if let Some(allow) = &process.allow {
        facts.add("process.allow", &[]);
        facts.commands("process.allow", allow);
    }
    facts.commands("process.deny", &process.deny);
    facts.add("process.shell", &[&[u8::from(process.shell)]]);
    facts.shown("process.max_processes", &process.max_processes);
    facts.shown("process.max_memory", &process.max_memory);
    facts.shown("process.max_cpu_time", &process.max_cpu_time);
    facts.shown("process.max_wall_time", &process.max_wall_time);
    facts.shown("process.max_file_size", &process.max_file_size);
    facts.shown("process.max_open_files", &process.max_open_files);
    facts.add("process.syscalls", &[format!("{:?}", process.syscalls).as_bytes()]);
    facts.words("env.allow", &policy.env.allow);
    facts.words("env.deny", &policy.env.deny);
    for (name, set) in &policy.env.set {
        facts.add("env.set", &[name.as_bytes(), set.value.as_bytes()]);
    }
    facts.words("tools.allow", &policy.tools.allow);
    facts.words("tools.deny", &policy.tools.deny);
    for rule in &policy.tools.arguments {
        let said = format!("{:?} {:?} {}", rule.must, rule.matches, rule.required);
        facts.add("tools.argument", &[rule.tool.as_bytes(), rule.name.as_bytes(), said.as_bytes()]);
    }
    if let Some(file) = &policy.audit.file {
        facts.add("audit.file", &[bytes(&file.value)]);
    }
    facts.add("audit.level", &[format!("{:?}", policy.audit.level).as_bytes()]);
    facts.shown("monitor.calls_per_5s", &policy.monitor.calls_per_5s);
    facts.shown("monitor.denied_per_minute", &policy.monitor.denied_per_minute);
    facts.shown("monitor.bytes_out", &policy.monitor.bytes_out);
    if let Some(webhook) = &policy.monitor.webhook {
        facts.add("monitor.webhook", &[webhook.value.as_bytes()]);
    }
    facts.add("monitor.action", &[format!("{:?}", policy.monitor.action).as_bytes()]);
    facts.hash()
}
