//! Login of a program without a keyboard (RFC 8628, as ClawHub has it): the program shows a code, a person types it on the
//! page `/device` and pastes a token of theirs, the program gets a token of its own. In memory only: a restart ends what
//! was not finished.
//!
//! Approving is a POST that only our own page makes: it carries a word that the page was given, once, with a cookie that
//! other sites cannot send (SameSite), and a browser that says it comes from elsewhere is refused.

use super::app::{Scope, lock};
use super::auth::{self, SHOWN, base64url};
use super::call::{Call, object, pairs, text};
use super::event::What;
use super::http::Method::{Get, Post};
use super::http::{Body, Response};
use super::limit::Kind;
use super::refusal::{Answer, Refusal};
use super::routes::{Auth, Route, Take, route};
use super::site::Place;
use super::state::AccountId;
use super::web::page::Page;
use crate::digest::Sha256;
use crate::trust::key::random;
use std::collections::HashMap;
use std::net::IpAddr;

/// How long a code is good, and how often a program may ask, in seconds.
const LIFE: u64 = 900;
const INTERVAL: u64 = 5;
/// Codes at a time, in all and of one address.
const MOST: usize = 2000;
const MOST_OF_ONE: usize = 30;
/// Forms that were shown and not sent.
const MOST_FORMS: usize = 5000;
const COOKIE: &str = "weft_device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

const OPEN: (Kind, Take, Auth) = (Kind::Write, Take::Json, Auth::Anybody);
/// Asking every five seconds is what programs are told to do.
const POLL: (Kind, Take, Auth) = (Kind::Read, Take::Json, Auth::Anybody);

pub const ROUTES: &[Route] = &[
    route(Post, "/api/cli/device/code", OPEN, code, "Begin a login by code"),
    route(Post, "/api/cli/device/token", POLL, token, "Ask whether a login was approved"),
    route(Get, "/device", (Kind::Read, Take::Work, Auth::Anybody), form, "The page to approve a login"),
    route(Post, "/device", OPEN, approve, "Approve or refuse a login"),
];

/// Whose login it is to be.
#[derive(Clone, Debug)]
struct Approved {
    account: AccountId,
    handle: String,
    allow_unsigned: bool,
    expires: u64,
}

#[derive(Clone, Debug)]
enum Verdict {
    Waiting,
    Refused,
    Approved(Approved),
}

#[derive(Debug)]
struct Device {
    user_code: String,
    label: String,
    from: IpAddr,
    made: u64,
    asked: u64,
    verdict: Verdict,
}

/// Logins that were begun, by the program's secret, and forms that were shown, by their word with the cookie's hash.
#[derive(Debug, Default)]
pub struct Devices {
    all: HashMap<String, Device>,
    forms: HashMap<String, (Sha256, u64)>,
}

impl Devices {
    fn forget(&mut self, now: u64) {
        let old = |made: u64| now >= made + LIFE * 1000;
        self.all.retain(|_, device| !old(device.made));
        self.forms.retain(|_, (_, made)| !old(*made));
    }

    fn by_code(&mut self, user_code: &str) -> Option<&mut Device> {
        self.all.values_mut().find(|device| device.user_code == user_code)
    }
}

fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    random(&mut bytes).ok_or_else(|| Refusal::new(500, "The registry has no random numbers"))?;
    Ok(base64url(&bytes))
}

/// `BCDF-GHJK`: letters that make no words and look like no digits.
fn user_code() -> Result<String, Refusal> {
    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
    let mut out = String::new();
    while out.len() < 9 {
        let mut byte = [0; 1];
        random(&mut byte).ok_or_else(|| Refusal::new(500, "The registry has no random numbers"))?;
        // 240 is the largest multiple of 20 that fits.
        if byte[0] < 240 {
            out.push(char::from(LETTERS[usize::from(byte[0] % 20)]));
            if out.len() == 4 {
                out.push('-');
            }
        }
    }
    Ok(out)
}

/// As somebody types it.
fn typed(code: &str) -> String {
    let letters: String =
        code.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).take(8).collect();
    match letters.split_at_checked(4) {
        Some((head, tail)) => format!("{head}-{tail}"),
        None => letters,
    }
}

fn code(call: &mut Call) -> Answer {
    let body = call.json()?;
    let label = text(&body, "label").unwrap_or("device login");
    let label: String = label.chars().filter(|c| !c.is_control()).take(60).collect();
    let (device_code, user_code) = (secret()?, user_code()?);
    let (now, from) = (call.now, call.head.peer);
    {
        let mut devices = lock(&call.app.devices);
        devices.forget(now);
        let mine = devices.all.values().filter(|device| device.from == from).count();
        if devices.all.len() >= MOST || mine >= MOST_OF_ONE {
            let busy =
                Refusal::new(429, "Too many logins were begun. Finish one, or wait a quarter of an hour.");
            return Err(Refusal { retry: Some(60), ..busy });
        }
        let device = Device {
            user_code: user_code.clone(),
            label,
            from,
            made: now,
            asked: 0,
            verdict: Verdict::Waiting,
        };
        devices.all.insert(device_code.clone(), device);
    }
    let base = call.base();
    Ok(object(|w| {
        w.field("device_code", &device_code)?;
        w.field("user_code", &user_code)?;
        w.field("verification_uri", &format!("{base}/device"))?;
        w.field("verification_uri_complete", &format!("{base}/device?code={user_code}"))?;
        w.count("expires_in", LIFE)?;
        w.count("interval", INTERVAL)
    }))
}

fn told(status: u16, error: &str) -> Answer {
    let mut response = object(|w| {
        w.field("error", error)?;
        if error == "slow_down" { w.count("interval", INTERVAL * 2) } else { Ok(()) }
    });
    response.status = status;
    Ok(response)
}

fn token(call: &mut Call) -> Answer {
    let body = call.json()?;
    let device_code = text(&body, "device_code").unwrap_or("").to_owned();
    if text(&body, "grant_type").is_some_and(|grant| grant != GRANT) {
        return told(400, "unsupported_grant_type");
    }
    let approved = {
        let mut devices = lock(&call.app.devices);
        devices.forget(call.now);
        let Some(device) = devices.all.get_mut(&device_code) else { return told(400, "expired_token") };
        let early = call.now < device.asked + INTERVAL * 1000 / 2;
        device.asked = call.now;
        match device.verdict.clone() {
            Verdict::Waiting if early => return told(400, "slow_down"),
            Verdict::Waiting => return told(428, "authorization_pending"),
            Verdict::Refused => {
                devices.all.remove(&device_code);
                return told(400, "access_denied");
            }
            Verdict::Approved(approved) => {
                // Given once.
                let label = devices.all.remove(&device_code).map_or(String::new(), |device| device.label);
                (approved, label)
            }
        }
    };
    let (approved, label) = approved;
    let none = || Refusal::new(500, "The registry has no random numbers");
    let (token, id) = (auth::new_token().ok_or_else(none)?, auth::new_id().ok_or_else(none)?);
    call.app.commit(Scope::All, &approved.handle, &mut |state| {
        let banned = state.account(approved.account).is_none_or(|account| account.banned.is_some());
        if banned {
            return Err(Refusal::new(401, "This account is not in good standing"));
        }
        Ok(vec![What::Token {
            id: id.clone(),
            hash: Sha256::of(token.as_bytes()),
            start: token.chars().take(SHOWN).collect(),
            handle: approved.handle.clone(),
            label: label.clone(),
            allow_unsigned: approved.allow_unsigned,
            expires: approved.expires,
        }])
    })?;
    Ok(object(|w| {
        w.field("access_token", &token)?;
        w.field("token_type", "bearer")?;
        w.field("scope", "read write")
    }))
}

/// The form, with a new word in it and a new cookie beside it. Shows and changes nothing else.
fn form(call: &mut Call) -> Answer {
    let code = call.query(&["code", "user_code"]).map(typed).unwrap_or_default();
    page(call, 200, &code, "")
}

fn page(call: &Call, status: u16, code: &str, notice: &str) -> Answer {
    let (word, cookie) = (secret()?, secret()?);
    {
        let mut devices = lock(&call.app.devices);
        devices.forget(call.now);
        if devices.forms.len() >= MOST_FORMS {
            return Err(Refusal { retry: Some(60), ..Refusal::new(503, "Too many logins at once") });
        }
        devices.forms.insert(word.clone(), (Sha256::of(cookie.as_bytes()), call.now));
    }
    let place = Place::of(call);
    let site = place.site();
    let mut page = Page::new(site, "Approve a login", "");
    page.html("<h1>Approve a login</h1>\n");
    if !notice.is_empty() {
        page.html("<p class=\"notice refused\" role=\"alert\">").text(notice).html("</p>\n");
    }
    page.html("<p>A program that asks for a login has shown you a code. Approve only a login that you began yourself, on a machine of yours: the program gets a token that may do what yours may.</p>\n<form method=\"post\" action=\"")
        .text(&place.root)
        .html("/device\" autocomplete=\"off\">\n<p><label for=\"code\">The code it shows</label><br><input id=\"code\" name=\"code\" required maxlength=\"12\" autocapitalize=\"characters\" spellcheck=\"false\" value=\"")
        .text(code)
        .html("\"></p>\n<p><label for=\"token\">A token of yours for this registry</label><br><input id=\"token\" name=\"token\" type=\"password\" maxlength=\"200\" autocomplete=\"off\"></p>\n<input type=\"hidden\" name=\"form\" value=\"")
        .text(&word)
        .html("\">\n<p><button name=\"do\" value=\"approve\">Approve</button> <button name=\"do\" value=\"refuse\">Refuse</button></p>\n</form>\n");
    let secure = if place.base.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={cookie}; Path=/; Max-Age={LIFE}; HttpOnly; SameSite=Strict{secure}");
    Ok(unstored(page.finish(site, status)).with("Set-Cookie", cookie))
}

fn unstored(mut response: Response) -> Response {
    response.headers.retain(|(name, _)| *name != "Cache-Control");
    response.with("Cache-Control", "no-store")
}

fn result(call: &Call, title: &str, sentence: &str) -> Answer {
    let place = Place::of(call);
    let mut page = Page::new(place.site(), title, "");
    page.element("h1", title).element("p", sentence);
    Ok(unstored(page.finish(place.site(), 200)))
}

/// Does the browser say that a page of ours made this request?
fn is_ours(call: &Call) -> bool {
    let fetch = call.head.header("sec-fetch-site");
    let origin = call.head.header("origin");
    let ours = |text: &str| {
        text == call.app.origin(&call.base())
            || text.split_once("://").is_some_and(|(_, host)| host == call.head.host)
    };
    fetch.is_none_or(|site| matches!(site, "same-origin")) && origin.is_none_or(ours)
}

fn approve(call: &mut Call) -> Answer {
    if !is_ours(call) {
        return Err(Refusal::forbidden("Forbidden: this form was sent by another site"));
    }
    let kind = call.head.header("content-type").unwrap_or("").to_ascii_lowercase();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::new(415, "Unsupported content type"));
    }
    let bytes = match call.body.take() {
        Some(Body::Memory(bytes)) => bytes,
        _ => Vec::new(),
    };
    let fields = pairs(&String::from_utf8_lossy(&bytes));
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
    let cookies = call.head.header("cookie").unwrap_or("");
    let cookie = cookies.split(';').find_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    // Good once, whatever it is sent with.
    let known = lock(&call.app.devices).forms.remove(field("form"));
    let good = known.zip(cookie).is_some_and(|((hash, made), cookie)| {
        hash == Sha256::of(cookie.as_bytes()) && call.now < made + LIFE * 1000
    });
    let code = typed(field("code"));
    if !good {
        return page(call, 403, &code, "This form is too old, or cookies are off. Try again.");
    }
    let missing = "There is no login with this code. It is good for a quarter of an hour.";
    if field("do") == "refuse" {
        let mut devices = lock(&call.app.devices);
        let found = devices.by_code(&code).filter(|device| matches!(device.verdict, Verdict::Waiting));
        let refused = found.map(|device| device.verdict = Verdict::Refused).is_some();
        drop(devices);
        return match refused {
            true => result(call, "Refused", "The program was told no."),
            false => page(call, 404, &code, missing),
        };
    }
    let who = auth::known(&call.app.state(), field("token"), call.now);
    let who = match who {
        Ok(who) => who,
        Err(refusal) => return page(call, 401, &code, &refusal.text),
    };
    let approved = Approved {
        account: who.account,
        handle: who.handle.to_string(),
        allow_unsigned: who.allow_unsigned,
        expires: who.expires,
    };
    let label = {
        let mut devices = lock(&call.app.devices);
        devices.forget(call.now);
        let found = devices.by_code(&code).filter(|device| matches!(device.verdict, Verdict::Waiting));
        found.map(|device| {
            device.verdict = Verdict::Approved(approved);
            device.label.clone()
        })
    };
    match label {
        Some(label) => {
            let sentence = format!(
                "“{label}” ({code}) is logged in as @{} in a few seconds. You can close this page.",
                who.handle
            );
            result(call, "Approved", &sentence)
        }
        None => page(call, 404, &code, missing),
    }
}
