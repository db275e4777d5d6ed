//! The self-attack of `weft doctor`: tricks out of the book of a hostile process, tried for real inside the policy. One table;
//! each trick is first tried outside where that harms nothing, because one that never works proves nothing.

use crate::policy::decide;
use crate::policy::host::Host;
use crate::policy::{NetworkMode, Policy};
use crate::sandbox::plan::Plan;
use crate::sys::attempt::{self, byte};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One trick.
pub struct Attack {
    pub name: &'static str,
    pub what: &'static str,
    /// Works outside without harm, so that it is tried there first.
    control: bool,
    /// Why the policy lets it happen, if it does.
    allowed: fn(&World) -> Option<&'static str>,
    act: fn(&World) -> io::Result<()>,
}

/// Things to reach for, made for the attack and gone after it.
pub struct World<'a> {
    policy: &'a Policy,
    plan: &'a Plan,
    /// A folder that the policy does not name, with a file `secret`; None if everything there could be is named.
    decoy: Option<PathBuf>,
    /// Outside, this process.
    outer: i32,
    tcp: Option<(TcpListener, SocketAddr)>,
    _unix: Vec<UnixListener>,
    abstract_name: String,
    /// Tried outside, as a control.
    pub outside: bool,
}

fn no(_: &World) -> Option<&'static str> {
    None
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

const fn attack(
    name: &'static str,
    what: &'static str,
    control: bool,
    act: fn(&World) -> io::Result<()>,
) -> Attack {
    Attack { name, what, control, allowed: no, act }
}

const fn unless(allowed: fn(&World) -> Option<&'static str>, attack: Attack) -> Attack {
    Attack { allowed, ..attack }
}

pub const ALL: &[Attack] = &[
    attack("read-outside", "read a file that the policy does not name", true, |w| w.read("")),
    attack("read-denied", "read what filesystem.deny names", false, |w| w.read_denied()),
    attack("read-dotdot", "the same file by .. from the workspace", true, |w| w.read_dotdot()),
    attack("read-proc-root", "the same file through /proc/self/root", true, |w| w.read("/proc/self/root")),
    attack("read-proc-init", "the same file through the root of process 1", false, |w| {
        w.read("/proc/1/root")
    }),
    attack("read-symlink", "the same file by a symlink of one's own", true, |w| w.read_symlink()),
    attack("write-outside", "make a file in a folder that the policy does not name", true, |w| {
        w.write_outside()
    }),
    attack("write-read-only", "open a file of a read-only place for writing", false, |w| w.write_read_only()),
    attack("write-policy", "write the policy of the next run", false, |w| w.write_policy()),
    attack("chmod-read-only", "change the mode of a read-only place", false, |w| w.chmod_read_only()),
    attack("exec-outside", "execute a file that the policy does not name", true, |w| w.exec_outside()),
    unless(
        |w| w.executable_tmp(),
        attack("exec-written", "execute what was written to the temporary folder", false, |w| {
            w.exec_written()
        }),
    ),
    attack("exec-memory", "execute a program out of memory (memfd)", true, |_| {
        attempt::memfd(b"#!/bin/true\n")
    }),
    attack("exec-denied", "execute a command that process.deny names", false, |w| w.exec_denied()),
    attack("setuid-bit", "make a file that runs as its owner", true, |w| w.setuid()),
    attack("capability", "have a capability left", false, |_| attempt::capabilities()),
    attack("user-namespace", "a user namespace of one's own (unshare)", true, |_| attempt::user_namespace()),
    attack("clone-namespace", "a user namespace of one's own (clone)", true, |_| attempt::clone_namespace()),
    attack("mount", "mount something", true, |w| attempt::mount(c"/tmp", !w.outside)),
    attack("chroot", "change the root", false, |_| attempt::chroot()),
    attack("open-by-handle", "open a file past its path (open_by_handle_at)", true, |_| {
        attempt::open_by_handle()
    }),
    attack("sysctl", "open a kernel setting for writing", true, |w| w.sysctl()),
    attack("hostname", "name the machine", false, |_| attempt::hostname()),
    attack("ptrace", "trace a process", true, |_| attempt::ptrace()),
    attack("read-memory", "read the memory of another process", true, |w| attempt::read_process(w.victim())),
    attack("steal-descriptor", "take a descriptor out of another process", true, |w| {
        attempt::steal_descriptor(w.victim())
    }),
    attack("see-process", "see a process outside in /proc", true, |w| {
        fs::metadata(format!("/proc/{}/status", w.outer)).map(drop)
    }),
    attack("environ", "read the environment of process 1", false, |_| {
        File::open("/proc/1/environ")?.read(&mut [0; 1]).map(drop)
    }),
    attack("signal", "signal a process outside", true, |w| attempt::signal(w.outer)),
    attack("io-uring", "io_uring, which no filter sees", true, |_| attempt::io_uring()),
    attack("bpf", "load something into the kernel (bpf)", true, |_| attempt::bpf()),
    attack("perf", "performance counters", true, |_| attempt::perf_event()),
    attack("userfaultfd", "handle page faults (userfaultfd)", true, |_| attempt::userfaultfd()),
    attack("keyring", "the session keyring", true, |_| attempt::keyring()),
    attack("personality", "switch off address randomization", true, |_| attempt::personality()),
    attack("x32", "system calls by their x32 numbers", true, |_| attempt::x32()),
    attack("i386", "system calls by the 32-bit gate", true, |_| attempt::i386()),
    attack("terminal", "type into the terminal (TIOCSTI)", false, |_| attempt::type_into_terminal()),
    unless(
        |w| w.network(),
        attack("loopback", "connect to a service on the host's loopback", true, |w| w.loopback()),
    ),
    attack("abstract-socket", "connect to an abstract Unix socket of the host", true, |w| {
        w.abstract_socket()
    }),
    attack("unix-socket", "connect to a Unix socket in a folder that the policy does not name", true, |w| {
        w.unix_socket()
    }),
    attack("raw-socket", "a raw socket", true, |_| {
        attempt::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)
    }),
    attack("packet-socket", "a packet socket", true, |_| attempt::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    attack("netlink-diag", "list everyone's sockets (netlink)", true, |_| {
        attempt::socket(libc::AF_NETLINK, libc::SOCK_RAW, 4)
    }),
    attack("mptcp", "multipath TCP, which Landlock does not see", true, |_| {
        attempt::socket(libc::AF_INET, libc::SOCK_STREAM, 262)
    }),
    attack("vsock", "a socket to the hypervisor", true, |_| {
        attempt::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)
    }),
];

impl<'a> World<'a> {
    pub fn new(policy: &'a Policy, plan: &'a Plan) -> World<'a> {
        let outer = crate::sys::process::pid();
        let abstract_name = format!("weft-doctor-{outer}");
        let decoy = decoy(policy, outer);
        let sockets = [
            UnixAddr::from_abstract_name(&abstract_name).and_then(|name| UnixListener::bind_addr(&name)).ok(),
            decoy.as_ref().and_then(|decoy| UnixListener::bind(decoy.join("socket")).ok()),
        ];
        let tcp = TcpListener::bind("127.0.0.1:0").ok();
        World {
            policy,
            plan,
            decoy,
            outer,
            tcp: tcp.and_then(|tcp| tcp.local_addr().ok().map(|address| (tcp, address))),
            _unix: sockets.into_iter().flatten().collect(),
            abstract_name,
            outside: false,
        }
    }

    /// Whether the trick could work here at all; None where that is not tried.
    pub fn control(&self, attack: &Attack) -> Option<bool> {
        attack.control.then(|| attempt::in_child(&|| byte((attack.act)(self))) == 0)
    }

    pub fn allowed(&self, attack: &Attack) -> Option<&'static str> {
        (attack.allowed)(self)
    }

    /// Tries it, as an error number.
    pub fn act(&self, attack: &Attack) -> u8 {
        byte((attack.act)(self))
    }

    fn decoy(&self) -> io::Result<&Path> {
        self.decoy.as_deref().ok_or_else(|| errno(libc::ENOENT))
    }

    fn victim(&self) -> i32 {
        if self.outside { self.outer } else { 1 }
    }

    fn read(&self, through: &str) -> io::Result<()> {
        let secret = self.decoy()?.join("secret");
        File::open(format!("{through}{}", secret.display())).map(drop)
    }

    fn read_denied(&self) -> io::Result<()> {
        let there = self.policy.filesystem.deny.iter().filter(|deny| deny.kind.is_some());
        let mut last = errno(libc::ENOENT);
        for path in there.flat_map(|deny| [&deny.path, &deny.written]) {
            match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn read_dotdot(&self) -> io::Result<()> {
        let up = "../".repeat(self.policy.places.workspace.components().count() + 2);
        let secret = self.decoy()?.join("secret");
        let path = format!("{}/{up}{}", self.policy.places.workspace.display(), secret.display());
        File::open(path).map(drop)
    }

    /// Where this process may write: outside the decoy itself.
    fn scratch(&self) -> io::Result<PathBuf> {
        let inside =
            self.policy.filesystem.write.iter().find(|rule| rule.private).map(|rule| rule.path.clone());
        let folder =
            if self.outside { self.decoy()?.to_owned() } else { inside.ok_or_else(|| errno(libc::EROFS))? };
        Ok(folder.join(format!("weft-attack-{}", crate::sys::process::pid())))
    }

    fn read_symlink(&self) -> io::Result<()> {
        let link = self.scratch()?;
        std::os::unix::fs::symlink(self.decoy()?.join("secret"), &link)?;
        let read = File::open(&link).map(drop);
        fs::remove_file(&link)?;
        read
    }

    fn write_outside(&self) -> io::Result<()> {
        File::create(self.decoy()?.join("written")).map(drop)
    }

    /// A path that exists and that the policy lets be read but not written.
    fn read_only(&self) -> io::Result<&Path> {
        let rules = self.policy.filesystem.read.iter();
        let mut found = rules.filter(|rule| !rule.private && rule.kind == crate::policy::path::Kind::File);
        let file = found.find(|rule| !decide::write(self.policy, &rule.path).allowed);
        file.map(|rule| rule.path.as_path()).ok_or_else(|| errno(libc::ENOENT))
    }

    fn write_read_only(&self) -> io::Result<()> {
        OpenOptions::new().append(true).open(self.read_only()?).map(drop)
    }

    fn chmod_read_only(&self) -> io::Result<()> {
        let path = self.read_only()?;
        fs::set_permissions(path, fs::metadata(path)?.permissions())
    }

    fn write_policy(&self) -> io::Result<()> {
        let path = self.policy.places.workspace.join("weft.toml");
        let there = path.symlink_metadata().is_ok();
        OpenOptions::new().append(true).create(true).open(&path)?;
        if there { Ok(()) } else { fs::remove_file(path) }
    }

    fn exec_outside(&self) -> io::Result<()> {
        attempt::may_execute(&self.decoy()?.join("program"))
    }

    fn executable_tmp(&self) -> Option<&'static str> {
        let written = self.scratch().ok()?;
        self.policy.filesystem.exec_rule(&written).map(|_| "filesystem.exec names it")
    }

    fn exec_written(&self) -> io::Result<()> {
        let path = self.scratch()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o755).open(&path)?.write_all(b"#!/bin/true\n")?;
        let run = attempt::may_execute(&path);
        fs::remove_file(&path)?;
        run
    }

    fn exec_denied(&self) -> io::Result<()> {
        let mut last = errno(libc::ENOENT);
        for path in self.policy.process.deny.iter().flat_map(|rule| &rule.paths) {
            match attempt::may_execute(path) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn setuid(&self) -> io::Result<()> {
        let path = self.scratch()?;
        File::create(&path)?;
        let set = fs::set_permissions(&path, fs::Permissions::from_mode(0o4755));
        fs::remove_file(&path)?;
        set
    }

    fn sysctl(&self) -> io::Result<()> {
        OpenOptions::new().write(true).open("/proc/sys/kernel/hostname").map(drop)
    }

    fn network(&self) -> Option<&'static str> {
        let address = self.tcp.as_ref()?.1;
        let host = Host::parse(&address.ip().to_string()).ok()?;
        let open = matches!(self.policy.network.mode, NetworkMode::Unrestricted(_));
        let named = !self.plan.own_network && decide::network(self.policy, &host, address.port()).allowed;
        (open || named).then_some("the policy allows it")
    }

    fn loopback(&self) -> io::Result<()> {
        let (_, address) = self.tcp.as_ref().ok_or_else(|| errno(libc::ENOENT))?;
        TcpStream::connect_timeout(address, Duration::from_secs(2)).map(drop)
    }

    fn abstract_socket(&self) -> io::Result<()> {
        UnixStream::connect_addr(&UnixAddr::from_abstract_name(&self.abstract_name)?).map(drop)
    }

    fn unix_socket(&self) -> io::Result<()> {
        UnixStream::connect(self.decoy()?.join("socket")).map(drop)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if let Some(decoy) = &self.decoy {
            let _ = fs::remove_dir_all(decoy);
        }
    }
}

/// A new folder that the policy gives no access to.
fn decoy(policy: &Policy, outer: i32) -> Option<PathBuf> {
    let places = &policy.places;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = [Some(places.state.join("weft")), runtime, Some("/var/tmp".into()), Some("/tmp".into())];
    above.into_iter().flatten().filter_map(|folder| make(&folder, policy, outer).ok()).next()
}

fn make(above: &Path, policy: &Policy, outer: i32) -> io::Result<PathBuf> {
    fs::create_dir_all(above)?;
    let folder = above.canonicalize()?.join(format!("doctor-{outer}"));
    // With a private /tmp the host's is not the one that the policy speaks of.
    let named = [&policy.filesystem.read, &policy.filesystem.write, &policy.filesystem.exec];
    if named.iter().any(|rules| rules.covering_on_host(&folder).is_some()) {
        return Err(errno(libc::EEXIST));
    }
    fs::create_dir(&folder)?;
    fs::write(folder.join("secret"), "nothing\n")?;
    let mut program = OpenOptions::new();
    program
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(folder.join("program"))?
        .write_all(b"#!/bin/true\n")?;
    Ok(folder)
}
