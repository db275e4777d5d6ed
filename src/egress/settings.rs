//! What the egress of a run is to be, from the policy alone: ports, addresses, variables and files. Pure.

use super::names::{self, RESOLVER};
use crate::policy::host::{Class, HostPattern, class};
use crate::policy::{Inject, Network, NetworkMode, Policy};
use crate::sort;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// So many ports can be named; each costs a listener.
pub const MOST_PORTS: usize = 1024;
/// So many addresses of rules become addresses of the sandbox.
const MOST_ADDRESSES: usize = 256;
/// Where the proxy listens if the policy does not name that port: above what the kernel gives out by itself.
const PROXY: u16 = 61_080;
/// So many connections at once, if the policy names no other number. More wait to be accepted.
pub const CONNECTIONS: usize = 4096;

/// What the egress does.
#[derive(Debug, Clone)]
pub struct Settings {
    pub network: Arc<Network>,
    /// Ports on which programs inside can connect without a proxy.
    pub ports: Vec<u16>,
    /// The port of the proxy on 127.0.0.1 inside.
    pub proxy: u16,
    /// Secrets that weft adds, with the name inside under which their host is reached.
    pub injects: Vec<(String, Inject)>,
    /// Addresses and networks of rules that exist inside, so that programs can connect to them as they are.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The proxy takes URLs of https and speaks TLS in place of a program that cannot.
    pub secure: bool,
}

impl Settings {
    /// None: the policy asks for no egress.
    pub fn of(policy: &Policy) -> Option<Self> {
        let network = &policy.network;
        if network.mode != NetworkMode::Hosts && network.listen.is_empty() {
            return None;
        }
        let mut ports: BTreeSet<u16> = network.allow.iter().flat_map(|rule| rule.ports.iter()).collect();
        let injects: Vec<_> =
            policy.inject.iter().map(|inject| (alias(&inject.host.to_string()), inject.clone())).collect();
        if !injects.is_empty() && !network.allow.is_empty() {
            ports.insert(80);
        }
        let taken = |port: &u16| ports.contains(port) || network.listen.iter().any(|set| set.value == *port);
        let proxy = (PROXY..=u16::MAX).find(|port| !taken(port)).unwrap_or(PROXY);
        let mut addresses: Vec<(IpAddr, u8)> =
            network.allow.iter().filter_map(|rule| address(&rule.host)).collect();
        sort::plain(&mut addresses);
        addresses.dedup();
        addresses.truncate(MOST_ADDRESSES);
        Some(Self {
            network: Arc::new(network.clone()),
            ports: ports.into_iter().collect(),
            proxy,
            injects,
            addresses,
            secure: false,
        })
    }

    /// The same without a way out.
    #[must_use]
    pub fn without_hosts(mut self) -> Self {
        Arc::make_mut(&mut self.network).allow.clear();
        self
    }

    /// The same without a way in.
    #[must_use]
    pub fn without_listen(mut self) -> Self {
        Arc::make_mut(&mut self.network).listen.clear();
        self
    }

    /// The same with a proxy that speaks TLS itself, where this build can.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { secure: cfg!(feature = "net"), ..self }
    }

    /// There are hosts to be reached.
    pub fn goes_out(&self) -> bool {
        !self.network.allow.is_empty()
    }

    /// Variables by which programs find the proxy.
    pub fn variables(&self) -> Vec<(String, String)> {
        if self.network.allow.is_empty() {
            return Vec::new();
        }
        let proxy = format!("http://127.0.0.1:{}", self.proxy);
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let mut all: Vec<(String, String)> = names.map(|name| (name.to_owned(), proxy.clone())).into();
        // What is on this loopback is inside; and what a rule says about localhost is reached without the proxy.
        let direct = format!("localhost,127.0.0.1,::1,.{OWN}");
        all.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), direct.clone())));
        all.push(("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned()));
        for (alias, inject) in &self.injects {
            let host = inject.host.to_string();
            let known = BASES.iter().find(|(known, _, _)| host == *known);
            let (variable, path) = match (&inject.variable, known) {
                (Some(variable), known) => (variable.as_str(), known.map_or("", |(_, _, path)| path)),
                (None, Some((_, variable, path))) => (*variable, *path),
                (None, None) => continue,
            };
            all.push((variable.to_owned(), format!("http://{alias}{path}")));
        }
        // Programs look whether they have a key; what they send in its place is replaced.
        for (_, inject) in &self.injects {
            all.push((inject.from_env.clone(), "kept-outside-by-weft".to_owned()));
        }
        all
    }

    /// Files inside by which names are resolved: by weft, and by nothing else.
    pub fn files() -> [(&'static str, String); 3] {
        let resolver = format!("# by weft\nnameserver {RESOLVER}\noptions timeout:2 attempts:2\n");
        let hosts = "# by weft\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
        let services =
            ["passwd", "group", "shadow", "networks", "protocols", "services", "ethers", "rpc", "netgroup"];
        let mut switch = "# by weft\nhosts: files dns\n".to_owned();
        services.iter().for_each(|name| switch.push_str(&format!("{name}: files\n")));
        [("/etc/resolv.conf", resolver), ("/etc/hosts", hosts.to_owned()), ("/etc/nsswitch.conf", switch)]
    }
}

/// Where names of weft's own are.
const OWN: &str = "weft.internal";
/// Variables by which clients of well-known hosts find them, and the path that belongs to it.
const BASES: &[(&str, &str, &str)] =
    &[("api.openai.com", "OPENAI_BASE_URL", "/v1"), ("api.anthropic.com", "ANTHROPIC_BASE_URL", "")];

/// The name inside of a host to which a secret is added.
fn alias(host: &str) -> String {
    format!("{}.{OWN}", host.replace('.', "-"))
}

/// An address or a network that can be made one of the sandbox's own. Its loopback it has already, and whole parts of the
/// internet are better left to the proxy.
fn address(host: &HostPattern) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match host {
        HostPattern::Ip(address) => (*address, if address.is_ipv4() { 32 } else { 128 }),
        HostPattern::Cidr(address, prefix) if address.is_ipv4() => (*address, *prefix),
        _ => return None,
    };
    let ours = matches!(address, IpAddr::V4(v4) if names::is_ours(v4));
    let usable = !ours && prefix >= 8 && !matches!(class(address), Class::Loopback | Class::Multicast);
    usable.then_some((address, prefix))
}
