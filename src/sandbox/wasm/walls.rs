//! The kernel's walls around the interpreter where there are no namespaces: Landlock for the files that the policy names, and a filter for
//! the calls that it makes. Whoever breaks out of the interpreter starts no program, opens no socket, looks into no other process and
//! reaches no file beside those; what is denied inside of what is allowed Landlock cannot say.

use crate::policy::Policy;
use crate::policy::path::{Kind, PathRule};
use crate::sandbox::landlock::{CHANGE, Landlock, READ, handled};
use crate::sandbox::mounts::DEVICES;
use crate::sandbox::plan::Plan;
use crate::sandbox::probe::Probe;
use crate::sandbox::seccomp;
use crate::sys::landlock::{fs as right, net, scope};
use crate::sys::process;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What the interpreter, its calls and its allocator ask of the kernel. No program is executed, no process made, no socket but in pairs.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_utimensat,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_ppoll,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_socketpair,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The rules for the files: what may be read and what may be written, and nothing executed.
pub fn landlock(policy: &Policy, probe: &Probe) -> Landlock {
    let abi = probe.landlock;
    let handled = handled(abi);
    let mut grants: BTreeMap<PathBuf, (bool, u64)> = BTreeMap::new();
    let mut grant = |path: &Path, dir: bool, rights: u64| {
        const ON_FILES: u64 = right::READ_FILE | right::WRITE_FILE | right::TRUNCATE;
        let rights = handled & if dir { rights } else { rights & ON_FILES };
        grants.entry(path.to_owned()).or_insert((dir, 0)).1 |= rights;
    };
    let files = &policy.filesystem;
    let mut private = false;
    for (rules, rights) in [(&files.read, READ), (&files.write, READ | CHANGE)] {
        for rule in rules.iter() {
            private |= rule.private;
            grant(place(rule, probe), rule.kind == Kind::Dir || rule.private, rights);
        }
    }
    if private {
        grant(&probe.scratch, true, READ | CHANGE);
    }
    for device in DEVICES {
        grant(device.as_ref(), false, right::READ_FILE | right::WRITE_FILE);
    }
    Landlock {
        abi,
        handled,
        net: if abi >= 4 { net::BIND_TCP | net::CONNECT_TCP } else { 0 },
        scoped: if abi >= 6 { scope::ABSTRACT_UNIX_SOCKET | scope::SIGNAL } else { 0 },
        grants: grants.into_iter().map(|(path, (dir, rights))| (path, dir, rights)).collect(),
    }
}

/// Where a rule's files are: those of the private folder, in the run's own.
fn place<'a>(rule: &'a PathRule, probe: &'a Probe) -> &'a Path {
    if rule.private { &probe.scratch } else { &rule.path }
}

/// Holds this process for good. Nothing but it runs in here, and it has no threads.
pub fn raise(plan: &Plan) -> Result<(), (&'static str, PathBuf, io::Error)> {
    plan.landlock.apply(&plan.mounts, false).map_err(|(path, error)| ("landlock", path, error))?;
    let filter = seccomp::only(CALLS, process::pid());
    let installed = crate::sys::seccomp::install(&filter, false);
    installed.map(drop).map_err(|error| ("install the filter", PathBuf::new(), error))
}
