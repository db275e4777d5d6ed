//! Fuzzes what the egress reads from a sandbox: whatever comes, it is understood or refused, soon and without a panic, and what is
//! understood can be read in one way only.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/fuzz.rs"]
mod fuzz;

use std::net::Ipv4Addr;
use weft::egress::{dns, http, sni, socks};
use weft::policy::host::Host;

#[test]
fn requests_to_the_proxy() {
    let seeds: Vec<Vec<u8>> = [
        "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Connection: keep-alive\r\n\r\n",
        "GET http://api.example.com/a?b=c HTTP/1.1\r\nHost: api.example.com\r\nAccept: */*\r\n\r\n",
        "POST http://[::1]:8080/ HTTP/1.1\r\nContent-Length: 5\r\nConnection: x, close\r\nX: y\r\n\r\nhello",
        "PUT http://a.com HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: key-test.weft.internal\r\nExpect: 100-continue\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    let words: [&[u8]; 18] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b": ",
        b"http://",
        b"https://",
        b"@",
        b":443",
        b"[::1]",
        b"%0d%0a",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: b.com\r\n",
        b"\xff\xfe",
    ];
    fuzz::run("http", &seeds, &words, |input| {
        for server in [false, true] {
            let Ok(Some(request)) = http::request(input, server) else { continue };
            assert!(request.used <= input.len() && request.used <= http::LARGEST);
            assert!(request.port > 0);
            // What is read once is complete: more bytes change nothing.
            let more = [input, b"X: y\r\n\r\n"].concat();
            assert_eq!(http::request(&more, server), Ok(Some(request.clone())));
            assert_eq!(http::request(&input[..request.used], server), Ok(Some(request.clone())));
            let Some(plain) = &request.plain else { continue };
            // And what goes on says the same to whoever reads it next.
            let head = plain.head(&request.host, request.port);
            let again = http::request(&head, true).unwrap().unwrap();
            assert_eq!((&again.host, again.port, again.used), (&request.host, request.port, head.len()));
            let again = again.plain.unwrap();
            assert_eq!((&again.method, &again.path), (&plain.method, &plain.path));
            assert_eq!((again.body(), again.chunked), (plain.length.or(again.body()), plain.chunked));
            let text = String::from_utf8(head).unwrap().to_lowercase();
            assert_eq!(text.matches("\r\nhost: ").count(), 1, "{text}");
            assert!(
                text.matches("\r\ncontent-length: ").count()
                    + text.matches("\r\ntransfer-encoding: ").count()
                    <= 1
            );
            assert!(!text.contains("\r\nproxy-") && text.ends_with("connection: close\r\n\r\n"));
        }
    });
}

#[test]
fn hellos() {
    let hello = |name: &[u8], padding: usize| {
        let list = |data: &[u8]| [&(data.len() as u16).to_be_bytes()[..], data].concat();
        let entry = [&[0][..], &list(name)].concat();
        let extensions = [&[0xff, 1][..], &list(&vec![0; padding]), &[0, 0], &list(&list(&entry))].concat();
        let body = [&[3, 3][..], &[7; 32], &[0], &list(&[0x13, 1]), &[1, 0], &list(&extensions)].concat();
        [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat()
    };
    let records = |message: &[u8], size: usize| -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
        message.chunks(size).flat_map(record).collect()
    };
    let seeds = vec![
        records(&hello(b"api.example.com", 0), 16_384),
        records(&hello(b"api.example.com", 1_500), 400),
        records(&hello(b"a", 0), 7),
    ];
    let words: [&[u8]; 8] = [
        b"\x16\x03\x01",
        b"\0\0",
        b"\0\x05\0\x03\0",
        b"\x01\0",
        b"\xff\xff",
        b"evil.example",
        b"\x15",
        b"\x17\x03\x03",
    ];
    fuzz::run("hello", &seeds, &words, |input| match sni::hello(input) {
        Ok(sni::Hello::Needs(more)) => assert!(more > input.len() && more <= sni::LARGEST),
        Ok(sni::Hello::Whole(name)) => {
            assert!(name.is_none_or(|name| name.is_ascii() && !name.contains('\0')));
            // Nothing shorter is a hello already.
            let shorter = input.len() - 1;
            let _ = sni::hello(&input[..shorter]);
        }
        Err(why) => assert!(!why.is_empty()),
    });
}

#[test]
fn questions() {
    let question = |name: &str, kind: u16| {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        [&message[..], &[0], &kind.to_be_bytes(), &[0, 1]].concat()
    };
    let seeds =
        vec![question("api.example.com", 1), question("a.b.c.d.e.f", 28), question("_x.example.com", 65)];
    let words: [&[u8]; 7] =
        [b"\xc0\x0c", b"\0", b"\x3f", b"\x40", b"\0\x01\0\x01", b"\x03www", b"\0\0\x29\x04\xd0\0\0\0\0\0\0"];
    fuzz::run("dns", &seeds, &words, |input| {
        let mut asked = Vec::new();
        let answer = dns::answer(input, &mut |name| {
            asked.push(name.to_owned());
            if Host::parse(name).is_ok() {
                dns::Known::At(Ipv4Addr::new(198, 18, 0, 2))
            } else {
                dns::Known::No
            }
        });
        let Some(answer) = answer else { return };
        assert!(asked.len() <= 1 && asked.iter().all(|name| name.len() <= 255 && name.is_ascii()));
        assert_eq!(answer[..2], input[..2]);
        assert!(answer[2] & 0x80 != 0 && answer.len() <= input.len() + 16 && answer.len() <= 512);
    });
}

#[test]
fn socks_messages() {
    let seeds = vec![
        [&[5, 1, 0, 3, 11][..], b"example.com", &[1, 187]].concat(),
        vec![5, 1, 0, 1, 10, 0, 0, 1, 0, 80],
        [&[5, 1, 0, 4][..], &[0; 16], &[0, 80]].concat(),
        vec![5, 2, 0, 2],
    ];
    fuzz::run("socks", &seeds, &[b"\x05\x01\0", b"\x03", b"\xff", b"localhost"], |input| {
        if let Some((used, _)) = socks::greeting(input) {
            assert!(used <= input.len());
        }
        if let Ok(Some((host, _, used))) = socks::request(input) {
            assert!(used <= input.len() && host.is_ascii());
        }
    });
}
