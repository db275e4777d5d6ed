//! Hosts with their ports.

use super::{Contact, Grant, Learned, Left, Programs, Uses};
use crate::policy::host::{Class, Host, HostPattern, class};
use crate::policy::{Policy, decide};
use crate::scan::names::escape;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Wanted {
    ports: BTreeSet<u16>,
    by: Programs,
    times: u64,
    note: String,
}

pub fn hosts(base: &Policy, uses: &Uses, learned: &mut Learned) {
    // One entry for a host with TLS and one without.
    let mut wanted: BTreeMap<(String, bool), Wanted> = BTreeMap::new();
    for ((name, port), contact) in &uses.hosts {
        let connected = |(other, port): &(String, Option<u16>)| other == name && port.is_some();
        if port.is_none() && uses.hosts.keys().any(connected) {
            continue;
        }
        let port_or_tls = port.unwrap_or(443);
        match judge(base, name, port_or_tls, contact) {
            Ok(None) => {}
            Ok(Some((value, note))) => {
                let tls = port_or_tls == 443;
                let entry = wanted.entry((value, tls)).or_default();
                entry.ports.insert(port_or_tls);
                entry.by.extend(contact.by.iter().cloned());
                entry.times += contact.times;
                entry.note = match (port, tls) {
                    (None, _) => "only its name was asked for: the port is a guess".to_owned(),
                    (_, false) if note.is_empty() => {
                        "not on port 443: say tls = true if it speaks TLS".to_owned()
                    }
                    _ => note.to_owned(),
                };
            }
            Err(why) => {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                let what = format!("connect {}{port}", escape(name.as_bytes()));
                learned.left.push(Left { what, why, by: contact.by.clone() });
            }
        }
    }
    learned.grants.extend(wanted.into_iter().map(|((value, tls), wanted)| Grant {
        key: "network.allow",
        value,
        ports: wanted.ports.into_iter().collect(),
        tls,
        by: wanted.by,
        count: wanted.times,
        unit: "connection",
        note: wanted.note,
    }));
}

/// The host as a policy says it, and a note; nothing where the base lets it; or why it is not proposed.
fn judge(
    base: &Policy,
    name: &str,
    port: u16,
    contact: &Contact,
) -> Result<Option<(String, &'static str)>, String> {
    let host = Host::parse(name).map_err(|why| format!("no host: {}", escape(why.as_bytes())))?;
    let decision = decide::network(base, &host, port);
    if decision.allowed {
        return Ok(None);
    }
    if let Some(rule) = decision.rule {
        return Err(format!("{} ({rule}), and nothing that is added beats that", decision.reason));
    }
    if contact.inside {
        return Err(
            "its address is not public; a policy has to name that address as well, by hand".to_owned()
        );
    }
    let note = match &host {
        Host::Ip(address) => match class(*address) {
            Class::Public => "an address, not a name: who has it may change",
            Class::Loopback => "a service of this machine",
            Class::Private => "inside your own network",
            Class::Metadata => return Err("a metadata service hands out credentials".to_owned()),
            _ => return Err("it is no address of one machine that a policy should name".to_owned()),
        },
        Host::Name(name) if name == "localhost" => "a service of this machine",
        Host::Name(_) => "",
    };
    let pattern = HostPattern::parse(&host.to_string().replace(['[', ']'], ""));
    match pattern {
        Ok(pattern @ (HostPattern::Exact(_) | HostPattern::Ip(_))) => Ok(Some((pattern.to_string(), note))),
        _ => Err("no policy can name it".to_owned()),
    }
}
