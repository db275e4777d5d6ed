//! An answer as bytes: status line, headers, how much content follows. Writes to memory, not to sockets.

use super::super::http::{Content, Response};
use super::head::Refusal;

/// How a connection goes on behind an answer, as its header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Another request may follow.
    pub keep: bool,
    /// The request was HTTP/1.1, where that is the rule.
    pub eleven: bool,
    /// The request was `HEAD`: what would follow is told and left out.
    pub head: bool,
}

impl Content {
    pub fn length(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Shared(bytes) => bytes.len() as u64,
            Content::File { length, .. } => *length,
        }
    }
}

/// What a refusal looks like to whoever asked.
pub fn refused(refusal: Refusal) -> Response {
    let response = Response::text(refusal.status, refusal.why);
    if refusal.status == 503 || refusal.status == 429 { response.with("Retry-After", "1") } else { response }
}

/// The answer that goes out: this one, or 500 where a header would break out of its line or the status is none.
pub fn checked(response: Response) -> Response {
    let fine = response.headers.iter().all(|(name, value)| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && value.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
    });
    if fine && (200..600).contains(&response.status) {
        return response;
    }
    Response::text(500, "the answer would not have been well formed")
}

/// Writes status line and headers behind `out`; says whether the content follows. `date` is the time in the form of HTTP.
pub fn head(out: &mut Vec<u8>, response: &Response, manner: Manner, date: &str) -> bool {
    let status = response.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    line(out, "Date", date);
    for (name, value) in &response.headers {
        line(out, name, value);
    }
    // RFC 9110, 8.6 and 15.4.5: these have no content, and no length that could be wrong.
    let none = status == 204 || status == 304;
    if !none {
        out.extend_from_slice(b"\r\nContent-Length: ");
        number(out, response.content.length());
    }
    match (manner.keep, manner.eleven) {
        (false, _) => line(out, "Connection", "close"),
        (true, false) => line(out, "Connection", "keep-alive"),
        (true, true) => {}
    }
    out.extend_from_slice(b"\r\n\r\n");
    !none && !manner.head
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    for piece in ["\r\n", name, ": ", value] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// In decimal digits.
fn number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        423 => "Locked",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        // The phrase may be empty (RFC 9112, 4).
        _ => "",
    }
}

/// The answer to a connection that is not let in, whole.
pub fn turned_away() -> Vec<u8> {
    const WHY: &str = "too many connections from this address";
    let mut out = Vec::with_capacity(256);
    let manner = Manner { keep: false, eleven: true, head: false };
    let date = crate::net::date::write(crate::clock::now().as_secs());
    head(&mut out, &refused(Refusal { status: 429, why: WHY }), manner, &date);
    out.extend_from_slice(WHY.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(response: &Response, manner: Manner) -> (String, bool) {
        let mut out = Vec::new();
        let follows = head(&mut out, response, manner, "today");
        (String::from_utf8(out).unwrap(), follows)
    }

    #[test]
    fn heads() {
        let manner = Manner { keep: true, eleven: true, head: false };
        let (text, follows) = written(&Response::text(200, "hello").with("ETag", "\"x\""), manner);
        let wanted = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Type: text/plain; charset=utf-8\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n";
        assert_eq!((text.as_str(), follows), (wanted, true));
        let (text, follows) = written(&Response::text(404, ""), Manner { keep: false, head: true, ..manner });
        assert!(text.contains("Content-Length: 0\r\nConnection: close\r\n\r\n") && !follows);
        let (text, follows) = written(&Response::text(304, "x"), Manner { eleven: false, ..manner });
        assert!(!text.contains("Content-Length") && text.contains("Connection: keep-alive") && !follows);
    }

    #[test]
    fn no_header_breaks_out_of_its_line() {
        for bad in ["a\r\nb", "a\nb", "a\0", "\u{7f}"] {
            assert_eq!(checked(Response::text(200, "").with("Location", bad.to_owned())).status, 500);
        }
        assert_eq!(checked(Response::text(200, "").with("X: y\r\nZ", "a")).status, 500);
        assert_eq!(checked(Response::text(100, "")).status, 500);
        assert_eq!(checked(Response::text(404, "").with("Location", "ä\t")).status, 404);
    }
}
