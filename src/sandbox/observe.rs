//! Which files and addresses the processes inside ask for, read from each while its call waits, and told once. For the log and
//! for learning only: the memory a path is read from may change before the kernel reads it again, so that nothing is decided by
//! it; every call goes on as if nobody had looked.

use super::programs;
use crate::egress::names;
use crate::sys::memory::read_memory;
use crate::sys::numbers;
use crate::sys::seccomp::Call;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// What a process asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A file is opened for reading, or a folder for listing.
    Read(PathBuf),
    /// A file is made, changed, renamed or removed, or opened for writing.
    Write(PathBuf),
    /// Whether it is there, or what is known about it, but not what is in it.
    Look(PathBuf),
    /// A connection that no listener of weft's takes up.
    Connect(SocketAddr),
}

/// Something that was asked for, for the first time by this program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// What it is; paths are absolute, without `..`, links not followed.
    pub what: What,
    /// The program that asks.
    pub by: PathBuf,
}

/// Different things that are told in one run, and the bytes of their names; more is only counted.
const TOLD: usize = 10_000;
const BYTES: usize = 8 << 20;

/// What was told already.
#[derive(Debug, Default)]
pub struct Observer {
    /// Addresses are not looked at.
    deaf: bool,
    told: BTreeSet<Asked>,
    bytes: usize,
    untold: u64,
}

/// Where the arguments of a call have its paths: the folder's descriptor, if it has one, and the path.
#[derive(Clone, Copy)]
enum At {
    /// The path alone.
    Path(usize),
    /// A descriptor and a path relative to it.
    Dir(usize, usize),
}
use At::{Dir, Path as Plain};

/// How the calls use their paths.
enum Kind {
    /// By the flags in this argument.
    Open(At, usize),
    Change(&'static [At]),
    /// The first is read, the second made.
    Link(At, At),
    Look(At),
    /// May it be used? By the mode in this argument.
    May(At, usize),
    Connect,
}

fn kind(number: i64) -> Option<Kind> {
    use Kind::{Change, Connect, Link, Look, May, Open};
    Some(match number {
        libc::SYS_openat => Open(Dir(0, 1), 2),
        libc::SYS_mkdirat | libc::SYS_mknodat | libc::SYS_unlinkat => Change(&[Dir(0, 1)]),
        libc::SYS_fchmodat | libc::SYS_fchownat | libc::SYS_utimensat | numbers::SYS_fchmodat2 => {
            Change(&[Dir(0, 1)])
        }
        libc::SYS_symlinkat => Change(&[Dir(1, 2)]),
        #[cfg(not(target_arch = "riscv64"))]
        libc::SYS_renameat => Change(&[Dir(0, 1), Dir(2, 3)]),
        libc::SYS_renameat2 => Change(&[Dir(0, 1), Dir(2, 3)]),
        libc::SYS_linkat => Link(Dir(0, 1), Dir(2, 3)),
        libc::SYS_truncate | libc::SYS_setxattr | libc::SYS_lsetxattr => Change(&[Plain(0)]),
        libc::SYS_removexattr | libc::SYS_lremovexattr => Change(&[Plain(0)]),
        libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_readlinkat => Look(Dir(0, 1)),
        libc::SYS_faccessat | libc::SYS_faccessat2 => May(Dir(0, 1), 2),
        libc::SYS_chdir => Look(Plain(0)),
        libc::SYS_connect => Connect,
        _ => return elder(number),
    })
}

/// Calls that newer architectures do without.
#[cfg(target_arch = "x86_64")]
fn elder(number: i64) -> Option<Kind> {
    use Kind::{Change, Link, Look, May, Open};
    Some(match number {
        libc::SYS_open => Open(Plain(0), 1),
        libc::SYS_creat | libc::SYS_mkdir | libc::SYS_mknod | libc::SYS_rmdir | libc::SYS_unlink => {
            Change(&[Plain(0)])
        }
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_lchown | libc::SYS_utime | libc::SYS_utimes => {
            Change(&[Plain(0)])
        }
        libc::SYS_futimesat => Change(&[Dir(0, 1)]),
        libc::SYS_symlink => Change(&[Plain(1)]),
        libc::SYS_rename => Change(&[Plain(0), Plain(1)]),
        libc::SYS_link => Link(Plain(0), Plain(1)),
        libc::SYS_access => May(Plain(0), 1),
        libc::SYS_stat | libc::SYS_lstat | libc::SYS_readlink => Look(Plain(0)),
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn elder(_: i64) -> Option<Kind> {
    None
}

/// Whether calls of this number are looked at.
pub fn watches(number: u32) -> bool {
    kind(i64::from(number)).is_some()
}

impl Observer {
    /// For files alone: where processes share the host's network, who listens where says nothing.
    pub fn without_connections() -> Self {
        Self { deaf: true, ..Self::default() }
    }

    /// What the call asks for, as far as that was not told yet.
    pub fn see(&mut self, call: &Call) -> Vec<Asked> {
        let found = asked(call);
        if found.is_empty() || self.deaf && matches!(found.as_slice(), [What::Connect(_)]) {
            return Vec::new();
        }
        let by = fs::read_link(format!("/proc/{}/exe", call.pid)).unwrap_or_default();
        let found = found.into_iter().map(|what| Asked { what, by: by.clone() });
        found.filter(|asked| self.is_new(asked)).collect()
    }

    /// How much was not told because there was too much.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    fn is_new(&mut self, asked: &Asked) -> bool {
        if self.told.contains(asked) {
            return false;
        }
        let size = asked.by.as_os_str().len()
            + match &asked.what {
                What::Read(path) | What::Write(path) | What::Look(path) => path.as_os_str().len(),
                What::Connect(_) => 0,
            };
        if self.told.len() >= TOLD || self.bytes + size > BYTES {
            self.untold += 1;
            return false;
        }
        self.bytes += size;
        self.told.insert(asked.clone())
    }
}

fn asked(call: &Call) -> Vec<What> {
    let path = |at: At| path(call, at);
    let mut found = Vec::new();
    match kind(i64::from(call.number)) {
        Some(Kind::Open(at, flags)) => {
            let flags = call.args.get(flags).map_or(0, |flags| *flags as i32);
            let write = flags & libc::O_ACCMODE != libc::O_RDONLY
                || flags & (libc::O_TRUNC | libc::O_CREAT) != 0
                || flags & libc::O_TMPFILE == libc::O_TMPFILE;
            found.extend(path(at).map(|path| match flags & libc::O_PATH != 0 {
                true => What::Look(path),
                false if write => What::Write(path),
                false => What::Read(path),
            }));
        }
        Some(Kind::Change(all)) => found.extend(all.iter().filter_map(|at| path(*at)).map(What::Write)),
        Some(Kind::Link(from, to)) => {
            found.extend(path(from).map(What::Read));
            found.extend(path(to).map(What::Write));
        }
        Some(Kind::Look(at)) => found.extend(path(at).map(What::Look)),
        Some(Kind::May(at, mode)) => {
            let mode = call.args.get(mode).map_or(0, |mode| *mode as i32);
            // Who asks whether a file may be read would read it next.
            found.extend(path(at).map(|path| match mode & libc::R_OK != 0 && path.is_file() {
                true => What::Read(path),
                false => What::Look(path),
            }));
        }
        Some(Kind::Connect) => found.extend(connect(call)),
        None => {}
    }
    found
}

/// The path that an argument names, absolute and without `..`. None for what is no file of the host: processes and devices are
/// the sandbox's own.
fn path(call: &Call, at: At) -> Option<PathBuf> {
    let (dir, path) = match at {
        At::Path(path) => (libc::AT_FDCWD, *call.args.get(path)?),
        At::Dir(dir, path) => (*call.args.get(dir)? as i32, *call.args.get(path)?),
    };
    // The file that a descriptor names, as for utimensat(2) without a path: opening it was told.
    let text = if path == 0 { Vec::new() } else { programs::text(call.pid, path)? };
    if text.is_empty() {
        return None;
    }
    let asked = PathBuf::from(OsString::from_vec(text));
    let whole = match asked.is_absolute() {
        true => asked,
        false if dir == libc::AT_FDCWD => fs::read_link(format!("/proc/{}/cwd", call.pid)).ok()?.join(asked),
        false => fs::read_link(format!("/proc/{}/fd/{dir}", call.pid)).ok()?.join(asked),
    };
    let whole = plain(&whole)?;
    let own = ["/proc", "/dev", "/sys"].iter().any(|own| whole.starts_with(own));
    (!own).then_some(whole)
}

/// Without `.` and `..`; a link before a `..` is followed, as the kernel would.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::RootDir => whole.push("/"),
            Component::Normal(name) => whole.push(name),
            Component::ParentDir => {
                if fs::symlink_metadata(&whole).is_ok_and(|meta| meta.is_symlink()) {
                    whole = fs::canonicalize(&whole).ok()?;
                }
                whole.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    // `socket:[5]`, or a folder that is gone.
    whole.is_absolute().then_some(whole)
}

/// Where a connection is to go, unless somebody inside or weft takes it up.
fn connect(call: &Call) -> Option<What> {
    let [_, address, length, ..] = call.args;
    let mut bytes = [0; 110];
    let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
    let read = read_memory(call.pid, address, bytes.get_mut(..wanted)?).ok()?;
    let bytes = bytes.get(..read)?;
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let port = || rest.first_chunk::<2>().map(|port| u16::from_be_bytes(*port));
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_UNIX => {
            // An abstract name begins with NUL.
            let name = rest.split(|byte| *byte == 0).next().filter(|name| name.starts_with(b"/"))?;
            let path = plain(Path::new(&OsString::from_vec(name.to_vec())))?;
            // Many look for a service that is not there.
            fs::symlink_metadata(&path).is_ok().then_some(What::Write(path))
        }
        libc::AF_INET => {
            let ip = Ipv4Addr::from(*rest.get(2..)?.first_chunk::<4>()?);
            outside(call.pid, SocketAddr::new(ip.into(), port()?))
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(*rest.get(6..)?.first_chunk::<16>()?);
            outside(call.pid, SocketAddr::new(ip.to_canonical(), port()?))
        }
        _ => None,
    }
}

fn outside(pid: i32, to: SocketAddr) -> Option<What> {
    let taken = match to.ip() {
        IpAddr::V4(v4) if names::is_ours(v4) => true,
        ip if ip.is_loopback() || ip.is_unspecified() => listens(pid, to.port()),
        _ => false,
    };
    // Port 0 and 9 are how libraries ask for their own address, 53 is how they ask for another's.
    let asks = matches!(to.port(), 0 | 9 | 53);
    (!taken && !asks).then_some(What::Connect(to))
}

/// Whether somebody listens on the port in the network of that process.
fn listens(pid: i32, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    ["tcp", "tcp6"].iter().any(|table| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let local = fields.next().is_some_and(|local| local.ends_with(&end));
            local && fields.nth(1) == Some(LISTEN)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_told_once_and_bounded() {
        let mut observer = Observer::default();
        let asked = |n: usize| Asked { what: What::Read(format!("/x/{n}").into()), by: "/bin/a".into() };
        assert!(observer.is_new(&asked(0)) && !observer.is_new(&asked(0)));
        let other = Asked { by: "/bin/b".into(), ..asked(0) };
        assert!(observer.is_new(&other));
        assert_eq!((0..TOLD + 10).filter(|n| observer.is_new(&asked(*n))).count(), TOLD - 2);
        assert_eq!(observer.untold(), 11);
    }

    #[test]
    fn paths_are_made_plain() {
        for (path, is) in [("/a/./b/../c", Some("/a/c")), ("/../x", Some("/x")), ("socket:[5]", None)] {
            assert_eq!(plain(Path::new(path)), is.map(PathBuf::from), "{path}");
        }
    }
}
