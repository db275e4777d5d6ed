//! Who the registry says this is, and how a program becomes known to it: the device flow (RFC 8628) as ClawHub has it.

use super::model::{number, text, word};
use super::{Ask, Dialect, Hub, config};
use crate::json::{self, Writer};
use crate::net::url::encode;
use crate::net::{Method, Url};
use crate::skill::Problem;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// What a user does while the program waits.
pub struct Device {
    pub address: String,
    pub code: String,
    secret: String,
    every: Duration,
    until: Instant,
}

impl Hub {
    /// The handle that the token belongs to; none for one without.
    pub fn whoami(&self) -> Result<Option<String>, Problem> {
        self.need_token()?;
        let path = match self.dialect {
            // Of files nobody is known: the call before this one says so.
            Dialect::ClawHub | Dialect::Exported => "api/v1/whoami",
            Dialect::Contract => "whoami",
        };
        let url = super::model::below(&self.base, path);
        let node = self.ask_json(Ask { keep: None, ..Ask::get(url) })?;
        let node = node.get("data").unwrap_or(&node);
        let user = node.get("user").unwrap_or(node);
        Ok(word(user, "handle").filter(|handle| super::reference::is_owner(handle)))
    }

    /// Uses this token from now on, for this registry, and keeps it if the registry knows it.
    pub fn login(&mut self, token: &str) -> Result<Option<String>, Problem> {
        if token.is_empty() || token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Problem::new("not a token", "", "copy it again"));
        }
        if !self.base.is_https() && !super::is_loopback(self.base.host()) {
            let what = "a token is not sent over a connection that others can read";
            return Err(Problem::new(what, self.registry.clone(), "use https"));
        }
        self.token = Some(token.to_owned());
        let handle = self.whoami()?;
        self.config.registry = Some(self.registry.clone());
        self.config.token = Some(token.to_owned());
        self.config.write()?;
        Ok(handle)
    }

    /// Asks for a code that the user types in a browser.
    pub fn start_login(&self) -> Result<Device, Problem> {
        let site = config::variable("CLAWHUB_SITE").unwrap_or_else(|| self.registry.clone());
        let body = filled(&[("scope", "read write"), ("site_url", &site), ("label", "weft")])?;
        let url = self.base.with_path("/api/cli/device/code");
        let shown = url.to_string();
        let node = self.ask_json(Ask { repeatable: false, ..Ask::write(Method::Post, url, body) })?;
        let odd = || {
            Problem::new("the registry has no login by code", shown.clone(), "`weft skill login --token -`")
        };
        let address = word(&node, "verification_uri").ok_or_else(odd)?;
        // It is shown to be opened in a browser.
        let address = Url::parse(&address).map_err(|_| odd())?.to_string();
        let code = word(&node, "user_code").ok_or_else(odd)?;
        let secret = word(&node, "device_code").ok_or_else(odd)?;
        let every = number(&node, "interval").unwrap_or(5).clamp(1, 60);
        let until =
            Instant::now() + Duration::from_secs(number(&node, "expires_in").unwrap_or(900).min(1800));
        Ok(Device { address, code, secret, every: Duration::from_secs(every), until })
    }

    /// Waits until the user has done it, and gives the token.
    pub fn wait_for_login(&self, device: &Device) -> Result<String, Problem> {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let body = filled(&[("device_code", &device.secret), ("grant_type", grant)])?;
        let url = self.base.with_path("/api/cli/device/token");
        let mut every = device.every;
        loop {
            let answer = self.device_token(&url, &body)?;
            let node = std::str::from_utf8(&answer).ok().and_then(|text| json::parse(text).ok());
            let node = node.ok_or_else(|| Problem::new("the answer is not JSON", url.to_string(), ""))?;
            if let Some(token) = word(&node, "access_token") {
                return Ok(token);
            }
            match text(&node, "error").as_str() {
                "authorization_pending" => {}
                "slow_down" => every += Duration::from_secs(5),
                "access_denied" => {
                    return Err(Problem::denied("the login was refused", self.registry.clone(), ""));
                }
                _ => {
                    return Err(Problem::new(
                        "the code is no longer good",
                        self.registry.clone(),
                        "try again",
                    ));
                }
            }
            if Instant::now() + every > device.until {
                return Err(Problem::new("nobody confirmed the login", self.registry.clone(), "try again"));
            }
            thread::sleep(every);
        }
    }

    /// One question; a refusal is an answer here.
    fn device_token(&self, url: &Url, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let request = crate::net::Request {
            method: Method::Post,
            headers: vec![("accept", "application/json".into()), ("content-type", "application/json".into())],
            body: Some(body),
            repeatable: false,
            ..crate::net::Request::get(url.clone(), 64 << 10)
        };
        let answer = self.client.send(&request).map_err(|error| super::from_net(&error))?;
        Ok(answer.body)
    }

    /// A form that is not JSON.
    pub(super) fn send_form(&self, url: Url, boundary: &str, body: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let shown = url.to_string();
        let request = crate::net::Request {
            method: Method::Post,
            headers: vec![
                ("accept", "application/json".into()),
                ("content-type", format!("multipart/form-data; boundary={}", encode(boundary))),
            ],
            token: self.token.as_deref(),
            body: Some(&body),
            repeatable: false,
            ..crate::net::Request::get(url, super::LARGEST_JSON)
        };
        let answer = self.client.send(&request).map_err(|error| super::from_net(&error))?;
        match answer.status {
            200..300 => Ok(answer.body),
            status => Err(super::refusal(status, &answer.body, &shown)),
        }
    }
}

fn filled(fields: &[(&str, &str)]) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    let written: io::Result<()> =
        Writer::new(&mut out).object(|w| fields.iter().try_for_each(|(key, value)| w.field(key, value)));
    // Writing to memory does not fail.
    written.map_err(|error| Problem::new(error.to_string(), "", ""))?;
    Ok(out)
}
