//! Opening a file of an untrusted tree for reading: never through a link, never waiting for a pipe or a device.

use super::finding::SkipReason;
use super::walk::{is_loop, reason};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file and returns it with its size as the file system tells it, which may be zero for files that a
/// kernel makes up.
pub fn open_regular(path: &Path) -> Result<(File, u64), SkipReason> {
    regular(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => SkipReason::NotRegular,
        // A link where the walk saw a file was put there since.
        _ if is_loop(&error) => SkipReason::ReadError,
        _ => reason(&error),
    })
}

/// The same, with the system's words for what is wrong; `InvalidInput` says that it is not a regular file.
pub fn regular(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags::NO_FOLLOW | flags::NO_WAIT);
    let file = options.open(path)?;
    // What is open cannot be swapped any more: only now is its kind a fact.
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found.len())) } else { Err(not_regular()) }
}

/// The error for a device, a pipe or a socket.
pub fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// `O_NOFOLLOW` and `O_NONBLOCK`, whose numbers differ between systems.
#[cfg(unix)]
mod flags {
    #[cfg(all(
        any(target_os = "linux", target_os = "android"),
        any(
            target_arch = "arm",
            target_arch = "aarch64",
            target_arch = "powerpc",
            target_arch = "powerpc64"
        )
    ))]
    pub const NO_FOLLOW: i32 = 0o100000;
    #[cfg(all(
        any(target_os = "linux", target_os = "android"),
        not(any(
            target_arch = "arm",
            target_arch = "aarch64",
            target_arch = "powerpc",
            target_arch = "powerpc64"
        ))
    ))]
    pub const NO_FOLLOW: i32 = 0o400000;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const NO_FOLLOW: i32 = 0x100;

    #[cfg(all(
        any(target_os = "linux", target_os = "android"),
        not(any(target_arch = "mips", target_arch = "mips64"))
    ))]
    pub const NO_WAIT: i32 = 0o4000;
    #[cfg(all(
        any(target_os = "linux", target_os = "android"),
        any(target_arch = "mips", target_arch = "mips64")
    ))]
    pub const NO_WAIT: i32 = 0o200;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const NO_WAIT: i32 = 4;
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn opens_no_link_no_pipe_and_no_device() {
        let dir = std::env::temp_dir().join(format!("weft-open-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("file"), b"text").unwrap();
        std::os::unix::fs::symlink(dir.join("file"), dir.join("link")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());

        assert_eq!(open_regular(&dir.join("file")).unwrap().1, 4);
        assert_eq!(open_regular(&dir.join("link")).unwrap_err(), SkipReason::ReadError);
        // With no writer at the other end, a plain open would wait for ever.
        assert_eq!(open_regular(&dir.join("pipe")).unwrap_err(), SkipReason::NotRegular);
        assert_eq!(open_regular(&dir).unwrap_err(), SkipReason::NotRegular);
        assert_eq!(open_regular(&dir.join("none")).unwrap_err(), SkipReason::ReadError);
        assert_eq!(open_regular(Path::new("/dev/null")).unwrap_err(), SkipReason::NotRegular);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
