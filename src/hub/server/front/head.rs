//! The head of a request: where it ends, what it says, and everything that two readers could understand differently refused
//! (RFC 9112). No sockets; the same bytes give the same answer however they came in pieces.

use super::super::http::{Head, Method};
use httparse::{Error, Header, Status};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A head with its empty line, in bytes.
pub const LARGEST: usize = 16 << 10;
/// The request line, in bytes.
pub const LONGEST_LINE: usize = 8 << 10;
/// Header lines.
pub const MOST: usize = 100;

/// Why a request is not answered, in a status and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub why: &'static str,
}

const fn no(status: u16, why: &'static str) -> Refusal {
    Refusal { status, why }
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; 0 where there is no body.
    Length(u64),
    Chunked,
}

/// A head that was understood. Its `peer` and `secure` are still to be filled in.
#[derive(Debug)]
pub struct Parsed {
    pub head: Head,
    pub framing: Framing,
    /// The client allows another request behind this one.
    pub keep: bool,
    /// HTTP/1.1, not 1.0.
    pub eleven: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects: bool,
}

/// Where the head ends, behind its empty line; none if that has not come yet. The first `seen` bytes were looked at before.
pub fn end(input: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    let window = input.get(..LARGEST).unwrap_or(input);
    let start = seen.min(window.len());
    for at in memchr::memchr_iter(b'\n', window.get(start..).unwrap_or_default()) {
        let line = window.get(..=start + at).unwrap_or_default();
        if !line.ends_with(b"\r\n") {
            return Err(no(400, "a line ends in LF without CR"));
        }
        if line.ends_with(b"\r\n\r\n") {
            return Ok(Some(line.len()));
        }
    }
    if input.len() < LARGEST {
        return Ok(None);
    }
    match memchr::memchr(b'\n', trimmed(window)) {
        Some(line) if line < LONGEST_LINE => Err(no(431, "the head of the request is larger than 16 KiB")),
        _ => Err(no(414, "the request line is longer than 8 KiB")),
    }
}

/// Without the one empty line that may stand in front (RFC 9112, 2.2).
fn trimmed(input: &[u8]) -> &[u8] {
    input.strip_prefix(b"\r\n").unwrap_or(input)
}

/// Reads a whole head, which [`end`] found.
pub fn parse(input: &[u8]) -> Result<Parsed, Refusal> {
    let input = trimmed(input);
    let line = memchr::memchr(b'\r', input).unwrap_or(input.len());
    if line > LONGEST_LINE {
        return Err(no(414, "the request line is longer than 8 KiB"));
    }
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(input, &mut room) {
        Ok(Status::Complete(used)) if used == input.len() => {}
        Ok(_) => return Err(no(400, "the head of the request is not complete")),
        Err(error) => return Err(misread(error, input.get(..line).unwrap_or_default())),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(no(400, "the request line is not complete"));
    };
    let method = self::method(method).ok_or(no(501, "this method is not served"))?;
    let eleven = version == 1;
    let lines = lines(request.headers)?;
    let (authority, path, query) = split(target)?;
    let host = match (authority, lines.host) {
        (_, None) if eleven => return Err(no(400, "the Host header is missing")),
        // A proxy that rewrites one of them would be understood differently from here.
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(no(400, "the Host header is not the host of the target"));
        }
        (authority, host) => authority.or(host).unwrap_or_default(),
    };
    if (eleven || !host.is_empty()) && !is_host(host) {
        return Err(no(400, "the Host header is no host"));
    }
    let framing = match (lines.length, lines.coding) {
        (Some(_), Some(_)) => return Err(no(400, "both Content-Length and Transfer-Encoding")),
        (None, Some(_)) if !eleven => return Err(no(400, "Transfer-Encoding in HTTP/1.0")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
        (None, Some(_)) => return Err(no(501, "no Transfer-Encoding but chunked is understood")),
        (Some(length), None) => Framing::Length(self::length(length)?),
        (None, None) => Framing::Length(0),
    };
    let expects = match lines.expect {
        Some(what) if eleven && what.eq_ignore_ascii_case("100-continue") => true,
        Some(_) if eleven => return Err(no(417, "no Expect but 100-continue is understood")),
        // HTTP/1.0 does not know it (RFC 9110, 10.1.1).
        _ => false,
    };
    let length = match framing {
        Framing::Length(length) => length,
        Framing::Chunked => 0,
    };
    let peer = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (path, query, host) = (path.into_owned(), query.to_owned(), host.to_ascii_lowercase());
    Ok(Parsed {
        head: Head { method, path, query, host, headers: lines.all, peer, secure: false, length },
        framing,
        keep: !lines.close && (eleven || lines.keep),
        eleven,
        expects,
    })
}

fn method(name: &str) -> Option<Method> {
    Some(match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => return None,
    })
}

/// What the parser's error means. It calls everything a bad version that is none of two, `junk` too.
fn misread(error: Error, line: &[u8]) -> Refusal {
    match error {
        Error::Version => {
            let mut words = line.split(|byte| *byte == b' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (_, _, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
                    if major.is_ascii_digit() && minor.is_ascii_digit() =>
                {
                    no(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
                }
                _ => no(400, "the request line is not METHOD TARGET HTTP/1.1"),
            }
        }
        Error::TooManyHeaders => no(431, "more than 100 header lines"),
        Error::HeaderName => no(400, "a header name is empty, folded, or has a character that none may have"),
        Error::HeaderValue => no(400, "a header value has a control character"),
        Error::NewLine => no(400, "a line does not end in CR LF"),
        _ => no(400, "the request line is not METHOD TARGET HTTP/1.1"),
    }
}

/// The header lines, and those among them that say where the request ends and whom it is for.
struct Lines<'a> {
    all: Vec<(String, String)>,
    host: Option<&'a str>,
    length: Option<&'a str>,
    coding: Option<&'a str>,
    expect: Option<&'a str>,
    close: bool,
    keep: bool,
}

fn lines<'a>(headers: &[Header<'a>]) -> Result<Lines<'a>, Refusal> {
    let (mut host, mut length, mut coding, mut expect) = (None, None, None, None);
    let (mut close, mut keep) = (false, false);
    let (mut kind, mut who) = (None, None);
    let mut all = Vec::with_capacity(headers.len());
    for header in headers {
        let value = std::str::from_utf8(header.value).map_err(|_| no(400, "a header value is not UTF-8"))?;
        let value = value.trim_matches([' ', '\t']);
        let name = header.name.to_ascii_lowercase();
        let (place, twice) = match name.as_str() {
            "host" => (&mut host, "two Host headers"),
            "content-length" => (&mut length, "two Content-Length headers"),
            "transfer-encoding" => (&mut coding, "two Transfer-Encoding headers"),
            "expect" => (&mut expect, "two Expect headers"),
            "content-type" => (&mut kind, "two Content-Type headers"),
            "authorization" => (&mut who, "two Authorization headers"),
            _ => {
                if name == "connection" {
                    for token in value.split(',').map(|token| token.trim_matches([' ', '\t'])) {
                        close |= token.eq_ignore_ascii_case("close");
                        keep |= token.eq_ignore_ascii_case("keep-alive");
                    }
                }
                all.push((name, value.to_owned()));
                continue;
            }
        };
        if place.replace(value).is_some() {
            return Err(no(400, twice));
        }
        all.push((name, value.to_owned()));
    }
    Ok(Lines { all, host, length, coding, expect, close, keep })
}

/// Digits and nothing else: no sign, no list, no space, none that overflows.
fn length(text: &str) -> Result<u64, Refusal> {
    if text.is_empty() || text.len() > 18 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no(400, "the Content-Length is no number"));
    }
    text.parse().map_err(|_| no(400, "the Content-Length is no number"))
}

/// Host, path and query of a target in origin or absolute form.
fn split(target: &str) -> Result<(Option<&str>, std::borrow::Cow<'_, str>, &str), Refusal> {
    if !target.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#') {
        return Err(no(400, "the target has a character that must be percent-encoded"));
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let (scheme, rest) = target.split_once("://").ok_or(no(400, "the target does not begin with /"))?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(no(400, "the target does not begin with / or http://"));
        }
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(cut);
        if !is_host(authority) {
            return Err(no(400, "the target has no host"));
        }
        (Some(authority), rest)
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok((authority, if path.is_empty() { "/".into() } else { path.into() }, query))
}

/// A name, an IPv4 address or an IPv6 address in brackets, with a port or without.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, port)) if inner.parse::<Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        });
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    port && !name.is_empty() && name.len() <= 255 && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<Parsed, Refusal> {
        let length = end(text.as_bytes(), 0)?.expect("an empty line");
        assert_eq!(length, text.len());
        parse(text.as_bytes())
    }

    #[test]
    fn says_what_it_says() {
        let parsed = whole(
            "POST /a%2fb?c=d&e HTTP/1.1\r\nhOsT: Hub.Example:80\r\nContent-Length:  5 \r\nX-A: \tä\t\r\nExpect: 100-Continue\r\nConnection: x , Close\r\n\r\n",
        )
        .unwrap();
        let head = &parsed.head;
        assert_eq!((head.path.as_str(), head.query.as_str()), ("/a%2fb", "c=d&e"));
        assert_eq!((head.host.as_str(), head.length, head.method), ("hub.example:80", 5, Method::Post));
        assert_eq!(head.header("x-a"), Some("ä"));
        assert!(parsed.expects && !parsed.keep && parsed.framing == Framing::Length(5));
        let parsed = whole("\r\nGET http://[::1]:8080?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert_eq!((parsed.head.path.as_str(), parsed.head.query.as_str()), ("/", "x"));
        assert_eq!(parsed.head.host, "[::1]:8080");
        assert!(parsed.keep && !parsed.eleven);
    }

    #[test]
    fn hosts() {
        for good in ["a", "a:0", "a_b.c-d:65535", "[::1]", "[::1]:80", "127.0.0.1"] {
            assert!(is_host(good), "{good}");
        }
        for bad in
            ["", ":80", "a:", "a:65536", "a b", "a/b", "a@b", "[::1", "[x]", "::1", "a:+1", "ä", "[::1]x"]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
