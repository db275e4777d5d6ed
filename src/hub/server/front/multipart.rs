//! `multipart/form-data` (RFC 2046, RFC 7578), taken apart as it comes, in pieces of any size with the same outcome. Strict: what
//! two readers could take for different parts is refused. Where the parts go is up to the [`Sink`].

use super::head::Refusal;
use httparse::{EMPTY_HEADER, Status};
use memchr::memmem;

/// What may stand in front of the first delimiter and behind the last, which nobody reads.
const AROUND: usize = 1 << 10;
/// The header lines of a part, in bytes.
const LARGEST_HEAD: usize = 4 << 10;
/// Header lines of a part.
const LINES: usize = 16;

const fn bad(why: &'static str) -> Refusal {
    Refusal { status: 400, why }
}

/// What is said of a part before its content.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct PartHead {
    pub name: String,
    /// As the client wrote it.
    pub file_name: Option<String>,
    pub content_type: Option<String>,
}

/// Where the parts go, each in this order: `begin`, `data` any number of times, `end`.
pub trait Sink {
    fn begin(&mut self, head: PartHead) -> Result<(), Refusal>;
    fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal>;
    fn end(&mut self) -> Result<(), Refusal>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    /// Behind a delimiter: the end of its line, or the mark of the last one.
    Delimiter,
    Head,
    Data,
    Epilogue,
}

/// Reads one body.
#[derive(Debug)]
pub struct Multipart {
    /// CR LF, two dashes, the boundary.
    delimiter: memmem::Finder<'static>,
    /// What came and could not be decided yet.
    held: Vec<u8>,
    state: State,
    /// Bytes that nobody reads, so far.
    around: usize,
    /// Parts that may still come.
    parts: usize,
}

impl Multipart {
    /// `content_type` is the header of the request, `parts` how many there may be.
    pub fn new(content_type: &str, parts: usize) -> Result<Multipart, Refusal> {
        let other = Refusal { status: 415, why: "the body must be multipart/form-data" };
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(other);
        }
        let mut boundary = None;
        for (name, value) in Parameters(parameters) {
            let value = value?;
            if name.eq_ignore_ascii_case("boundary") && boundary.replace(value).is_some() {
                return Err(bad("two boundaries in the Content-Type"));
            }
        }
        let boundary = boundary.ok_or(bad("no boundary in the Content-Type"))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        if boundary.is_empty()
            || boundary.len() > 70
            || boundary.ends_with(' ')
            || !boundary.bytes().all(allowed)
        {
            return Err(bad("the boundary in the Content-Type is none (RFC 2046)"));
        }
        let delimiter = memmem::Finder::new(&[b"\r\n--", boundary.as_bytes()].concat()).into_owned();
        // So that a delimiter at the very beginning, which has no line end in front, is one like the others.
        Ok(Multipart { delimiter, held: b"\r\n".to_vec(), state: State::Preamble, around: 0, parts })
    }

    /// The next piece of the body.
    pub fn push(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<(), Refusal> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(piece);
        let used = self.read(&held, sink)?;
        held.drain(..used);
        self.held = held;
        Ok(())
    }

    /// The body is over: was it whole?
    pub fn finish(&self) -> Result<(), Refusal> {
        if self.state == State::Epilogue { Ok(()) } else { Err(bad("the multipart body has no end")) }
    }

    /// How many bytes were understood.
    fn read(&mut self, input: &[u8], sink: &mut dyn Sink) -> Result<usize, Refusal> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match self.state {
                State::Preamble | State::Data => {
                    let found = self.delimiter.find(rest);
                    // A delimiter may have begun in the last bytes.
                    let sure =
                        found.unwrap_or((rest.len() + 1).saturating_sub(self.delimiter.needle().len()));
                    let content = rest.get(..sure).unwrap_or_default();
                    if self.state == State::Preamble {
                        self.skip(sure)?;
                    } else if !content.is_empty() {
                        sink.data(content)?;
                    }
                    at += sure;
                    if found.is_none() {
                        return Ok(at);
                    }
                    at += self.delimiter.needle().len();
                    if self.state == State::Data {
                        sink.end()?;
                    }
                    self.state = State::Delimiter;
                }
                State::Delimiter => {
                    let Some(two) = rest.get(..2) else { return Ok(at) };
                    self.state = match two {
                        b"\r\n" => State::Head,
                        b"--" => State::Epilogue,
                        _ => return Err(bad("a boundary of the multipart body does not end its line")),
                    };
                    self.around = 0;
                    at += 2;
                }
                State::Head => {
                    let Some(end) = memmem::find(rest, b"\r\n\r\n").map(|end| end + 4) else {
                        if rest.len() >= LARGEST_HEAD {
                            return Err(bad("the header of a part is larger than 4 KiB"));
                        }
                        return Ok(at);
                    };
                    if end > LARGEST_HEAD {
                        return Err(bad("the header of a part is larger than 4 KiB"));
                    }
                    self.parts = self
                        .parts
                        .checked_sub(1)
                        .ok_or(Refusal { status: 413, why: "too many parts in the multipart body" })?;
                    sink.begin(head(rest.get(..end).unwrap_or_default())?)?;
                    at += end;
                    self.state = State::Data;
                }
                State::Epilogue => {
                    self.skip(rest.len())?;
                    return Ok(input.len());
                }
            }
        }
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.around += bytes;
        if self.around > AROUND {
            return Err(bad("too much text around the parts of the multipart body"));
        }
        Ok(())
    }
}

/// Reads the header lines of a part, with their empty line.
fn head(lines: &[u8]) -> Result<PartHead, Refusal> {
    let mut headers = [EMPTY_HEADER; LINES];
    let malformed = bad("the header of a part is malformed");
    let strict = memchr::memchr_iter(b'\n', lines).all(|at| lines.get(at.wrapping_sub(1)) == Some(&b'\r'));
    let headers = match httparse::parse_headers(lines, &mut headers) {
        Ok(Status::Complete((used, headers))) if used == lines.len() && strict => headers,
        _ => return Err(malformed),
    };
    let (mut disposition, mut content_type) = (None, None);
    for header in headers {
        let value = std::str::from_utf8(header.value).map_err(|_| malformed)?.trim_matches([' ', '\t']);
        let place = match header.name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            "content-transfer-encoding"
                if !["binary", "8bit", "7bit"].iter().any(|plain| plain.eq_ignore_ascii_case(value)) =>
            {
                return Err(bad("a part is encoded: send it as it is"));
            }
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(bad("a part says twice what it is"));
        }
    }
    let disposition = disposition.ok_or(bad("a part without Content-Disposition"))?;
    let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
    if !kind.trim_matches([' ', '\t']).eq_ignore_ascii_case("form-data") {
        return Err(bad("a part whose Content-Disposition is not form-data"));
    }
    let (mut name, mut file_name) = (None, None);
    for (key, value) in Parameters(parameters) {
        let place = match key.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file_name,
            // RFC 7578, 4.2: not to be used; readers differ in which of the two names they take.
            "name*" | "filename*" => return Err(bad("a part whose name is encoded (`filename*`)")),
            _ => continue,
        };
        if place.replace(value?).is_some() {
            return Err(bad("a part with two names"));
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or(bad("a part without a name"))?;
    Ok(PartHead { name, file_name, content_type: content_type.map(str::to_owned) })
}

/// `; name=value; name="value"`, one after the other. Behind a mistake there is nothing more.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, Result<String, Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        const MALFORMED: Refusal = bad("a header has a malformed parameter");
        let space = [' ', '\t'];
        let text = self.0.trim_start_matches([' ', '\t', ';']);
        if text.is_empty() {
            self.0 = "";
            return None;
        }
        let Some((name, value)) = text.split_once('=') else {
            self.0 = "";
            return Some((text, Err(MALFORMED)));
        };
        let (name, value) = (name.trim_matches(space), value.trim_start_matches(space));
        let (value, rest) = match value.strip_prefix('"') {
            Some(quoted) => match unquote(quoted) {
                Some((value, rest)) => (Ok(value), rest),
                None => (Err(MALFORMED), ""),
            },
            None => {
                let (value, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
                let value = value.trim_end_matches(space);
                let token = !value.is_empty() && !value.contains([' ', '\t', '"', '\\', ',']);
                (if token { Ok(value.to_owned()) } else { Err(MALFORMED) }, rest)
            }
        };
        let rest = rest.trim_start_matches(space);
        let value = if rest.is_empty() || rest.starts_with(';') { value } else { Err(MALFORMED) };
        self.0 = if value.is_ok() { rest } else { "" };
        Some((name, value))
    }
}

/// What stands before the closing quote, and what behind it. Clients write a quote in a name as `\"` (curl) or `%22` (browsers,
/// by the HTML standard, with `%0D` and `%0A` for line ends); any other backslash or percent sign is itself.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(['"', '\\', '%'])?;
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(behind) = from.strip_prefix('"') {
            return Some((out, behind));
        }
        const WRITTEN: [(&str, &str); 5] =
            [("\\\"", "\""), ("\\\\", "\\"), ("%22", "\""), ("%0D", "\r"), ("%0A", "\n")];
        let found = WRITTEN.iter().find(|(written, _)| {
            from.get(..written.len()).is_some_and(|start| start.eq_ignore_ascii_case(written))
        });
        let (meant, length) = match found {
            Some((written, meant)) => (*meant, written.len()),
            None => (from.get(..1)?, 1),
        };
        out.push_str(meant);
        rest = from.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Debug, PartialEq)]
    struct Seen(Vec<(PartHead, Vec<u8>)>, bool);

    impl Sink for Seen {
        fn begin(&mut self, head: PartHead) -> Result<(), Refusal> {
            assert!(!std::mem::replace(&mut self.1, true));
            self.0.push((head, Vec::new()));
            Ok(())
        }

        fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
            assert!(self.1);
            self.0.last_mut().unwrap().1.extend_from_slice(bytes);
            Ok(())
        }

        fn end(&mut self) -> Result<(), Refusal> {
            assert!(std::mem::replace(&mut self.1, false));
            Ok(())
        }
    }

    fn read(body: &[u8], step: usize) -> Result<Seen, Refusal> {
        let mut multipart = Multipart::new("multipart/form-data; boundary=\"x y\"", 3).unwrap();
        let mut seen = Seen::default();
        for piece in body.chunks(step) {
            multipart.push(piece, &mut seen)?;
        }
        multipart.finish()?;
        Ok(seen)
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--x y\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn the_same_in_every_piece() {
        let body = [
            "for old programs\r\n",
            &part("form-data; name=\"payload\"", "{\"a\":\r\n--x 1}\r\n"),
            "--x y\r\ncontent-type: text/markdown\r\nContent-Disposition: form-data; name=files; filename=\"a/ä%22\\\"%41\\b.md\"\r\n\r\n\r\n",
            "--x y--\r\nbye",
        ]
        .concat();
        let first = read(body.as_bytes(), body.len()).unwrap();
        assert_eq!(first.0[0].1, b"{\"a\":\r\n--x 1}\r\n");
        assert_eq!(first.0[0].0, PartHead { name: "payload".into(), file_name: None, content_type: None });
        assert_eq!(first.0[1].0.file_name.as_deref(), Some("a/ä\"\"%41\\b.md"));
        assert_eq!(first.0[1].0.content_type.as_deref(), Some("text/markdown"));
        assert_eq!((first.0.len(), first.0[1].1.len()), (2, 0));
        for step in 1..body.len() {
            assert_eq!(read(body.as_bytes(), step).unwrap(), first);
        }
    }

    #[test]
    fn refuses() {
        let end = "--x y--\r\n";
        let good = part("form-data; name=a", "1");
        for (body, status) in [
            (String::new(), 400),
            (good.clone(), 400),
            (format!("{good}--x y-"), 400),
            (format!("{good}--x y \r\n{end}"), 400),
            (format!("{good}--x yz\r\n{end}"), 400),
            (format!("{}{end}", part("form-data", "1")), 400),
            (format!("{}{end}", part("form-data; name=\"\"", "1")), 400),
            (format!("{}{end}", part("form-data; filename=a", "1")), 400),
            (format!("{}{end}", part("attachment; name=a", "1")), 400),
            (format!("{}{end}", part("form-data; name=a; name=b", "1")), 400),
            (format!("{}{end}", part("form-data; name=\"a", "1")), 400),
            (format!("{}{end}", part("form-data; name=\"a\"x", "1")), 400),
            (format!("{}{end}", part("form-data; name=a; filename*=UTF-8''b", "1")), 400),
            (format!("{}{end}", part("form-data; name=a\r\nContent-Transfer-Encoding: base64", "1")), 400),
            (
                format!("{}{end}", part("form-data; name=a\r\nContent-Disposition: form-data; name=b", "1")),
                400,
            ),
            (format!("{}{end}", part("form-data; name=a\r\n folded", "1")), 400),
            (format!("{}{end}", part("form-data; name=a\nX: y", "1")), 400),
            (format!("--x y\r\nX: {}\r\n\r\n", "a".repeat(5000)), 400),
            (format!("{}{good}{end}", "a".repeat(2000)), 400),
            (format!("{good}{end}{}", "a".repeat(2000)), 400),
            (format!("{}{end}", good.repeat(4)), 413),
        ] {
            for step in [1, 7, body.len().max(1)] {
                assert_eq!(read(body.as_bytes(), step).unwrap_err().status, status, "{body:?}");
            }
        }
        assert_eq!(read(format!("{}{end}", good.repeat(3)).as_bytes(), 5).unwrap().0.len(), 3);
        assert_eq!(read(end.as_bytes(), 1).unwrap().0.len(), 0);
        for (kind, status) in [
            ("text/plain; boundary=x", 415),
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary=", 400),
            ("multipart/form-data; boundary=\"\"", 400),
            ("multipart/form-data; boundary=x; boundary=y", 400),
            ("multipart/form-data; boundary=\"x ", 400),
            ("multipart/form-data; boundary=x@y", 400),
        ] {
            assert_eq!(Multipart::new(kind, 1).unwrap_err().status, status, "{kind}");
        }
    }
}
