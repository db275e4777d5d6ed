//! How commands reach a hub that is serving: a socket in its folder that only its user may speak to, one line of JSON in, one
//! out. What the commands mean is not known here.

use crate::skill::Problem;
use crate::sys::process::ids;
use crate::sys::socket::peer_user;
use crate::words;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const NAME: &str = "admin.sock";
/// Who connects has to say what it wants within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// A request and an answer are no longer than these.
const LONGEST_REQUEST: u64 = 1 << 20;
const LONGEST_ANSWER: u64 = 64 << 20;
/// What fits into an address (unix(7)) with the NUL behind it.
const LONGEST_PATH: usize = 107;

/// The socket's path, short enough for an address: a folder that is too deep is named by a descriptor of it, which lives as
/// long as what is given back.
fn address(dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = dir.join(NAME);
    if path.as_os_str().as_bytes().len() <= LONGEST_PATH {
        return Ok((path, None));
    }
    let folder = File::open(dir)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(NAME), Some(folder)))
}

/// A socket that is listened at, until this is dropped.
pub struct Listening {
    dir: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Listens in the folder of a store, which this process must have open for writing. Requests are answered one after the
/// other, on a thread of their own.
pub fn listen(dir: &Path, answer: Box<dyn Fn(&str) -> String + Send>) -> Result<Listening, Problem> {
    let failed = |error: io::Error| Problem::file("cannot listen for commands", &dir.join(NAME), &error);
    let (path, _folder) = address(dir).map_err(failed)?;
    // Only ours can be there, for the store is ours; what is no socket stays.
    if fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket()) {
        fs::remove_file(&path).map_err(failed)?;
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let serve = move || {
        for stream in listener.incoming() {
            if told.load(Ordering::Acquire) {
                return;
            }
            match stream {
                // Who goes away or says nothing gets nothing; the next one is served.
                Ok(stream) => drop(serve_one(&stream, &*answer)),
                // No descriptor is free: it will pass.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    let thread = std::thread::Builder::new().name("admin".into()).spawn(serve).map_err(failed)?;
    Ok(Listening { dir: dir.to_owned(), stop, thread: Some(thread) })
}

fn serve_one(stream: &UnixStream, answer: &dyn Fn(&str) -> String) -> io::Result<()> {
    let user = peer_user(stream)?;
    if user != ids().0 && user != 0 {
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).take(LONGEST_REQUEST).read_line(&mut line)?;
    let Some(line) = line.strip_suffix('\n') else { return Ok(()) };
    let mut text = answer(line);
    text.push('\n');
    let mut stream = stream;
    stream.write_all(text.as_bytes())
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Ok((path, _folder)) = address(&self.dir) else { return };
        // Wakes the thread; if nobody listens any more it has ended.
        drop(UnixStream::connect(&path));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(path);
    }
}

/// Asks the hub that serves this folder. `None` where none does: then the store can be opened instead.
pub fn call(dir: &Path, request: &str) -> Result<Option<String>, Problem> {
    let shown = || dir.join(NAME).display().to_string();
    let failed = |error: io::Error| {
        Problem::new(format!("cannot ask the hub that is serving: {}", words::reason(&error)), shown(), "")
    };
    if request.contains('\n') || request.len() as u64 >= LONGEST_REQUEST {
        return Err(Problem::new(
            "the command is too long to be sent to the hub that is serving",
            shown(),
            "",
        ));
    }
    let (path, _folder) = match address(dir) {
        Ok(address) => address,
        Err(error) => return Err(Problem::file("cannot open the store", dir, &error)),
    };
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => {
            let fix = "run the command as the user that the hub runs as";
            return Err(Problem { fix: fix.into(), ..failed(error) });
        }
    };
    stream.write_all(format!("{request}\n").as_bytes()).map_err(failed)?;
    let mut text = String::new();
    BufReader::new(stream).take(LONGEST_ANSWER).read_line(&mut text).map_err(failed)?;
    match text.strip_suffix('\n') {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let fix = "run the command as the user that the hub runs as, and look whether the hub still runs";
            Err(Problem::new("the hub that is serving gave no answer", shown(), fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    #[test]
    fn one_line_in_one_line_out() {
        let scratch = Scratch::new();
        let deep = scratch.0.join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        for dir in [&scratch.0, &deep] {
            assert_eq!(call(dir, "{}").unwrap(), None);
            let listening = listen(dir, Box::new(|line| format!("[{line}]"))).unwrap();
            let mode = fs::symlink_metadata(dir.join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            // Who says nothing, or not a line, holds nobody up for good.
            drop(UnixStream::connect(address(dir).unwrap().0).unwrap());
            let mut half = UnixStream::connect(address(dir).unwrap().0).unwrap();
            half.write_all(b"half").unwrap();
            drop(half);
            for number in 0..20 {
                let asked = format!("{{\"n\":{number}}}");
                assert_eq!(call(dir, &asked).unwrap(), Some(format!("[{asked}]")));
            }
            let long = "x".repeat(900_000);
            assert_eq!(call(dir, &long).unwrap().unwrap().len(), 900_002);
            assert!(call(dir, &"x".repeat(1 << 20)).is_err() && call(dir, "a\nb").is_err());
            drop(listening);
            assert_eq!(call(dir, "{}").unwrap(), None);
            // What a killed hub left behind is in nobody's way.
            drop(UnixListener::bind(address(dir).unwrap().0).unwrap());
            assert_eq!(call(dir, "{}").unwrap(), None);
            let again = listen(dir, Box::new(|_| "yes".into())).unwrap();
            assert_eq!(call(dir, "{}").unwrap().as_deref(), Some("yes"));
            drop(again);
        }
    }
}
