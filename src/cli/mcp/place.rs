//! Where a server is that is reached by HTTP: `--url`, `--http` and `--path`, as they are written.

use super::Mcp;
use crate::cli::error::Failure;
use crate::cli::values::say as fix;
use crate::policy::host::Host;
use argh::FromArgValue;

/// `--http`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl FromArgValue for Port {
    fn from_arg_value(value: &str) -> Result<Port, String> {
        value.parse().ok().filter(|port| *port > 0).map(Port).ok_or_else(|| fix("use a port from 1 to 65535"))
    }
}

/// A server on another machine, or on a loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub host: Host,
    pub port: u16,
    /// The whole address, in its one spelling.
    pub target: String,
    /// Host and port as a Host header has them.
    pub authority: String,
}

/// Reads `--url`.
///
/// # Errors
/// It is no address that can be used, or this build has no TLS client.
#[cfg(feature = "net")]
pub fn remote(text: &str) -> Result<Remote, Failure> {
    use crate::policy::host::{Class, class};
    let url = crate::net::Url::parse(text)
        .map_err(|error| Failure::usage(error.what, error.at, "use https://HOST/PATH"))?;
    let near = match url.host() {
        Host::Ip(address) => class(*address) == Class::Loopback,
        Host::Name(name) => name == "localhost",
    };
    if !url.is_https() && !near {
        let what = "plain http is for this machine's own loopback only";
        return Err(Failure::usage(what, text.chars().take(200).collect::<String>(), "use https"));
    }
    let origin = url.origin();
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority).to_owned();
    Ok(Remote {
        host: url.host().clone(),
        port: url.port(),
        target: format!("{origin}{}", url.path()),
        authority,
    })
}

/// Reads `--url`, in a build that cannot use it.
#[cfg(not(feature = "net"))]
pub fn remote(_: &str) -> Result<Remote, Failure> {
    let fix =
        "use a build with the feature `client` (cargo build --release), or a server that runs here, after --";
    Err(Failure::usage("this build has no TLS client", "--url", fix))
}

/// The server as the log and the accepted tools name it, and the place that the policy has to allow.
///
/// # Errors
/// Options that contradict each other.
pub fn named(command: &Mcp) -> Result<(Vec<String>, Option<Remote>), Failure> {
    let words: Vec<String> = command.server.iter().map(|word| crate::cli::args::shown(word)).collect();
    let example = "weft mcp --policy mcp-server -- python3 server.py";
    match (&command.url, &command.http) {
        (Some(_), Some(_)) => {
            let fix = "--url is for a server that is there, --http for one that weft starts";
            Err(Failure::usage("two ways to the server", "--http", fix))
        }
        (Some(_), None) if !words.is_empty() => {
            let fix = "leave the command out, or start it with --http PORT in place of --url";
            Err(Failure::usage("a server that is there and one to run", words[0].clone(), fix))
        }
        (None, _) if words.is_empty() => {
            Err(Failure::usage("no server to run", "", format!("write it after --: {example}")))
        }
        (_, None) if command.path.is_some() => {
            Err(Failure::usage("--path is for --http", "--path", "write it as part of the address"))
        }
        (Some(url), None) => {
            let remote = remote(url)?;
            Ok((vec!["--url".to_owned(), remote.target.clone()], Some(remote)))
        }
        (None, Some(Port(port))) => {
            let path = path(command.path.as_deref())?;
            let head = ["--http".to_owned(), port.to_string(), path];
            Ok((head.into_iter().chain(words).collect(), None))
        }
        (None, None) => Ok((words, None)),
    }
}

/// `--path`, which stands in a request line.
fn path(given: Option<&str>) -> Result<String, Failure> {
    let path = given.unwrap_or("/mcp");
    match path.starts_with('/') && path.len() <= 1024 && path.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
    {
        true => Ok(path.to_owned()),
        false => Err(Failure::usage("this is no path on a server", "--path", "write it like /mcp")),
    }
}
