//! Fuzzes what the hub reads from strangers: whatever comes, it is understood or refused without a panic, the same however it is
//! split, and what is understood can be read in one way only.

#![cfg(feature = "server")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/fuzz.rs"]
mod fuzz;

use weft::hub::server::front::chunked::Chunked;
use weft::hub::server::front::head::{self, Framing, Refusal};
use weft::hub::server::front::multipart::{Multipart, PartHead, Sink};

/// Where the head ends when its bytes come in pieces of this size, and how many had come by then.
fn end_in_pieces(input: &[u8], step: usize) -> Result<Option<usize>, Refusal> {
    let mut seen = 0;
    let mut come = 0;
    while come < input.len() {
        come = (come + step).min(input.len());
        if let Some(end) = head::end(&input[..come], seen)? {
            return Ok(Some(end));
        }
        seen = come;
    }
    Ok(None)
}

#[test]
fn heads() {
    let seeds: Vec<Vec<u8>> = [
        "GET /api/v1/skills?limit=5 HTTP/1.1\r\nHost: hub.example\r\nAccept: */*\r\n\r\n",
        "\r\nPOST http://[::1]:8080/a HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\nhello",
        "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HEAD / HTTP/1.0\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: keep-alive\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    let words: [&[u8]; 20] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b": ",
        b"http://",
        b"@",
        b"#",
        b"?",
        b"HTTP/1.1",
        b"HTTP/2.0",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: b.com\r\n",
        b"\xff\xfe",
        b"%0d%0a",
        b"\x0b",
    ];
    fuzz::run("hub-head", &seeds, &words, |input| {
        let whole = head::end(input, 0);
        for step in [1, 2, 7, 64] {
            match (&whole, end_in_pieces(input, step)) {
                (Ok(found), got) => assert_eq!(got, Ok(*found)),
                // Refused early or late, it is refused.
                (Err(refusal), got) => assert_eq!(got.unwrap_err().status, refusal.status),
            }
        }
        let Ok(Some(end)) = whole else { return };
        assert!(end <= head::LARGEST && input[..end].ends_with(b"\r\n\r\n"));
        let Ok(parsed) = head::parse(&input[..end]) else { return };
        let head = &parsed.head;
        assert!(head.path.starts_with('/') && head.headers.len() <= head::MOST);
        let clean = |text: &str| text.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
        assert!(clean(&head.path) && clean(&head.query) && clean(&head.host) && !head.path.contains(' '));
        assert!(head.headers.iter().all(|(name, value)| clean(name) && clean(value) && !name.is_empty()));
        let count = |wanted: &str| head.headers.iter().filter(|(name, _)| name == wanted).count();
        assert!(count("host") <= 1 && (count("host") == 1 || !parsed.eleven));
        assert!(count("content-length") + count("transfer-encoding") <= 1);
        match parsed.framing {
            Framing::Length(length) => assert_eq!(length, head.length),
            Framing::Chunked => assert!(parsed.eleven),
        }
        // Written down again, it says the same: no reader behind this one finds another request in it.
        let mut again = format!("GET {}", head.path);
        if !head.query.is_empty() {
            again += &format!("?{}", head.query);
        }
        again += &format!(" HTTP/1.{}\r\n", u8::from(parsed.eleven));
        for (name, value) in &head.headers {
            again += &format!("{name}: {value}\r\n");
        }
        again += "\r\n";
        if again.len() <= head::LONGEST_LINE {
            assert_eq!(head::end(again.as_bytes(), 0), Ok(Some(again.len())));
            let read = head::parse(again.as_bytes()).unwrap();
            assert_eq!((&read.head.path, &read.head.query), (&head.path, &head.query));
            assert_eq!(read.head.headers, head.headers);
            assert_eq!((read.framing, read.keep), (parsed.framing, parsed.keep));
        }
    });
}

fn chunks(input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), u16> {
    let (mut chunked, mut out, mut used) = (Chunked::default(), Vec::new(), 0);
    for piece in input.chunks(step) {
        let mut at = 0;
        while at < piece.len() && !chunked.over() {
            let (took, content) = chunked.next(&piece[at..]).map_err(|refusal| refusal.status)?;
            assert!(took > 0 && content.len() <= took);
            out.extend_from_slice(content);
            at += took;
        }
        used += at;
    }
    Ok((out, used, chunked.over()))
}

#[test]
fn bodies_in_chunks() {
    let seeds = vec![
        b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\nGET /".to_vec(),
        b"FFFFFFFFFFFF\r\nx".to_vec(),
        b"1\r\na\r\n".repeat(50),
    ];
    let words: [&[u8]; 9] = [b"\r\n", b"\n", b"0\r\n\r\n", b";x=y", b" ", b"-", b"0x", b"ffffffff", b"\0"];
    fuzz::run("hub-chunks", &seeds, &words, |input| {
        let whole = chunks(input, input.len().max(1));
        for step in [1, 2, 3, 17] {
            assert_eq!(chunks(input, step), whole);
        }
        if let Ok((out, used, true)) = whole {
            assert!(out.len() < used && input[..used].ends_with(b"\r\n\r\n"));
        }
    });
}

#[derive(Default, Debug, PartialEq)]
struct Parts(Vec<(PartHead, Vec<u8>, bool)>);

impl Sink for Parts {
    fn begin(&mut self, head: PartHead) -> Result<(), Refusal> {
        assert!(self.0.last().is_none_or(|(_, _, ended)| *ended));
        assert!(!head.name.is_empty());
        self.0.push((head, Vec::new(), false));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let (_, content, ended) = self.0.last_mut().unwrap();
        assert!(!*ended);
        content.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let (_, _, ended) = self.0.last_mut().unwrap();
        assert!(!std::mem::replace(ended, true));
        Ok(())
    }
}

fn form(input: &[u8], step: usize) -> Result<Parts, u16> {
    let mut multipart = Multipart::new("multipart/form-data; boundary=bound", 20).unwrap();
    let mut parts = Parts::default();
    for piece in input.chunks(step) {
        multipart.push(piece, &mut parts).map_err(|refusal| refusal.status)?;
    }
    multipart.finish().map_err(|refusal| refusal.status)?;
    Ok(parts)
}

#[test]
fn forms() {
    let part = |disposition: &str, content: &str| {
        format!("--bound\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let seeds = vec![
        format!("{}--bound--\r\n", part("name=\"payload\"", "{\"slug\":\"a\"}")).into_bytes(),
        format!(
            "pre\r\n{}{}--bound--",
            part("name=files; filename=\"a%22b\\\"c.md\"\r\nContent-Type: text/markdown", "# a\r\n--boun"),
            part("name=\"files\"; filename=\"\"", "")
        )
        .into_bytes(),
    ];
    let words: [&[u8]; 14] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"--bound",
        b"\r\n--bound",
        b"\r\n--bound--",
        b"--",
        b"; name=x",
        b"; filename=\"",
        b"\"",
        b"\\",
        b"%22",
        b"Content-Disposition: form-data; name=y\r\n",
        b"Content-Type: a/b\r\n",
    ];
    fuzz::run("hub-form", &seeds, &words, |input| {
        let whole = form(input, input.len().max(1));
        for step in [1, 2, 5, 33] {
            assert_eq!(form(input, step), whole);
        }
        let Ok(parts) = whole else { return };
        assert!(parts.0.len() <= 20);
        for (_, content, ended) in &parts.0 {
            assert!(*ended && content.len() <= input.len());
            assert!(!content.windows(9).any(|window| window == b"\r\n--bound"));
        }
        // Who names the type of a body cannot make the reader fall over either.
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = Multipart::new(text, 1);
            let _ = Multipart::new(&format!("multipart/form-data;{text}"), 1);
        }
    });
}
