//! Web addresses whose host is a bare public IP number.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

/// `http://91.92.42.30/x`, also in the spellings that browsers and curl accept: one number, hexadecimal or octal parts,
/// and `[…]` for IPv6. Private, loopback, link-local and documentation ranges are no finding, nor public resolvers.
pub fn public_ip_url(line: &str, _: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let bytes = line.as_bytes();
    let mut from = 0;
    while let Some(i) = memchr::memmem::find(&bytes[from..], b"://") {
        let mark = from + i;
        from = mark + 3;
        let scheme = bytes[..mark].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        let start = mark - scheme;
        let known = ["http", "https", "ftp", "hxxp", "hxxps", "ws", "wss", "tcp"];
        if !known.iter().any(|word| line[start..mark].eq_ignore_ascii_case(word)) {
            continue;
        }
        let rest = &line[from..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]-_@%".contains(c))).unwrap_or(rest.len());
        let authority = &rest[..end];
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host = match host.strip_prefix('[') {
            Some(six) => six.split(']').next().unwrap_or(six),
            None => host.split(':').next().unwrap_or(host),
        };
        if address(host.trim_end_matches('.')).is_some_and(is_public) {
            push(start..from + end);
        }
    }
}

/// An IP number in any spelling that inet_aton(3) takes, or IPv6.
fn address(host: &str) -> Option<IpAddr> {
    if host.contains(':') {
        return host.parse().ok();
    }
    // Every spelling of a number begins with a digit, and hardly any name does.
    if !host.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = host.split('.').collect();
    if parts.len() > 4 || parts.iter().any(|p| p.is_empty()) {
        return None;
    }
    let mut numbers = Vec::new();
    for part in &parts {
        let number = if let Some(hex) = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            u32::from_str_radix(hex, 16).ok()?
        } else if part.len() > 1 && part.starts_with('0') {
            u32::from_str_radix(part, 8).ok()?
        } else {
            part.parse().ok()?
        };
        numbers.push(number);
    }
    // A single small number is a port or an example, not an address.
    let last = *numbers.last()?;
    let mut value: u32 = 0;
    for number in &numbers[..numbers.len() - 1] {
        if *number > 255 {
            return None;
        }
        value = (value << 8) | number;
    }
    let rest = 4 - (numbers.len() - 1);
    if rest < 4 && last >= 1 << (8 * rest) {
        return None;
    }
    let value = if rest == 4 { last } else { (value << (8 * rest)) | last };
    (numbers.len() == 4 || value > 0x00ff_ffff).then_some(IpAddr::V4(Ipv4Addr::from(value)))
}

fn is_public(ip: IpAddr) -> bool {
    let v4 = match ip {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4,
            None => {
                let head = v6.segments()[0];
                return !(v6.is_loopback()
                    || v6.is_unspecified()
                    || head & 0xfe00 == 0xfc00
                    || head & 0xffc0 == 0xfe80
                    || head == 0x2001 && v6.segments()[1] == 0x0db8)
                    && head != 0x2606;
            }
        },
    };
    let [a, b, ..] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_broadcast()
        || v4.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    // Resolvers that documentation uses, and version numbers and examples that look like addresses.
    let known = [[1, 1, 1, 1], [1, 0, 0, 1], [8, 8, 8, 8], [8, 8, 4, 4], [9, 9, 9, 9], [1, 2, 3, 4]]
        .contains(&v4.octets());
    !special && !known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> usize {
        let mut n = 0;
        public_ip_url(line, &[], &mut |_| n += 1);
        n
    }

    #[test]
    fn every_spelling_of_a_public_address() {
        for line in [
            "http://91.92.42.30/x",
            "https://u:p@91.92.42.30:8080",
            "http://1532766750/",
            "http://0x5b5c2a1e/a",
            "http://0133.92.42.30",
            "http://[2a01:4f8::1]/",
            "hxxp://91.92.42.30",
        ] {
            assert_eq!(found(line), 1, "{line}");
        }
    }

    #[test]
    fn ordinary_hosts_are_not() {
        for line in [
            "http://10.0.0.1",
            "http://192.168.0.2/x",
            "http://[::1]:3000",
            "http://localhost",
            "https://example.com",
            "http://100.100.1.1",
            "http://1.1.1.1",
            "http://3000",
            "x://91.92.42.30",
        ] {
            assert_eq!(found(line), 0, "{line}");
        }
    }
}
