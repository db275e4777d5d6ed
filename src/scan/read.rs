//! The content of the files that `walk` names: whole if they are small, in windows if they are not, and never more than
//! the options allow. May be called from several threads at once.

use super::finding::{Skip, SkipReason};
use super::magic;
use super::open::open_regular;
use super::walk::{Entry, WalkOptions};
use super::window::Windows;
use std::fs::File;
use std::io::{Read, Seek};

/// What there is to scan of one file.
#[derive(Debug)]
pub enum Input {
    Whole(Vec<u8>),
    /// Text or binary above [`WalkOptions::max_file`]: in gate mode, and where the user named the file.
    Large(Windows<File>),
}

/// The whole content, if it is no more than [`WalkOptions::max_file`].
pub fn read(entry: &Entry, options: &WalkOptions) -> Result<Vec<u8>, Skip> {
    open_regular(&entry.path)
        .and_then(|(mut file, size)| whole(&mut file, size, options.max_file))
        .map_err(|reason| skip(entry, reason))
}

/// The content in whatever form fits its size.
pub fn open(entry: &Entry, options: &WalkOptions) -> Result<Input, Skip> {
    open_regular(&entry.path)
        .and_then(|(file, size)| input(file, size, entry.named, options))
        .map_err(|reason| skip(entry, reason))
}

fn skip(entry: &Entry, reason: SkipReason) -> Skip {
    Skip { path: entry.display.clone(), reason }
}

fn input(mut file: File, size: u64, named: bool, options: &WalkOptions) -> Result<Input, SkipReason> {
    if !options.gate && !named {
        return whole(&mut file, size, options.max_file).map(Input::Whole);
    }
    if size <= options.max_file {
        match whole(&mut file, size, options.max_file) {
            // It grew, or never told its size.
            Err(SkipReason::TooLarge) => file.rewind().map_err(|_| SkipReason::ReadError)?,
            done => return done.map(Input::Whole),
        }
    }
    let mut head = Vec::with_capacity(magic::HEAD);
    Read::by_ref(&mut file)
        .take(magic::HEAD as u64)
        .read_to_end(&mut head)
        .map_err(|_| SkipReason::ReadError)?;
    file.rewind().map_err(|_| SkipReason::ReadError)?;
    if options.gate
        && size <= options.max_archive
        && magic::kind(&head).is_some_and(magic::is_readable_archive)
    {
        return whole(&mut file, size, options.max_archive).map(Input::Whole);
    }
    Ok(Input::Large(Windows::new(file, options.max_read)))
}

/// Reads to the end of the file, whatever its size was said to be, but not beyond the limit.
fn whole(file: &mut File, size: u64, limit: u64) -> Result<Vec<u8>, SkipReason> {
    if size > limit {
        return Err(SkipReason::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size + 1).map_err(|_| SkipReason::TooLarge)?);
    Read::by_ref(file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| SkipReason::ReadError)?;
    let read = bytes.len() as u64;
    if read > limit {
        return Err(SkipReason::TooLarge);
    }
    // A file that shrank was torn while it was read. One that grew gave a true beginning; and some, made up by a
    // kernel, never tell the truth about their size.
    if read < size && file.metadata().is_ok_and(|now| now.len() != size) {
        return Err(SkipReason::ReadError);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    fn entry(path: &Path) -> Entry {
        Entry { path: path.to_path_buf(), display: Arc::from("shown"), root: 0, named: false }
    }

    #[test]
    fn sizes_decide_the_form() {
        let path = std::env::temp_dir().join(format!("weft-read-{}", std::process::id()));
        let options = WalkOptions::default();
        std::fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(read(&entry(&path), &options).unwrap().len(), 1 << 20);
        std::fs::write(&path, vec![b'a'; (1 << 20) + 1]).unwrap();
        let skip = read(&entry(&path), &options).unwrap_err();
        assert_eq!((&*skip.path, skip.reason), ("shown", SkipReason::TooLarge));
        assert_eq!(open(&entry(&path), &options).unwrap_err().reason, SkipReason::TooLarge);

        let named = Entry { named: true, ..entry(&path) };
        assert!(matches!(open(&named, &options), Ok(Input::Large(_))));

        let gate = WalkOptions::gate();
        assert!(matches!(open(&entry(&path), &gate), Ok(Input::Whole(_))));
        std::fs::write(&path, vec![b'a'; (4 << 20) + 1]).unwrap();
        assert!(matches!(open(&entry(&path), &gate), Ok(Input::Large(_))));
        let mut zip = vec![b'a'; (4 << 20) + 1];
        zip[..4].copy_from_slice(b"PK\x03\x04");
        std::fs::write(&path, zip).unwrap();
        assert!(matches!(open(&entry(&path), &gate), Ok(Input::Whole(_))));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&entry(&path), &options).unwrap_err().reason, SkipReason::ReadError);
    }

    #[test]
    fn a_huge_file_is_read_to_a_limit() {
        let path = std::env::temp_dir().join(format!("weft-huge-{}", std::process::id()));
        // Sparse: it takes no room on the disk.
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        let options = WalkOptions { max_read: 32 << 20, ..WalkOptions::gate() };
        let Input::Large(windows) = open(&entry(&path), &options).unwrap() else { panic!("not in windows") };
        let all: Vec<_> = windows.map(|w| w.map(|w| w.text)).collect();
        assert_eq!(all, [Ok(String::new()), Err(SkipReason::TooLarge)]);
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_without_a_size_are_read() {
        let bytes = read(&entry(Path::new("/proc/self/status")), &WalkOptions::default()).unwrap();
        assert!(bytes.starts_with(b"Name:"));
    }
}
