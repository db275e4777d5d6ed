//! What the fallback level adds to a seccomp profile: calls that namespaces would make harmless are handed to the keeper, or refused.
//! Only ever narrows: a call that the profile refuses stays refused.

use crate::sandbox::seccomp::{Clause, Rule, Test, Verdict};
use crate::sys::numbers;

/// What the added rules depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// The network is the host's.
    pub inet: bool,
    /// TCP goes through the keeper to weft's egress.
    pub egress: bool,
    /// The keeper counts processes.
    pub count: bool,
}

/// Done by the keeper: everything that opens, looks at or changes a file by its name, or changes what is known about a file.
const ASKED: &[i64] = &[
    libc::SYS_openat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    numbers::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Refused: they reach other processes of the user, or objects that all of them share.
const REFUSED: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_process_madvise,
    numbers::SYS_process_mrelease,
    // Tells of names in folders that cannot be read, as Landlock knows nothing of it.
    libc::SYS_inotify_add_watch,
];

/// Told that the file system does not have it: what can be known of files by path, past the keeper.
const UNSUPPORTED: &[i64] = &[
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_name_to_handle_at,
];

/// Newer than this table's profile: attributes by path, and mounts of the host. Told not to exist.
const ABSENT: &[u32] = &[
    457, // statmount
    458, // listmount
    463, // setxattrat
    464, // getxattrat
    465, // listxattrat
    466, // removexattrat
    468, // file_getattr
    469, // file_setattr
];

/// The first argument is a process: only the caller itself.
const OF_SELF: &[i64] = &[
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
];

/// Narrows the rules of a profile. `refuse` is its word for a call it does not let through.
pub(in crate::sandbox) fn narrow(rules: &mut Vec<Rule>, alone: Alone, refuse: Verdict) {
    for rule in rules.iter_mut().filter(|rule| matches!(rule.otherwise, Verdict::Allow | Verdict::Watch)) {
        let number = i64::from(rule.number);
        if ASKED.contains(&number)
            || number == libc::SYS_connect && !alone.inet
            || alone.count && is_fork(number)
        {
            rule.otherwise = Verdict::Ask;
        } else if REFUSED.contains(&number) {
            rule.clauses.clear();
            rule.otherwise = refuse;
        } else if UNSUPPORTED.contains(&number) {
            rule.clauses.clear();
            rule.otherwise = Verdict::Refuse(libc::EOPNOTSUPP);
        } else {
            special(rule, alone, refuse);
        }
    }
    let nosys = Verdict::Refuse(libc::ENOSYS);
    rules.retain(|rule| !ABSENT.contains(&rule.number));
    rules.extend(ABSENT.iter().map(|&number| Rule { number, clauses: Vec::new(), otherwise: nosys }));
}

/// Whether the call makes a process or a thread.
pub fn is_fork(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if matches!(number, libc::SYS_fork | libc::SYS_vfork) {
        return true;
    }
    number == libc::SYS_clone
}

fn special(rule: &mut Rule, alone: Alone, refuse: Verdict) {
    let on = |verdict, tests: &[Test]| Clause { tests: tests.to_vec(), verdict };
    let is = |arg, value| Test::Is { arg, mask: u32::MAX, value };
    let kind = |value| Test::Is { arg: 1, mask: 0xf, value };
    let streams = [libc::SOCK_STREAM, libc::SOCK_SEQPACKET].map(|value| kind(value as u32));
    let unix = is(0, libc::AF_UNIX as u32);
    let number = i64::from(rule.number);
    if OF_SELF.contains(&number) {
        rule.clauses.insert(0, on(Verdict::Allow, &[is(0, 0)]));
        rule.otherwise = refuse;
    }
    match number {
        // Priority of the caller itself.
        libc::SYS_setpriority => {
            rule.clauses.push(on(Verdict::Allow, &[is(0, 0), is(1, 0)]));
            rule.otherwise = refuse;
        }
        libc::SYS_ioprio_set => {
            rule.clauses.push(on(Verdict::Allow, &[is(0, 1), is(1, 0)]));
            rule.otherwise = refuse;
        }
        // Code from a file: no mount says noexec here.
        libc::SYS_mmap => {
            let code = Test::Any { arg: 2, mask: libc::PROT_EXEC as u32 };
            let file = Test::Is { arg: 3, mask: libc::MAP_ANONYMOUS as u32, value: 0 };
            rule.clauses.push(on(Verdict::Ask, &[code, file]));
        }
        // A datagram can be sent to any path, and the address is behind a pointer.
        libc::SYS_socketpair => {
            rule.clauses = streams.map(|kind| on(Verdict::Allow, &[unix, kind])).into();
            rule.otherwise = refuse;
        }
        // Of one kind only, so that nobody has to look at an address: with the network of the host no Unix sockets, which
        // could be connected to any path; without a network nothing else, and connecting is asked for.
        libc::SYS_socket if alone.inet => {
            rule.clauses.insert(0, on(refuse, &[unix]));
        }
        libc::SYS_socket => {
            rule.clauses = streams.map(|kind| on(Verdict::Allow, &[unix, kind])).into();
            // A stand-in, until it is connected; and nothing that could listen.
            for family in [libc::AF_INET, libc::AF_INET6].into_iter().filter(|_| alone.egress) {
                for protocol in [0, libc::IPPROTO_TCP as u32] {
                    let tests = [is(0, family as u32), kind(libc::SOCK_STREAM as u32), is(2, protocol)];
                    rule.clauses.push(on(Verdict::Ask, &tests));
                }
            }
            rule.otherwise = Verdict::Refuse(libc::EAFNOSUPPORT);
        }
        // Flags of files that may only be read (chattr), projects, verity, encryption; btrfs subvolumes.
        libc::SYS_ioctl => {
            for set in [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x4080_6685, 0x800c_6613] {
                rule.clauses.push(on(refuse, &[is(1, set)]));
            }
            for clone in [0x4004_9409, 0x4020_940d, 0xc018_9436] {
                rule.clauses.push(on(Verdict::Allow, &[is(1, clone)]));
            }
            for family in [0x9400, 0x5800] {
                rule.clauses.push(on(refuse, &[Test::Is { arg: 1, mask: 0xff00, value: family }]));
            }
        }
        _ => {}
    }
}
