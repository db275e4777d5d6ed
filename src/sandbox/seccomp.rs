//! Which system calls a profile lets through, and the filter program made of it. Pure: installing it is `sys::seccomp`.
//!
//! Each call belongs to a class; a profile is a set of classes. `agent` is a deny-list by class (a call we have never heard
//! of but this kernel generation has is let through), the others are allow-lists. A few calls depend on an argument that is
//! a plain number; what hides behind a pointer is never decided here, because it can change after the check.
//!
//! The program is a binary search over call numbers: a chain of comparisons would cost every call, and the kernel's own
//! pre-computation at start, in proportion to the table.

use super::fallback::calls::{self, Alone};
use super::observe;
use crate::policy::Syscalls;
use crate::sort;
use crate::sys::numbers;
use crate::sys::seccomp::Instruction;

/// What a set of calls is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Running, reading, waiting: every program.
    Base,
    /// Changing files by name.
    Modify,
    /// Sockets.
    Net,
    /// System V and POSIX message objects.
    Ipc,
    /// What only an agent's whole tool chain may want.
    Rare,
    /// Nobody: reaches into the kernel, other processes or the set-up of the machine.
    Never,
    /// Nobody, and programs have a way around it: they are told the call does not exist.
    Absent,
}
use Class::{Absent, Base, Ipc, Modify, Net, Never, Rare};

/// A line of the call table.
struct Known {
    number: u32,
    name: &'static str,
    class: Class,
}

macro_rules! calls {
    ($($(#[$attr:meta])* $class:ident: $($name:ident)+;)*) => {
        const TABLES: &[&[Known]] = &[$(
            $(#[$attr])*
            &[$(Known { number: numbers::$name as u32, name: stringify!($name), class: $class }),+],
        )*];
    };
}

calls! {
    Base: SYS_read SYS_write SYS_close SYS_fstat SYS_lseek SYS_mmap SYS_mprotect SYS_munmap SYS_brk SYS_rt_sigaction
        SYS_rt_sigprocmask SYS_rt_sigreturn SYS_ioctl SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_sched_yield
        SYS_mremap SYS_msync SYS_mincore SYS_madvise SYS_dup SYS_nanosleep SYS_getitimer SYS_setitimer SYS_getpid
        SYS_sendfile SYS_socketpair SYS_sendmsg SYS_recvmsg SYS_recvfrom SYS_sendto SYS_shutdown SYS_getsockname
        SYS_getpeername SYS_getsockopt SYS_setsockopt SYS_recvmmsg SYS_sendmmsg SYS_clone SYS_execve SYS_exit SYS_wait4
        SYS_kill SYS_uname SYS_fcntl SYS_flock SYS_fsync SYS_fdatasync SYS_getcwd SYS_chdir SYS_fchdir SYS_umask
        SYS_gettimeofday SYS_getrlimit SYS_getrusage SYS_sysinfo SYS_times SYS_getuid SYS_getgid SYS_geteuid SYS_getegid
        SYS_setpgid SYS_getppid SYS_setsid SYS_getgroups SYS_getresuid SYS_getresgid SYS_getpgid SYS_getsid SYS_capget
        SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigqueueinfo SYS_rt_sigsuspend SYS_sigaltstack SYS_statfs SYS_fstatfs
        SYS_getpriority SYS_setpriority SYS_sched_setparam SYS_sched_getparam SYS_sched_setscheduler
        SYS_sched_getscheduler SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval
        SYS_mlock SYS_munlock SYS_mlockall SYS_munlockall SYS_mlock2 SYS_prctl SYS_setrlimit SYS_prlimit64 SYS_gettid
        SYS_readahead SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_tkill
        SYS_futex SYS_sched_setaffinity SYS_sched_getaffinity SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait
        SYS_epoll_pwait2 SYS_getdents64 SYS_set_tid_address SYS_restart_syscall SYS_fadvise64 SYS_timer_create
        SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_clock_gettime SYS_clock_getres
        SYS_clock_nanosleep SYS_exit_group SYS_tgkill SYS_waitid SYS_ioprio_get SYS_ioprio_set SYS_inotify_init1
        SYS_inotify_add_watch SYS_inotify_rm_watch SYS_openat SYS_newfstatat SYS_readlinkat SYS_faccessat SYS_faccessat2
        SYS_pselect6 SYS_ppoll SYS_set_robust_list SYS_get_robust_list SYS_splice SYS_tee SYS_sync_file_range SYS_vmsplice
        SYS_signalfd4 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_eventfd2 SYS_dup3 SYS_pipe2
        SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_rt_tgsigqueueinfo SYS_getcpu SYS_sched_setattr
        SYS_sched_getattr SYS_seccomp SYS_getrandom SYS_execveat SYS_membarrier SYS_copy_file_range
        SYS_statx SYS_rseq SYS_pidfd_send_signal SYS_pidfd_open SYS_close_range SYS_landlock_create_ruleset
        SYS_landlock_add_rule SYS_landlock_restrict_self SYS_process_mrelease SYS_futex_waitv
        SYS_fchmodat2 SYS_setreuid SYS_setregid
        SYS_setresuid SYS_setresgid SYS_setuid SYS_setgid SYS_setgroups SYS_setfsuid SYS_setfsgid SYS_capset SYS_memfd_create
        SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free SYS_sync SYS_syncfs SYS_ftruncate SYS_fallocate SYS_mseal
        SYS_mbind SYS_set_mempolicy SYS_get_mempolicy SYS_personality;
    #[cfg(target_arch = "x86_64")]
    Base: SYS_open SYS_stat SYS_lstat SYS_poll SYS_access SYS_pipe SYS_select SYS_dup2 SYS_pause SYS_alarm SYS_fork
        SYS_vfork SYS_getdents SYS_readlink SYS_getpgrp SYS_arch_prctl SYS_time SYS_epoll_create SYS_epoll_wait
        SYS_inotify_init SYS_signalfd SYS_eventfd SYS_utime SYS_utimes SYS_creat;
    Modify: SYS_truncate SYS_fchmod SYS_fchown SYS_mkdirat SYS_mknodat SYS_fchownat SYS_unlinkat SYS_linkat
        SYS_symlinkat SYS_fchmodat SYS_utimensat SYS_renameat2 SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_removexattr
        SYS_lremovexattr SYS_fremovexattr;
    // Only renameat2 there.
    #[cfg(not(target_arch = "riscv64"))]
    Modify: SYS_renameat;
    #[cfg(target_arch = "riscv64")]
    Base: SYS_riscv_flush_icache SYS_riscv_hwprobe;
    #[cfg(target_arch = "x86_64")]
    Modify: SYS_rename SYS_mkdir SYS_rmdir SYS_link SYS_unlink SYS_symlink SYS_chmod SYS_chown SYS_lchown SYS_mknod
        SYS_futimesat;
    Net: SYS_socket SYS_connect SYS_accept SYS_accept4 SYS_bind SYS_listen;
    Ipc: SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semctl SYS_semtimedop SYS_msgget SYS_msgsnd
        SYS_msgrcv SYS_msgctl SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr;
    Rare: SYS_unshare SYS_io_setup SYS_io_destroy SYS_io_submit SYS_io_cancel SYS_io_getevents
        SYS_name_to_handle_at SYS_process_madvise SYS_migrate_pages SYS_move_pages SYS_remap_file_pages
        SYS_set_mempolicy_home_node;
    #[cfg(target_arch = "x86_64")]
    Rare: SYS_modify_ldt SYS_set_thread_area SYS_get_thread_area;
    Never: SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_pidfd_getfd SYS_kcmp SYS_bpf SYS_perf_event_open
        SYS_userfaultfd SYS_add_key SYS_request_key SYS_keyctl SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_fsopen
        SYS_fsconfig SYS_fsmount SYS_fspick SYS_move_mount SYS_open_tree SYS_mount_setattr SYS_setns SYS_kexec_load
        SYS_init_module SYS_finit_module SYS_delete_module SYS_open_by_handle_at SYS_acct SYS_swapon SYS_swapoff
        SYS_reboot SYS_sethostname SYS_setdomainname SYS_syslog SYS_quotactl SYS_quotactl_fd SYS_settimeofday
        SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_vhangup SYS_fanotify_init SYS_fanotify_mark
        SYS_memfd_secret SYS_nfsservctl;
    #[cfg(target_arch = "x86_64")]
    Never: SYS_iopl SYS_ioperm SYS_kexec_file_load SYS_uselib SYS__sysctl
        SYS_lookup_dcookie SYS_ustat SYS_sysfs;
    // libc falls back to clone, whose flags a filter can read; openat2 hides the mode of a new file behind a pointer.
    Absent: SYS_clone3 SYS_openat2 SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register;
}

fn table() -> impl Iterator<Item = &'static Known> {
    TABLES.iter().copied().flatten()
}

/// The newest call this table was made against (`file_setattr`, Linux 6.17); later ones are told not to exist.
const NEWEST: u32 = 469;
/// `open_tree_attr`, of the mount family, newer than libc knows.
const OPEN_TREE_ATTR: u32 = 467;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs.
    Allow,
    /// The caller gets this error.
    Refuse(i32),
    /// The caller gets this error, through weft, which writes it down.
    Report(i32),
    /// It runs, after weft has written it down. Decides nothing: what may be executed or opened is up to mounts and Landlock.
    Watch,
    /// The keeper of the fallback level decides, and does it itself.
    Ask,
}

impl Verdict {
    fn encode(self) -> u32 {
        const ALLOW: u32 = 0x7fff_0000;
        const ERRNO: u32 = 0x0005_0000;
        const USER_NOTIF: u32 = 0x7fc0_0000;
        match self {
            Self::Allow => ALLOW,
            Self::Refuse(error) => ERRNO | error as u32,
            Self::Report(_) | Self::Watch | Self::Ask => USER_NOTIF,
        }
    }
}

/// A test of the low half of an argument; the kernel takes all of these as 32-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// `arg & mask == value`
    Is { arg: u8, mask: u32, value: u32 },
    /// `arg & mask != 0`
    Any { arg: u8, mask: u32 },
}

/// When all tests hold, the verdict.
pub(super) struct Clause {
    pub(super) tests: Vec<Test>,
    pub(super) verdict: Verdict,
}

/// What is known about one call number: the first clause that holds, else `otherwise`.
pub(super) struct Rule {
    pub(super) number: u32,
    pub(super) clauses: Vec<Clause>,
    pub(super) otherwise: Verdict,
}

/// What a filter depends on besides the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The profile.
    pub profile: Syscalls,
    /// A listener is there, so that refusals can be written down.
    pub report: bool,
    /// Programs that start are written down as well; needs the listener.
    pub execs: bool,
    /// Files that are asked for and connections as well; needs the listener.
    pub observe: bool,
    /// No namespaces are there: what they would hold is refused or asked for. Needs the listener.
    pub alone: Option<Alone>,
}

/// The filter for a profile on this machine's architecture.
pub fn program(options: Options) -> Vec<Instruction> {
    assemble(&rules(options), fallback(options.profile), options)
}

/// A filter for one process that runs nobody else's code: these calls, and no other. Signals go to itself, and no memory becomes code.
#[cfg(feature = "wasm")]
pub fn only(calls: &[i64], own: i32) -> Vec<Instruction> {
    const EXECUTABLE: u32 = libc::PROT_EXEC as u32;
    let refused = Verdict::Refuse(libc::EPERM);
    let mut rules: Vec<Rule> = Vec::new();
    for &call in calls {
        let Ok(number) = u32::try_from(call) else { continue };
        let clause = |tests: &[Test], verdict| vec![Clause { tests: tests.to_vec(), verdict }];
        let (clauses, otherwise) = match call {
            libc::SYS_kill | libc::SYS_tgkill => {
                let itself = Test::Is { arg: 0, mask: u32::MAX, value: own as u32 };
                (clause(&[itself], Verdict::Allow), refused)
            }
            libc::SYS_mmap | libc::SYS_mprotect => {
                (clause(&[Test::Any { arg: 2, mask: EXECUTABLE }], refused), Verdict::Allow)
            }
            libc::SYS_socketpair => (
                clause(&[Test::Is { arg: 0, mask: u32::MAX, value: libc::AF_UNIX as u32 }], Verdict::Allow),
                refused,
            ),
            _ => (Vec::new(), Verdict::Allow),
        };
        rules.push(Rule { number, clauses, otherwise });
    }
    sort::by_key(&mut rules, |rule| rule.number);
    let options =
        Options { profile: Syscalls::ReadOnly, report: false, execs: false, observe: false, alone: None };
    assemble(&rules, refused, options)
}

/// The name of a call, for people.
pub fn name(number: u32) -> &'static str {
    let known = table().find(|known| known.number == number);
    known.map_or("unknown", |known| known.name.trim_start_matches("SYS_"))
}

/// The number behind a name that [`name`] gave.
pub fn number(name: &str) -> Option<u32> {
    table().find(|known| known.name.trim_start_matches("SYS_") == name).map(|known| known.number)
}

/// The error that a reported call gets; what the listener answers with.
pub fn error_for(number: u32, args: &[u64; 6], options: Options) -> i32 {
    match verdict(number, args, options) {
        Verdict::Report(error) | Verdict::Refuse(error) => error,
        Verdict::Allow | Verdict::Watch | Verdict::Ask => libc::EPERM,
    }
}

/// What the filter says to a call, in Rust instead of BPF: for explanations and for the tests.
pub fn verdict(number: u32, args: &[u64; 6], options: Options) -> Verdict {
    Table::new(options).verdict(number, args)
}

/// The same, for a listener that is asked often.
pub struct Table {
    rules: Vec<Rule>,
    fallback: Verdict,
}

impl Table {
    /// For a filter with these options.
    pub fn new(options: Options) -> Self {
        Self { rules: rules(options), fallback: fallback(options.profile) }
    }

    /// What the filter says to a call.
    pub fn verdict(&self, number: u32, args: &[u64; 6]) -> Verdict {
        match self.rules.binary_search_by_key(&number, |rule| rule.number) {
            Ok(at) => decide(&self.rules[at], args),
            Err(_) if number > NEWEST => Verdict::Refuse(libc::ENOSYS),
            Err(_) => self.fallback,
        }
    }
}

fn decide(rule: &Rule, args: &[u64; 6]) -> Verdict {
    let holds = |test: &Test| match *test {
        Test::Is { arg, mask, value } => args[usize::from(arg)] as u32 & mask == value,
        Test::Any { arg, mask } => args[usize::from(arg)] as u32 & mask != 0,
    };
    let clause = rule.clauses.iter().find(|clause| clause.tests.iter().all(holds));
    clause.map_or(rule.otherwise, |clause| clause.verdict)
}

/// For numbers up to [`NEWEST`] that the table does not have.
fn fallback(profile: Syscalls) -> Verdict {
    if profile == Syscalls::Agent { Verdict::Allow } else { Verdict::Refuse(libc::EPERM) }
}

fn allowed(class: Class, profile: Syscalls) -> bool {
    match class {
        Base => true,
        Modify => profile != Syscalls::ReadOnly,
        Net => matches!(profile, Syscalls::Network | Syscalls::Agent),
        Ipc | Rare => profile == Syscalls::Agent,
        Never | Absent => false,
    }
}

fn rules(options: Options) -> Vec<Rule> {
    let refuse = |error| if options.report { Verdict::Report(error) } else { Verdict::Refuse(error) };
    let mut rules: Vec<Rule> = table()
        .map(|known| {
            let otherwise = match known.class {
                Absent => Verdict::Refuse(libc::ENOSYS),
                class if allowed(class, options.profile) => {
                    let exec = matches!(i64::from(known.number), libc::SYS_execve | libc::SYS_execveat);
                    if exec && options.execs && options.report { Verdict::Watch } else { Verdict::Allow }
                }
                _ => refuse(libc::EPERM),
            };
            let clauses =
                if otherwise == Verdict::Allow { clauses(known.number, refuse) } else { Vec::new() };
            // What an argument refuses stays refused; the rest is looked at before it runs.
            let watched = options.observe && options.report && observe::watches(known.number);
            let otherwise = if watched && otherwise == Verdict::Allow { Verdict::Watch } else { otherwise };
            Rule { number: known.number, clauses, otherwise }
        })
        .collect();
    rules.push(Rule { number: OPEN_TREE_ATTR, clauses: Vec::new(), otherwise: refuse(libc::EPERM) });
    if let Some(alone) = options.alone {
        calls::narrow(&mut rules, alone, refuse(libc::EPERM));
    }
    sort::by_key(&mut rules, |rule| rule.number);
    rules
}

/// The argument tests of a call that is otherwise allowed.
fn clauses(number: u32, refuse: impl Fn(i32) -> Verdict) -> Vec<Clause> {
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    const CLONE_NEWTIME: u32 = 0x80;
    const MSG_FASTOPEN: u32 = 0x2000_0000;
    const SET_ID_BITS: u32 = 0o6000;
    const CREATES: u32 = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    const MFD_NOEXEC_SEAL: u32 = 8;
    const IPPROTO_MPTCP: u32 = 262;
    let eperm = refuse(libc::EPERM);
    let on = |verdict, tests: &[Test]| Clause { tests: tests.to_vec(), verdict };
    let is = |arg, value| Test::Is { arg, mask: u32::MAX, value };
    let any = |arg, mask| Test::Any { arg, mask };
    // A file that runs as its owner for whoever finds it on the host.
    let set_id = |mode| vec![on(eperm, &[any(mode, SET_ID_BITS)])];
    let fast_open = |flags| vec![on(eperm, &[any(flags, MSG_FASTOPEN)])];
    match i64::from(number) {
        libc::SYS_clone => vec![on(eperm, &[any(0, NEW_NAMESPACES)])],
        libc::SYS_unshare => vec![on(eperm, &[any(0, NEW_NAMESPACES | CLONE_NEWTIME)])],
        // Typing into the terminal, pasting with it, taking the console, changing its discipline.
        libc::SYS_ioctl => [0x5412, 0x541c, 0x541d, 0x5423].map(|cmd| on(eperm, &[is(1, cmd)])).into(),
        libc::SYS_personality => {
            vec![on(Verdict::Allow, &[is(0, 0)]), on(Verdict::Allow, &[is(0, u32::MAX)]), on(eperm, &[])]
        }
        // A memfd that could be executed has no path, so no rule about paths would hold it.
        libc::SYS_memfd_create => {
            vec![on(Verdict::Refuse(libc::ENOSYS), &[Test::Is { arg: 1, mask: MFD_NOEXEC_SEAL, value: 0 }])]
        }
        libc::SYS_fchmod => set_id(1),
        libc::SYS_fchmodat | numbers::SYS_fchmodat2 | libc::SYS_mknodat => set_id(2),
        libc::SYS_openat => vec![on(eperm, &[any(2, CREATES), any(3, SET_ID_BITS)])],
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => vec![on(eperm, &[any(1, CREATES), any(2, SET_ID_BITS)])],
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod | libc::SYS_creat | libc::SYS_mknod => set_id(1),
        libc::SYS_sendto | libc::SYS_sendmmsg => fast_open(3),
        libc::SYS_sendmsg => fast_open(2),
        // TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_REPAIR
        libc::SYS_setsockopt => [23, 30, 19].map(|name| on(eperm, &[is(1, 6), is(2, name)])).into(),
        libc::SYS_socketpair => vec![on(Verdict::Allow, &[is(0, 1)]), on(eperm, &[])],
        libc::SYS_socket => {
            let kind = |value| Test::Is { arg: 1, mask: 0xf, value };
            let (stream, datagram) = (kind(libc::SOCK_STREAM as u32), kind(libc::SOCK_DGRAM as u32));
            let mut list = vec![on(eperm, &[is(2, IPPROTO_MPTCP)])];
            for family in [libc::AF_INET, libc::AF_INET6] {
                let family = is(0, family as u32);
                for protocol in [0, libc::IPPROTO_TCP] {
                    list.push(on(Verdict::Allow, &[family, stream, is(2, protocol as u32)]));
                }
                for protocol in [0, libc::IPPROTO_UDP, libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6] {
                    list.push(on(Verdict::Allow, &[family, datagram, is(2, protocol as u32)]));
                }
            }
            let unix = is(0, libc::AF_UNIX as u32);
            for kind in [stream, datagram, kind(libc::SOCK_SEQPACKET as u32)] {
                list.push(on(Verdict::Allow, &[unix, kind]));
            }
            // Routing questions (which interfaces are there) only; not the list of everyone's sockets.
            list.push(on(Verdict::Allow, &[is(0, libc::AF_NETLINK as u32), is(2, 0)]));
            list.push(on(refuse(libc::EAFNOSUPPORT), &[]));
            list
        }
        _ => Vec::new(),
    }
}

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY: u16 = 0x45;
const RETURN: u16 = 0x06;

fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, yes: 0, no: 0, k }
}

/// A stretch of call numbers with one treatment.
struct Stretch<'a> {
    from: u32,
    rule: Option<&'a Rule>,
    verdict: Verdict,
}

fn assemble<'a>(rules: &'a [Rule], fallback: Verdict, options: Options) -> Vec<Instruction> {
    let nosys = Verdict::Refuse(libc::ENOSYS).encode();
    let mut stretches: Vec<Stretch<'a>> = Vec::new();
    let mut add = |from, rule: Option<&'a Rule>, verdict: Verdict| {
        let merges = |last: &Stretch<'_>| {
            rule.is_none() && last.rule.is_none() && last.verdict.encode() == verdict.encode()
        };
        if !stretches.last().is_some_and(merges) {
            stretches.push(Stretch { from, rule, verdict });
        }
    };
    let mut next = 0;
    for rule in rules {
        if rule.number > next {
            add(next, None, fallback);
        }
        add(rule.number, (!rule.clauses.is_empty()).then_some(rule), rule.otherwise);
        next = rule.number + 1;
    }
    add(next, None, fallback);
    add(NEWEST + 1, None, Verdict::Refuse(libc::ENOSYS));
    debug_assert!(options.report || !rules.iter().any(|rule| matches!(rule.otherwise, Verdict::Report(_))));

    // seccomp_data: number at 0, architecture at 4, arguments from 16 on.
    let mut program =
        vec![op(LOAD, 4), Instruction { code: IF_EQUAL, yes: 1, no: 0, k: ARCH }, op(RETURN, nosys)];
    // The number of an x32 call has bit 30 set and so is beyond the newest.
    program.push(op(LOAD, 0));
    search(&stretches, &mut program);
    program
}

fn search(stretches: &[Stretch<'_>], program: &mut Vec<Instruction>) {
    if let [only] = stretches {
        return leaf(only, program);
    }
    let (low, high) = stretches.split_at(stretches.len() / 2);
    let at = program.len();
    // A conditional jump reaches 255 instructions; the right half may be further away.
    program.push(Instruction { code: IF_AT_LEAST, yes: 0, no: 1, k: high[0].from });
    program.push(op(JUMP, 0));
    search(low, program);
    program[at + 1].k = (program.len() - at - 2) as u32;
    search(high, program);
}

fn leaf(stretch: &Stretch<'_>, program: &mut Vec<Instruction>) {
    for clause in stretch.rule.map_or(&[][..], |rule| &rule.clauses) {
        // Each test is followed by the tests after it and the return; a test that fails jumps behind them.
        let mut body: Vec<Instruction> = vec![op(RETURN, clause.verdict.encode())];
        for test in clause.tests.iter().rev() {
            let past = body.len() as u8;
            let head = match *test {
                Test::Is { arg, mask, value } => {
                    let compare = Instruction { code: IF_EQUAL, yes: 0, no: past, k: value };
                    let load = op(LOAD, 16 + 8 * u32::from(arg));
                    if mask == u32::MAX { vec![load, compare] } else { vec![load, op(AND, mask), compare] }
                }
                Test::Any { arg, mask } => vec![
                    op(LOAD, 16 + 8 * u32::from(arg)),
                    Instruction { code: IF_ANY, yes: 0, no: past, k: mask },
                ],
            };
            body.splice(0..0, head);
        }
        program.append(&mut body);
    }
    program.push(op(RETURN, stretch.verdict.encode()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [Syscalls; 4] =
        [Syscalls::ReadOnly, Syscalls::FileWorker, Syscalls::Network, Syscalls::Agent];

    fn options(profile: Syscalls) -> Options {
        Options { profile, report: true, execs: false, observe: false, alone: None }
    }

    /// The kernel's interpreter, as far as these programs need it.
    fn run(program: &[Instruction], arch: u32, number: u32, args: &[u64; 6]) -> (u32, usize) {
        let word = |offset: u32| match offset {
            0 => number,
            4 => arch,
            _ => {
                let arg = args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
        };
        let (mut at, mut acc, mut steps) = (0, 0u32, 0);
        loop {
            let i = program[at];
            steps += 1;
            at += 1;
            let jump = |yes: bool| usize::from(if yes { i.yes } else { i.no });
            match i.code {
                LOAD => acc = word(i.k),
                AND => acc &= i.k,
                JUMP => at += i.k as usize,
                IF_EQUAL => at += jump(acc == i.k),
                IF_AT_LEAST => at += jump(acc >= i.k),
                IF_ANY => at += jump(acc & i.k != 0),
                RETURN => return (i.k, steps),
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn program_says_what_the_table_says() {
        let arguments = [
            [0; 6],
            [u64::MAX; 6],
            [0x1000_0000; 6],
            [1, 1, 0, 0, 0, 0],
            [2, 1 | 0o2000000, 0, 0, 0, 0],
            [2, 3, 0, 0, 0, 0],
            [16, 3, 4, 0, 0, 0],
            [16, 3, 0, 0, 0, 0],
            [0, 0x5412, 0, 0, 0, 0],
            [0, 0xffff_ffff_0000_5412, 0, 0, 0, 0],
            [3, 6, 30, 0, 0, 0],
            [3, 0, 0o100, 0o4755, 0, 0],
            [3, 0o4755, 0o4755, 0o4755, 0, 0],
            [2, 1, 262, 0x2000_0000, 0, 0],
            [40, 1, 0, 0, 0, 0],
        ];
        for profile in PROFILES {
            for report in [false, true] {
                for alone in [None, ALONE, ALONE.map(|alone| Alone { inet: true, ..alone })] {
                    let options = Options { report, profile, execs: false, observe: false, alone };
                    let program = program(options);
                    let table = Table::new(options);
                    for number in 0..NEWEST + 40 {
                        for args in &arguments {
                            let (got, _) = run(&program, ARCH, number, args);
                            let said = table.verdict(number, args);
                            assert_eq!(got, said.encode(), "{options:?} {number} {args:?}");
                        }
                    }
                }
            }
        }
    }

    #[cfg(feature = "wasm")]
    #[test]
    fn an_interpreter_gets_its_calls_and_no_other() {
        let calls = [libc::SYS_read, libc::SYS_kill, libc::SYS_mmap, libc::SYS_socketpair];
        let program = only(&calls, 42);
        let allowed =
            |call: i64, args: [u64; 6]| run(&program, ARCH, call as u32, &args).0 == Verdict::Allow.encode();
        for number in 0..i64::from(NEWEST) + 40 {
            assert!(!allowed(number, [0; 6]) || calls.contains(&number), "{number}");
        }
        assert!(allowed(libc::SYS_read, [u64::MAX; 6]));
        for (args, fine) in [([42, 9, 0, 0, 0, 0], true), ([1, 9, 0, 0, 0, 0], false), ([u64::MAX; 6], false)]
        {
            assert_eq!(allowed(libc::SYS_kill, args), fine, "{args:?}");
        }
        assert!(
            allowed(libc::SYS_mmap, [0, 4096, 3, 0, 0, 0]) && !allowed(libc::SYS_mmap, [0, 4096, 7, 0, 0, 0])
        );
        assert!(
            allowed(libc::SYS_socketpair, [1, 1, 0, 0, 0, 0])
                && !allowed(libc::SYS_socketpair, [2, 1, 0, 0, 0, 0])
        );
        let (other, _) = run(&program, 0x4000_0003, libc::SYS_read as u32, &[0; 6]);
        assert_ne!(other, Verdict::Allow.encode());
    }

    const ALONE: Option<Alone> = Some(Alone { inet: false, egress: false, count: true });

    #[test]
    fn without_namespaces_nothing_more_is_allowed() {
        let arguments = [[0; 6], [1, 1, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0], [3, 2, 4, 0x20, 3, 0]];
        for profile in PROFILES {
            let with = Table::new(options(profile));
            let without = Table::new(Options { alone: ALONE, ..options(profile) });
            for number in 0..NEWEST + 40 {
                for args in &arguments {
                    if without.verdict(number, args) == Verdict::Allow {
                        assert_eq!(
                            with.verdict(number, args),
                            Verdict::Allow,
                            "{profile:?} {number} {args:?}"
                        );
                    }
                }
            }
            // What names a file, or makes a socket that could reach out, never simply runs.
            for call in [libc::SYS_openat, libc::SYS_renameat2, libc::SYS_fchmod, libc::SYS_newfstatat] {
                assert_ne!(without.verdict(call as u32, &[0; 6]), Verdict::Allow);
            }
            for (family, kind) in [(1, 2), (2, 1), (10, 1), (16, 3), (40, 1)] {
                let args = [family, kind, 0, 0, 0, 0];
                assert_ne!(without.verdict(libc::SYS_socket as u32, &args), Verdict::Allow);
            }
        }
    }

    #[test]
    fn other_architectures_are_refused() {
        const I386: u32 = 0x4000_0003;
        let nosys = Verdict::Refuse(libc::ENOSYS).encode();
        for profile in PROFILES {
            let program = program(options(profile));
            for number in 0..500 {
                assert_eq!(run(&program, I386, number, &[0; 6]).0, nosys);
                assert_eq!(run(&program, ARCH, number | 0x4000_0000, &[0; 6]).0, nosys);
            }
        }
    }

    #[test]
    fn narrower_profiles_allow_less() {
        for pair in PROFILES.windows(2) {
            for known in table() {
                if allowed(known.class, pair[0]) {
                    assert!(allowed(known.class, pair[1]), "{} in {:?} only", known.name, pair[0]);
                }
            }
        }
    }

    #[test]
    fn table_has_each_call_once() {
        let mut numbers: Vec<u32> = table().map(|known| known.number).collect();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(numbers.last().is_some_and(|&last| last <= NEWEST));
    }

    #[test]
    fn stays_short() {
        for (profile, alone) in PROFILES.into_iter().flat_map(|profile| [(profile, None), (profile, ALONE)]) {
            let program = program(Options { alone, ..options(profile) });
            assert!(program.len() < 1000, "{profile:?}: {} instructions", program.len());
            let longest = (0..NEWEST).map(|n| run(&program, ARCH, n, &[0; 6]).1).max();
            assert!(longest < Some(90), "{profile:?}: {longest:?} steps");
            let read = run(&program, ARCH, libc::SYS_read as u32, &[0; 6]).1;
            assert!(read < 30, "{profile:?}: {read} steps for read");
        }
    }
}
