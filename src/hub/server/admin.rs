//! What whoever runs the registry does with it: accounts, tokens, moderation, skills from a folder. A command is an object of
//! JSON and so is its answer, whether it goes to a running registry through `DIR/admin.sock` or is done at once.

use super::app::{App, Scope, now};
use super::auth::{self, SHOWN, Who};
use super::call::text;
use super::event::What;
use super::names;
use super::publish::{self, Incoming, Upload};
use super::refusal::Refusal;
use super::state::{Role, State};
use super::v1::show::reference;
use crate::digest::Sha256;
use crate::json::{self, Node, Writer};
use crate::skill::Problem;
use crate::skill::collect::{self, Rule};
use crate::skill::manifest::Manifest;
use crate::skill::unpack::{Limits, unpack};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest list in an answer.
const MOST: usize = 10_000;
/// A zip to import has no more bytes than this.
const LARGEST_ZIP: u64 = 60 << 20;

/// What an answer's object holds.
type Fill = Box<dyn FnOnce(&mut Writer) -> io::Result<()>>;

/// Does one command: a line of JSON in, a line of JSON out. `{"ok":true,…}` or `{"ok":false,"error":"…"}`.
pub fn command(app: &App, line: &str) -> String {
    let done = json::parse(line)
        .map_err(|error| Refusal::bad(format!("not a command: {error}")))
        .and_then(|node| run(app, &node));
    let mut out = Vec::new();
    let written = Writer::new(&mut out).object(|w| match done {
        Ok(fill) => {
            w.key("ok")?.boolean(true)?;
            fill(w)
        }
        Err(refusal) => {
            w.key("ok")?.boolean(false)?;
            w.field("error", &refusal.log.unwrap_or_else(|| refusal.text.into_owned()))
        }
    });
    // Writing to memory does not fail.
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
}

fn run(app: &App, node: &Node) -> Result<Fill, Refusal> {
    let need = |key: &str| {
        text(node, key).map(str::to_owned).ok_or_else(|| Refusal::bad(format!("`{key}` is missing")))
    };
    match need("command")?.as_str() {
        "user add" => user_add(app, node),
        "user list" => Ok(user_list(app)),
        "user role" => {
            let role = role(node)?;
            let handle = names::owner(&need("handle")?);
            one(app, &mut |state| {
                let account = person(state, &handle)?;
                Ok(What::User { handle: handle.clone(), name: account.name.to_string(), role })
            })
        }
        "user key-reset" => {
            let handle = names::owner(&need("handle")?);
            one(app, &mut |state| {
                known(state, &handle)?;
                Ok(What::KeyReset { handle: handle.clone() })
            })
        }
        "token add" => token_add(app, node),
        "token list" => Ok(token_list(app, text(node, "handle"))),
        "token revoke" => {
            let id = need("id")?;
            one(app, &mut |state| match state.token_by_id(&id) {
                Some(_) => Ok(What::TokenRevoke { id: id.clone() }),
                None => Err(Refusal::missing(format!(
                    "no token with the id `{id}`: `weft hub token list` shows them"
                ))),
            })
        }
        "moderate list" => Ok(moderate_list(app)),
        word @ ("moderate hide" | "moderate unhide") => {
            let (owner, slug) = reference(&need("skill")?, None);
            let reason = text(node, "reason").unwrap_or("").to_owned();
            let on = word == "moderate hide";
            one(app, &mut |state| {
                let id = super::v1::show::found(state, owner.as_deref(), &slug, "", false)?;
                let skill = state.name(id);
                Ok(if on { What::Hide { skill, reason: reason.clone() } } else { What::Unhide { skill } })
            })
        }
        word @ ("moderate ban" | "moderate unban") => {
            let (handle, on) = (names::owner(&need("handle")?), word == "moderate ban");
            let reason = text(node, "reason").unwrap_or("").to_owned();
            one(app, &mut |state| {
                known(state, &handle)?;
                let handle = handle.clone();
                Ok(if on { What::Ban { handle, reason: reason.clone() } } else { What::Unban { handle } })
            })
        }
        "moderate resolve" => {
            let id = need("id")?.trim_start_matches('r').parse::<u64>();
            let id = id.map_err(|_| Refusal::bad("a report's id is r and a number"))?;
            let (status, note) = (need("status")?, text(node, "note").unwrap_or("").to_owned());
            one(app, &mut |state| {
                let report = state.report(id).ok_or_else(|| Refusal::missing("no such report"))?;
                let known: &[&str] =
                    if report.is_appeal { &["accepted", "rejected"] } else { &["confirmed", "dismissed"] };
                match known.contains(&status.as_str()) {
                    true => Ok(What::Triage { id, status: status.clone(), note: note.clone() }),
                    false => Err(Refusal::bad(format!("the status is {}", known.join(" or ")))),
                }
            })
        }
        "import" => import(app, node),
        "known" => {
            let (owner, slug) = (names::owner(&need("owner")?), names::lower(&need("slug")?));
            let state = app.state();
            let skill = state.exact(&owner, &slug).and_then(|id| state.skill(id));
            let all = skill.map_or(&[][..], |skill| &skill.versions);
            let versions: Vec<String> = all.iter().map(|version| version.number.to_string()).collect();
            Ok(Box::new(move |w| w.strings("versions", versions.iter().map(String::as_str))))
        }
        "save" => {
            app.save()?;
            Ok(Box::new(|_| Ok(())))
        }
        other => Err(Refusal::bad(format!("no such command: `{other}`"))),
    }
}

/// A command that is one event.
fn one(app: &App, decide: &mut dyn FnMut(&State) -> Result<What, Refusal>) -> Result<Fill, Refusal> {
    app.commit(Scope::All, "", &mut |state| Ok(vec![decide(state)?]))?;
    Ok(Box::new(|_| Ok(())))
}

fn known<'s>(state: &'s State, handle: &str) -> Result<&'s super::state::Account, Refusal> {
    state
        .by_handle(handle)
        .ok_or_else(|| Refusal::missing(format!("no account @{handle}: `weft hub user list` shows them")))
}

fn person<'s>(state: &'s State, handle: &str) -> Result<&'s super::state::Account, Refusal> {
    let account = known(state, handle)?;
    if account.is_org { Err(Refusal::bad(format!("@{handle} is an organisation"))) } else { Ok(account) }
}

fn role(node: &Node) -> Result<Role, Refusal> {
    let word = text(node, "role").unwrap_or("user");
    Role::parse(word)
        .ok_or_else(|| Refusal::bad(format!("not a role: `{word}`; there are user, moderator and admin")))
}

fn user_add(app: &App, node: &Node) -> Result<Fill, Refusal> {
    let handle = names::owner(text(node, "handle").ok_or_else(|| Refusal::bad("`handle` is missing"))?);
    names::new_handle(&handle)?;
    let role = role(node)?;
    let name = text(node, "name").unwrap_or(&handle).to_owned();
    one(app, &mut |state| match state.by_handle(&handle) {
        Some(_) => Err(Refusal::new(409, format!("there is an account @{handle} already"))),
        None => Ok(What::User { handle: handle.clone(), name: name.clone(), role }),
    })
}

fn user_list(app: &App) -> Fill {
    let accounts: Vec<super::state::Account> = app.state().accounts().iter().take(MOST).cloned().collect();
    Box::new(move |w| {
        w.key("users")?.array(|w| {
            accounts.iter().try_for_each(|account| {
                w.object(|w| {
                    w.field("handle", &account.handle)?;
                    w.field("name", &account.name)?;
                    w.field("role", if account.is_org { "organisation" } else { account.role.as_str() })?;
                    w.count("skills", account.skills.into())?;
                    w.count("created", account.created)?;
                    match &account.key {
                        Some(key) => w.field("key", &key.fingerprint())?,
                        None => w.key("key")?.null()?,
                    }
                    match &account.banned {
                        Some(reason) => w.field("banned", reason),
                        None => w.key("banned")?.null(),
                    }
                })
            })
        })
    })
}

fn token_add(app: &App, node: &Node) -> Result<Fill, Refusal> {
    let handle = names::owner(text(node, "handle").ok_or_else(|| Refusal::bad("`handle` is missing"))?);
    let days = node.get("days").and_then(Node::as_u64).unwrap_or(0);
    let none = || Refusal::new(500, "the system gives no random numbers");
    let (token, id) = (auth::new_token().ok_or_else(none)?, auth::new_id().ok_or_else(none)?);
    let label: String = text(node, "label").unwrap_or("").chars().take(60).collect();
    let allow_unsigned = node.get("allow_unsigned").and_then(Node::as_bool).unwrap_or(false);
    let _done: Fill = one(app, &mut |state| {
        person(state, &handle)?;
        Ok(What::Token {
            id: id.clone(),
            hash: Sha256::of(token.as_bytes()),
            start: token.chars().take(SHOWN).collect(),
            handle: handle.clone(),
            label: label.clone(),
            allow_unsigned,
            expires: if days == 0 { 0 } else { now().saturating_add(days.saturating_mul(86_400_000)) },
        })
    })?;
    Ok(Box::new(move |w| {
        w.field("id", &id)?;
        w.field("token", &token)
    }))
}

fn token_list(app: &App, handle: Option<&str>) -> Fill {
    let state = app.state();
    let handle = handle.map(names::owner);
    let fits = |token: &&super::state::Token| {
        handle.as_deref().is_none_or(|handle| state.handle(token.account) == handle)
    };
    let tokens: Vec<(String, super::state::Token)> = state
        .tokens()
        .filter(fits)
        .take(MOST)
        .map(|token| (state.handle(token.account).to_owned(), token.clone()))
        .collect();
    Box::new(move |w| {
        w.key("tokens")?.array(|w| {
            tokens.iter().try_for_each(|(handle, token)| {
                w.object(|w| {
                    w.field("id", &token.id)?;
                    w.field("handle", handle)?;
                    w.field("start", &token.start)?;
                    w.field("label", &token.label)?;
                    w.key("allow_unsigned")?.boolean(token.allow_unsigned)?;
                    w.count("created", token.created)?;
                    w.count("expires", token.expires)
                })
            })
        })
    })
}

/// What waits for a decision, and what is hidden.
fn moderate_list(app: &App) -> Fill {
    let state = app.state();
    let open: Vec<(u64, String, String, super::state::Report)> = state
        .reports()
        .filter(|(_, report)| report.is_open())
        .take(MOST)
        .map(|(id, report)| {
            (id, state.name(report.skill), state.handle(report.by).to_owned(), report.clone())
        })
        .collect();
    let hidden: Vec<(String, String)> = state
        .skills()
        .filter_map(|(id, skill)| Some((state.name(id), skill.hidden.as_ref()?.to_string())))
        .take(MOST)
        .collect();
    Box::new(move |w| {
        w.key("reports")?.array(|w| {
            open.iter().try_for_each(|(id, name, by, report)| {
                w.object(|w| {
                    w.field("id", &format!("r{id}"))?;
                    w.field("kind", if report.is_appeal { "appeal" } else { "report" })?;
                    w.field("skill", name)?;
                    w.field("version", &report.version)?;
                    w.field("by", by)?;
                    w.count("at", report.at)?;
                    w.field("reason", &report.reason)
                })
            })
        })?;
        w.key("hidden")?.array(|w| {
            hidden.iter().try_for_each(|(name, reason)| {
                w.object(|w| {
                    w.field("skill", name)?;
                    w.field("reason", reason)
                })
            })
        })
    })
}

/// `{"path","owner","version"?,"signed"?}`: a folder or a zip, through the same checks as everything else. Unsigned: nobody
/// but its author can sign it.
fn import(app: &App, node: &Node) -> Result<Fill, Refusal> {
    let path = PathBuf::from(text(node, "path").ok_or_else(|| Refusal::bad("`path` is missing"))?);
    let handle = names::owner(text(node, "owner").ok_or_else(|| Refusal::bad("`owner` is missing"))?);
    if node.get("make_owner").and_then(Node::as_bool) == Some(true)
        && app.state().account_id(&handle).is_none()
    {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !handle.bytes().all(plain) {
            return Err(Refusal::bad("`owner` is not the name of an account"));
        }
        let make = format!(r#"{{"command":"user add","handle":"{handle}","role":"user"}}"#);
        let _made = run(app, &json::parse(&make).map_err(|_| Refusal::bad("not the name of an account"))?)?;
    }
    let leave_out = node.get("leave_out").and_then(Node::as_array).unwrap_or_default();
    let leave_out: Vec<&str> = leave_out.iter().filter_map(Node::as_str).collect();
    let who = {
        let state = app.state();
        let account =
            state.account_id(&handle).ok_or_else(|| Refusal::missing(format!("no account @{handle}")))?;
        Who { account, handle: handle.as_str().into(), role: Role::User, allow_unsigned: true, expires: 0 }
    };
    let _permit = app.packages.take();
    let mut files = files(&path).map_err(|problem| Refusal::bad(problem.to_string()))?;
    files.retain(|file| !leave_out.contains(&file.path.as_str()));
    let page = files
        .iter()
        .find(|file| collect::is_skill_file(&file.path))
        .map(|file| String::from_utf8_lossy(&file.content));
    let manifest = page.and_then(|text| Manifest::parse(&text).ok()).unwrap_or_default();
    let stem = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let slug = slug(text(node, "slug").unwrap_or_else(|| manifest.name.as_deref().unwrap_or(&stem)));
    let version =
        text(node, "version").map(str::to_owned).or(manifest.version).unwrap_or_else(|| "1.0.0".into());
    let said = |key: &str| text(node, key).unwrap_or("").to_owned();
    let upload = Upload {
        owner: Some(handle),
        slug,
        version,
        files,
        title: said("title"),
        summary: said("summary"),
        source: said("source"),
        ..Upload::default()
    };
    let published = publish::publish(app, &who, app.settings.public_url.as_deref().unwrap_or(""), upload)?;
    Ok(Box::new(move |w| {
        w.field("name", &published.name)?;
        w.field("version", &published.version)?;
        w.count("warnings", published.notes.iter().filter(|note| note.severity == "medium").count() as u64)
    }))
}

/// As ClawHub makes a name of a folder's: other signs become one hyphen.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_matches('-').to_owned()
}

fn files(path: &Path) -> Result<Vec<Incoming>, Problem> {
    let incoming =
        |path: &str, content: Vec<u8>| Incoming { path: path.to_owned(), kind: String::new(), content };
    if path.is_dir() {
        let files = collect::contents(path, Rule::Published)?;
        return Ok(files.into_iter().map(|(path, content)| incoming(path.as_str(), content)).collect());
    }
    let failed = |error: io::Error| Problem::file("cannot read", path, &error);
    let mut zip = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST_ZIP).read_to_end(&mut zip)).map_err(failed)?;
    let mut files = Vec::new();
    unpack(&zip, &Limits::default(), &mut |path, content| {
        // What ClawHub adds to its downloads is no part of the skill.
        if path.as_str() != "_meta.json" {
            files.push(incoming(path.as_str(), content.to_vec()));
        }
        Ok(())
    })
    .map_err(|error| match error {
        crate::skill::unpack::UnpackError::Refused(refusal) => Problem::new(
            format!("the package is refused: {refusal}"),
            path.display().to_string(),
            "unpack it and import the folder",
        ),
        crate::skill::unpack::UnpackError::Sink(error) => failed(error),
    })?;
    Ok(files)
}
