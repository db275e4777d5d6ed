//! Error numbers of WASI preview 1, and how a call ends that is no success.

use std::fmt;
use std::io;

/// An error number as the program gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u16);

impl Errno {
    pub const TOO_BIG: Errno = Errno(1);
    pub const ACCESS: Errno = Errno(2);
    pub const BAD_FD: Errno = Errno(8);
    pub const EXISTS: Errno = Errno(20);
    pub const FAULT: Errno = Errno(21);
    pub const ILLEGAL_SEQUENCE: Errno = Errno(25);
    pub const INVALID: Errno = Errno(28);
    pub const IO: Errno = Errno(29);
    pub const IS_DIR: Errno = Errno(31);
    pub const LOOP: Errno = Errno(32);
    pub const TOO_MANY_FILES: Errno = Errno(33);
    pub const NAME_TOO_LONG: Errno = Errno(37);
    pub const NO_ENTRY: Errno = Errno(44);
    pub const NOT_DIR: Errno = Errno(54);
    pub const NOT_SOCKET: Errno = Errno(57);
    pub const NOT_SUPPORTED: Errno = Errno(58);
    pub const SEEK_PIPE: Errno = Errno(70);
    /// The descriptor has no right to it, or the path leads out of its folder.
    pub const NOT_CAPABLE: Errno = Errno(76);
}

/// The kernel's numbers and WASI's; what is not named is an input/output error.
const NUMBERS: &[(i32, u16)] = &[
    (libc::E2BIG, 1),
    (libc::EACCES, 2),
    (libc::EAGAIN, 6),
    (libc::EBADF, 8),
    (libc::EBUSY, 10),
    (libc::EDQUOT, 19),
    (libc::EEXIST, 20),
    (libc::EFAULT, 21),
    (libc::EFBIG, 22),
    (libc::EINTR, 27),
    (libc::EINVAL, 28),
    (libc::EIO, 29),
    (libc::EISDIR, 31),
    (libc::ELOOP, 32),
    (libc::EMFILE, 33),
    (libc::EMLINK, 34),
    (libc::ENAMETOOLONG, 37),
    (libc::ENFILE, 41),
    (libc::ENODEV, 43),
    (libc::ENOENT, 44),
    (libc::ENOMEM, 48),
    (libc::ENOSPC, 51),
    (libc::ENOSYS, 52),
    (libc::ENOTDIR, 54),
    (libc::ENOTEMPTY, 55),
    (libc::ENOTSOCK, 57),
    (libc::EOPNOTSUPP, 58),
    (libc::ENOTTY, 59),
    (libc::ENXIO, 60),
    (libc::EOVERFLOW, 61),
    (libc::EPERM, 63),
    (libc::EPIPE, 64),
    (libc::EROFS, 69),
    (libc::ESPIPE, 70),
    (libc::ESTALE, 72),
    (libc::ETIMEDOUT, 73),
    (libc::ETXTBSY, 74),
    (libc::EXDEV, 75),
];

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        let number = error.raw_os_error().unwrap_or(0);
        NUMBERS.iter().find(|(linux, _)| *linux == number).map_or(Errno::IO, |(_, wasi)| Errno(*wasi))
    }
}

/// The program is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// By its own will, with this code.
    Exit(u32),
    /// By a signal: its own wish, or a limit.
    Signal(i32),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Exit(code) => write!(f, "ended with {code}"),
            Stop::Signal(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

impl wasmi::errors::HostError for Stop {}

/// Why a call is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// The program is told.
    Errno(Errno),
    /// The program ends here.
    Stop(Stop),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Fail {
        Fail::Errno(errno)
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Fail {
        Fail::Errno(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_translated_and_the_rest_is_an_io_error() {
        for (linux, wasi) in
            [(libc::ENOENT, Errno::NO_ENTRY), (libc::EACCES, Errno::ACCESS), (libc::EKEYEXPIRED, Errno::IO)]
        {
            assert_eq!(Errno::from(io::Error::from_raw_os_error(linux)), wasi);
        }
        assert_eq!(Errno::from(io::Error::other("no number")), Errno::IO);
    }
}
