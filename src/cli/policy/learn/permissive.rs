//! What `--permissive` opens beyond the base: what can be read without giving anything away, and the hosts that were named.

use crate::cli::values::say as fix;
use crate::policy::host::{Host, HostPattern};
use crate::policy::learn::{credentials_below, quoted};
use crate::policy::secrets::is_credential;
use crate::policy::vars::Places;
use crate::policy::{Policy, decide, endpoint};
use crate::scan::names::escape;
use argh::FromArgValue;
use std::fs;
use std::path::{Path, PathBuf};

/// `--host`: a name or an address, with a port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostArg {
    /// None: every public one.
    host: Option<String>,
    port: Option<u16>,
}

impl FromArgValue for HostArg {
    fn from_arg_value(value: &str) -> Result<HostArg, String> {
        if value == "*" {
            return Ok(HostArg { host: None, port: None });
        }
        if let Ok((host, port)) = endpoint(value) {
            return Ok(HostArg { host: Some(host), port: Some(port) });
        }
        match HostPattern::parse(value) {
            Ok(HostPattern::Exact(_) | HostPattern::Ip(_)) => {}
            _ => return Err(fix("use a host such as example.com or example.com:8443, or * for all")),
        }
        let host = Host::parse(value).map_err(fix)?;
        Ok(HostArg { host: Some(host.to_string()), port: None })
    }
}

/// What is opened, as a policy says it.
#[derive(Debug, Default)]
pub struct Opened {
    pub read: Vec<String>,
    pub write: Vec<String>,
    pub exec: Vec<String>,
    pub deny: Vec<String>,
    /// Tables.
    pub hosts: Vec<String>,
    /// What the user is told first.
    pub said: Vec<String>,
}

/// Places of the system beyond the base in which programs and their data are.
const SYSTEM: &[&str] = &["/etc", "/opt", "/var/lib", "/var/cache"];
/// What in them is for the system alone.
const CLOSED: &[&str] = &[
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/ssh",
    "/etc/letsencrypt",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/ipsec.secrets",
    "/etc/krb5.keytab",
    "/etc/security/opasswd",
    "/etc/NetworkManager/system-connections",
    "/etc/docker",
    "/etc/kubernetes",
    "/etc/mysql",
    "/etc/ppp",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/sudo",
    "/var/lib/lxd",
    "/var/lib/snapd",
    "/var/lib/dbus",
    "/var/lib/NetworkManager",
    "/var/lib/bluetooth",
    "/var/lib/mysql",
    "/var/lib/postgresql",
    "/var/lib/redis",
];
/// Entries that are looked at in each folder of the home folder, and in the workspace.
const LOOKED_AT: usize = 50_000;

pub fn opened(hosts: &[HostArg], base: &Policy, places: &Places) -> Opened {
    let mut opened = Opened::default();
    let mut unsearched = Vec::new();
    for place in SYSTEM.iter().filter(|place| Path::new(place).is_dir()) {
        opened.read.push((*place).to_owned());
        opened.exec.push((*place).to_owned());
        open(Path::new(place), base, &mut opened, &mut unsearched);
    }
    opened.deny.extend(CLOSED.iter().filter(|path| Path::new(path).exists()).map(|path| (*path).to_owned()));
    // Tools keep what is theirs under a dot; the rest of a home folder is a person's, and is learned when it is refused.
    let mut tools: Vec<PathBuf> = fs::read_dir(&places.home)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .chain([places.home.join("go"), places.home.join("bin")])
        .collect();
    crate::sort::plain(&mut tools);
    for path in tools {
        let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let closed = is_credential(&path, &places.home)
            || is_credential(&real, &places.home)
            || decide::denied(base, &path).is_some()
            || path.to_string_lossy().contains("history")
            || !(real.is_file() || real.is_dir())
            || places.workspace.starts_with(&real)
            || places.state.join("weft").starts_with(&real) && !real.is_dir();
        let Some(text) = path.to_str().filter(|text| !closed && is_plain(text)) else { continue };
        opened.read.push(text.to_owned());
        opened.exec.push(text.to_owned());
        open(&real, base, &mut opened, &mut unsearched);
    }
    open(&places.workspace, base, &mut opened, &mut unsearched);
    opened.exec.extend(["${WORKSPACE}", "${TMPDIR}"].map(str::to_owned));
    if let Some(cache) = places.cache.to_str().filter(|text| is_plain(text) && Path::new(text).is_dir()) {
        opened.write.push(cache.to_owned());
    }
    // Keys, tokens of registries, and the logs of others.
    for own in [&places.config, &places.state, &places.cache].map(|place| place.join("weft")) {
        opened.deny.extend(own.to_str().filter(|text| is_plain(text)).map(str::to_owned));
    }
    opened.hosts = hosts.iter().flat_map(tables).collect();
    say(&mut opened, hosts, &unsearched);
    opened
}

/// Whether a policy can say the path.
fn is_plain(text: &str) -> bool {
    !text.contains(['*', '$']) && escape(text.as_bytes()) == text
}

/// Closes what in an opened folder is named like credentials.
fn open(folder: &Path, base: &Policy, opened: &mut Opened, unsearched: &mut Vec<PathBuf>) {
    let mut found = Vec::new();
    if !credentials_below(folder, &mut LOOKED_AT.clone(), &mut found) {
        unsearched.push(folder.to_owned());
    }
    for path in found.iter().filter(|path| decide::denied(base, path).is_none()) {
        match path.to_str().filter(|text| is_plain(text)) {
            Some(text) => opened.deny.push(text.to_owned()),
            // Its folder, as the file cannot be named.
            None => {
                let above =
                    path.ancestors().skip(1).find_map(|above| above.to_str().filter(|text| is_plain(text)));
                opened.deny.extend(above.map(str::to_owned));
            }
        }
    }
}

fn tables(host: &HostArg) -> Vec<String> {
    let Some(name) = &host.host else {
        return vec!["{ host = \"*\" }".to_owned(), "{ host = \"*\", ports = [80], tls = false }".to_owned()];
    };
    let name = quoted(&name.replace(['[', ']'], ""));
    match host.port {
        None => {
            vec![format!("{{ host = {name} }}"), format!("{{ host = {name}, ports = [80], tls = false }}")]
        }
        Some(443) => vec![format!("{{ host = {name} }}")],
        Some(port) => vec![format!("{{ host = {name}, ports = [{port}], tls = false }}")],
    }
}

fn say(opened: &mut Opened, hosts: &[HostArg], unsearched: &[PathBuf]) {
    opened.said.push(
        "permissive: the command can read system places and the tools in your home folder, no credentials; it can write \
         the workspace, ${TMPDIR} and ${CACHE}"
            .to_owned(),
    );
    opened.said.push(match hosts.iter().any(|host| host.host.is_none()) {
        true => "warning: --host '*': whatever the command reads it can send to anybody".to_owned(),
        false if hosts.is_empty() => {
            "permissive: no host is reached; those that are asked for are learned (--host names some)"
                .to_owned()
        }
        false => "permissive: only the hosts of --host are reached".to_owned(),
    });
    for folder in unsearched {
        let shown = escape(folder.as_os_str().as_encoded_bytes());
        opened.said.push(format!(
            "warning: {shown} is too large to be searched for credentials: it is open as it is"
        ));
    }
}
