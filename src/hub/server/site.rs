//! What is at the addresses of the site itself: where the API is, what it can do, and the pages of `web`.

use super::call::{Call, object};
use super::event::{Event, What};
use super::http::Method::Get;
use super::http::Response;
use super::limit::Kind;
use super::names;
use super::refusal::{Answer, Refusal};
use super::routes::{self, Auth, READ, Route, SLOW, Take, route};
use super::v1::files;
use super::v1::show;
use super::web::{lists, others, page, skill};
use crate::hub::server::store::is_salted;
use crate::json::{self, Node};

const FREE: (Kind, Take, Auth) = (Kind::Free, Take::Now, Auth::Anybody);
/// Entries of a page of the log.
const ENTRIES: u64 = 50;

/// The last of them take any word: they come after all others.
pub const ROUTES: &[Route] = &[
    route(Get, "/.well-known/clawhub.json", READ, discovery, "Where the API is"),
    route(Get, "/.well-known/clawdhub.json", READ, discovery, "The same, as it was called before"),
    route(Get, "/api/v1/openapi.json", READ, openapi, "This document"),
    route(Get, "/assets/style.css", FREE, style, "How the pages look"),
    route(Get, "/assets/icon.svg", FREE, icon, "The picture on the tab"),
    route(Get, "/", SLOW, front, "The page of all skills, or of those that a search finds"),
    route(Get, "/log", SLOW, log, "The page of the log"),
    route(Get, "/rules/{id}", SLOW, rule, "The page of a rule of the scanner"),
    route(Get, "/{owner}/skills/{slug}", SLOW, skill_page, "The page of a skill"),
    route(Get, "/{owner}/skills/{slug}/file", SLOW, file_page, "The page of a file"),
    route(Get, "/{owner}", SLOW, owner_page, "The page of a publisher"),
];

fn discovery(call: &mut Call) -> Answer {
    let base = call.base();
    Ok(object(|w| {
        w.field("apiBase", &base)?;
        w.field("authBase", &base)?;
        w.field("minCliVersion", "0.1.0")?;
        w.field("registry", &base)?;
        w.field("weftApi", &format!("{base}/api/weft"))
    })
    .with("Cache-Control", "public, max-age=300"))
}

/// OpenAPI 3.1, from the table of routes: it cannot say what is not so.
fn openapi(call: &mut Call) -> Answer {
    let base = call.base();
    let mut paths: Vec<&str> = Vec::new();
    for route in
        routes::all().filter(|route| route.path.starts_with("/api/") || route.path.starts_with("/.well"))
    {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    Ok(object(|w| {
        w.field("openapi", "3.1.0")?;
        w.key("info")?.object(|w| {
            w.field("title", "weft hub")?;
            w.field("version", env!("CARGO_PKG_VERSION"))?;
            w.field("description", "The v1 API of ClawHub and weft's own, of a registry that scans what is published and keeps a transparency log.")
        })?;
        w.key("servers")?.array(|w| w.object(|w| w.field("url", &base)))?;
        w.key("paths")?.object(|w| {
            paths.iter().try_for_each(|path| {
                w.key(path)?.object(|w| {
                    routes::all().filter(|route| route.path == *path).try_for_each(|route| {
                        w.key(&routes::word(route.method).to_ascii_lowercase())?.object(|w| {
                            w.field("summary", route.what)?;
                            let words = route
                                .path
                                .split('/')
                                .filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
                            w.key("parameters")?.array(|w| {
                                words.into_iter().try_for_each(|word| {
                                    w.object(|w| {
                                        w.field("name", word)?;
                                        w.field("in", "path")?;
                                        w.key("required")?.boolean(true)?;
                                        w.key("schema")?.object(|w| w.field("type", "string"))
                                    })
                                })
                            })?;
                            if route.auth != Auth::Anybody {
                                w.key("security")?
                                    .array(|w| w.object(|w| w.key("token")?.array(|_| Ok(()))))?;
                            }
                            let kinds: &[&str] = match route.take {
                                Take::Now | Take::Work => &[],
                                Take::Json | Take::Package => &["application/json"],
                                Take::File => &["application/octet-stream"],
                                Take::Skill => &["application/json", "multipart/form-data"],
                            };
                            if !kinds.is_empty() {
                                w.key("requestBody")?.object(|w| {
                                    w.key("content")?.object(|w| {
                                        kinds.iter().try_for_each(|kind| w.key(kind)?.object(|_| Ok(())))
                                    })
                                })?;
                            }
                            w.key("responses")?.object(|w| {
                                w.key("2XX")?.object(|w| w.field("description", "Done"))?;
                                w.key("default")?
                                    .object(|w| w.field("description", "Refused: a sentence that says why"))
                            })
                        })
                    })
                })
            })
        })?;
        w.key("components")?.object(|w| {
            w.key("securitySchemes")?.object(|w| {
                w.key("token")?.object(|w| {
                    w.field("type", "http")?;
                    w.field("scheme", "bearer")
                })
            })
        })
    }))
}

fn style(_: &mut Call) -> Answer {
    Ok(asset("text/css; charset=utf-8", page::STYLE))
}

fn icon(_: &mut Call) -> Answer {
    Ok(asset("image/svg+xml", page::ICON))
}

fn asset(kind: &'static str, text: &str) -> Response {
    Response::new(200, kind, text.as_bytes().to_vec()).with("Cache-Control", "public, max-age=3600")
}

/// What pages share, with the registry's address and the path that it is below.
pub struct Place {
    pub base: String,
    pub root: String,
    size: u64,
    still: bool,
}

impl Place {
    pub fn of(call: &Call) -> Place {
        let size = call.app.store.size();
        Place { base: call.base(), root: call.app.prefix().to_owned(), size, still: call.app.settings.still }
    }

    pub fn site(&self) -> page::Site<'_> {
        page::Site { root: &self.root, base: &self.base, size: self.size, still: self.still }
    }
}

/// A page, or one that says why there is none.
fn shown(call: &Call, make: &dyn Fn(page::Site) -> Answer) -> Answer {
    let place = Place::of(call);
    match make(place.site()) {
        Err(refusal) if refusal.log.is_none() => {
            Ok(others::refusal(place.site(), refusal.status, &refusal.text))
        }
        answer => answer,
    }
}

fn front(call: &mut Call) -> Answer {
    let query = call.query(&["q"]).unwrap_or("");
    let sort = call.query(&["sort"]).unwrap_or("updated");
    shown(call, &|site| Ok(lists::front(site, &call.app.state(), query, sort, call.query(&["after"]))))
}

fn owner_page(call: &mut Call) -> Answer {
    let handle = names::owner(call.param(0));
    shown(call, &|site| {
        let state = call.app.state();
        let account = state.by_handle(&handle).ok_or_else(|| Refusal::missing("There is no such page"))?;
        let id = state.account_id(&handle).unwrap_or_default();
        Ok(lists::publisher(site, &state, account, &state.of_owner(id)))
    })
}

fn skill_page(call: &mut Call) -> Answer {
    shown(call, &|site| {
        let state = call.app.state();
        let id = show::found(
            &state,
            Some(&names::owner(call.param(0))),
            &names::lower(call.param(1)),
            site.base,
            false,
        )?;
        let one = show::visible(&state, id, call.who.as_ref())?;
        let (version, _) = show::chosen(one, call.query(&["version"]), None, false)?;
        let release = show::release(&call.app.store, version.span)?;
        let found = release.files.iter().find(|file| crate::skill::collect::is_skill_file(&file.path));
        let text = match found {
            Some(file) => {
                String::from_utf8_lossy(&files::blob(call.app, &file.sha256, file.size)?).into_owned()
            }
            None => String::new(),
        };
        Ok(skill::skill(
            site,
            &state,
            &skill::Shown { id, skill: one, version, release: &release, text: &text },
        ))
    })
}

fn file_page(call: &mut Call) -> Answer {
    /// Larger files are not shown but sent.
    const LARGEST: u64 = 200 << 10;
    shown(call, &|site| {
        let path = call.query(&["path"]).ok_or_else(|| Refusal::missing("There is no such page"))?;
        let (owner, slug) = (names::owner(call.param(0)), names::lower(call.param(1)));
        let id = show::found(&call.app.state(), Some(&owner), &slug, site.base, false)?;
        let (version, release) = files::release(call, id)?;
        let file = release.files.iter().find(|file| file.path == path);
        let file = file.ok_or_else(|| Refusal::missing("File not found"))?;
        let text = match file.size <= LARGEST {
            true => String::from_utf8(files::blob(call.app, &file.sha256, file.size)?).ok(),
            false => None,
        };
        Ok(skill::file(site, &release.owner, &release.slug, &version.number, path, text.as_deref()))
    })
}

fn rule(call: &mut Call) -> Answer {
    shown(call, &|site| {
        others::rule(site, call.param(0)).ok_or_else(|| Refusal::missing("The scanner has no such rule"))
    })
}

/// Newest first; `?from=` begins with an older one.
fn log(call: &mut Call) -> Answer {
    let store = &call.app.store;
    let last = store.size().saturating_sub(1);
    let newest = call.query(&["from"]).and_then(|text| text.parse().ok()).unwrap_or(last).min(last);
    let oldest = newest.saturating_sub(ENTRIES - 1);
    let node = store.events_json(oldest, newest + 1 - oldest)?;
    let node = json::parse(&String::from_utf8_lossy(&node)).ok();
    let list = node.as_ref().and_then(|node| node.get("events")?.as_array()).unwrap_or_default();
    let mut entries: Vec<others::Entry> = list.iter().filter_map(entry).collect();
    entries.reverse();
    let checkpoint = store.checkpoint();
    shown(call, &|site| {
        let older = oldest.checked_sub(1);
        Ok(others::log(site, &checkpoint.note, &store.verifier().to_string(), &entries, older))
    })
}

fn entry(node: &Node) -> Option<others::Entry> {
    let index = node.get("index")?.as_u64()?;
    let hidden = others::Entry {
        index,
        at: 0,
        kind: "private".into(),
        by: String::new(),
        about: String::new(),
        detail: String::new(),
    };
    let line = node.get("event").and_then(Node::as_str).filter(|line| !is_salted(line));
    let Some(event) = line.and_then(|line| Event::decode(line).ok()) else { return Some(hidden) };
    let (about, detail) = match &event.what {
        What::Publish { release } => (format!("{}/{}", release.owner, release.slug), release.version.clone()),
        What::User { handle, role, .. } => (String::new(), format!("@{handle}, {}", role.as_str())),
        What::Org { handle, .. } | What::Unban { handle } | What::KeyReset { handle } => {
            (String::new(), format!("@{handle}"))
        }
        What::Ban { handle, reason } => (String::new(), format!("@{handle}: {reason}")),
        What::Member { org, handle, on } => {
            (String::new(), format!("@{handle} {} @{org}", if *on { "joined" } else { "left" }))
        }
        What::Tag { skill, tag, version } => (skill.clone(), format!("{tag} is {version}")),
        What::Withdraw { skill, version, reason } | What::Deprecate { skill, version, reason } => {
            (skill.clone(), format!("{version} {reason}"))
        }
        What::Restore { skill, version } => (skill.clone(), version.clone()),
        What::Delete { skill, reason } | What::Hide { skill, reason } => (skill.clone(), reason.clone()),
        What::Undelete { skill } | What::Unhide { skill } | What::Comment { skill, .. } => {
            (skill.clone(), String::new())
        }
        What::Rename { skill, slug } => (skill.clone(), format!("to {slug}")),
        What::Merge { skill, into } => (skill.clone(), format!("into {into}")),
        What::Transfer { skill, to } => (skill.clone(), format!("to @{to}")),
        _ => (String::new(), String::new()),
    };
    Some(others::Entry { index, at: event.at, kind: event.what.word().into(), by: event.by, about, detail })
}
