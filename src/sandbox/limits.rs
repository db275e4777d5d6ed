//! How much a run may use: rlimits, which every kernel has, and cgroups where weft may make one, which hold all processes together.

use super::plan::Refusal;
use super::probe::Probe;
use crate::policy::Policy;
use crate::sys::limits::{self, Resource};
use crate::sys::process;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limits of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Set before the command starts.
    pub each: Vec<(Resource, u64)>,
    /// Groups to make: folder of the parent group, file, value.
    pub groups: Vec<Group>,
    /// After this the run is ended.
    pub wall: Option<Duration>,
    /// Processes that the keeper of the fallback level counts.
    pub counted: Option<u64>,
}

/// A cgroup of the run's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group below which it is made.
    pub parent: PathBuf,
    /// Files in it and what is written there.
    pub values: Vec<(&'static str, u64)>,
}

impl Limits {
    /// The limits of a policy, held by the strongest means this machine gives.
    pub fn of(policy: &Policy, probe: &Probe) -> Result<Self, Refusal> {
        let process = &policy.process;
        let mut limits = Self::default();
        limits.each.push((Resource::Core, 0));
        for (set, resource) in
            [(&process.max_file_size, Resource::FileSize), (&process.max_open_files, Resource::OpenFiles)]
        {
            limits.each.extend(set.as_ref().map(|set| (resource, set.value)));
        }
        if let Some(time) = &process.max_cpu_time {
            limits.each.push((Resource::CpuTime, time.value.as_secs().max(1)));
        }
        if let Some(memory) = &process.max_memory {
            // Moving a process between groups of version 1 costs a grace period of the whole machine, some 10 ms.
            match group("memory") {
                Some((parent, 2)) => {
                    let values = vec![("memory.max", memory.value), ("memory.swap.max", 0)];
                    limits.groups.push(Group { parent, values });
                }
                _ => limits.each.push((Resource::Data, memory.value)),
            }
        }
        if let Some(most) = &process.max_processes {
            if probe.no_namespaces.is_some() {
                // An rlimit would count all processes of the user, those outside as well.
                match group("pids") {
                    Some((parent, _)) => {
                        let values = vec![("pids.max", most.value.saturating_add(1))];
                        limits.groups.push(Group { parent, values });
                    }
                    None => limits.counted = Some(most.value),
                }
            // The kernel does not count the processes of user 0, so for it there must be a group.
            } else if !probe.root {
                // PID 1 of the namespace is one more.
                limits.each.push((Resource::Processes, most.value.saturating_add(1)));
            } else if let Some((parent, _)) = group("pids") {
                let values = vec![("pids.max", most.value.saturating_add(1))];
                limits.groups.push(Group { parent, values });
            } else if !policy.sandbox.tolerates("process.max_processes") {
                return Err(Refusal::new(
                    most.origin.clone(),
                    "the kernel counts the processes of user 0 only in a cgroup, and none can be made here"
                        .to_owned(),
                    "run weft as another user, or list \"process.max_processes\" in sandbox.best_effort",
                ));
            }
        }
        limits.wall = process.max_wall_time.as_ref().map(|set| set.value);
        Ok(limits)
    }

    /// Sets the limits of this process, to be inherited.
    pub fn apply(&self) -> io::Result<()> {
        self.each.iter().try_for_each(|(resource, value)| limits::set(*resource, *value))
    }
}

/// Groups that exist on the host while the run lasts.
#[derive(Debug, Default)]
pub struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes the groups, and takes away those of runs whose weft was killed.
    pub fn make(limits: &Limits) -> Result<Self, (PathBuf, io::Error)> {
        let mut made = Self::default();
        for group in &limits.groups {
            for entry in fs::read_dir(&group.parent).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let pid = name.to_str().and_then(|name| name.strip_prefix("weft-")?.parse::<u32>().ok());
                let ours = |pid| pid as i32 == process::pid();
                if pid.is_some_and(|pid| ours(pid) || !Path::new("/proc").join(pid.to_string()).exists()) {
                    // Refused by the kernel as long as anything is in it.
                    let _ = fs::remove_dir(entry.path());
                }
            }
            let path = group.parent.join(format!("weft-{}", process::pid()));
            fs::create_dir(&path).map_err(|error| (path.clone(), error))?;
            made.0.push(path.clone());
            for (file, value) in &group.values {
                let file = path.join(file);
                match fs::write(&file, value.to_string()) {
                    Err(error) if !file.ends_with("memory.swap.max") => return Err((file, error)),
                    _ => {}
                }
            }
        }
        Ok(made)
    }

    /// The limits that were reached, as the kernel has counted.
    pub fn reached(&self) -> Vec<&'static str> {
        const COUNTS: &[(&str, &str, &str)] = &[
            ("pids.events", "max", "process.max_processes"),
            ("memory.events", "oom_kill", "process.max_memory"),
        ];
        let hit = |(file, word, _): &&(&str, &str, &str)| {
            self.0.iter().filter_map(|group| fs::read_to_string(group.join(file)).ok()).any(|text| {
                text.lines().filter_map(|line| line.split_once(' ')).any(|(w, n)| w == *word && n != "0")
            })
        };
        COUNTS.iter().filter(hit).map(|(_, _, limit)| *limit).collect()
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a process into them.
    pub fn add(&self, pid: i32) -> Result<(), (PathBuf, io::Error)> {
        for group in &self.0 {
            let file = group.join("cgroup.procs");
            fs::write(&file, pid.to_string()).map_err(|error| (file, error))?;
        }
        Ok(())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            // The kernel lets go of ended processes a moment after they were waited for.
            for _ in 0..50 {
                match fs::remove_dir(group) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// The group of this process for a controller, if a group can be made below it, and its cgroup version.
pub fn group(controller: &str) -> Option<(PathBuf, u8)> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = path.trim_start_matches('/');
        if id == "0" && controllers.is_empty() {
            for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
                let at = Path::new(root).join(path);
                let has = |file: &str| {
                    fs::read_to_string(at.join(file))
                        .is_ok_and(|text| text.split_whitespace().any(|c| c == controller))
                };
                if has("cgroup.controllers") && has("cgroup.subtree_control") && writable(&at) {
                    return Some((at, 2));
                }
            }
        } else if controllers.split(',').any(|c| c == controller) {
            let at = Path::new("/sys/fs/cgroup").join(controllers).join(path);
            if writable(&at) {
                return Some((at, 1));
            }
        }
    }
    None
}

fn writable(dir: &Path) -> bool {
    crate::sys::fs::c_path(dir).is_ok_and(|path| crate::sys::fs::may_write(&path))
}
