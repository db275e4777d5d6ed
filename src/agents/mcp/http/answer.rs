//! The answer to one HTTP/1.1 request on a connection of its own (RFC 9112): a head with bounds, and a body whose end is certain.

use std::io::{self, BufRead, BufReader, Read};

/// The longest head, in bytes.
const HEAD: usize = 64 * 1024;
/// The longest line of a chunked body that is not data.
const LINE: usize = 256;
/// Fields after the last chunk.
const TRAILERS: usize = 64;
/// Answers that only say that another one comes (RFC 9110 §15.2).
const INTERIM: usize = 8;

/// An answer whose body has not been read.
#[derive(Debug)]
pub struct Answer<R> {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Body<R>,
}

/// A body, without its chunks. Where it ends too early, reading it is an error.
#[derive(Debug)]
pub struct Body<R> {
    from: BufReader<R>,
    left: Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Bytes(u64),
    Chunk(u64),
    /// The size of the next chunk; `true`: the end of a line comes first.
    Size(bool),
    UntilClosed,
    Nothing,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: Read> Answer<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer; the text says why.
    pub fn read(from: R) -> io::Result<Answer<R>> {
        let mut from = BufReader::with_capacity(16 * 1024, from);
        for _ in 0..INTERIM {
            let (status, headers) = head(&mut from)?;
            if status == 101 {
                return Err(wrong("it speaks another protocol"));
            }
            if status < 200 {
                continue;
            }
            let left = length(status, &headers)?;
            return Ok(Answer { status, headers, body: Body { from, left } });
        }
        Err(wrong("its answer does not begin"))
    }

    /// The value of a header that is there once; its name in lower case.
    ///
    /// # Errors
    /// It is there twice.
    pub fn header(&self, name: &str) -> Result<Option<&str>, String> {
        one(&self.headers, name)
    }

    /// The type of the body, in lower case and without parameters.
    pub fn media(&self) -> Result<String, String> {
        let value = self.header("content-type")?.unwrap_or_default();
        Ok(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

fn one<'h>(headers: &'h [(String, String)], name: &str) -> Result<Option<&'h str>, String> {
    let mut all = headers.iter().filter(|(known, _)| known == name);
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(format!("its answer has two headers {name}")),
        (found, None) => Ok(found.map(|(_, value)| value.as_str())),
    }
}

type Head = (u16, Vec<(String, String)>);

fn head(from: &mut impl BufRead) -> io::Result<Head> {
    let mut room = HEAD;
    let mut line = || -> io::Result<String> {
        let text = line(from, room)?;
        room -= text.len() + 2;
        Ok(text)
    };
    let first = line()?;
    let digits = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
    let digits =
        digits.and_then(|rest| rest.get(..3).filter(|_| matches!(rest.as_bytes().get(3), None | Some(b' '))));
    let status = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let status = status.and_then(|digits| digits.parse().ok()).filter(|status| (100..600).contains(status));
    let status = status.ok_or_else(|| wrong("this is no HTTP answer"))?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| wrong("a header of its answer has no colon"))?;
        // A space in it, or a line that goes on the one before.
        if name.is_empty() || name.bytes().any(|byte| byte <= b' ' || byte >= 127) {
            return Err(wrong("a header of its answer has no proper name"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// A line that ends in CR LF, without them.
fn line(from: &mut impl BufRead, most: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(most as u64).read_until(b'\n', &mut bytes)?;
    let Some(bytes) = bytes.strip_suffix(b"\r\n") else {
        return Err(match bytes.last() {
            None if most > 0 => io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"),
            Some(b'\n') => wrong("a line of its answer ends in LF without CR"),
            _ if bytes.len() >= most => wrong("the head of its answer is too long"),
            _ => io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"),
        });
    };
    if bytes.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
        return Err(wrong("there is a control character in the head of its answer"));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// How long the body is (RFC 9112 §6.3).
fn length(status: u16, headers: &[(String, String)]) -> io::Result<Left> {
    let length = one(headers, "content-length").map_err(|why| wrong(&why))?;
    let coding = one(headers, "transfer-encoding").map_err(|why| wrong(&why))?;
    if one(headers, "content-encoding").map_err(|why| wrong(&why))?.is_some_and(|coding| coding != "identity")
    {
        return Err(wrong("its answer is compressed, which was not asked for"));
    }
    match (length, coding) {
        _ if matches!(status, 204 | 304) => Ok(Left::Nothing),
        (Some(_), Some(_)) => Err(wrong("its answer has a length and chunks")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(Left::Size(false)),
        (None, Some(_)) => Err(wrong("its answer has an unknown Transfer-Encoding")),
        (Some(digits), None) => {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let length = digits.parse().ok().filter(|_| plain);
            length.map(Left::Bytes).ok_or_else(|| wrong("the Content-Length of its answer is no number"))
        }
        (None, None) => Ok(Left::UntilClosed),
    }
}

impl<R: Read> Body<R> {
    /// Up to `most` bytes of what is left.
    fn data(&mut self, buffer: &mut [u8], most: u64) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        match self.from.read(&mut buffer[..most])? {
            0 if most > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its answer broke off")),
            count => Ok(count),
        }
    }

    fn size(&mut self) -> io::Result<u64> {
        let line = line(&mut self.from, LINE)?;
        let digits = line.split(';').next().unwrap_or_default().trim_end();
        let hex =
            !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(digits, 16).ok().filter(|_| hex);
        size.ok_or_else(|| wrong("a chunk of its answer has no size"))
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.left {
                Left::Nothing | Left::Bytes(0) => return Ok(0),
                Left::UntilClosed => return self.from.read(buffer),
                Left::Bytes(left) => {
                    let count = self.data(buffer, left)?;
                    self.left = Left::Bytes(left - count as u64);
                    return Ok(count);
                }
                Left::Chunk(left) => {
                    let count = self.data(buffer, left)?;
                    let left = left - count as u64;
                    self.left = if left == 0 { Left::Size(true) } else { Left::Chunk(left) };
                    return Ok(count);
                }
                Left::Size(after) => {
                    if after && !line(&mut self.from, LINE)?.is_empty() {
                        return Err(wrong("a chunk of its answer is longer than it says"));
                    }
                    self.left = match self.size()? {
                        0 => {
                            let mut trailers = 0..TRAILERS;
                            while !line(&mut self.from, HEAD)?.is_empty() {
                                trailers.next().ok_or_else(|| wrong("its answer does not end"))?;
                            }
                            Left::Nothing
                        }
                        size => Left::Chunk(size),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status and body, or why not.
    fn read(text: &str) -> Result<(u16, String), String> {
        let mut answer = Answer::read(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut body = String::new();
        answer.body.read_to_string(&mut body).map_err(|error| error.to_string())?;
        Ok((answer.status, body))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        for (text, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "ab"),
            (
                "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\nmore",
                "abc",
            ),
            ("HTTP/1.0 200 OK\r\n\r\nabc", "abc"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:1\r\n\r\na", "a"),
        ] {
            assert_eq!(read(text), Ok((200, body.to_owned())), "{text}");
        }
        assert_eq!(read("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"), Ok((204, String::new())));
    }

    #[test]
    fn what_is_no_answer_or_breaks_off_is_an_error() {
        for (text, why) in [
            ("", "closed"),
            ("HTTP/1.1 200 OK\r\nContent-Le", "closed"),
            ("HTTP/2 200\r\n\r\n", "no HTTP answer"),
            ("HTTP/1.1 2x0\r\n\r\n", "no HTTP answer"),
            ("HTTP/1.1 099 \r\n\r\n", "no HTTP answer"),
            ("SSH-2.0-x\r\n", "no HTTP answer"),
            ("HTTP/1.1 200 OK\nA: b\n\n", "LF without CR"),
            ("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", "control"),
            ("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "no colon"),
            ("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "proper name"),
            ("HTTP/1.1 101 Switching\r\n\r\n", "another protocol"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "broke off"),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "two headers"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "length and chunks",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unknown"),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "compressed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no size"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "no size"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "longer than it says"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off"),
        ] {
            let said = read(text);
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{text:?}: {said:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(HEAD));
        assert!(read(&long).is_err_and(|why| why.contains("too long")));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEAD));
        assert!(read(&many).is_err_and(|why| why.contains("too long")));
        assert!(read(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(20)).is_err());
    }

    #[test]
    fn a_header_is_there_once() {
        let answer = Answer::read(&b"HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nmcp-session-id: b\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\n"[..]).unwrap();
        assert!(answer.header("mcp-session-id").is_err());
        assert_eq!(answer.header("x"), Ok(None));
        assert_eq!(answer.media(), Ok("text/event-stream".to_owned()));
    }
}
