//! The HTTP server of `weft hub serve`, through real sockets: what it answers, what it refuses, and that nobody can make it wait.

#![cfg(feature = "server")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/front.rs"]
mod front;

use front::{Site, read_answer, status};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use weft::hub::server::front::Settings;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\n\r\n")
}

#[test]
fn answers_and_keeps_the_connection() {
    let site = Site::start(|_| {});
    let mut stream = site.connect();
    for (path, body) in
        [("/now", "now"), ("/worker", "worker"), ("/file", "0123456789"), ("/shared", "shared")]
    {
        stream.write_all(get(path).as_bytes()).unwrap();
        let answer = read_answer(&mut stream, false);
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("connection"), None);
        let head = get(path).replace("GET", "HEAD");
        stream.write_all(head.as_bytes()).unwrap();
        let answer = read_answer(&mut stream, true);
        assert_eq!(answer.header("content-length").unwrap(), body.len().to_string(), "{path}");
    }
    stream.write_all(get("/nothing").as_bytes()).unwrap();
    let answer = read_answer(&mut stream, false);
    assert_eq!((answer.status, answer.header("content-length")), (204, None));
    stream.write_all(get("/unchanged").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream, false).status, 304);
    stream.write_all(get("/split-header").as_bytes()).unwrap();
    let answer = read_answer(&mut stream, false);
    assert_eq!((answer.status, answer.header("x-evil")), (500, None));
    front::until("all are counted", || site.metrics.answers() == 11);
    // An old client gets the end of the connection, unless it asks to go on.
    stream.write_all(b"GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut stream, false).header("connection"), Some("keep-alive"));
    stream.write_all(b"GET /now HTTP/1.0\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Connection: close\r\n") && rest.ends_with("now"), "{rest}");
    site.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = Site::start(|_| {});
    let mut stream = site.connect();
    let mut asked = String::new();
    for number in 0..200 {
        let path = ["/now", "/worker", "/echo"][number % 3];
        asked.push_str(&match path {
            "/echo" => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{number:03}"),
            path => get(path),
        });
    }
    stream.write_all(asked.as_bytes()).unwrap();
    for number in 0..200 {
        let answer = read_answer(&mut stream, false);
        let wanted = ["now", "worker", &format!("{number:03}")][number % 3].to_owned();
        assert_eq!((answer.status, String::from_utf8(answer.body).unwrap()), (200, wanted));
    }
    // The client may stop sending before it has its answers.
    stream.write_all([get("/worker"), get("/now")].concat().as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut stream, false).body, b"worker");
    assert_eq!(read_answer(&mut stream, false).body, b"now");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    site.stop();
}

#[test]
fn the_same_answer_however_the_request_is_split() {
    let site = Site::start(|_| {});
    let form = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nhello\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n world\r\n--b--\r\n";
    for request in [
        "POST /echo?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world".to_owned(),
        "POST /spool HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
            .to_owned(),
        format!(
            "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    ] {
        let mut whole = site.connect();
        whole.write_all(request.as_bytes()).unwrap();
        let wanted = read_answer(&mut whole, false);
        assert_eq!(wanted.status, 200, "{request}: {wanted:?}");
        assert_eq!(wanted.body, b"hello world");
        let mut stream = site.connect();
        for cut in 1..request.len() {
            let (first, second) = request.as_bytes().split_at(cut);
            stream.write_all(first).unwrap();
            stream.write_all(second).unwrap();
            let answer = read_answer(&mut stream, false);
            assert_eq!((answer.status, answer.body), (200, wanted.body.clone()), "cut at {cut}");
        }
        let mut slow = site.connect();
        for byte in request.as_bytes() {
            slow.write_all(&[*byte]).unwrap();
        }
        assert_eq!(read_answer(&mut slow, false).body, wanted.body);
    }
    assert_eq!(site.spooled(), 0);
    site.stop();
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let site = Site::start(|_| {});
    let head = |lines: &str| format!("GET /now HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let table: Vec<(String, u16)> = vec![
        (head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400),
        (head("Content-Length: 3\r\nContent-Length: 3\r\n"), 400),
        (head("Content-Length: 3\r\nContent-Length: 4\r\n"), 400),
        (head("Content-Length: 3, 3\r\n"), 400),
        (head("Content-Length: +3\r\n"), 400),
        (head("Content-Length: -3\r\n"), 400),
        (head("Content-Length: 0x3\r\n"), 400),
        (head("Content-Length: 3 3\r\n"), 400),
        (head("Content-Length: \r\n"), 400),
        (head("Content-Length: 99999999999999999999\r\n"), 400),
        (head("Content-Length : 3\r\n"), 400),
        (head("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (head("Transfer-Encoding: xchunked\r\n"), 501),
        (head("Transfer-Encoding: identity\r\n"), 501),
        (head("Transfer-Encoding:\u{b}chunked\r\n"), 400),
        (head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (head("Transfer-Encoding : chunked\r\n"), 400),
        ("GET /now HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\nHost:\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\nHost: a b\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1\r\nHost: u@a\r\n\r\n".into(), 400),
        (head("X: a\r\n b\r\n"), 400),
        (head(" X: a\r\n"), 400),
        (head("X : a\r\n"), 400),
        (head("X\r\n"), 400),
        (head(": a\r\n"), 400),
        (head("X: a\0b\r\n"), 400),
        (head("X: a\rb\r\n"), 400),
        (head("X: a\nY: b\r\n"), 400),
        (head("X(: a\r\n"), 400),
        (head("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), 400),
        ("GET /now HTTP/1.1\nHost: a\n\n".into(), 400),
        ("GET  /now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now  HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.1 \r\nHost: a\r\n\r\n".into(), 400),
        ("GET\t/now\tHTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (" GET /now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /n\u{1}ow HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /n\u{e4}ow HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now#x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET ftp://a/now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET http://b/now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET http://u@a/now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now HTTP/1.2\r\nHost: a\r\n\r\n".into(), 505),
        ("GET /now HTTP/2.0\r\nHost: a\r\n\r\n".into(), 505),
        ("GET /now HTTP/0.9\r\n\r\n".into(), 505),
        ("GET /now HTTP/1.10\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now http/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /now HTTP/ 1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("BREW /now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("get /now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        (head("Expect: cookies\r\n"), 417),
        (head(&"X: y\r\n".repeat(101)), 431),
        (head(&format!("X: {}\r\n", "y".repeat(17_000))), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000)), 414),
        (format!("GET /{}", "a".repeat(20_000)), 414),
        ("\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}\r\n\r\n".into(), 400),
    ];
    for (request, wanted) in &table {
        // A second request must never be answered behind one that was refused.
        let sent = format!("{request}{}", get("/now"));
        for split in [false, true] {
            let mut stream = site.connect();
            let (first, second) = sent.as_bytes().split_at(if split { request.len() / 2 } else { 0 });
            stream.write_all(first).unwrap();
            // It may have been refused before it was whole.
            let _ = stream.write_all(second);
            let answer = read_answer(&mut stream, false);
            assert_eq!(answer.status, *wanted, "{request:?}: {answer:?}");
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0, "{request:?}");
        }
    }
    // And these are understood.
    for good in [
        head("Content-Length: 0\r\n"),
        "\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://A/now HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET http://a/now HTTP/1.0\r\n\r\n".to_owned(),
        head("X-Empty:\r\nX-Utf8: ä\r\nX:y\r\n"),
        head(&"X: y\r\n".repeat(99)),
        format!("GET /now?{} HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "a".repeat(8_000)),
    ] {
        assert_eq!(site.ask(good.as_bytes()).status, 200, "{good:?}");
    }
    site.stop();
}

#[test]
fn bodies_stay_in_their_bounds() {
    let site = Site::start(|_| {});
    let post = |path: &str, lines: &str, body: &str| {
        site.ask(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}").as_bytes())
    };
    // More than is taken is refused before it comes.
    assert_eq!(post("/echo", "Content-Length: 1000001\r\n", "").status, 413);
    assert_eq!(post("/spool", "Content-Length: 1000000000001\r\n", "").status, 413);
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    assert_eq!(post("/echo", "Transfer-Encoding: chunked\r\n", &chunk.repeat(40)).status, 413);
    assert_eq!(post("/echo", "Transfer-Encoding: chunked\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n").status, 400);
    assert_eq!(
        post("/echo", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n").status,
        400
    );
    assert_eq!(post("/form", "Content-Length: 5\r\nContent-Type: text/plain\r\n", "hello").status, 415);
    // An answer that needs no body ends the connection, for the body may still come.
    let answer = post("/now", "Content-Length: 5\r\n", "hello");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    // Who waits to be asked for the body is asked, or told no.
    let mut stream = site.connect();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    let mut line = [0; 25];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_answer(&mut stream, false).body, b"hello");
    let answer = post("/echo", "Content-Length: 2000000\r\nExpect: 100-continue\r\n", "");
    assert_eq!(answer.status, 413);
    site.stop();
}

#[test]
fn a_large_upload_is_hashed_and_removed() {
    let site = Site::start(|_| {});
    let body: Vec<u8> = (0..20_000_000u32).map(|number| (number % 251) as u8).collect();
    let mut stream = site.connect();
    write!(stream, "PUT /hash HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(&body).unwrap();
    let answer = read_answer(&mut stream, false);
    let wanted = format!("{} {} 600", body.len(), weft::digest::Sha256::of(&body));
    assert_eq!(String::from_utf8(answer.body).unwrap(), wanted);
    assert_eq!(site.spooled(), 0);
    // Who goes away in the middle leaves nothing.
    write!(stream, "PUT /hash HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(&body[..1_000_000]).unwrap();
    drop(stream);
    front::until("the file is gone", || site.spooled() == 0 && site.metrics.open() == 0);
    site.stop();
}

#[test]
fn forms() {
    let site = Site::start(|_| {});
    let ask = |body: &str| {
        let head = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b";
        site.ask(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
    };
    let part = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{content}\r\n")
    };
    let field = part("name=x", "1");
    assert_eq!(ask(&format!("{}--b--\r\n", field.repeat(50))).status, 200);
    assert_eq!(ask(&format!("{}--b--\r\n", field.repeat(51))).status, 413);
    assert_eq!(ask(&format!("{}--b--\r\n", part("name=x", &"a".repeat(1001)))).status, 413);
    assert_eq!(ask(&format!("{}--b--\r\n", part("name=x; filename=y", &"a".repeat(100_001)))).status, 413);
    assert_eq!(ask(&format!("{}--b--\r\n", part("filename=y", "a"))).status, 400);
    assert_eq!(ask(&field).status, 400);
    assert_eq!(site.spooled(), 0);
    // A hundred thousand parts are refused at the first that is too many, while most of them have not come.
    let many = field.repeat(100_000);
    let mut stream = site.connect();
    let head = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b";
    write!(stream, "{head}\r\nContent-Length: 9000000\r\n\r\n").unwrap();
    stream.write_all(&many.as_bytes()[..100_000]).unwrap();
    assert_eq!(read_answer(&mut stream, false).status, 413);
    site.stop();
}

#[test]
fn a_slow_reader_gets_a_big_file_whole() {
    let site = Site::start(|_| {});
    let mut stream = site.connect();
    stream.write_all([get("/big"), get("/now")].concat().as_bytes()).unwrap();
    let head = front::read_head(&mut stream);
    assert_eq!(status(&head), 200);
    let mut left = front::BIG;
    let mut buffer = vec![0; 300_000];
    let mut number = 0;
    while left > 0 {
        let most = buffer.len().min(left as usize);
        let got = stream.read(&mut buffer[..most]).unwrap();
        assert!(got > 0);
        left -= got as u64;
        number += 1;
        if number % 20 == 0 {
            // Others are served meanwhile.
            assert_eq!(site.ask(get("/now").as_bytes()).status, 200);
        }
    }
    assert_eq!(read_answer(&mut stream, false).body, b"now");
    // A file that has become shorter is no whole answer.
    let mut stream = site.connect();
    stream.write_all(get("/shorter").as_bytes()).unwrap();
    front::read_head(&mut stream);
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    assert!(rest.len() == 10 || ended.is_err());
    site.stop();
}

fn hasty(settings: &mut Settings) {
    settings.limits.head_time = Duration::from_millis(300);
    settings.limits.idle_time = Duration::from_millis(300);
    settings.limits.drain_time = Duration::from_millis(300);
    settings.limits.window = Duration::from_secs(1);
    settings.limits.rate = 1000;
}

#[test]
fn who_is_too_slow_is_let_go() {
    let site = Site::start(hasty);
    let end = |sent: &str| {
        let mut stream = site.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    };
    assert_eq!(end(""), "");
    assert!(end("GET /now HTTP/1.1\r\nHost: a\r\nX").starts_with("HTTP/1.1 408 "));
    assert!(end(&get("/now")).ends_with("now"));
    for path in ["/echo", "/spool", "/form"] {
        let answer = end(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100\r\n\r\n--b"
        ));
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert_eq!(site.spooled(), 0);
    // Who does not read is not waited for either.
    let mut stream = site.connect();
    stream.write_all(get("/big").as_bytes()).unwrap();
    front::until("the reader is let go", || site.metrics.open() == 0);
    site.stop();
}

#[test]
fn a_full_house_makes_room_and_turns_away() {
    let site = Site::start(|settings| settings.limits.connections = 20);
    // Idle connections make room for new ones, the idlest first.
    let mut held = Vec::new();
    for number in 0..60 {
        let mut stream = site.connect();
        stream.write_all(get("/now").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream, false).status, 200, "{number}");
        held.push(stream);
    }
    assert!(site.metrics.open() <= 20);
    assert_eq!(held[0].read(&mut [0; 1]).unwrap_or(0), 0);
    drop(held);
    site.stop();
    // One address cannot take all.
    let site = Site::start(|settings| settings.limits.per_address = 3);
    let mut held: Vec<_> = (0..3).map(|_| site.connect()).collect();
    for stream in &mut held {
        stream.write_all(get("/now").as_bytes()).unwrap();
        assert_eq!(read_answer(stream, false).status, 200);
    }
    let answer = read_answer(&mut site.connect(), false);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    drop(held);
    front::until("they are gone", || site.metrics.open() == 0);
    assert_eq!(site.ask(get("/now").as_bytes()).status, 200);
    site.stop();
}

#[test]
fn busy_workers_are_said_so() {
    let site = Site::start(|settings| {
        settings.workers = 1;
        settings.limits.queue = 1;
    });
    let mut first = site.connect();
    first.write_all(get("/wait").as_bytes()).unwrap();
    front::until("a worker has it", || site.waiting() == 1);
    // One of these gets the place in the queue; which one is not said, for they are on different loops.
    let mut waiting = Vec::new();
    front::until("the queue is full", || {
        let mut stream = site.connect();
        stream.write_all(get("/worker").as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut start = [0; 12];
        let busy = stream.read_exact(&mut start).is_ok() && &start == b"HTTP/1.1 503";
        if !busy {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            waiting.push(stream);
        }
        busy
    });
    // What answers at once is answered all the same.
    assert_eq!(site.ask(get("/now").as_bytes()).status, 200);
    site.release();
    assert_eq!(read_answer(&mut first, false).body, b"waited");
    // A slow machine may have told some of them later than was waited for.
    let told: Vec<Vec<u8>> = waiting.iter_mut().map(|stream| read_answer(stream, false).body).collect();
    assert!(told.iter().any(|body| body == b"worker"), "{told:?}");
    site.stop();
}

#[test]
fn stops_when_what_runs_is_done() {
    let site = Site::start(|_| {});
    let (mut asked, mut idle, mut half) = (site.connect(), site.connect(), site.connect());
    idle.write_all(get("/now").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut idle, false).status, 200);
    half.write_all(b"GET /now HT").unwrap();
    asked.write_all(get("/wait").as_bytes()).unwrap();
    front::until("a worker has it", || site.waiting() == 1);
    let mut big = site.connect();
    big.write_all(get("/big").as_bytes()).unwrap();
    let head = front::read_head(&mut big);
    assert_eq!(status(&head), 200);
    site.stopper.stop();
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(half.read(&mut [0; 1]).unwrap_or(0), 0);
    front::until("nobody listens", || std::net::TcpStream::connect(site.address).is_err());
    site.release();
    let answer = read_answer(&mut asked, false);
    assert_eq!((answer.body.as_slice(), answer.header("connection")), (&b"waited"[..], Some("close")));
    let mut rest = Vec::new();
    big.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len() as u64, front::BIG);
    site.stop();
    // A second word ends it at once.
    let site = Site::start(|_| {});
    let mut asked = site.connect();
    asked.write_all(get("/wait").as_bytes()).unwrap();
    front::until("a worker has it", || site.waiting() == 1);
    site.stopper.stop();
    site.stopper.now();
    assert_eq!(asked.read(&mut [0; 1]).unwrap_or(0), 0);
    site.stop();
}

#[test]
fn only_proxies_of_ours_say_who_asks() {
    let line = "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n";
    let request = format!("GET /peer HTTP/1.1\r\nHost: a\r\n{line}\r\n");
    let site = Site::start(|_| {});
    assert_eq!(site.ask(request.as_bytes()).body, b"127.0.0.1 false");
    site.stop();
    let site = Site::start(|settings| settings.proxies.add("127.0.0.0/8").unwrap());
    assert_eq!(site.ask(request.as_bytes()).body, b"1.2.3.4 true");
    site.stop();
}
