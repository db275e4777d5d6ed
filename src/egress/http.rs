//! Requests to the HTTP proxy (RFC 9110, RFC 9112): CONNECT, and plain requests in absolute form. Pure.
//!
//! Strict where two readers could disagree about where a request ends or whom it is for: that is what smuggling lives on.

use crate::policy::host::Host;

/// The largest request line with headers.
pub const LARGEST: usize = 16 * 1024;

/// What is asked of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub host: Host,
    pub port: u16,
    /// How many bytes of the input it is.
    pub used: usize,
    /// None: CONNECT.
    pub plain: Option<Plain>,
}

/// A request that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Without what is for a proxy, and without those that say where the body ends.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body, if the client says.
    pub length: Option<u64>,
    /// The body comes in chunks.
    pub chunked: bool,
    /// HTTP/1.0.
    pub old: bool,
    /// The client waits for a word before it sends the body.
    pub expects: bool,
    /// The URL is one of https: weft speaks TLS in the client's place.
    pub secure: bool,
}

impl Plain {
    /// As it goes to the server: in origin form, one request on the connection.
    pub fn head(&self, host: &Host, port: u16) -> Vec<u8> {
        let named = if port == 80 { host.to_string() } else { format!("{host}:{port}") };
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {named}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        }
        if let Some(length) = self.length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        head.into_bytes()
    }

    /// How many bytes of body follow; None: until the server has had enough.
    pub fn body(&self) -> Option<u64> {
        if self.chunked { None } else { Some(self.length.unwrap_or(0)) }
    }
}

/// A request that is not answered as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad {
    pub status: u16,
    pub why: &'static str,
}

const fn bad(why: &'static str) -> Bad {
    Bad { status: 400, why }
}

/// Reads a request. None: it is not complete yet. With `server` it may be one to a server, whose host is in a header.
pub fn request(bytes: &[u8], server: bool) -> Result<Option<Request>, Bad> {
    request_of(bytes, server, false)
}

/// The same, where with `secure` a URL may be one of https.
pub fn request_of(bytes: &[u8], server: bool, secure: bool) -> Result<Option<Request>, Bad> {
    const TOO_LARGE: Bad = Bad { status: 431, why: "the request line and headers are larger than 16 KiB" };
    let seen = &bytes[..bytes.len().min(LARGEST)];
    if seen.first().is_some_and(|byte| !is_token(*byte)) {
        return Err(bad("this is no HTTP request"));
    }
    let Some(end) = memchr::memmem::find(seen, b"\r\n\r\n") else {
        // What is there must be good so far: a bare line end is never repaired.
        lines(seen).try_for_each(|line| line.map(drop))?;
        return if bytes.len() >= LARGEST { Err(TOO_LARGE) } else { Ok(None) };
    };
    let mut lines = lines(&seen[..end]);
    let line = lines.next().unwrap_or(Ok(""))?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line is not METHOD TARGET VERSION"));
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(bad("the method is no token"));
    }
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err(Bad { status: 505, why: "only HTTP/1.1 is spoken here" });
    }
    let headers = Headers::read(lines)?;
    let used = end + 4;
    if method == "CONNECT" {
        let (host, port) = authority(target, None)?;
        return Ok(Some(Request { host, port, used, plain: None }));
    }
    let begins = |scheme: &str| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            .then_some(scheme.len())
    };
    let is_https = begins("https://");
    let secure = secure && is_https.is_some();
    let (named, path) = if server && target.starts_with('/') {
        (headers.host.ok_or(bad("there is no Host header"))?, target)
    } else if let Some(length) = if secure { is_https } else { begins("http://") } {
        let rest = &target[length..];
        rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
    } else {
        return Err(bad(match is_https {
            Some(_) => "https is reached with CONNECT",
            None => "this is a proxy: the target has to be a whole URL",
        }));
    };
    let usual = Some(if secure { 443 } else { 80 });
    let (host, port) = authority(named, usual)?;
    if let Some(header) = headers.host
        && authority(header, usual).ok() != Some((host.clone(), port))
    {
        return Err(bad("the Host header names another host than the URL"));
    }
    let old = version == "HTTP/1.0";
    headers.check_body(old)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let plain = Plain {
        method: method.to_owned(),
        path: format!("{slash}{path}"),
        headers: headers.passed_on(),
        length: headers.length,
        chunked: headers.chunked,
        old,
        secure,
        expects: !old && headers.all.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect")),
    };
    Ok(Some(Request { host, port, used, plain: Some(plain) }))
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Lines that end in CR LF; neither stands alone, and there is no other control character but a tab.
fn lines(head: &[u8]) -> impl Iterator<Item = Result<&str, Bad>> {
    // The last line may end in the middle of its CR LF.
    let head = head.strip_suffix(b"\r").unwrap_or(head);
    head.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = match line.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").ok_or(bad("a line ends in LF without CR"))?,
            None => line,
        };
        match line.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
            true => Err(bad("there is a control character in the head")),
            false => std::str::from_utf8(line).map_err(|_| bad("the head is not UTF-8")),
        }
    })
}

/// `host:port`; the port may be left out where there is a usual one.
fn authority(text: &str, usual: Option<u16>) -> Result<(Host, u16), Bad> {
    const BAD: Bad = bad("the target is not HOST:PORT");
    let ends = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[ends..].rfind(':') {
        Some(at) => {
            let digits = &text[ends + at + 1..];
            let number = digits.parse::<u16>().ok().filter(|port| *port > 0);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            (&text[..ends + at], number.filter(|_| plain).ok_or(BAD)?)
        }
        None => (text, usual.ok_or(BAD)?),
    };
    if host.is_empty() || host.contains(['@', '%', '/', '\\']) {
        return Err(BAD);
    }
    // An IPv6 address without brackets runs together with a port.
    if ends == 0 && host.contains(':') {
        return Err(BAD);
    }
    Host::parse(host).map(|host| (host, port)).map_err(|_| bad("the target names no host"))
}

/// What the headers say that matters here.
struct Headers<'a> {
    all: Vec<(&'a str, &'a str)>,
    host: Option<&'a str>,
    length: Option<u64>,
    chunked: bool,
}

/// For the next stop only (RFC 9110 §7.6.1), or written anew; those that `Connection` names are added.
const HOPS: &[&str] =
    &["connection", "host", "keep-alive", "te", "trailer", "upgrade", "content-length", "transfer-encoding"];

impl<'a> Headers<'a> {
    fn read(lines: impl Iterator<Item = Result<&'a str, Bad>>) -> Result<Self, Bad> {
        let mut headers = Headers { all: Vec::new(), host: None, length: None, chunked: false };
        for line in lines {
            let line = line?;
            let (name, value) = line.split_once(':').ok_or(bad("a header has no colon"))?;
            // A space before the colon, or a line that goes on the one before.
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(bad("the name of a header is no token"));
            }
            let value = value.trim_matches([' ', '\t']);
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            if is("host") && headers.host.replace(value).is_some() {
                return Err(bad("there are two Host headers"));
            }
            if is("content-length") {
                let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let length =
                    value.parse().ok().filter(|_| plain).ok_or(bad("Content-Length is no number"))?;
                if headers.length.replace(length).is_some() {
                    return Err(bad("there are two Content-Length headers"));
                }
            }
            if is("transfer-encoding") {
                if headers.chunked || !value.eq_ignore_ascii_case("chunked") {
                    return Err(bad("Transfer-Encoding is not chunked, once"));
                }
                headers.chunked = true;
            }
            headers.all.push((name, value));
        }
        Ok(headers)
    }

    /// Whether it is clear how long the body is (RFC 9112 §6.3).
    fn check_body(&self, old: bool) -> Result<(), Bad> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(bad("there are Content-Length and Transfer-Encoding")),
            (None, true) if old => Err(bad("HTTP/1.0 has no Transfer-Encoding")),
            _ => Ok(()),
        }
    }

    fn passed_on(&self) -> Vec<(String, String)> {
        let connection: Vec<&str> = self
            .all
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .flat_map(|(_, value)| value.split(',').map(|word| word.trim_matches([' ', '\t'])))
            .collect();
        let stays = |name: &str| {
            let listed = |list: &[&str]| list.iter().any(|hop| hop.eq_ignore_ascii_case(name));
            let proxy = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("proxy-"));
            !(proxy || listed(HOPS) || listed(&connection))
        };
        let passed = self.all.iter().filter(|(name, _)| stays(name));
        passed.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// CONNECT has worked.
pub const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// An answer of weft's own, for people who read it in a terminal.
pub fn answer(status: u16, why: &str) -> Vec<u8> {
    let reason = match status {
        400 => "Bad Request",
        403 => "Forbidden",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    };
    let text = format!("weft: {why}\n");
    let length = text.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Request>, Bad> {
        request(text.as_bytes(), false)
    }

    fn why(text: &str) -> &'static str {
        read(text).expect_err(text).why
    }

    #[test]
    fn connect() {
        let text =
            "CONNECT Example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nProxy-Authorization: x\r\n\r\nrest";
        let request = read(text).unwrap().unwrap();
        assert_eq!((request.host.to_string().as_str(), request.port), ("example.com", 443));
        assert_eq!((request.used, request.plain), (text.len() - 4, None));
        for cut in 0..text.len() - 4 {
            assert_eq!(read(&text[..cut]), Ok(None), "{cut}");
        }
        let v6 = read("CONNECT [::1]:443 HTTP/1.1\r\n\r\n").unwrap().unwrap();
        assert_eq!(v6.host.to_string(), "[::1]");
        for bad in [
            "CONNECT example.com HTTP/1.1\r\n\r\n",
            "CONNECT example.com:0 HTTP/1.1\r\n\r\n",
            "CONNECT example.com:+443 HTTP/1.1\r\n\r\n",
            "CONNECT example.com:443:443 HTTP/1.1\r\n\r\n",
            "CONNECT a@example.com:443 HTTP/1.1\r\n\r\n",
            "CONNECT ::1:443 HTTP/1.1\r\n\r\n",
            "CONNECT [fe80::1%25lo]:443 HTTP/1.1\r\n\r\n",
            "CONNECT http://example.com:443 HTTP/1.1\r\n\r\n",
            "CONNECT 0x7f.1:443 HTTP/1.1\r\n\r\n",
            "CONNECT example.com%0d%0a:443 HTTP/1.1\r\n\r\n",
        ] {
            read(bad).expect_err(bad);
        }
    }

    #[test]
    fn plain_requests_are_passed_on_without_what_is_for_the_proxy() {
        let text = "POST http://example.com:8080/a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nProxy-Authorization: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello";
        let request = read(text).unwrap().unwrap();
        let plain = request.plain.unwrap();
        assert_eq!(
            String::from_utf8(plain.head(&request.host, request.port)).unwrap(),
            "POST /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        );
        assert_eq!((request.port, plain.body(), request.used), (8080, Some(5), text.len() - 5));
        let head = |text: &str| {
            let request = read(text).unwrap().unwrap();
            String::from_utf8(request.plain.unwrap().head(&request.host, request.port)).unwrap()
        };
        let root = head("GET HTTP://example.com HTTP/1.0\r\n\r\n");
        assert!(root.starts_with("GET / HTTP/1.1\r\nHost: example.com\r\n"));
        assert!(head("GET http://example.com?x HTTP/1.1\r\n\r\n").starts_with("GET /?x HTTP/1.1\r\n"));
        let own = super::request(b"GET /x HTTP/1.1\r\nHost: a.com\r\n\r\n", true).unwrap().unwrap();
        assert_eq!((own.host.to_string().as_str(), own.port), ("a.com", 80));
        assert!(super::request(b"GET /x HTTP/1.1\r\n\r\n", true).is_err());
        let chunked = "POST http://a.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n";
        assert_eq!(read(chunked).unwrap().unwrap().plain.unwrap().body(), None);
        assert!(head(chunked).contains("Transfer-Encoding: chunked\r\n"));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        let with = |headers: &str| why(&format!("POST http://a.com/ HTTP/1.1\r\n{headers}\r\n\r\n"));
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 5\r\nContent-Length : 6",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding:\u{b}chunked",
            "Host: b.com",
            "Host: a.com\r\nHost: a.com",
            "X: 1\r\n folded",
            "X: 1\nY: 2",
            "X: 1\rY: 2",
            "X: \0",
            "no colon",
            ": empty",
        ] {
            assert!(!with(headers).is_empty());
        }
        assert!(read("POST http://a.com/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        for line in [
            "GET  http://a.com/ HTTP/1.1",
            "GET http://a.com/ HTTP/2.0",
            "GET http://a.com/",
            "GET /path HTTP/1.1",
            "GET https://a.com/ HTTP/1.1",
            "GET ftp://a.com/ HTTP/1.1",
            "GET http://u:p@a.com/ HTTP/1.1",
            "GET http://a.com\\@b.com/ HTTP/1.1",
            "GET http:///x HTTP/1.1",
            "G\u{e9}T http://a.com/ HTTP/1.1",
            "GET http://a.com/\tx HTTP/1.1 ",
        ] {
            assert!(read(&format!("{line}\r\n\r\n")).is_err(), "{line}");
        }
        assert!(read("\x05\x01").is_err());
        assert!(read("GET http://a.com/ HTTP/1.1\nHost: a.com").is_err(), "before the end is there");
    }

    #[test]
    fn the_head_has_an_end() {
        let long = format!("GET http://a.com/{} HTTP/1.1\r\n", "a".repeat(LARGEST));
        assert_eq!(read(&long).unwrap_err().status, 431);
        assert_eq!(read(&long[..LARGEST - 1]), Ok(None));
    }
}
