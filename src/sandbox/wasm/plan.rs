//! What a WebAssembly program will have, from the policy alone: folders, descriptors, memory. A value that prints and does nothing.

use super::limits::{self, OWN_MEMORY};
use crate::egress::Settings;
use crate::policy::effective::Effective;
use crate::policy::path::{FileId, Kind, PathRule};
use crate::policy::{NetworkMode, Policy};
use crate::sandbox::fallback::outside::remove_folder;
use crate::sandbox::launch::{Error, failed};
use crate::sandbox::limits::Limits;
use crate::sandbox::plan::{Plan, Refusal};
use crate::sandbox::probe::Probe;
use crate::sys::limits::Resource;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder that the program starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As the program sees it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Which folder it was when the policy was resolved, if it is a rule's own.
    pub id: Option<FileId>,
}

/// What the program will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Bytes of memory and tables together, if the policy says.
    pub memory: Option<u64>,
    /// Descriptors beside those it starts with.
    pub files: usize,
    /// Bytes to standard output and error where those are no files.
    pub output: Option<u64>,
    /// A folder of the run's own on the host that stands for the private one; none where mounts put one there.
    pub scratch: Option<PathBuf>,
    /// Folders that it starts with, beside the one it starts in.
    pub folders: Vec<Given>,
    /// There are no namespaces, and the interpreter's process is to be held without: Landlock, and a filter for the calls it makes.
    pub narrowed: bool,
}

impl Guest {
    /// What the policy comes to. `scratch` is where the private folder is, unless mounts put it in its place. `limits` are those of the interpreter's process, which gets room beside what the program may use.
    pub fn of(policy: &Policy, scratch: Option<&Path>, limits: &mut Limits) -> Guest {
        let process = &policy.process;
        let files = &policy.filesystem;
        let private = files.read.iter().chain(files.write.iter()).any(|rule| rule.private);
        let scratch = scratch.filter(|_| private).map(Path::to_owned);
        let most =
            process.max_open_files.as_ref().map(|set| usize::try_from(set.value).unwrap_or(usize::MAX));
        let mut folders: Vec<Given> = Vec::new();
        let rules = || files.read.iter().chain(files.write.iter());
        for (folders_first, rule) in rules().map(|rule| (true, rule)).chain(rules().map(|rule| (false, rule)))
        {
            if (rule.kind == Kind::Dir) == folders_first {
                let moved = |path: &Path| match (&scratch, path.strip_prefix(&policy.places.tmpdir)) {
                    (Some(scratch), Ok(rest)) if rule.private => {
                        scratch.components().chain(rest.components()).collect()
                    }
                    _ => path.to_owned(),
                };
                add(&mut folders, rule, &moved);
            }
        }
        let room = |value: &mut u64, more: u64| *value = value.saturating_add(more);
        let more = folders.len() as u64 * 2 + 64;
        for (resource, value) in &mut limits.each {
            match resource {
                Resource::Data => room(value, OWN_MEMORY),
                Resource::OpenFiles => room(value, more),
                _ => {}
            }
        }
        for (file, value) in limits.groups.iter_mut().flat_map(|group| &mut group.values) {
            if *file == "memory.max" {
                room(value, OWN_MEMORY);
            }
        }
        Guest {
            memory: process.max_memory.as_ref().map(|set| set.value),
            files: most.unwrap_or(limits::FILES),
            output: process.max_file_size.as_ref().map(|set| set.value),
            scratch,
            folders,
            narrowed: false,
        }
    }
}

/// The folder of a rule under each of its names; of a rule for a file, the folder it is in. What is below a folder that is there already
/// is reached through that.
fn add(folders: &mut Vec<Given>, rule: &PathRule, moved: &dyn Fn(&Path) -> PathBuf) {
    for name in [&rule.path, &rule.written] {
        let of_folder = rule.kind == Kind::Dir || rule.private;
        let (name, path, id) = match of_folder {
            true => (name.as_path(), moved(&rule.path), rule.id),
            false => match (name.parent(), rule.path.parent()) {
                // A link to a file elsewhere is reached where the file is.
                (Some(name), Some(path)) if name == path => (name, path.to_owned(), None),
                _ => continue,
            },
        };
        let there = folders.iter().any(|given| {
            name.strip_prefix(&given.name)
                .is_ok_and(|rest| given.path.join(rest) == path || rest.as_os_str().is_empty())
        });
        if let Some(name) = name.to_str().filter(|_| !there) {
            folders.push(Given { name: name.to_owned(), path, id });
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "wasm        WASI preview 1, interpreted; weft opens, names and changes files, by real path"
        )?;
        match self.memory {
            Some(memory) => writeln!(f, "            {memory} bytes of memory and tables")?,
            None => writeln!(f, "            4 GiB of memory and tables at most")?,
        }
        writeln!(
            f,
            "            calls {} deep, {} bytes of stack, {} descriptors",
            limits::DEPTH,
            limits::STACK,
            self.files
        )?;
        for given in &self.folders {
            let moved = if Path::new(&given.name) == given.path {
                String::new()
            } else {
                format!(" ({})", given.path.display())
            };
            writeln!(f, "folder      {}{moved}", given.name)?;
        }
        Ok(())
    }
}

/// The plan of a run that the interpreter alone holds.
pub fn alone(
    policy: &Policy,
    probe: &Probe,
    outside: impl Iterator<Item = (OsString, OsString)>,
    effective: Effective,
) -> Result<Plan, Refusal> {
    let without = probe.clone().without_namespaces(&effective.reason);
    let mut limits = Limits::of(policy, &without)?;
    // It is one process that makes no others.
    limits.counted = None;
    let guest = Guest::of(policy, Some(&probe.scratch), &mut limits);
    let egress = match policy.network.mode {
        NetworkMode::Hosts => {
            let made = Settings::of(policy).map(Settings::without_listen).filter(Settings::goes_out);
            made.map(Settings::with_tls)
        }
        _ => None,
    };
    let variables = egress.as_ref().map(Settings::variables).unwrap_or_default();
    let bare = Plan::without_walls(policy, probe, outside, &variables, effective, limits);
    Ok(Plan { own_network: true, egress, guest: Some(guest), ..bare })
}

/// The same with the walls that need no namespaces: the kernel lets the interpreter's process reach the files that the policy names, and make
/// the calls that an interpreter makes. What is denied inside of what is allowed the interpreter alone holds.
pub fn narrowed(
    policy: &Policy,
    probe: &Probe,
    outside: impl Iterator<Item = (OsString, OsString)>,
    effective: Effective,
) -> Result<Plan, Refusal> {
    let why = probe.no_namespaces.as_deref().unwrap_or("none are needed");
    let effective =
        Effective { reason: format!("{}; without namespaces: {why}", effective.reason), ..effective };
    let mut plan = alone(policy, probe, outside, effective)?;
    plan.landlock = super::walls::landlock(policy, probe);
    if let Some(guest) = &mut plan.guest {
        guest.narrowed = true;
    }
    Ok(plan)
}

/// The folder of the run's own, gone when the run ends.
#[derive(Debug)]
pub struct Scratch(Option<PathBuf>);

impl Scratch {
    /// Makes it. One that is there already would be somebody else's.
    pub fn make(guest: &Guest) -> Result<Scratch, Error> {
        if let Some(path) = &guest.scratch {
            let failed = failed("make the private folder", path);
            fs::create_dir(path).map_err(&failed)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(&failed)?;
        }
        Ok(Scratch(guest.scratch.clone()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove_folder(path);
        }
    }
}
