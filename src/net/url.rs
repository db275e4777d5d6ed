//! Web addresses, reduced to what weft talks to: `http` and `https`, a host, a port, a path. Not a general URL library
//! (WHATWG URL, RFC 3986): what is unusual is refused, so that no two readers can understand it differently.

use super::{Kind, NetError};
use crate::policy::host::Host;
use std::fmt;

/// Longer addresses are refused; no server of ours makes them.
const LONGEST: usize = 8192;

/// An absolute `http` or `https` address without user name and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    https: bool,
    host: Host,
    port: u16,
    /// Path and query as they are sent; begins with `/`.
    path: String,
}

impl Url {
    /// Reads an absolute address. A fragment is left out: it is never sent.
    pub fn parse(text: &str) -> Result<Url, NetError> {
        let wrong = |what: &str| {
            NetError::new(
                Kind::Input,
                what,
                text.chars().take(200).collect::<String>(),
                "use https://HOST/PATH",
            )
        };
        if text.len() > LONGEST {
            return Err(wrong("the address is too long"));
        }
        if text
            .bytes()
            .any(|b| b <= b' ' || b >= 0x7f || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`'))
        {
            return Err(wrong("the address has a character that must be written as %XX"));
        }
        let text_no_fragment = text.split('#').next().unwrap_or(text);
        let (scheme, rest) =
            text_no_fragment.split_once("://").ok_or_else(|| wrong("not an absolute web address"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("neither http nor https")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong("the address has a user name in it"));
        }
        let (host, port) = match authority.rfind(':') {
            // The colons of an IPv6 address are inside its brackets.
            Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
            _ => (authority, None),
        };
        let port = match port {
            None => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(port) => port
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| port.parse::<u16>().ok())
                .flatten()
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?,
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        let host = Host::parse(host).map_err(|what| wrong(&what))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { https, host, port, path })
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query; begins with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `https://host` with the port only where it is not the usual one (RFC 6454).
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let host = &self.host;
        match (self.https, self.port) {
            (true, 443) | (false, 80) => format!("{scheme}://{host}"),
            (_, port) => format!("{scheme}://{host}:{port}"),
        }
    }

    pub fn same_origin(&self, other: &Url) -> bool {
        (self.https, self.port, &self.host) == (other.https, other.port, &other.host)
    }

    /// The address with another path on the same origin; `path` is made to begin with `/`.
    pub fn with_path(&self, path: &str) -> Url {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Url { path, ..self.clone() }
    }

    /// What a `Location` header means when it comes from here (RFC 9110, 10.2.2).
    pub fn resolve(&self, location: &str) -> Result<Url, NetError> {
        let scheme = if self.https { "https" } else { "http" };
        let absolute = if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.split(['/', '?', '#']).next().is_some_and(|head| head.contains(':')) {
            location.to_owned()
        } else if location.starts_with('/') {
            format!("{}{location}", self.origin())
        } else {
            let path = self.path.split('?').next().unwrap_or("/");
            let folder = match location.starts_with('?') {
                true => path,
                false => path.rfind('/').map_or("/", |at| &path[..=at]),
            };
            format!("{}{folder}{location}", self.origin())
        };
        Url::parse(&absolute)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// Text as it stands in a path segment or a query: everything but RFC 3986's unreserved characters as `%XX`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_plain_and_refuses_the_rest() {
        for (text, shown) in [
            ("https://Example.COM", "https://example.com/"),
            ("https://example.com:443/a?b=c#d", "https://example.com/a?b=c"),
            ("http://127.0.0.1:8080/hub/", "http://127.0.0.1:8080/hub/"),
            ("http://[::1]:9/x", "http://[::1]:9/x"),
            ("https://example.com?q=1", "https://example.com/?q=1"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user@example.com/",
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://example.com:+1/",
            "https://example.com/a b",
            "https://exa\nmple.com/",
            "http://::1/",
            "https://example.com\\@evil.example/",
            "https://example.com:/",
            "http://[::1/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let at = |text: &str| Url::parse(text).unwrap();
        assert!(at("https://a.example/x").same_origin(&at("https://A.example:443/y")));
        for other in ["http://a.example/", "https://a.example:444/", "https://b.example/"] {
            assert!(!at("https://a.example/").same_origin(&at(other)), "{other}");
        }
    }

    #[test]
    fn locations_are_read_from_where_they_came() {
        let here = Url::parse("https://a.example/x/y?z=1").unwrap();
        for (location, to) in [
            ("/k", "https://a.example/k"),
            ("k", "https://a.example/x/k"),
            ("?q", "https://a.example/x/y?q"),
            ("//b.example/k", "https://b.example/k"),
            ("http://b.example/", "http://b.example/"),
            ("k?at=10:30", "https://a.example/x/k?at=10:30"),
        ] {
            assert_eq!(here.resolve(location).unwrap().to_string(), to, "{location}");
        }
        assert!(here.resolve("javascript:alert(1)").is_err());
        assert!(here.resolve("").is_ok());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode("a b&c=ü/@~"), "a%20b%26c%3D%C3%BC%2F%40~");
    }
}
