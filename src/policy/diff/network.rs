//! `[network]`. Each host pattern of either policy is asked about by a host that it covers and that no narrower one does.

use super::{Direction, Found, Risk};
use crate::policy::host::{Host, HostPattern};
use crate::policy::{HostRule, Network, NetworkMode, Policy, decide};
use crate::sort;
use std::net::IpAddr;

pub fn compare(old: &Policy, new: &Policy, found: &mut Found) {
    match (&old.network.mode, &new.network.mode) {
        (NetworkMode::Unrestricted(_), NetworkMode::Unrestricted(_)) => {}
        (_, NetworkMode::Unrestricted(origin)) => {
            let what = "the network of the host, without limits".to_owned();
            found.wider(Risk::High, "network.unrestricted", what, Some(origin));
        }
        (NetworkMode::Unrestricted(origin), _) => {
            let what = "the network is no longer unrestricted".to_owned();
            found.narrower("network.unrestricted", what, Some(origin));
        }
        _ => hosts(old, new, found),
    }
    denies(&old.network, &new.network, found);
    listen(&old.network, &new.network, found);
    for (key, old, new) in [
        ("network.max_connections", &old.network.max_connections, &new.network.max_connections),
        ("network.max_bytes_out", &old.network.max_bytes_out, &new.network.max_bytes_out),
    ] {
        let number = |set: &crate::policy::Set<u64>| (set.value, set.value.to_string());
        super::others::limit(
            key,
            old.as_ref().map(number),
            new.as_ref().map(number),
            set(old),
            set(new),
            found,
        );
    }
    inject(old, new, found);
}

fn set<T>(set: &Option<crate::policy::Set<T>>) -> Option<&crate::policy::Origin> {
    set.as_ref().map(|set| &set.origin)
}

/// A pattern, a host that stands for it, and the ports that some rule for that host has.
struct Point {
    pattern: HostPattern,
    host: Host,
}

/// Whether all that `narrow` covers `wide` covers too. Both differ.
fn above(wide: &HostPattern, narrow: &HostPattern) -> bool {
    match (wide, narrow) {
        (HostPattern::Any, _) => *narrow != HostPattern::Any,
        (_, HostPattern::Exact(name)) => wide.covers(&Host::Name(name.clone())) && wide != narrow,
        (_, HostPattern::Below(name)) => {
            wide != narrow && matches!(wide, HostPattern::Below(_)) && wide.covers(&Host::Name(name.clone()))
        }
        (_, HostPattern::Ip(address)) => wide.covers(&Host::Ip(*address)) && wide != narrow,
        (HostPattern::Cidr(_, length), HostPattern::Cidr(network, longer)) => {
            length < longer && wide.covers(&Host::Ip(*network))
        }
        _ => false,
    }
}

fn points(old: &Network, new: &Network) -> Vec<Point> {
    let mut patterns: Vec<HostPattern> = Vec::new();
    for network in [old, new] {
        patterns.extend(network.allow.iter().map(|rule| rule.host.clone()));
        patterns.extend(network.deny.iter().map(|deny| deny.value.clone()));
    }
    sort::plain(&mut patterns);
    patterns.dedup();
    let host = |pattern: &HostPattern| stands_for(pattern, &patterns);
    patterns
        .iter()
        .filter_map(|pattern| Some(Point { host: host(pattern)?, pattern: pattern.clone() }))
        .collect()
}

/// A host of the pattern that no narrower pattern of the list covers; none where those cover it all.
fn stands_for(pattern: &HostPattern, all: &[HostPattern]) -> Option<Host> {
    Some(match pattern {
        HostPattern::Exact(name) => Host::Name(name.clone()),
        HostPattern::Ip(address) => Host::Ip(*address),
        // Labels that nobody has a rule for.
        HostPattern::Below(name) => Host::Name(format!("weft-stands-for-any.{name}")),
        HostPattern::Any => Host::Name("weft-stands-for-any.weft-stands-for-any".to_owned()),
        HostPattern::Cidr(network, _) => {
            let narrower: Vec<&HostPattern> = all.iter().filter(|other| above(pattern, other)).collect();
            let next = narrower.iter().filter_map(|other| match other {
                HostPattern::Ip(address) => after(*address, if address.is_ipv4() { 32 } else { 128 }),
                HostPattern::Cidr(network, length) => after(*network, *length),
                _ => None,
            });
            let free = |address: &IpAddr| {
                let host = Host::Ip(*address);
                pattern.covers(&host) && !narrower.iter().any(|other| other.covers(&host))
            };
            Host::Ip(std::iter::once(*network).chain(next).find(free)?)
        }
    })
}

/// The first address after a network.
fn after(network: IpAddr, length: u8) -> Option<IpAddr> {
    Some(match network {
        IpAddr::V4(v4) => {
            let size = 1_u32.checked_shl(32 - u32::from(length.min(32)))?;
            IpAddr::V4(v4.to_bits().checked_add(size)?.into())
        }
        IpAddr::V6(v6) => {
            let size = 1_u128.checked_shl(128 - u32::from(length.min(128)))?;
            IpAddr::V6(v6.to_bits().checked_add(size)?.into())
        }
    })
}

/// The rule that lets the host through on the port.
fn rule<'n>(network: &'n Network, host: &Host, port: u16) -> Option<&'n HostRule> {
    decide::connect(network, host, port).ok().and_then(|at| network.allow.get(at))
}

/// What is different for one host on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Difference {
    Reached(Direction),
    /// It need no longer be TLS, or must be.
    Tls(Direction),
    /// A limit of the rule: which, and what it was and is.
    Limit(Direction, String),
}

fn differences(old: &Network, new: &Network, host: &Host, port: u16) -> Vec<Difference> {
    let (before, after) = match (rule(old, host, port), rule(new, host, port)) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec![Difference::Reached(Direction::Wider)],
        (Some(_), None) => return vec![Difference::Reached(Direction::Narrower)],
        (Some(before), Some(after)) => (before, after),
    };
    let mut found = Vec::new();
    match (before.tls, after.tls) {
        (true, false) => found.push(Difference::Tls(Direction::Wider)),
        (false, true) => found.push(Difference::Tls(Direction::Narrower)),
        _ => {}
    }
    for (name, before, after) in [
        ("max_connections", before.max_connections, after.max_connections),
        ("max_bytes_out", before.max_bytes_out, after.max_bytes_out),
        ("rate", before.rate, after.rate),
    ] {
        let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        let say = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        let direction = match most(before).cmp(&most(after)) {
            std::cmp::Ordering::Less => Direction::Wider,
            std::cmp::Ordering::Greater => Direction::Narrower,
            std::cmp::Ordering::Equal => continue,
        };
        found.push(Difference::Limit(direction, format!("{name} is {}, was {}", say(after), say(before))));
    }
    found
}

fn hosts(old: &Policy, new: &Policy, found: &mut Found) {
    let points = points(&old.network, &new.network);
    for point in &points {
        // The narrowest of those above it, which its difference may come from.
        let upper = points
            .iter()
            .filter(|other| above(&other.pattern, &point.pattern))
            .reduce(|a, b| if above(&a.pattern, &b.pattern) { b } else { a });
        let mut told: Vec<(Difference, Vec<u16>)> = Vec::new();
        for port in ports(&old.network, &new.network, &point.host) {
            let inherited =
                upper.map_or(Vec::new(), |upper| differences(&old.network, &new.network, &upper.host, port));
            for difference in differences(&old.network, &new.network, &point.host, port) {
                if inherited.contains(&difference) {
                    continue;
                }
                match told.iter_mut().find(|(known, _)| *known == difference) {
                    Some((_, ports)) => ports.push(port),
                    None => told.push((difference, vec![port])),
                }
            }
        }
        for (difference, ports) in told {
            tell(point, &difference, &ports, old, new, found);
        }
    }
}

/// Every port of a rule that covers the host.
fn ports(old: &Network, new: &Network, host: &Host) -> Vec<u16> {
    let rules = old.allow.iter().chain(&new.allow).filter(|rule| rule.host.allows(host));
    let mut ports: Vec<u16> = rules.flat_map(|rule| rule.ports.iter()).collect();
    sort::plain(&mut ports);
    ports.dedup();
    ports
}

fn tell(
    point: &Point,
    difference: &Difference,
    ports: &[u16],
    old: &Policy,
    new: &Policy,
    found: &mut Found,
) {
    let Some(&port) = ports.first() else { return };
    let before = rule(&old.network, &point.host, port);
    let after = rule(&new.network, &point.host, port);
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    let at = format!("{} port {}", point.pattern, list.join(", "));
    let denied = |policy: &Policy| {
        policy.network.deny.iter().find(|deny| deny.value.covers(&point.host)).map(|deny| deny.origin.clone())
    };
    let was = before.map(|rule| rule.origin.clone()).or_else(|| denied(old));
    let is = after.map(|rule| rule.origin.clone()).or_else(|| denied(new));
    let many = !matches!(point.pattern, HostPattern::Exact(_) | HostPattern::Ip(_));
    let plain = after.is_some_and(|rule| !rule.tls);
    let key = match (before.or(after).is_some(), &was, &is) {
        (_, Some(origin), _) if origin.key == "network.deny" => "network.deny",
        (_, _, Some(origin)) if origin.key == "network.deny" => "network.deny",
        _ => "network.allow",
    };
    let (direction, what, risk) = match difference {
        Difference::Reached(Direction::Wider) => {
            let how = if plain { " without TLS" } else { "" };
            let risk = if many || plain { Risk::High } else { Risk::Medium };
            (Direction::Wider, format!("{at} can be reached{how}"), risk)
        }
        Difference::Reached(direction) => (*direction, format!("{at} can no longer be reached"), Risk::Low),
        Difference::Tls(Direction::Wider) => {
            (Direction::Wider, format!("{at} can be reached without TLS"), Risk::High)
        }
        Difference::Tls(direction) => (*direction, format!("{at} needs TLS"), Risk::Low),
        Difference::Limit(direction, what) => (*direction, format!("{at}: {what}"), Risk::Low),
    };
    found.add(direction, risk, key, what, was.as_ref(), is.as_ref());
}

/// Denies that make no difference now, and would when `allow` grows.
fn denies(old: &Network, new: &Network, found: &mut Found) {
    let one = |from: &Network, to: &Network, direction: Direction, found: &mut Found| {
        for deny in &from.deny {
            let kept =
                to.deny.iter().any(|other| other.value == deny.value || above(&other.value, &deny.value));
            let told = found.all.iter().any(|change| {
                change.direction == direction
                    && [&change.old, &change.new]
                        .into_iter()
                        .any(|origin| origin.as_ref() == Some(&deny.origin))
            });
            if kept || told {
                continue;
            }
            let pattern = &deny.value;
            match direction {
                Direction::Wider => {
                    let what = format!("{pattern} is no longer denied, though nothing allows it");
                    found.add(direction, Risk::Low, "network.deny", what, Some(&deny.origin), None);
                }
                _ => {
                    let what = format!("{pattern} is denied, whatever else is said");
                    found.add(direction, Risk::Low, "network.deny", what, None, Some(&deny.origin));
                }
            }
        }
    };
    one(old, new, Direction::Wider, found);
    one(new, old, Direction::Narrower, found);
}

fn listen(old: &Network, new: &Network, found: &mut Found) {
    for port in new.listen.iter().filter(|port| !old.listen.iter().any(|other| other.value == port.value)) {
        let what = format!("port {} inside can be reached from this machine", port.value);
        found.wider(Risk::Medium, "network.listen", what, Some(&port.origin));
    }
    for port in old.listen.iter().filter(|port| !new.listen.iter().any(|other| other.value == port.value)) {
        let what = format!("port {} inside can no longer be reached", port.value);
        found.narrower("network.listen", what, Some(&port.origin));
    }
}

fn inject(old: &Policy, new: &Policy, found: &mut Found) {
    let same = |a: &crate::policy::Inject, b: &crate::policy::Inject| {
        a.host == b.host
            && a.header.eq_ignore_ascii_case(&b.header)
            && a.from_env == b.from_env
            && a.variable == b.variable
    };
    for one in new.inject.iter().filter(|one| !old.inject.iter().any(|other| same(one, other))) {
        let what = format!("the secret {} is sent to {} as {}", one.from_env, one.host, one.header);
        found.wider(Risk::High, "network.inject", what, Some(&one.origin));
    }
    for one in old.inject.iter().filter(|one| !new.inject.iter().any(|other| same(one, other))) {
        let what = format!("the secret {} is no longer sent to {}", one.from_env, one.host);
        found.narrower("network.inject", what, Some(&one.origin));
    }
}
