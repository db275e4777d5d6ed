//! `weft health`: asks a hub whether it is ready, for containers and scripts. Speaks plain HTTP, or a Unix socket.

use super::error::{Exit, Failure};
use super::policy::out;
use argh::{ArgsInfo, FromArgs};
use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Ask a hub whether it is ready
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "health",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} http://127.0.0.1:8080/healthz",
    example = "{command_name} unix:/run/weft-hub/hub.sock",
    note = "It answers within 3 seconds. Without a path it asks /readyz: can it read and write? /healthz asks only whether it lives.",
    error_code(0, "it is"),
    error_code(1, "it is not, or nobody answers; standard error says why"),
    error_code(2, "not an address")
)]
pub struct Health {
    /// http://HOST:PORT[/PATH] or unix:/PATH (default: $WEFT_HEALTH_URL, else http://127.0.0.1:8080)
    #[argh(positional, arg_name = "URL")]
    url: Option<String>,
}

const VARIABLE: &str = "WEFT_HEALTH_URL";
const PATIENCE: Duration = Duration::from_secs(3);
/// What is read of an answer.
const MOST: u64 = 4 << 10;

/// Where to ask, taken apart.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Place {
    Tcp { authority: String, path: String },
    Unix(String),
}

fn place(url: &str) -> Option<Place> {
    if let Some(path) = url.strip_prefix("unix:") {
        return path.starts_with('/').then(|| Place::Unix(path.to_owned()));
    }
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let plain = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if authority.is_empty() || !plain(authority) || !plain(path) || authority.contains(['@', '?', '#']) {
        return None;
    }
    let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let authority = if port { authority.to_owned() } else { format!("{authority}:80") };
    let path = if path.len() < 2 { "/readyz" } else { path };
    Some(Place::Tcp { authority, path: path.to_owned() })
}

pub fn run(command: &Health) -> Result<Exit, Failure> {
    let set = env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    let url = command.url.clone().or(set).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let Some(place) = place(&url) else {
        let fix =
            "write http://HOST:PORT or unix:/PATH; TLS is not spoken: ask the hub itself, not its proxy";
        return Err(Failure::usage("not an address of a hub", url, fix));
    };
    let no = |why: &str| {
        let mut failure = Failure::usage(format!("not healthy: {why}"), &url, "");
        failure.exit = Exit::Findings;
        failure
    };
    // On a thread, for a name may take longer to look up than there is time.
    let (send, receive) = mpsc::channel();
    let asked = move || drop(send.send(ask(&place)));
    thread::Builder::new().spawn(asked).map_err(|error| no(&crate::words::reason(&error)))?;
    match receive.recv_timeout(PATIENCE) {
        Ok(Ok((200, _))) => {
            out(|page| writeln!(page, "healthy"))?;
            Ok(Exit::Ok)
        }
        Ok(Ok((status, text))) => Err(no(&format!("{status} {}", text.trim()))),
        Ok(Err(error)) => Err(no(&crate::words::reason(&error))),
        Err(_) => Err(no("no answer within 3 seconds")),
    }
}

/// Status and text of the answer.
fn ask(place: &Place) -> io::Result<(u16, String)> {
    let (mut stream, host, path): (Box<dyn Stream>, &str, &str) = match place {
        Place::Tcp { authority, path } => {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            let mut found = None;
            for address in authority.to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(stream) => {
                        found = Some(stream);
                        break;
                    }
                    Err(error) => last = error,
                }
            }
            (Box::new(found.ok_or(last)?), authority, path)
        }
        Place::Unix(path) => (Box::new(UnixStream::connect(path)?), "localhost", "/readyz"),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("what answers there does not speak HTTP"))?;
    Ok((status, text.to_owned()))
}

trait Stream: Read + Write {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp =
            |authority: &str, path: &str| Some(Place::Tcp { authority: authority.into(), path: path.into() });
        for (url, wanted) in [
            ("http://127.0.0.1:8080", tcp("127.0.0.1:8080", "/readyz")),
            ("http://localhost/", tcp("localhost:80", "/readyz")),
            ("http://[::1]:1/healthz", tcp("[::1]:1", "/healthz")),
            ("unix:/run/a.sock", Some(Place::Unix("/run/a.sock".into()))),
            ("https://a", None),
            ("http://", None),
            ("http://a b", None),
            ("http://a/\r\nX: y", None),
            ("a:80", None),
            ("unix:a", None),
        ] {
            assert_eq!(place(url), wanted, "{url}");
        }
    }
}
