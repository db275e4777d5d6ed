//! Which processes are inside: those that descend from the keeper, which adopts orphans, so that nobody leaves the family.

use crate::sys::process;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The keeper's view of its descendants.
#[derive(Debug)]
pub struct Family {
    keeper: i32,
    /// Children of the keeper that are weft's own.
    own: BTreeSet<i32>,
    /// Upper bound of the processes and threads inside since they were last counted.
    estimate: u64,
}

/// A process, as `/proc/PID/stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    threads: u64,
}

impl Family {
    /// Of the process that calls this.
    pub fn here() -> Self {
        Self { keeper: process::pid(), own: BTreeSet::new(), estimate: 1 }
    }

    /// A child of the keeper that is no part of what runs inside.
    pub fn exclude(&mut self, pid: i32) {
        self.own.insert(pid);
    }

    /// A child of the keeper has ended; whether it was one of those.
    pub fn ended(&mut self, pid: i32) -> bool {
        self.own.remove(&pid)
    }

    /// Whether a process is inside now. A parent that ends while this looks gives its children to the keeper or to the outside,
    /// so the way up is looked at a second time.
    pub fn contains(&self, pid: i32) -> bool {
        let way = |pid: i32| -> Option<Vec<i32>> {
            let mut way = vec![pid];
            loop {
                let last = *way.last()?;
                if self.own.contains(&last) || way.len() > 4096 {
                    return None;
                }
                match stat(last)?.parent {
                    parent if parent == self.keeper => return Some(way),
                    0 | 1 => return None,
                    parent => way.push(parent),
                }
            }
        };
        pid != self.keeper && way(pid).is_some_and(|first| way(pid).is_some_and(|again| again == first))
    }

    /// Whether one more process or thread is within `most`. Counts only when the bound is reached.
    pub fn room(&mut self, most: u64) -> bool {
        if self.estimate >= most {
            self.estimate = self.count();
        }
        self.estimate += 1;
        if self.estimate <= most {
            return true;
        }
        self.estimate -= 1;
        false
    }

    /// Processes and threads inside.
    fn count(&self) -> u64 {
        let all: BTreeMap<i32, Stat> =
            processes().filter_map(|pid| stat(pid).map(|stat| (pid, stat))).collect();
        let inside = |pid: i32| {
            let mut at = pid;
            for _ in 0..4096 {
                if self.own.contains(&at) {
                    return false;
                }
                match all.get(&at) {
                    Some(stat) if stat.parent == self.keeper => return true,
                    Some(stat) => at = stat.parent,
                    None => return false,
                }
            }
            false
        };
        all.iter().filter(|(pid, _)| inside(**pid)).map(|(_, stat)| stat.threads).sum()
    }

    /// Ends everything inside and waits until it is gone. Orphans come to the keeper, so level after level is its child.
    pub fn kill(&self) {
        loop {
            for pid in children(self.keeper) {
                // It may have ended in this moment.
                let _ = process::kill(pid, libc::SIGKILL);
            }
            if process::wait(-1, true).is_err() {
                return;
            }
            while let Ok(Some(_)) = process::wait(-1, false) {}
        }
    }
}

/// Children of a process.
pub fn children(parent: i32) -> Vec<i32> {
    processes().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of a process may hold blanks and brackets; the last bracket ends it.
fn parse(text: &[u8]) -> Option<Stat> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let threads = fields.nth(15)?.parse().ok()?;
    Some(Stat { parent, threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_pose_as_fields() {
        let text = b"7 (a) S 1 (b) R 42 7 7 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 3 0 5 6 7\n";
        assert_eq!(parse(text), Some(Stat { parent: 42, threads: 3 }));
        assert_eq!(parse(b"7 (a"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn outsiders_are_not_inside() {
        let family = Family::here();
        assert!(!family.contains(process::pid()));
        assert!(!family.contains(process::parent()));
        assert!(!family.contains(1));
    }
}
