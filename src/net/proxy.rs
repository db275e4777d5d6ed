//! Which proxy a request goes through, by the variables that other programs obey too.

use super::{Kind, NetError, Url};
use crate::policy::host::Host;
use std::env;
use ureq::Proxy;

/// The proxy for an address, if the environment names one: `HTTPS_PROXY` or `HTTP_PROXY`, else `ALL_PROXY`, in both
/// cases of letters, unless `NO_PROXY` covers the host.
///
/// # Errors
/// A variable that names something weft cannot use: going without it would go around what the user asked for.
pub fn find(url: &Url) -> Result<Option<Proxy>, NetError> {
    let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let either = |lower: &str| {
        let upper = lower.to_ascii_uppercase();
        get(lower).map(|value| (lower.to_owned(), value)).or_else(|| get(&upper).map(|value| (upper, value)))
    };
    let own = if url.is_https() { "https_proxy" } else { "http_proxy" };
    let Some((name, value)) = either(own).or_else(|| either("all_proxy")) else { return Ok(None) };
    if either("no_proxy").is_some_and(|(_, list)| exempt(url.host(), &list)) {
        return Ok(None);
    }
    let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let usable = matches!(scheme.as_deref(), None | Some("http"));
    // The value may hold a password: the message does not repeat it.
    let wrong = || NetError::new(Kind::Input, "cannot use this proxy", name, "use http://HOST:PORT");
    if !usable {
        return Err(wrong());
    }
    Proxy::new(&value).map(Some).map_err(|_| wrong())
}

/// `NO_PROXY`: names with all below them, addresses, `*`; separated by commas.
fn exempt(host: &Host, list: &str) -> bool {
    let host = host.to_string();
    list.split(',').map(|item| item.trim().trim_start_matches("*.").trim_start_matches('.')).any(|item| {
        let item = item.to_ascii_lowercase();
        !item.is_empty()
            && (item == "*"
                || host == item
                || host.strip_suffix(item.as_str()).is_some_and(|head| head.ends_with('.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_and_all_below() {
        let host = |text: &str| Host::parse(text).unwrap();
        for (name, list, is) in [
            ("a.example.com", "example.com", true),
            ("a.example.com", ".example.com", true),
            ("a.example.com", "*.example.com", true),
            ("notexample.com", "example.com", false),
            ("127.0.0.1", "localhost, 127.0.0.1", true),
            ("[::1]", "[::1]", true),
            ("example.com", "*", true),
            ("example.com", "", false),
            ("example.com", ",", false),
        ] {
            assert_eq!(exempt(&host(name), list), is, "{name} {list}");
        }
    }
}
