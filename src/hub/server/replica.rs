//! A replica: a store that follows another hub's log. What it takes in is what that hub has signed, event by event, and each
//! package is the one that the log names; private events come as their hash alone. It answers every reading request and
//! decides nothing.

use super::App;
use super::event::{Event, Release, What};
use super::store::{Description, Store};
use crate::digest::Sha256;
use crate::hub::model::{number, word};
use crate::hub::{Ask, Hub, Ref};
use crate::json::Node;
use crate::skill::Problem;
use crate::skill::unpack::{Limits, UnpackError, unpack};
use crate::trust::note::{self, Verifier};
use std::path::Path;

/// Events that are asked for at once.
const PAGE: u64 = 1000;

/// What a round brought.
#[derive(Debug, Default)]
pub struct Round {
    /// Events that are new here.
    pub events: u64,
    pub packages: u64,
    /// Packages that the hub does not hand out, being withdrawn or hidden there.
    pub missing: u64,
}

/// How far it is: events, packages.
pub type Tell<'a> = &'a dyn Fn(u64, u64);

/// The hub's checkpoint and the key it shows.
fn checkpoint(hub: &Hub) -> Result<(String, Verifier), Problem> {
    let odd = || {
        Problem::new(
            "this registry shows no log that could be followed",
            hub.registry.clone(),
            "is it a weft hub?",
        )
    };
    let answer = hub.ask_json(Ask { keep: None, ..Ask::get(hub.log_url("checkpoint")) })?;
    let text = word(&answer, "checkpoint").ok_or_else(odd)?;
    let key = word(&answer, "key").and_then(|key| Verifier::parse(&key)).ok_or_else(odd)?;
    Ok((text, key))
}

/// Makes an empty replica of a hub. Without a key that was told beforehand the one that the hub shows now is believed, and from
/// then on no other.
pub fn create(dir: &Path, hub: &Hub, key: Option<&str>) -> Result<Verifier, Problem> {
    let (text, shown) = checkpoint(hub)?;
    if let Some(key) = key {
        let told = Verifier::parse(key).ok_or_else(|| {
            Problem::new("not the key of a log", key, "as `weft hub init` printed it: name+hash+base64")
        })?;
        if told != shown {
            return Err(Problem::denied(
                "the hub shows another key of its log",
                shown.to_string(),
                "ask who runs it",
            ));
        }
    }
    note::verify(&text, &shown).map_err(|fault| {
        Problem::denied(
            format!("the hub's checkpoint: {}", fault.as_str()),
            hub.registry.clone(),
            "ask who runs it",
        )
    })?;
    let description = Description { verifier: shown.clone(), replica_of: Some(hub.registry.clone()) };
    Store::create_replica(dir, &description)?;
    Ok(shown)
}

/// Takes in what the hub has more than this store.
///
/// # Errors
/// Denied where the hub's log was taken back or rewritten, or a package is not what the log says. The store is as it was.
pub fn follow(store: &Store, hub: &Hub, tell: Tell) -> Result<Round, Problem> {
    let denied =
        |what: &str| Problem::denied(what, hub.registry.clone(), "ask who runs the hub that is followed");
    let (text, key) = checkpoint(hub)?;
    if key != *store.verifier() {
        return Err(denied("the hub shows another key of its log"));
    }
    let signed = note::verify(&text, &key).map_err(|fault| denied(fault.as_str()))?;
    let (size, here) = (signed.checkpoint.size, store.checkpoint());
    if size < here.size {
        return Err(denied("the hub's log is shorter than it was: it was taken back"));
    }
    let mut round = Round::default();
    if size == here.size && here.time > 0 {
        if signed.checkpoint.root != here.root {
            return Err(denied("the hub shows another log of the same length"));
        }
        // The same checkpoint, or an older signature under it.
        if signed.time.unwrap_or(0) <= here.time {
            return Ok(round);
        }
    }
    let mut adoption = store.adopt()?;
    while adoption.size() < size {
        let from = adoption.size();
        let page = hub.ask_json(Ask {
            keep: None,
            limit: 16 << 20,
            ..Ask::get(hub.log_url(&format!("events?from={from}&limit={}", PAGE.min(size - from))))
        })?;
        let list = page.get("events").and_then(Node::as_array).unwrap_or_default();
        if list.is_empty() {
            return Err(denied("the hub does not show the events that it signed"));
        }
        for (index, entry) in (from..size).zip(list) {
            if number(entry, "index") != Some(index) {
                return Err(denied("the hub's events are out of order"));
            }
            match (word(entry, "event"), word(entry, "leaf").and_then(|leaf| Sha256::parse(&leaf))) {
                (Some(line), _) => {
                    adoption.event(&line)?;
                    // One that this version does not know is told when the state is computed.
                    if let Ok(Event { what: What::Publish { release }, .. }) = Event::decode(&line) {
                        fetch(store, hub, (&release.owner, &release.slug), &release, &mut round)?;
                    }
                }
                (None, Some(leaf)) => adoption.leaf(&leaf)?,
                (None, None) => return Err(denied("the hub shows an event that is none")),
            }
            round.events += 1;
        }
        tell(round.events, round.packages);
    }
    adoption.finish(text)?;
    Ok(round)
}

/// Fetches a version, if it is not here and can be had.
fn fetch(
    store: &Store,
    hub: &Hub,
    (owner, slug): (&str, &str),
    release: &Release,
    round: &mut Round,
) -> Result<(), Problem> {
    let blobs = store.blobs();
    if blobs.has(&release.zip) && release.files.iter().all(|file| blobs.has(&file.sha256)) {
        return Ok(());
    }
    let label = format!("@{owner}/{slug} {}", release.version);
    let denied = |what: String| Problem::denied(what, label.clone(), "ask who runs the hub that is followed");
    let name = Ref { owner: Some(owner.to_owned()), slug: slug.to_owned() };
    let zip = match hub.download(&name, &release.version, None) {
        Ok(zip) => zip,
        Err(problem) if ["(403", "(404", "(410"].iter().any(|status| problem.what.contains(status)) => {
            round.missing += 1;
            return Ok(());
        }
        Err(problem) => return Err(problem),
    };
    if Sha256::of(&zip) != release.zip {
        return Err(denied("the hub hands out another package than its log says".into()));
    }
    let mut failed = None;
    let unpacked = unpack(&zip, &Limits::default(), &mut |_, content| {
        blobs.put(content).map(drop).map_err(|problem| {
            let text = problem.to_string();
            failed = Some(problem);
            std::io::Error::other(text)
        })
    });
    match unpacked {
        Ok(_) => {}
        Err(UnpackError::Refused(refusal)) => {
            return Err(denied(format!("the package is refused: {refusal}")));
        }
        Err(UnpackError::Sink(error)) => {
            return Err(failed.unwrap_or_else(|| Problem::new(error.to_string(), label.clone(), "")));
        }
    }
    if let Some(file) = release.files.iter().find(|file| !blobs.has(&file.sha256)) {
        return Err(denied(format!("`{}` is not in the package", file.path)));
    }
    // Last: where it is, everything of it is.
    blobs.put(&zip)?;
    round.packages += 1;
    Ok(())
}

/// Follows once, takes the new events into the state, and fetches what can be had only now: a version that came back from being
/// withdrawn or hidden.
///
/// `due` says whether packages may be missing: at first they may, and then only after something happened. A look for each of them
/// takes a hub of many skills a while, and the state is held meanwhile.
pub fn round(app: &App, hub: &Hub, due: &mut bool, tell: Tell) -> Result<Round, Problem> {
    let mut round = follow(&app.store, hub, tell)?;
    *due |= round.events > 0;
    app.catch_up()?;
    if !*due {
        return Ok(round);
    }
    let wanted: Vec<_> = {
        let state = app.state();
        let blobs = app.store.blobs();
        let listed = state.skills().filter(|(_, skill)| skill.is_listed());
        let versions = listed.flat_map(|(_, skill)| skill.available().map(move |version| (skill, version)));
        let absent = versions.filter(|(_, version)| !blobs.has(&version.zip));
        absent
            .map(|(skill, version)| {
                (state.handle(skill.owner).to_owned(), skill.slug.to_string(), version.span)
            })
            .collect()
    };
    for (owner, slug, span) in wanted {
        if let What::Publish { release } = Event::decode(&app.store.read(span)?)?.what {
            fetch(&app.store, hub, (&owner, &slug), &release, &mut round)?;
        }
    }
    // What could not be had is asked for again.
    *due = round.missing > 0;
    Ok(round)
}
