//! One request and its answer, with everything that can go wrong on the way: redirects, retry, limits, tokens.

use super::agent::{Options, agent};
use super::{Kind, NetError, Retry, Url, proxy, retry};
use crate::clock;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{self, HeaderMap, header};

/// As many as browsers follow is more than any registry needs.
const MOST_REDIRECTS: u32 = 5;
/// The read buffer; an answer of the announced length is not allocated before it comes.
const PIECE: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Delete,
}

/// What to send.
pub struct Request<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    /// Sent as `Authorization: Bearer` to the origin of `url` and to no other.
    pub token: Option<&'a str>,
    pub body: Option<&'a [u8]>,
    /// The largest body that is taken, in bytes.
    pub limit: u64,
    /// Whether sending it twice does what sending it once does.
    pub repeatable: bool,
    /// Told of bytes received and of the length that was announced.
    pub progress: Option<&'a dyn Fn(u64, Option<u64>)>,
}

impl<'a> Request<'a> {
    pub fn get(url: Url, limit: u64) -> Request<'a> {
        let (token, body, progress) = (None, None, None);
        Request {
            method: Method::Get,
            url,
            headers: Vec::new(),
            token,
            body,
            limit,
            repeatable: true,
            progress,
        }
    }
}

/// An answer, whole.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Where it came from, redirects followed.
    pub url: Url,
    headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Keeps connections between requests.
pub struct Client {
    options: Options,
    retry: Retry,
    sleep: fn(Duration),
    /// One for each proxy and scheme; almost always one.
    agents: RefCell<HashMap<(bool, Option<String>), Agent>>,
}

impl Client {
    pub fn new(options: Options, retry: Retry) -> Client {
        Client { options, retry, sleep: thread::sleep, agents: RefCell::new(HashMap::new()) }
    }

    /// With another way to wait between attempts, for tests of it.
    pub fn sleeping(options: Options, retry: Retry, sleep: fn(Duration)) -> Client {
        Client { sleep, ..Client::new(options, retry) }
    }

    /// Sends the request until an answer comes that another attempt would not change.
    ///
    /// # Errors
    /// No usable answer. An answer of any status is an answer.
    pub fn send(&self, request: &Request) -> Result<Response, NetError> {
        let mut attempt = 1;
        loop {
            let outcome = self.follow(request);
            let (again, asked) = match &outcome {
                Ok(response) => {
                    let again = retry::worth(response.status)
                        && (request.repeatable || retry::untouched(response.status));
                    let now = clock::now().as_secs();
                    (again, response.header("retry-after").and_then(|header| retry::after(header, now)))
                }
                Err(error) => {
                    (request.repeatable && matches!(error.kind, Kind::Broken | Kind::Timeout), None)
                }
            };
            match self.retry.wait(attempt, asked, fastrand::f64()).filter(|_| again) {
                Some(wait) => (self.sleep)(wait),
                None => return outcome,
            }
            attempt += 1;
        }
    }

    /// One attempt, redirects followed.
    fn follow(&self, request: &Request) -> Result<Response, NetError> {
        let mut url = request.url.clone();
        let mut method = request.method;
        for _ in 0..=MOST_REDIRECTS {
            let token = request.token.filter(|_| url.same_origin(&request.url));
            let response = self.once(request, &url, method, token)?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let refuse = |what: &str, to: &str| {
                NetError::new(Kind::Answer, what, format!("{url} → {to}"), "ask whoever runs the server")
            };
            let location = response.header("location").unwrap_or("");
            if location.is_empty() {
                return Err(refuse("redirected to nowhere", "?"));
            }
            let next = url.resolve(location).map_err(|error| refuse(&error.what, location))?;
            if url.is_https() && !next.is_https() {
                return Err(refuse("redirected from https to http", &next.to_string()));
            }
            if method != Method::Get {
                if matches!(response.status, 301..=303) {
                    // Sent on as a GET it would look as if it had been done.
                    return Err(refuse("a write was redirected in a way that loses it", &next.to_string()));
                }
                if !next.same_origin(&url) {
                    return Err(refuse("a write was redirected to another server", &next.to_string()));
                }
            }
            method = request.method;
            url = next;
        }
        Err(NetError::new(
            Kind::Answer,
            format!("redirected more than {MOST_REDIRECTS} times"),
            request.url.to_string(),
            "ask whoever runs the server",
        ))
    }

    fn once(
        &self,
        request: &Request,
        url: &Url,
        method: Method,
        token: Option<&str>,
    ) -> Result<Response, NetError> {
        let agent = self.agent(url)?;
        let method = match method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Delete => http::Method::DELETE,
        };
        let mut outgoing = http::Request::builder().method(method).uri(url.to_string());
        for (name, value) in &request.headers {
            outgoing = outgoing.header(*name, value);
        }
        if let Some(token) = token {
            outgoing = outgoing.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let unsendable = |_| {
            NetError::new(Kind::Input, "a header has a character that cannot be sent", url.to_string(), "")
        };
        let answer = match request.body {
            Some(body) => {
                let outgoing = outgoing.body(body).map_err(unsendable)?;
                // DELETE carries a body only where it has something to say.
                agent.run(agent.configure_request(outgoing).allow_non_standard_methods(true).build())
            }
            None => agent.run(outgoing.body(()).map_err(unsendable)?),
        };
        let answer = answer.map_err(|error| told(&error, url))?;
        let (parts, body) = answer.into_parts();
        let announced =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let encoded = parts.headers.get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity");
        if encoded {
            return Err(NetError::new(
                Kind::Answer,
                "the answer is compressed, which was not asked for",
                url.to_string(),
                "ask whoever runs the server",
            ));
        }
        let body = read(body.into_reader(), request, url, announced)?;
        Ok(Response { status: parts.status.as_u16(), url: url.clone(), headers: parts.headers, body })
    }

    fn agent(&self, url: &Url) -> Result<Agent, NetError> {
        let proxy = match &self.options.pin {
            Some(_) => None,
            None => proxy::find(url)?,
        };
        let key = (url.is_https(), proxy.as_ref().map(|proxy| proxy.uri().to_string()));
        let mut agents = self.agents.borrow_mut();
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let options = Options { proxy, tls: url.is_https(), ..self.options.clone() };
        let agent = agent(&options)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}

/// The body, to its limit.
fn read(
    mut from: impl Read,
    request: &Request,
    url: &Url,
    announced: Option<u64>,
) -> Result<Vec<u8>, NetError> {
    let large = || {
        let what = format!("the answer is larger than {} bytes", request.limit);
        NetError::new(Kind::Answer, what, url.to_string(), "")
    };
    if announced.is_some_and(|length| length > request.limit) {
        return Err(large());
    }
    let mut body = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok(body),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(told(&ureq::Error::from(error), url)),
        };
        if body.len() as u64 + count as u64 > request.limit {
            return Err(large());
        }
        body.extend_from_slice(&piece[..count]);
        if let Some(progress) = request.progress {
            progress(body.len() as u64, announced);
        }
    }
}

/// An error of the library in our words.
fn told(error: &ureq::Error, url: &Url) -> NetError {
    use ureq::Error as E;
    let check = "check the address and your connection";
    let (kind, what, fix) = match error {
        E::Timeout(_) => (Kind::Timeout, "no answer in time".to_owned(), "try again later"),
        E::HostNotFound => (Kind::Broken, "no such host".to_owned(), check),
        E::ConnectionFailed => (Kind::Broken, "cannot connect".to_owned(), check),
        E::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => (Kind::Broken, "connection refused".to_owned(), check),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                (Kind::Timeout, "no answer in time".to_owned(), "try again later")
            }
            // rustls hands a bad certificate on as bad data.
            io::ErrorKind::InvalidData => (Kind::Tls, format!("no secure connection: {error}"), TRUST),
            _ => (Kind::Broken, "the connection broke".to_owned(), "try again"),
        },
        E::Rustls(error) => (Kind::Tls, format!("no secure connection: {error}"), TRUST),
        E::Tls(what) => (Kind::Tls, format!("no secure connection: {what}"), TRUST),
        E::ConnectProxyFailed(_) | E::InvalidProxyUrl => {
            (Kind::Input, "the proxy refused".to_owned(), "check HTTPS_PROXY and NO_PROXY")
        }
        E::BodyStalled => (Kind::Broken, "the connection broke".to_owned(), "try again"),
        error => (Kind::Answer, format!("not a proper answer: {error}"), "ask whoever runs the server"),
    };
    NetError::new(kind, what, url.to_string(), fix)
}

const TRUST: &str = "check the clock; for a private authority set SSL_CERT_FILE";
