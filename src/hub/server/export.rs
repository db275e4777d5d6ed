//! A registry as files: for each thing that somebody may read the answer that the hub itself gives, at the place that
//! `hub::layout` names. A file server, an object store or a CDN can give them all.
//!
//! The order is that of trust: the log first, then what it vouches for, then what leads there. Whoever reads the tree while it is
//! written, or while it is copied in this order, finds everything that what they read speaks of.

use super::http::{Body, Content, Handler, Head, Method, Request};
use super::state::{Order, SkillId};
use super::store::Store;
use super::web::lists::PAGE;
use super::{App, Settings};
use crate::clock;
use crate::files::write_lightly;
use crate::hub::layout;
use crate::json::{self, Writer};
use crate::skill::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

const SCHEMA: &str = "weft.export/1";
/// A page of versions, as the v1 API has them.
const VERSIONS: usize = 50;
/// The largest list of what an earlier export wrote.
const LARGEST_LIST: u64 = 256 << 20;

/// What was done.
#[derive(Debug, Default)]
pub struct Exported {
    pub skills: usize,
    pub versions: usize,
    /// Events of the log.
    pub events: u64,
    pub files: usize,
    /// Of them, those that were not there yet or had other content.
    pub written: usize,
    /// Files of an earlier export that are no more.
    pub removed: usize,
    pub bytes: u64,
}

/// How far it is.
pub type Tell<'a> = &'a dyn Fn(&str, usize);

/// The folder that is written to.
struct Tree {
    root: PathBuf,
    /// What this export consists of.
    files: BTreeSet<String>,
    done: Exported,
}

impl Tree {
    fn failed(&self, path: &str, error: &io::Error) -> Problem {
        Problem::file("cannot write", &self.root.join(path), error)
    }

    /// Puts a file where it belongs; one that has this content already is left alone, with its time, for whoever copies.
    fn put(&mut self, path: String, bytes: &[u8]) -> Result<(), Problem> {
        let full = self.root.join(&path);
        if !has(&full, bytes) {
            let folder = full.parent().unwrap_or(&self.root);
            let made = fs::create_dir_all(folder);
            made.and_then(|()| write_lightly(&full, |out| out.write_all(bytes)))
                .map_err(|error| self.failed(&path, &error))?;
            self.done.written += 1;
        }
        self.done.bytes += bytes.len() as u64;
        self.files.insert(path);
        Ok(())
    }
}

/// Is this its content already?
fn has(path: &Path, bytes: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|old| old == bytes)
}

/// Writes what the hub in `dir` answers into the folder `out`, which is empty, not there, or an earlier export.
///
/// # Errors
/// Where the folder holds something else, and where something cannot be read or written: then the tree is partly new and
/// partly as it was, and the next export puts it right.
pub fn export(dir: &Path, out: &Path, public_url: &str, tell: Tell) -> Result<Exported, Problem> {
    let (store, _) = Store::open_read_only(dir)?;
    let spool = store.spool();
    let settings = Settings {
        public_url: Some(public_url.to_owned()),
        spool,
        rates: super::limit::Rates::default(),
        still: true,
        log: |_| {},
    };
    let before = earlier(out)?;
    let app = App::open(Arc::new(store), settings)?;
    let mut tree = Tree { root: out.to_owned(), files: BTreeSet::new(), done: Exported::default() };
    // First of all: what is half written is an export too, and the next one may go on.
    fs::create_dir_all(out).map_err(|error| Problem::file("cannot make", out, &error))?;
    about(&app, public_url, &mut tree)?;
    log(&app, &mut tree, tell)?;
    let names = skills(&app, &mut tree, tell)?;
    for (slug, owners) in &names {
        tree.put(layout::owners(slug), &object(|w| w.strings("owners", owners.iter().map(String::as_str))))?;
    }
    catalog(&app, &mut tree)?;
    pages(&app, &mut tree, tell)?;
    let discovery = object(|w| {
        w.field("apiBase", public_url)?;
        w.field("weftStatic", public_url)
    });
    tree.put(".well-known/clawhub.json".into(), &discovery)?;
    let gone: Vec<String> = before.difference(&tree.files).cloned().collect();
    for path in &gone {
        remove(out, path).map_err(|error| Problem::file("cannot remove", &out.join(path), &error))?;
    }
    tree.done.removed = gone.len();
    tree.done.files = tree.files.len();
    // Last, with what is there now.
    let list: String = tree.files.iter().map(|path| format!("{path}\n")).collect();
    tree.put(layout::list(), list.as_bytes())?;
    Ok(tree.done)
}

fn object(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Vec<u8> {
    super::call::written(body)
}

/// What an earlier export wrote into the folder.
fn earlier(out: &Path) -> Result<BTreeSet<String>, Problem> {
    let failed = |error: io::Error| Problem::file("cannot read", out, &error);
    let mut entries = match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(failed)?,
    };
    if entries.next().is_none() {
        return Ok(BTreeSet::new());
    }
    let about = fs::read_to_string(out.join(layout::about())).ok().and_then(|text| json::parse(&text).ok());
    let schema = about.as_ref().and_then(|node| node.get("schema")?.as_str());
    if schema != Some(SCHEMA) {
        let fix = "name a folder that is empty, not there, or an earlier export";
        return Err(Problem::new("the folder holds something else", out.display().to_string(), fix));
    }
    let mut text = String::new();
    match File::open(out.join(layout::list())) {
        Ok(file) => file.take(LARGEST_LIST).read_to_string(&mut text).map_err(failed)?,
        // It was not finished.
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(error)),
    };
    Ok(text.lines().filter(|path| is_inside(path)).map(str::to_owned).collect())
}

/// A path that does not lead out of its folder.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Removes a file, and the folders that are empty without it.
fn remove(out: &Path, path: &str) -> io::Result<()> {
    match fs::remove_file(out.join(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut folder = Path::new(path).parent();
    while let Some(name) = folder.filter(|name| !name.as_os_str().is_empty()) {
        if fs::remove_dir(out.join(name)).is_err() {
            break;
        }
        folder = name.parent();
    }
    Ok(())
}

fn about(app: &App, public_url: &str, tree: &mut Tree) -> Result<(), Problem> {
    let checkpoint = app.store.checkpoint();
    let text = object(|w| {
        w.field("schema", SCHEMA)?;
        w.field("registry", public_url)?;
        w.field("weft", env!("CARGO_PKG_VERSION"))?;
        w.field("log", &app.store.verifier().to_string())?;
        w.count("events", checkpoint.size)?;
        w.count("exportedAt", clock::now().as_secs())
    });
    tree.put(layout::about(), &text)
}

/// The tiles, the events that are public, and then the checkpoint.
fn log(app: &App, tree: &mut Tree, tell: Tell) -> Result<(), Problem> {
    let store = &app.store;
    let size = store.checkpoint().size;
    tree.done.events = size;
    let mut tile = Vec::with_capacity(layout::TILE as usize * layout::WIDTH);
    for (level, number, width) in layout::tiles(size) {
        tile.clear();
        let first = number * layout::TILE;
        for index in first..first + width {
            let hash = store.subtree(level * 8, index).ok_or_else(|| {
                Problem::new("the log's tree has no such hash", index.to_string(), "`weft hub verify`")
            })?;
            tile.extend_from_slice(hash.as_bytes());
        }
        tree.put(layout::tile(level, number, width), &tile)?;
    }
    let mut failed = Ok(());
    store.events(0, &mut |index, _, line| {
        if index < size && store.is_public(line) && failed.is_ok() {
            failed = tree.put(layout::event(index), line.as_bytes());
            if index % 1000 == 0 {
                tell("events", index as usize);
            }
        }
        Ok(())
    })?;
    failed?;
    tree.put(layout::checkpoint(), &store.checkpoint_json())
}

/// The hub's own answer to a question of anybody.
fn ask(app: &App, path: &str, query: &str) -> Result<Vec<u8>, Problem> {
    let head = Head {
        method: Method::Get,
        path: path.to_owned(),
        query: query.to_owned(),
        host: String::new(),
        headers: Vec::new(),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        length: 0,
    };
    let response = app.answer(Request { head, body: Body::Memory(Vec::new()) });
    let shown = || format!("{path}?{query}");
    let bytes = match response.content {
        Content::Bytes(bytes) => bytes,
        Content::Shared(bytes) => bytes.to_vec(),
        Content::File { file, offset, length } => {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            let read = std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, offset);
            read.map_err(|error| Problem::new(error.to_string(), shown(), ""))?;
            bytes
        }
    };
    match response.status {
        200 => Ok(bytes),
        status => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Err(Problem::new(format!("the hub answers {status}: {text}"), shown(), "`weft hub verify`"))
        }
    }
}

/// All skills that are listed, in the order of their ids.
fn listed(app: &App) -> Vec<(SkillId, String, String)> {
    let state = app.state();
    let all = state.skills().filter(|(id, _)| state.is_listed(*id));
    all.map(|(id, skill)| (id, state.handle(skill.owner).to_owned(), skill.slug.to_string())).collect()
}

/// Each skill: packages, versions, then the skill itself. Gives the owners of each name.
fn skills(app: &App, tree: &mut Tree, tell: Tell) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, owner, slug) in listed(app) {
        let versions: Vec<_> = {
            let state = app.state();
            let Some(skill) = state.skill(id) else { continue };
            let available = skill.available();
            available.map(|version| (version.number.to_string(), version.zip, version.zip_size)).collect()
        };
        let owned = format!("ownerHandle={owner}");
        for (number, zip, size) in &versions {
            let package = app.store.blobs().read(zip, u64::from(*size))?;
            tree.put(layout::package(&owner, &slug, number), &package)?;
            let body = ask(app, &format!("/api/v1/skills/{slug}/versions/{}", segment(number)), &owned)?;
            tree.put(layout::version(&owner, &slug, number), &body)?;
        }
        let all = all_versions(app, &slug, &owned)?;
        tree.put(layout::versions(&owner, &slug), &all)?;
        let body = ask(app, &format!("/api/v1/skills/{slug}"), &owned)?;
        tree.put(layout::skill(&owner, &slug), &body)?;
        tree.done.versions += versions.len();
        tree.done.skills += 1;
        tell("skills", tree.done.skills);
        names.entry(slug).or_default().push(owner);
    }
    Ok(names)
}

/// A version in a path: its plus sign is read as it is, and nothing else of it is special.
fn segment(number: &str) -> String {
    crate::net::url::encode(number)
}

/// The pages of versions in one.
fn all_versions(app: &App, slug: &str, owned: &str) -> Result<Vec<u8>, Problem> {
    let path = format!("/api/v1/skills/{slug}/versions");
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = ask(app, &path, &format!("{owned}&limit={VERSIONS}{cursor}"))?;
        let page = json::parse(&String::from_utf8_lossy(&body))
            .map_err(|error| Problem::new(error.to_string(), path.clone(), "`weft hub verify`"))?;
        let next = page.get("nextCursor").and_then(json::Node::as_str).map(|next| format!("&cursor={next}"));
        pages.push(page);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let items = |page: &json::Node| page.get("items").and_then(json::Node::as_array).map(<[_]>::to_vec);
    let items: Vec<json::Node> = pages.iter().filter_map(items).flatten().collect();
    Ok(object(|w| {
        w.key("items")?.array(|w| items.iter().try_for_each(|item| w.node(item, false)))?;
        w.key("nextCursor")?.null()
    }))
}

/// All skills, newest first, in pages.
fn catalog(app: &App, tree: &mut Tree) -> Result<(), Problem> {
    let mut after = None;
    for number in 0.. {
        let (body, last) = {
            let state = app.state();
            let ids = state.page(Order::Updated, after, layout::PAGE);
            let last = ids.last().filter(|_| ids.len() == layout::PAGE);
            let last = last.and_then(|id| state.key(Order::Updated, *id));
            let more = last.is_some_and(|last| !state.page(Order::Updated, Some(last), 1).is_empty());
            let body = object(|w| {
                w.key("items")?
                    .array(|w| ids.iter().try_for_each(|id| super::v1::show::item(w, &state, *id)))?;
                match more {
                    true => w.field("nextCursor", &(number + 1).to_string()),
                    false => w.key("nextCursor")?.null(),
                }
            });
            (body, last.filter(|_| more))
        };
        tree.put(layout::catalog(number), &body)?;
        after = last;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

/// Pages for people. A link names the file it leads to.
fn pages(app: &App, tree: &mut Tree, tell: Tell) -> Result<(), Problem> {
    for path in ["assets/style.css", "assets/icon.svg"] {
        let body = ask(app, &format!("/{path}"), "")?;
        tree.put(path.to_owned(), &body)?;
    }
    let mut owners = BTreeSet::new();
    for (count, (id, owner, slug)) in listed(app).into_iter().enumerate() {
        let versions: Vec<String> = match app.state().skill(id) {
            Some(skill) => skill.available().map(|version| version.number.to_string()).collect(),
            None => continue,
        };
        let path = format!("/{owner}/skills/{slug}");
        for number in &versions {
            let body = ask(app, &path, &format!("version={}", segment(number)))?;
            tree.put(layout::page(&owner, &slug, number), &body)?;
        }
        let body = ask(app, &path, "")?;
        tree.put(format!("{owner}/skills/{slug}/index.html"), &body)?;
        owners.insert(owner);
        tell("pages", count);
    }
    // Whoever is linked to has a page, with or without skills.
    let all: Vec<String> = app.state().accounts().iter().map(|account| account.handle.to_string()).collect();
    owners.extend(all);
    for owner in owners {
        let body = ask(app, &format!("/{owner}"), "")?;
        tree.put(format!("{owner}/index.html"), &body)?;
    }
    let rules = crate::rules::RuleSet::builtin();
    let ids = rules.rules.iter().map(|rule| rule.id).chain(rules.combos.iter().map(|combo| combo.id));
    for id in ids {
        let body = ask(app, &format!("/rules/{id}"), "")?;
        tree.put(format!("rules/{id}/index.html"), &body)?;
    }
    let body = ask(app, "/log", "")?;
    tree.put("log/index.html".into(), &body)?;
    lists(app, tree)
}

/// The front page and those that follow it, each named after the last skill of the one before.
fn lists(app: &App, tree: &mut Tree) -> Result<(), Problem> {
    let (mut after, mut path) = (String::new(), "index.html".to_owned());
    loop {
        let body = ask(app, "/", &after)?;
        tree.put(path, &body)?;
        let state = app.state();
        let from = after.strip_prefix("after=").and_then(|name| name.split_once('/'));
        let from = from.and_then(|(owner, slug)| state.exact(owner, slug));
        let key = from.and_then(|id| state.key(Order::Updated, id));
        let ids = state.page(Order::Updated, key, PAGE + 1);
        let Some(last) = ids.get(PAGE - 1).filter(|_| ids.len() > PAGE) else { return Ok(()) };
        let name = state.name(*last);
        path = layout::list_page(&name);
        after = format!("after={name}");
    }
}
