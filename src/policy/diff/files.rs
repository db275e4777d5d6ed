//! `[filesystem]`. What a policy decides about a path depends on which named paths stand above it, so it is enough to ask
//! both policies about every path that either of them names: what is between two of them is decided like the upper one.

use super::{Direction, Found, Risk, shown, subsumes};
use crate::policy::lint::CREDENTIALS_AT;
use crate::policy::path::Glob;
use crate::policy::{Filesystem, Origin, Pattern, Policy, decide};
use crate::sort;
use std::path::{Path, PathBuf};

/// Strongest last.
const VERBS: [(&str, &str); 3] =
    [("read", "filesystem.read"), ("executed", "filesystem.exec"), ("written", "filesystem.write")];

pub fn compare(old: &Policy, new: &Policy, found: &mut Found) {
    let globs = patterns(old, new, found);
    let points = points(old, new);
    let answers: Vec<Answers> = points.iter().map(|path| Answers::of(path, old, new)).collect();
    for (at, path) in points.iter().enumerate() {
        let above = path
            .ancestors()
            .skip(1)
            .find_map(|above| points.binary_search_by(|p| p.as_path().cmp(above)).ok());
        // The run's own temporary folder says nothing about a place of the host that stands in the host's.
        let same_kind = |above: &usize| {
            [old, new].iter().all(|policy| private(policy, &points[*above]) == private(policy, path))
        };
        let inherited = above.filter(same_kind).map(|above| &answers[above]);
        // A pattern that was told of stands for what it matches.
        if globs.iter().any(|glob| glob.covers(path)) {
            continue;
        }
        for direction in [Direction::Wider, Direction::Narrower] {
            change(path, &answers[at], inherited, direction, (old, new), found);
        }
    }
    denies(old, new, &globs, found);
}

fn private(policy: &Policy, path: &Path) -> bool {
    policy.filesystem.read_rule(path).is_some_and(|rule| rule.private)
}

/// Every path that is named by either, sorted, once.
fn points(old: &Policy, new: &Policy) -> Vec<PathBuf> {
    let mut points = Vec::new();
    for policy in [old, new] {
        let files = &policy.filesystem;
        let rules = files.read.iter().chain(files.write.iter()).chain(files.exec.iter());
        points.extend(rules.map(|rule| rule.path.clone()));
        points.extend(files.deny.iter().chain(&files.protected).map(|rule| rule.path.clone()));
    }
    sort::plain(&mut points);
    points.dedup();
    points
}

/// What a policy says about a path for one verb, and the line that says it.
type Answer = (bool, Option<Origin>);

/// For each of [`VERBS`]: the old and the new answer.
struct Answers([(Answer, Answer); 3]);

impl Answers {
    fn of(path: &Path, old: &Policy, new: &Policy) -> Answers {
        let one = |policy: &Policy| {
            let plain = |decision: decide::Decision| (decision.allowed, decision.rule);
            [plain(decide::read(policy, path)), exec(policy, path), plain(decide::write(policy, path))]
        };
        let ([a, b, c], [d, e, f]) = (one(old), one(new));
        Answers([(a, d), (b, e), (c, f)])
    }

    fn direction(&self, verb: usize) -> Option<Direction> {
        let ((old, _), (new, _)) = &self.0[verb];
        match (old, new) {
            (false, true) => Some(Direction::Wider),
            (true, false) => Some(Direction::Narrower),
            _ => None,
        }
    }
}

/// What [`decide::exec`] says about the place alone, whatever commands are named.
fn exec(policy: &Policy, path: &Path) -> Answer {
    match decide::denied(policy, path) {
        Some(denied) => (false, denied.rule),
        None => {
            let rule = policy.filesystem.exec_rule(path);
            (rule.is_some(), rule.map(|rule| rule.origin.clone()))
        }
    }
}

/// Tells what is different at this path and not already told of one above it.
fn change(
    path: &Path,
    answers: &Answers,
    inherited: Option<&Answers>,
    direction: Direction,
    (old, new): (&Policy, &Policy),
    found: &mut Found,
) {
    let fresh: Vec<usize> = (0..VERBS.len())
        .filter(|verb| {
            answers.direction(*verb) == Some(direction)
                && inherited.is_none_or(|above| above.direction(*verb) != Some(direction))
        })
        .collect();
    let Some(&strongest) = fresh.last() else { return };
    let verbs: Vec<&str> = fresh.iter().map(|verb| VERBS[*verb].0).collect();
    let verbs = crate::words::list(&verbs).replace(" or ", " and ");
    let ((_, before), (_, after)) = &answers.0[strongest];
    let at = shown(path, &new.places);
    let what = match direction {
        Direction::Wider => format!("{at} can be {verbs}"),
        _ => format!("{at} can no longer be {}", verbs.replace(" and ", " or ")),
    };
    // A line that denied, in the old or in the new policy, is what a reader has to look at.
    let (by, grant) = if direction == Direction::Wider { (before, after) } else { (after, before) };
    let key = by.as_ref().or(grant.as_ref()).map_or(VERBS[strongest].1, |origin| origin.key);
    let risk = match direction {
        Direction::Wider => risk(path, &fresh, by.is_some(), old, new),
        _ => Risk::Low,
    };
    found.add(direction, risk, key, what, before.as_ref(), after.as_ref());
}

fn risk(path: &Path, verbs: &[usize], was_denied: bool, old: &Policy, new: &Policy) -> Risk {
    if private(new, path) {
        return Risk::Low;
    }
    let places = &new.places;
    let secret = CREDENTIALS_AT.iter().any(|name| {
        let name = places.home.join(name);
        path.starts_with(&name) && !decide::read(old, path).allowed
    });
    let (executed, written) = (verbs.contains(&1), verbs.contains(&2));
    let both = decide::write(new, path).allowed && exec(new, path).0;
    let own = path.starts_with(&places.workspace);
    let system = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/nix"];
    if secret
        || both && (executed || written)
        || written && !own && system.iter().any(|place| path.starts_with(place))
    {
        Risk::High
    } else if was_denied || written || executed || !own && !system.iter().any(|place| path.starts_with(place))
    {
        Risk::Medium
    } else {
        Risk::Low
    }
}

/// Compares entries with `*` as such: what they match differs from machine to machine. Returns those that were told of.
fn patterns(old: &Policy, new: &Policy, found: &mut Found) -> Vec<Glob> {
    let mut told = Vec::new();
    let mut one = |from: &Policy, to: &Policy, direction: Direction, found: &mut Found| {
        for pattern in from.filesystem.patterns.iter().filter(|pattern| !granted(&to.filesystem, pattern)) {
            let (key, at) = (pattern.origin.key, glob_shown(&pattern.glob, new));
            let verb = VERBS.iter().find(|(_, known)| *known == key).map_or("read", |(verb, _)| verb);
            match direction {
                Direction::Wider => {
                    let risk = if verb == "written" { Risk::High } else { Risk::Medium };
                    found.wider(risk, key, format!("{at} can be {verb}"), Some(&pattern.origin));
                }
                _ => found.narrower(key, format!("{at} can no longer be {verb}"), Some(&pattern.origin)),
            }
            told.push(pattern.glob.clone());
        }
    };
    one(new, old, Direction::Wider, found);
    one(old, new, Direction::Narrower, found);
    told
}

/// Whether the files grant what the pattern of the other policy does: by a path above all of it, or by as wide a pattern.
fn granted(files: &Filesystem, pattern: &Pattern) -> bool {
    let root = pattern.glob.root();
    let key = pattern.origin.key;
    let path = match key {
        "filesystem.write" => files.write_rule(&root),
        "filesystem.exec" => files.exec_rule(&root),
        _ => files.read_rule(&root),
    };
    // What may be written or executed may be read.
    let same = |other: &Pattern| other.origin.key == key || key == "filesystem.read";
    path.is_some()
        || files.patterns.iter().any(|other| same(other) && glob_subsumes(&other.glob, &pattern.glob))
}

/// Name by name, so that a `*` stays within its name.
fn glob_subsumes(wide: &Glob, narrow: &Glob) -> bool {
    let (wide, narrow): (Vec<&str>, Vec<&str>) = (wide.names().collect(), narrow.names().collect());
    // `**` is compared as a word only.
    wide.len() <= narrow.len()
        && wide.iter().zip(&narrow).all(|(wide, narrow)| match (*wide, *narrow) {
            ("**", narrow) => narrow == "**",
            (_, "**") => false,
            (wide, narrow) => subsumes(wide, narrow),
        })
}

fn glob_shown(glob: &Glob, policy: &Policy) -> String {
    shown(Path::new(glob.as_str()), &policy.places)
}

/// Denies that came or went where nothing is allowed anyway, and patterns of denies.
fn denies(old: &Policy, new: &Policy, told: &[Glob], found: &mut Found) {
    let one = |from: &Policy, to: &Policy, direction: Direction, found: &mut Found| {
        let mut globs: Vec<&Glob> = told.iter().collect();
        for rule in &from.filesystem.deny_globs {
            let to = &to.filesystem;
            let root = rule.glob.root();
            let kept = to.deny.iter().any(|deny| root.starts_with(&deny.path))
                || to.deny_globs.iter().any(|deny| glob_subsumes(&deny.glob, &rule.glob));
            if kept {
                continue;
            }
            globs.push(&rule.glob);
            let at = glob_shown(&rule.glob, new);
            let reached = decide_reach(new, &rule.glob) || decide_reach(old, &rule.glob);
            deny_change(direction, at, reached, &rule.origin, found);
        }
        for rule in &from.filesystem.deny {
            let kept = decide::denied(to, &rule.path).is_some();
            let by_glob = globs.iter().any(|glob| glob.covers(&rule.path));
            let (before, after) = (decide::read(old, &rule.path), decide::read(new, &rule.path));
            // Told of where it makes a difference.
            if !kept && !by_glob && !before.allowed && !after.allowed {
                deny_change(direction, shown(&rule.written, &new.places), false, &rule.origin, found);
            }
        }
        for rule in &from.filesystem.protected {
            let kept = to.filesystem.protected.iter().any(|kept| rule.path.starts_with(&kept.path));
            let same = decide::write(old, &rule.path).allowed == decide::write(new, &rule.path).allowed;
            if !kept && same && decide::denied(to, &rule.path).is_none() {
                let at = shown(&rule.written, &new.places);
                match direction {
                    Direction::Wider => {
                        let what = format!("{at} is no longer protected, though nothing lets it be written");
                        found.add(direction, Risk::Low, "filesystem.protect", what, Some(&rule.origin), None);
                    }
                    _ => {
                        let what = format!("{at} is protected, whatever else is said");
                        found.add(direction, Risk::Low, "filesystem.protect", what, None, Some(&rule.origin));
                    }
                }
            }
        }
    };
    one(old, new, Direction::Wider, found);
    one(new, old, Direction::Narrower, found);
}

/// Whether something that the pattern could match may be read, the pattern itself aside.
fn decide_reach(policy: &Policy, glob: &Glob) -> bool {
    let files = &policy.filesystem;
    files.read_rule(&glob.root()).is_some()
        || files
            .read
            .iter()
            .chain(files.write.iter())
            .chain(files.exec.iter())
            .any(|rule| glob.reaches(&rule.path))
}

fn deny_change(direction: Direction, at: String, reached: bool, origin: &Origin, found: &mut Found) {
    match direction {
        Direction::Wider => {
            let (risk, more) = match reached {
                true => (Risk::Medium, ""),
                false => (Risk::Low, ", though nothing allows it"),
            };
            let what = format!("{at} is no longer denied{more}");
            found.add(direction, risk, "filesystem.deny", what, Some(origin), None);
        }
        _ => {
            let more = if reached { "" } else { ", whatever else is said" };
            found.add(
                direction,
                Risk::Low,
                "filesystem.deny",
                format!("{at} is denied{more}"),
                None,
                Some(origin),
            );
        }
    }
}
