//! `[tools]` and `[env]`: names with `*`.

use super::{Direction, Found, Risk, subsumes};
use crate::policy::decide::is_loader_variable;
use crate::policy::secrets::is_secret_variable;
use crate::policy::{Argument, Policy, Set};

pub fn compare(old: &Policy, new: &Policy, found: &mut Found) {
    Names {
        allow: "tools.allow",
        deny: "tools.deny",
        what: "the tool",
        can: "can be used",
        risk: |name| if name.contains('*') { Risk::High } else { Risk::Medium },
    }
    .compare((&old.tools.allow, &old.tools.deny), (&new.tools.allow, &new.tools.deny), found);
    arguments(old, new, found);
    Names {
        allow: "env.allow",
        deny: "env.deny",
        what: "the variable",
        can: "can be seen",
        risk: of_variable,
    }
    .compare((&old.env.allow, &old.env.deny), (&new.env.allow, &new.env.deny), found);
    for (name, set) in &new.env.set {
        let before = old.env.set.get(name);
        if before.is_none_or(|before| before.value != set.value) {
            let how = if before.is_some() { "to another value than before" } else { "by the policy" };
            let what = format!("the variable {name} is set {how}");
            let old = before.map(|before| &before.origin);
            // What programs obey: where to look for others, what to run, what to load.
            let risk = if steers(name) { Risk::High } else { Risk::Low };
            found.add(Direction::Wider, risk, "env.set", what, old, Some(&set.origin));
        }
    }
    for (name, set) in old.env.set.iter().filter(|(name, _)| !new.env.set.contains_key(*name)) {
        found.narrower("env.set", format!("the variable {name} is no longer set"), Some(&set.origin));
    }
}

/// Each rule only narrows, so that one which is gone is wider, if it spoke about a tool that is allowed.
fn arguments(old: &Policy, new: &Policy, found: &mut Found) {
    let same = |a: &Argument, b: &Argument| {
        subsumes(&b.tool, &a.tool)
            && a.name == b.name
            && (a.must.is_none() || a.must == b.must)
            && (a.matches.is_none() || a.matches == b.matches)
            && (b.required || !a.required)
    };
    let (before, after) = (&old.tools.arguments, &new.tools.arguments);
    for rule in before.iter().filter(|rule| !after.iter().any(|kept| same(rule, kept))) {
        let what = format!("the argument {} of {} is no longer held to what it was", rule.name, rule.tool);
        found.add(Direction::Wider, Risk::Medium, "tools.argument", what, Some(&rule.origin), None);
    }
    for rule in after.iter().filter(|rule| !before.iter().any(|kept| same(rule, kept))) {
        let what = format!("the argument {} of {} is limited", rule.name, rule.tool);
        found.add(Direction::Narrower, Risk::Low, "tools.argument", what, None, Some(&rule.origin));
    }
}

fn of_variable(name: &str) -> Risk {
    if is_secret_variable(name) || name.starts_with('*') {
        Risk::High
    } else if name.contains('*') {
        Risk::Medium
    } else {
        Risk::Low
    }
}

/// Whether programs take orders from it.
fn steers(name: &str) -> bool {
    let orders = [
        "PATH", "PYTHON", "NODE_", "PERL", "RUBY", "GIT_", "JAVA_", "_JAVA", "EDITOR", "PAGER", "SHELL",
        "PROXY", "proxy", "RUST", "CARGO", "HOME", "XDG_", "SSL_", "CURL_",
    ];
    is_loader_variable(name.as_bytes()) || orders.iter().any(|word| name.contains(word))
}

/// Two lists of one kind.
struct Names {
    allow: &'static str,
    deny: &'static str,
    what: &'static str,
    can: &'static str,
    risk: fn(&str) -> Risk,
}

type Lists<'p> = (&'p [Set<String>], &'p [Set<String>]);

impl Names {
    fn compare(&self, old: Lists, new: Lists, found: &mut Found) {
        let covered = |list: &[Set<String>], name: &str| list.iter().any(|set| subsumes(&set.value, name));
        for set in new.0.iter().filter(|set| !covered(old.0, &set.value) && !covered(new.1, &set.value)) {
            let what = format!("{} {} {}", self.what, set.value, self.can);
            found.wider((self.risk)(&set.value), self.allow, what, Some(&set.origin));
        }
        for set in old.0.iter().filter(|set| !covered(new.0, &set.value) && !covered(old.1, &set.value)) {
            let can = self.can.replacen("can ", "can no longer ", 1);
            found.narrower(self.allow, format!("{} {} {can}", self.what, set.value), Some(&set.origin));
        }
        // Something that the deny stands for is allowed, or part of it may be.
        let meets = |list: &[Set<String>], name: &str| {
            list.iter().any(|set| {
                subsumes(&set.value, name) || subsumes(name, &set.value) || both_vary(&set.value, name)
            })
        };
        for set in old.1.iter().filter(|set| !covered(new.1, &set.value)) {
            let (risk, more) = match meets(new.0, &set.value) {
                true => ((self.risk)(&set.value).max(Risk::Medium), ""),
                false => (Risk::Low, ", though nothing allows it"),
            };
            let what = format!("{} {} is no longer denied{more}", self.what, set.value);
            found.add(Direction::Wider, risk, self.deny, what, Some(&set.origin), None);
        }
        for set in new.1.iter().filter(|set| !covered(old.1, &set.value)) {
            let more = if meets(old.0, &set.value) { "" } else { ", whatever else is said" };
            let what = format!("{} {} is denied{more}", self.what, set.value);
            found.add(Direction::Narrower, Risk::Low, self.deny, what, None, Some(&set.origin));
        }
    }
}

/// Two patterns may have names in common though neither covers the other, where both have a `*` and their fixed beginnings
/// and ends agree.
fn both_vary(a: &str, b: &str) -> bool {
    let (Some((a_head, a_tail)), Some((b_head, b_tail))) = (ends(a), ends(b)) else { return false };
    (a_head.starts_with(b_head) || b_head.starts_with(a_head))
        && (a_tail.ends_with(b_tail) || b_tail.ends_with(a_tail))
}

fn ends(pattern: &str) -> Option<(&str, &str)> {
    Some((pattern.split_once('*')?.0, pattern.rsplit_once('*')?.1))
}
