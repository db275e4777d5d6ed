//! Makes the HTTP agent: timeouts, TLS roots, and whose addresses it dials. Sends nothing by itself.

use super::{NetError, roots};
use std::net::SocketAddr;
use std::time::Duration;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Proxy, config::Config};

/// How weft names itself.
pub const USER_AGENT: &str = concat!("weft/", env!("CARGO_PKG_VERSION"));

/// What an agent is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name lookup, and then the connection with its TLS handshake, each at most this long.
    pub connect: Duration,
    /// The longest silence while something is awaited or sent.
    pub silence: Duration,
    /// A whole exchange at most this long; none is for streams without an end.
    pub total: Option<Duration>,
    pub proxy: Option<Proxy>,
    /// Dial this address whatever the name resolves to: who checked an address must reach that one and no other.
    pub pin: Option<SocketAddr>,
    /// Whether TLS will be spoken: certificates are read only then.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            total: Some(Duration::from_secs(600)),
            proxy: None,
            pin: None,
            tls: true,
        }
    }
}

/// An agent that follows no redirect, takes no proxy by itself, and gives answers of every status back as answers.
///
/// # Errors
/// Certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` name and that cannot be read.
pub fn agent(options: &Options) -> Result<Agent, NetError> {
    let roots = if options.tls { roots::find()? } else { RootCerts::WebPki };
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(options.proxy.clone())
        .user_agent(USER_AGENT)
        .accept_encoding("")
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_resolve(Some(options.connect))
        .timeout_connect(Some(options.connect))
        .timeout_per_read(Some(options.silence))
        .timeout_per_write(Some(options.silence))
        .timeout_global(options.total)
        .input_buffer_size(32 << 10)
        .output_buffer_size(32 << 10)
        .build();
    Ok(match options.pin {
        None => Agent::new_with_config(config),
        Some(address) => Agent::with_parts(config, DefaultConnector::default(), Pinned(address)),
    })
}

/// Resolves every name to one address that was checked before.
#[derive(Debug)]
struct Pinned(SocketAddr);

impl Resolver for Pinned {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}
