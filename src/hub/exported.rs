//! A registry that was written out as files (`weft hub export`): the answers of the v1 API, each in a place that its path
//! alone names, so that any server of files can give them. Only reading.

use super::clawhub::{detail_at, list, release_at, release_of};
use super::layout;
use super::model::{below, word, words};
use super::reference::is_owner;
use super::{Ask, Detail, Hub, LARGEST_PACKAGE, Ref, Release, Summary};
use crate::digest::Sha256;
use crate::json::Node;
use crate::net::Url;
use crate::skill::Problem;
use std::cell::RefCell;
use std::collections::BTreeMap;

fn address(hub: &Hub, path: &str) -> Url {
    below(&hub.base, path)
}

/// The owner of what is meant: who was named, or the only one who has a skill of that name.
fn owner(hub: &Hub, name: &Ref) -> Result<String, Problem> {
    if let Some(owner) = &name.owner {
        return Ok(owner.clone());
    }
    let node = hub.ask_json(Ask::get(address(hub, &layout::owners(&name.slug))))?;
    let owners: Vec<String> = words(&node, "owners").into_iter().filter(|owner| is_owner(owner)).collect();
    match owners.as_slice() {
        [] => Err(Problem::new("no owner has a skill of this name", name.slug.clone(), "")),
        [one] => Ok(one.clone()),
        many => {
            let all: Vec<String> =
                many.iter().take(20).map(|owner| format!("@{owner}/{}", name.slug)).collect();
            let what = format!("several owners have a skill `{}`", name.slug);
            Err(Problem::new(what, hub.registry.clone(), format!("name one of {}", all.join(", "))))
        }
    }
}

pub(super) fn detail(hub: &Hub, name: &Ref) -> Result<Detail, Problem> {
    let owner = owner(hub, name)?;
    detail_at(hub, &name.of(Some(&owner)), address(hub, &layout::skill(&owner, &name.slug)))
}

pub(super) fn versions(hub: &Hub, name: &Ref) -> Result<Vec<Release>, Problem> {
    let path = layout::versions(&owner(hub, name)?, &name.slug);
    let node = hub.ask_json(Ask::get(address(hub, &path)))?;
    let items = node.get("items").and_then(Node::as_array).unwrap_or_default();
    Ok(items.iter().filter_map(release_of).collect())
}

pub(super) fn release(hub: &Hub, name: &Ref, version: &str) -> Result<Release, Problem> {
    let path = layout::version(&owner(hub, name)?, &name.slug, version);
    release_at(hub, version, address(hub, &path))
}

pub(super) fn download(
    hub: &Hub,
    name: &Ref,
    version: &str,
    progress: Option<&dyn Fn(u64, Option<u64>)>,
) -> Result<Vec<u8>, Problem> {
    let path = layout::package(&owner(hub, name)?, &name.slug, version);
    let ask = Ask::get(address(hub, &path));
    hub.ask(Ask { accept: "application/zip", limit: LARGEST_PACKAGE, progress, ..ask })
}

/// All skills, newest first; the cursor is the number of a page.
pub(super) fn page(hub: &Hub, cursor: Option<&str>) -> Result<(Vec<Summary>, Option<String>), Problem> {
    let number = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let ask = Ask::get(address(hub, &layout::catalog(number)));
    let node = hub.ask_json(Ask { keep: None, ..ask })?;
    Ok((list(&node, "items"), word(&node, "nextCursor")))
}

/// The line of an event of the log.
pub(super) fn event(hub: &Hub, index: u64) -> Result<String, Problem> {
    let url = address(hub, &layout::event(index));
    let shown = url.to_string();
    let body = hub.ask(Ask { keep: None, ..Ask::get(url) })?;
    String::from_utf8(body).map_err(|_| Problem::new("an event of the log is not UTF-8", shown, ""))
}

/// The tiles of the log's tree at a size, each fetched once. Whoever uses them holds the outcome against the signed root:
/// nothing here is believed.
pub(super) struct Tiles<'a> {
    hub: &'a Hub,
    size: u64,
    got: RefCell<BTreeMap<String, Vec<Sha256>>>,
    /// Why a hash could not be had.
    pub failed: RefCell<Option<Problem>>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(hub: &'a Hub, size: u64) -> Tiles<'a> {
        Tiles { hub, size, got: RefCell::default(), failed: RefCell::default() }
    }

    /// The hash of a whole subtree.
    pub(super) fn subtree(&self, level: u32, index: u64) -> Option<Sha256> {
        let place = layout::place(level, index, self.size)?;
        let path = layout::tile(place.level, place.number, place.width);
        let mut got = self.got.borrow_mut();
        if !got.contains_key(&path) {
            match fetch(self.hub, &path) {
                Ok(hashes) => drop(got.insert(path.clone(), hashes)),
                Err(problem) => {
                    *self.failed.borrow_mut() = Some(problem);
                    return None;
                }
            }
        }
        layout::fold(got.get(&path)?.get(place.first..place.first + place.many)?)
    }
}

fn fetch(hub: &Hub, path: &str) -> Result<Vec<Sha256>, Problem> {
    let ask = Ask::get(address(hub, path));
    let bytes = hub.ask(Ask { accept: "application/octet-stream", ..ask })?;
    Ok(bytes.as_chunks::<{ layout::WIDTH }>().0.iter().map(|hash| Sha256::from_bytes(*hash)).collect())
}
