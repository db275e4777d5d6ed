//! What Landlock refused, from the kernel's audit records: only root can read them, where auditing is on (Linux 6.15 and newer).
//! What mounts hide or hold leaves no record.

use crate::sys::audit;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

const ACCESS: u16 = 1423;
const DOMAIN: u16 = 1424;
/// So many refusals wait for the record that says whose they are; it follows at once.
const WAITING: usize = 64;
/// Records are sent by a thread of the kernel, which may come after the end of the command.
const LATE: Duration = Duration::from_millis(10);

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The rights that were missing, in the kernel's words: `fs.execute`, `net.connect_tcp`, `scope.signal`.
    pub blockers: String,
    /// The file, or another object in the kernel's words.
    pub object: PathBuf,
}

/// A reader of the records of one run.
#[derive(Debug)]
pub struct Denials {
    socket: OwnedFd,
    /// The kernel has said that it records.
    on: bool,
    /// Which of all the domains on this machine is the run's.
    domain: Option<String>,
    waiting: Vec<(String, Denial)>,
}

impl Denials {
    /// None where nothing can be read.
    pub fn open(landlock_abi: u32) -> Option<Self> {
        // Older kernels record nothing of Landlock.
        if landlock_abi < 7 {
            return None;
        }
        audit::reader().ok().map(|socket| Self { socket, on: false, domain: None, waiting: Vec::new() })
    }

    /// To wait for.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What has come. `first` is the process that put itself behind Landlock.
    pub fn read(
        &mut self,
        first: Option<i32>,
        found: &mut dyn FnMut(Denial) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = [0; 9000];
        loop {
            match audit::receive(&self.socket, &mut buffer) {
                Ok(Some((kind @ (ACCESS | DOMAIN), text))) => {
                    for denial in self.record(kind, text, first) {
                        found(denial)?;
                    }
                }
                Ok(Some((audit::STATUS, status))) => self.on = audit::is_on(status),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                // Some are lost, which the kernel's own log tells.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What comes after the end.
    pub fn rest(
        &mut self,
        first: Option<i32>,
        found: &mut dyn FnMut(Denial) -> io::Result<()>,
    ) -> io::Result<()> {
        self.read(first, found)?;
        while self.on && crate::sys::socket::wait_any([Some(self.as_fd())], Some(LATE))?[0].readable {
            self.read(first, found)?;
        }
        Ok(())
    }

    fn record(&mut self, kind: u16, text: &[u8], first: Option<i32>) -> Vec<Denial> {
        let Some(domain) = field(text, b"domain=").map(|value| String::from_utf8_lossy(value).into_owned())
        else {
            return Vec::new();
        };
        let ours = self.domain.as_ref() == Some(&domain);
        if kind == ACCESS {
            let blockers = field(text, b"blockers=").unwrap_or_default();
            let denial =
                Denial { blockers: String::from_utf8_lossy(blockers).into_owned(), object: object(text) };
            if ours {
                return vec![denial];
            }
            if self.domain.is_none() && self.waiting.len() < WAITING {
                self.waiting.push((domain, denial));
            }
            return Vec::new();
        }
        let pid = field(text, b"pid=").and_then(|pid| std::str::from_utf8(pid).ok()?.parse::<i32>().ok());
        if self.domain.is_none() && pid.is_some() && pid == first {
            let waiting = std::mem::take(&mut self.waiting).into_iter();
            let found = waiting.filter(|(whose, _)| *whose == domain).map(|(_, denial)| denial).collect();
            self.domain = Some(domain);
            return found;
        }
        self.waiting.retain(|(whose, _)| *whose != domain);
        Vec::new()
    }
}

/// A field up to the next space. Names that somebody inside chose are quoted or in hex, so that they cannot look like one.
fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b' ' || *byte == 0).find_map(|word| word.strip_prefix(name))
}

/// What was refused: a path, or what the kernel says after the rights.
fn object(text: &[u8]) -> PathBuf {
    let bytes = match field(text, b"path=") {
        Some(path) => unquoted(path),
        None => {
            let from = text.windows(10).position(|part| part == b" blockers=").map_or(0, |at| at + 1);
            text[from..].split(|byte| *byte == b' ').skip(1).collect::<Vec<_>>().join(&b' ')
        }
    };
    OsString::from_vec(bytes.into_iter().take_while(|byte| *byte != 0).collect()).into()
}

/// A string as audit records write it: quoted, or in hex when it holds anything that could mislead.
fn unquoted(word: &[u8]) -> Vec<u8> {
    if let Some(plain) = word.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        return plain.to_vec();
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pairs = word.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?));
    pairs.collect::<Option<Vec<u8>>>().unwrap_or_else(|| word.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reader() -> Denials {
        let (socket, _) = crate::sys::socket::pair().unwrap();
        Denials { socket, on: true, domain: None, waiting: Vec::new() }
    }

    #[test]
    fn only_the_domain_of_the_run_counts() {
        let mut denials = reader();
        let access =
            b"audit(1.0:3): domain=18ca blockers=fs.execute path=\"/usr/bin/su\" dev=\"vda\" ino=7\0";
        assert!(denials.record(ACCESS, access, Some(7)).is_empty(), "whose it is comes after it");
        let other =
            b"audit(1.0:3): domain=18cb status=allocated mode=enforcing pid=8 uid=0 exe=\"/x\" comm=\"x\"";
        assert!(denials.record(DOMAIN, other, Some(7)).is_empty());
        let own =
            b"audit(1.0:3): domain=18ca status=allocated mode=enforcing pid=7 uid=0 exe=\"/x\" comm=\"x\"";
        let found = denials.record(DOMAIN, own, Some(7));
        assert_eq!(found, [Denial { blockers: "fs.execute".into(), object: "/usr/bin/su".into() }]);
        let scope = b"audit(1.0:4): domain=18ca blockers=scope.signal opid=1 ocomm=\"init\"\0";
        assert_eq!(denials.record(ACCESS, scope, Some(7))[0].object, PathBuf::from("opid=1 ocomm=\"init\""));
        let foreign = b"audit(1.0:5): domain=18cb blockers=scope.signal opid=1 ocomm=\"init\"";
        assert!(denials.record(ACCESS, foreign, Some(7)).is_empty());
    }

    #[test]
    fn names_that_could_mislead_come_in_hex() {
        let access = b"audit(1.0:3): domain=1 blockers=fs.make_reg path=2F746D702F610A62 dev=\"vda\" ino=7";
        assert_eq!(object(access), PathBuf::from("/tmp/a\nb"));
        assert_eq!(unquoted(b"\"/plain\""), b"/plain");
        assert_eq!(unquoted(b"zz"), b"zz");
    }
}
