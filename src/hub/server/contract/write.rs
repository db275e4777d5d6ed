//! What weft's own API changes.

use super::{done, envelope, named, subject};
use crate::base64;
use crate::hub::server::app::Scope;
use crate::hub::server::call::{Call, text};
use crate::hub::server::event::What;
use crate::hub::server::names;
use crate::hub::server::publish::{self, Incoming, Upload};
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::Comment;
use crate::hub::server::v1::show::visible;
use crate::hub::server::v1::{community, manage};
use crate::json::Node;
use crate::skill::unpack::{Limits, UnpackError, unpack};

/// A comment, in characters.
const LONGEST_COMMENT: usize = 4000;
/// Comments of one account on one skill.
const MOST_COMMENTS: usize = 100;
/// So many who flag a comment hide it until a moderator has looked.
const HIDING: usize = 4;

pub fn publish(call: &mut Call) -> Answer {
    let who = call.who()?.clone();
    let base = call.base();
    let _permit = call.app.packages.take();
    let node = call.json()?;
    let need = |key: &str| {
        text(&node, key).map(str::to_owned).ok_or_else(|| Refusal::bad(format!("{key} is required")))
    };
    // As it came: a statement ends with a line feed.
    let raw =
        |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let content =
        node.get("content").and_then(Node::as_str).ok_or_else(|| Refusal::bad("content is required"))?;
    let zip = base64::decode(content).ok_or_else(|| Refusal::bad("content is not padded base64"))?;
    let mut files = Vec::new();
    unpack(&zip, &Limits::default(), &mut |path, content| {
        files.push(Incoming {
            path: path.to_string(),
            kind: kind(path.as_str()).into(),
            content: content.to_vec(),
        });
        Ok(())
    })
    .map_err(|error| match error {
        UnpackError::Refused(refusal) => Refusal::bad(format!("The package is refused: {refusal}")),
        UnpackError::Sink(_) => Refusal::bad("The package cannot be unpacked"),
    })?;
    drop(zip);
    let words: Vec<String> = node
        .get("tags")
        .and_then(Node::as_array)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect();
    // They are words to find it by here; what cannot be a topic is left out rather than refused.
    let mut topics: Vec<String> = Vec::new();
    for word in words {
        let one = std::slice::from_ref(&word);
        if topics.len() < 5 && names::topics(one).is_ok() && !topics.contains(&word) {
            topics.push(word);
        }
    }
    let upload = Upload {
        owner: text(&node, "author").map(str::to_owned),
        slug: need("name")?,
        title: text(&node, "title").unwrap_or("").to_owned(),
        summary: text(&node, "description").unwrap_or("").to_owned(),
        version: need("version")?,
        changelog: text(&node, "changelog").unwrap_or("").to_owned(),
        topics,
        signed: raw("statement").zip(raw("signature")),
        files,
        ..Upload::default()
    };
    drop(node);
    let published = publish::publish(call.app, &who, &base, upload)?;
    Ok(envelope(None, &mut |w| {
        w.object(|w| {
            w.field("id", &published.name)?;
            w.field("version", &published.version)?;
            w.field("status", "published")?;
            w.key("signed")?.boolean(published.signed)?;
            let medium = published.notes.iter().filter(|note| note.severity == "medium");
            w.key("warnings")?.array(|w| {
                medium.into_iter().try_for_each(|note| {
                    w.string(&format!(
                        "{} (medium) in {} line {}: {}",
                        note.rule, note.path, note.line, note.message
                    ))
                })
            })?;
            w.key("weft")?.object(|w| w.key("log")?.object(|w| w.count("index", published.index)))
        })
    }))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "md" => "text/markdown",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

fn starred(call: &mut Call, on: bool) -> Answer {
    let changed = community::set_star(call, &|state| named(call, state), on)?;
    Ok(envelope(None, &mut |w| {
        w.object(|w| {
            w.key("starred")?.boolean(on)?;
            w.key("changed")?.boolean(changed)
        })
    }))
}

pub fn star(call: &mut Call) -> Answer {
    starred(call, true)
}

pub fn unstar(call: &mut Call) -> Answer {
    starred(call, false)
}

/// What is out of 1 to 5 counts as the nearest of them.
pub fn rate(call: &mut Call) -> Answer {
    let body = call.json()?;
    let given =
        body.get("rating").or_else(|| body.get("stars")).ok_or_else(|| Refusal::bad("rating is required"))?;
    let stars = match &given.value {
        crate::json::Value::Number(number) if number.starts_with('-') => 1,
        crate::json::Value::Number(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().unwrap_or(5)
        }
        _ => return Err(Refusal::bad("rating must be a whole number from 1 to 5")),
    };
    let stars = u64::clamp(stars, 1, 5);
    let who = call.who()?;
    call.app.commit(Scope::Named(&who.handle), &who.handle, &mut |state| {
        let id = named(call, state)?;
        let skill = visible(state, id, call.who.as_ref())?;
        if state.acts_for(who.account, skill.owner) {
            return Err(Refusal::forbidden("Nobody rates a skill of their own"));
        }
        let same = state.rating(who.account, id).map(u64::from) == Some(stars);
        Ok(if same { Vec::new() } else { vec![What::Rate { skill: state.name(id), stars }] })
    })?;
    super::read::rating(call)
}

/// What somebody says, if it can be shown.
fn said(body: &Node) -> Result<String, Refusal> {
    let words = text(body, "text")
        .or_else(|| text(body, "content"))
        .ok_or_else(|| Refusal::bad("text is required"))?;
    if words.chars().count() > LONGEST_COMMENT {
        return Err(Refusal::bad(format!("A comment has at most {LONGEST_COMMENT} characters")));
    }
    Ok(words.chars().filter(|c| *c == '\n' || !c.is_control()).collect())
}

pub fn comment(call: &mut Call) -> Answer {
    let words = said(&call.json()?)?;
    let who = call.who()?;
    let index = call.app.commit(Scope::Named(&who.handle), &who.handle, &mut |state| {
        let id = named(call, state)?;
        visible(state, id, call.who.as_ref())?;
        if state.comments(id).filter(|(_, comment)| comment.by == who.account).count() >= MOST_COMMENTS {
            return Err(Refusal::new(429, "You have said a lot about this skill already"));
        }
        Ok(vec![What::Comment { skill: state.name(id), text: words.clone() }])
    })?;
    Ok(envelope(None, &mut |w| w.object(|w| w.field("id", &format!("c{index}")))))
}

/// What becomes of a comment.
type Change<'a> = &'a mut dyn FnMut(u64, &Comment) -> Result<Vec<What>, Refusal>;

/// The comment of the address.
fn about(call: &Call, change: Change) -> Answer {
    let missing = || Refusal::missing("Comment not found");
    let id = call.param(0).trim_start_matches('c').parse::<u64>().map_err(|_| missing())?;
    let who = call.who()?;
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let comment = state.comment(id).ok_or_else(missing)?;
        if comment.hidden && !who.moderates() && comment.by != who.account {
            return Err(missing());
        }
        change(id, comment)
    })?;
    done()
}

pub fn edit(call: &mut Call) -> Answer {
    let words = said(&call.json()?)?;
    let account = call.who()?.account;
    about(call, &mut |id, comment| match comment.by == account {
        true => Ok(vec![What::CommentEdit { id, text: words.clone() }]),
        false => Err(Refusal::forbidden("Only whoever wrote a comment changes it")),
    })
}

pub fn unsay(call: &mut Call) -> Answer {
    let (account, moderates) = (call.who()?.account, call.who()?.moderates());
    about(call, &mut |id, comment| match comment.by == account || moderates {
        true => Ok(vec![What::CommentDelete { id }]),
        false => Err(Refusal::forbidden("Only whoever wrote a comment takes it back")),
    })
}

pub fn flag(call: &mut Call) -> Answer {
    let body = call.json()?;
    let reason = manage::reason(text(&body, "reason").unwrap_or(""))?;
    let account = call.who()?.account;
    about(call, &mut |id, comment| {
        if comment.flags.contains(&account) {
            return Ok(Vec::new());
        }
        let mut events = vec![What::CommentFlag { id, reason: reason.clone() }];
        if comment.flags.len() + 1 >= HIDING && !comment.hidden {
            events.push(What::CommentHide { id, on: true });
        }
        Ok(events)
    })
}

pub fn hide(call: &mut Call) -> Answer {
    let body = call.json()?;
    let on = body.get("hidden").and_then(Node::as_bool) != Some(false);
    about(call, &mut |id, comment| match comment.hidden == on {
        true => Ok(Vec::new()),
        false => Ok(vec![What::CommentHide { id, on }]),
    })
}

/// One version with `version`, all of it without.
pub fn withdraw(call: &mut Call) -> Answer {
    let body = call.json()?;
    let reason = manage::reason(text(&body, "reason").unwrap_or(""))?;
    let version = text(&body, "version").unwrap_or("").to_owned();
    manage::change(call, &subject(call), &mut |_, _, skill, name| {
        if version.is_empty() {
            let delete = || What::Delete { skill: name.clone(), reason: reason.clone() };
            return Ok(if skill.deleted { Vec::new() } else { vec![delete()] });
        }
        let (_, found) = skill.version(&version).ok_or_else(Refusal::no_version)?;
        let withdraw =
            || What::Withdraw { skill: name.clone(), version: version.clone(), reason: reason.clone() };
        Ok(if found.withdrawn { Vec::new() } else { vec![withdraw()] })
    })?;
    done()
}

pub fn restore(call: &mut Call) -> Answer {
    let body = call.json()?;
    let version = text(&body, "version").unwrap_or("").to_owned();
    manage::change(call, &subject(call), &mut |_, _, skill, name| {
        if version.is_empty() {
            if skill.hidden.is_some() {
                return Err(Refusal::forbidden("Hidden by moderation, which alone undoes it"));
            }
            return Ok(if skill.deleted { vec![What::Undelete { skill: name }] } else { Vec::new() });
        }
        let (_, found) = skill.version(&version).ok_or_else(Refusal::no_version)?;
        Ok(if found.withdrawn {
            vec![What::Restore { skill: name, version: version.clone() }]
        } else {
            Vec::new()
        })
    })?;
    done()
}

/// With an empty reason it is recommended again.
pub fn deprecate(call: &mut Call) -> Answer {
    let body = call.json()?;
    let reason = manage::reason(text(&body, "reason").unwrap_or(""))?;
    let version = text(&body, "version").unwrap_or("").to_owned();
    community::deprecate(call, &subject(call), &version, &reason)?;
    done()
}
