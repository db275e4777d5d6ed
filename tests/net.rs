//! The HTTP client against a server that misbehaves in every way it can.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used)] // A failure here is a failed test.

#[path = "support/server.rs"]
mod server;

use server::{Act, Server};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use weft::net::{Client, Kind, Method, NetError, Options, Request, Response, Retry, Url};

/// Does not wait between attempts.
fn client() -> Client {
    Client::sleeping(options(), Retry::default(), |_| {})
}

fn options() -> Options {
    // A server that stalls stalls for ever: a short patience makes no test flaky.
    Options { silence: Duration::from_millis(500), ..Options::default() }
}

fn get(client: &Client, url: &str) -> Result<Response, NetError> {
    client.send(&Request::get(Url::parse(url).unwrap(), 1 << 20))
}

/// Answers the first requests with `bad` and the rest properly.
fn after(count: u32, bad: impl Fn() -> Act + Send + Sync + 'static) -> Server {
    let left = AtomicU32::new(count);
    Server::start(move |_| {
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => bad(),
            Err(_) => Act::text(200, "good"),
        }
    })
}

#[test]
fn what_may_pass_is_tried_again() {
    for (name, server) in [
        ("429", after(2, || Act::text(429, "slow down"))),
        ("500", after(2, || Act::text(500, ""))),
        ("503", after(2, || Act::text(503, ""))),
        ("cut", after(2, || Act::Cut(100, b"half".to_vec()))),
        ("cut before the head ends", after(2, || Act::Raw(b"HTTP/1.1 200 OK\r\nconte".to_vec()))),
        ("closed", after(2, || Act::Raw(Vec::new()))),
        ("stalled", after(1, || Act::Stall(100, b"half".to_vec()))),
        ("silent", after(1, || Act::Stall(100, Vec::new()))),
    ] {
        let answer = get(&client(), &server.url()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"good".as_slice()), "{name}");
    }
    let server = Server::start(|_| Act::text(200, "good"));
    server.resets.store(2, Ordering::SeqCst);
    assert_eq!(get(&client(), &server.url()).unwrap().body, b"good");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_stays_wrong_ends() {
    let tries = |server: &Server, kind: Kind, count: usize| {
        let error = get(&client(), &server.url()).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(server.seen().len(), count, "{error}");
    };
    tries(&after(9, || Act::Cut(100, b"half".to_vec())), Kind::Broken, 4);
    tries(&after(9, || Act::Stall(100, b"half".to_vec())), Kind::Timeout, 4);
    tries(&after(9, || Act::Raw(b"nonsense\r\n\r\n".to_vec())), Kind::Answer, 1);
    let refused = after(9, || Act::text(404, "none"));
    assert_eq!(get(&client(), &refused.url()).unwrap().status, 404);
    assert_eq!(refused.seen().len(), 1);
    let busy = after(9, || Act::text(502, ""));
    assert_eq!(get(&client(), &busy.url()).unwrap().status, 502);
    assert_eq!(busy.seen().len(), 4);
    // Nobody listens there any more.
    let gone = Server::start(|_| Act::text(200, ""));
    let url = gone.url();
    drop(gone);
    assert_eq!(get(&client(), &url).unwrap_err().kind, Kind::Broken);
}

#[test]
fn a_huge_retry_after_is_capped() {
    static WAITED: AtomicU32 = AtomicU32::new(0);
    let client = Client::sleeping(options(), Retry::default(), |wait| {
        WAITED.fetch_max(u32::try_from(wait.as_secs()).unwrap(), Ordering::SeqCst);
    });
    let server = after(1, || Act::Answer(429, vec![("retry-after", "86400".into())], Vec::new()));
    assert_eq!(get(&client, &server.url()).unwrap().status, 200);
    assert_eq!(WAITED.load(Ordering::SeqCst), 60);
}

#[test]
fn a_write_is_sent_again_only_if_it_was_not_looked_at() {
    let post = |server: &Server| {
        let mut request = Request::get(Url::parse(&server.url()).unwrap(), 100);
        (request.method, request.body, request.repeatable) = (Method::Post, Some(&b"x"[..]), false);
        client().send(&request)
    };
    let server = after(1, || Act::text(429, ""));
    assert_eq!(post(&server).unwrap().status, 200);
    let server = after(1, || Act::text(500, ""));
    assert_eq!(post(&server).unwrap().status, 500);
    let server = after(1, || Act::Cut(10, b"x".to_vec()));
    assert_eq!(post(&server).unwrap_err().kind, Kind::Broken);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn sizes_are_bounded() {
    let big = Server::start(|_| Act::Answer(200, Vec::new(), vec![b'x'; 2 << 20]));
    let error = get(&client(), &big.url()).unwrap_err();
    assert_eq!((error.kind, big.seen().len()), (Kind::Answer, 1), "{error}");
    // Without a length, what comes is counted.
    let endless = Server::start(|_| {
        let mut out = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        out.resize(3 << 20, b'x');
        Act::Raw(out)
    });
    assert_eq!(get(&client(), &endless.url()).unwrap_err().kind, Kind::Answer);
    let lies = Server::start(|_| Act::Cut(1 << 50, Vec::new()));
    assert_eq!(get(&client(), &lies.url()).unwrap_err().kind, Kind::Answer);
    let headers = Server::start(|_| {
        let mut out = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        out.resize(1 << 20, b'x');
        Act::Raw(out)
    });
    assert!(get(&client(), &headers.url()).is_err());
    let packed =
        Server::start(|_| Act::Answer(200, vec![("content-encoding", "gzip".into())], vec![0x1f, 0x8b]));
    assert_eq!(get(&client(), &packed.url()).unwrap_err().kind, Kind::Answer);
}

#[test]
fn redirects_end_and_lose_the_token() {
    let round = Server::start(|_| Act::redirect(302, "/again"));
    let error = get(&client(), &round.url()).unwrap_err();
    assert!(error.what.contains("redirected more than 5 times"), "{error}");

    let other = Arc::new(Server::start(|_| Act::text(200, "elsewhere")));
    let to = other.url();
    let server = Server::start(move |seen| match seen.path() {
        "/start" => Act::redirect(307, "next"),
        _ => Act::redirect(302, &to),
    });
    let start = Url::parse(&format!("{}/start", server.url())).unwrap();
    let mut request = Request::get(start.clone(), 100);
    request.token = Some("secret-token");
    let answer = client().send(&request).unwrap();
    assert_eq!(answer.body, b"elsewhere");
    let tokens: Vec<bool> = server
        .seen()
        .iter()
        .chain(&other.seen())
        .map(|seen| seen.header("authorization").is_some())
        .collect();
    assert_eq!(tokens, [true, true, false]);

    (request.method, request.body) = (Method::Post, Some(&b"{}"[..]));
    other.forget();
    for path in ["/start", "/other"] {
        request.url = start.with_path(path);
        assert_eq!(client().send(&request).unwrap_err().kind, Kind::Answer, "{path}");
    }
    assert!(other.seen().is_empty());
    let bodies: Vec<usize> = server.seen().iter().skip(2).map(|seen| seen.body.len()).collect();
    assert_eq!(bodies, [2, 2, 2], "a 307 sends the body again");

    for bad in ["", "ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://"] {
        let server = Server::start(move |_| Act::redirect(302, bad));
        assert_eq!(get(&client(), &server.url()).unwrap_err().kind, Kind::Answer, "{bad:?}");
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_a_broken_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 1024];
        let count = stream.read(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap();
        // Until the client leaves, so that it reads an answer and not a reset.
        let _ = stream.read(&mut [0]);
        hello[..count].to_vec()
    });
    let error = get(&client(), &url).unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert_eq!(server.join().unwrap()[0], 0x16, "a TLS record and no request in the clear");
}
