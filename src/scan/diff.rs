//! Which lines changed: asks git, and reads its answer as carefully as any other input. Never used in gate mode.

use super::names::escape;
use super::walk::root_display;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Changed since when?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// The files as they are, against a revision; `REV...` is where the branch left `REV`.
    Revision(String),
    /// What the next commit would change.
    Staged,
}

/// Why git could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffError {
    pub what: String,
    pub at: String,
    pub fix: &'static str,
}

impl fmt::Display for DiffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.what, self.at, self.fix)
    }
}

impl std::error::Error for DiffError {}

type Ranges = Vec<RangeInclusive<u32>>;

/// The lines of one file that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lines {
    /// New, binary, or of another type than before.
    All,
    Some(Ranges),
}

/// What changed, by path as reports show it.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    files: HashMap<String, Lines>,
}

impl Changed {
    /// Did any of these lines change? A member of an archive changed when the archive did.
    pub fn touches(&self, path: &str, line: u32, end_line: u32) -> bool {
        let file = path.split("!/").next().unwrap_or(path);
        match self.files.get(file) {
            None => false,
            Some(Lines::All) => true,
            Some(Lines::Some(ranges)) => {
                let end = end_line.max(line);
                ranges.iter().any(|range| *range.start() <= end && line <= *range.end())
            }
        }
    }
}

/// Asks the repository of each root.
pub fn changed(roots: &[PathBuf], since: &Since) -> Result<Changed, DiffError> {
    let mut repositories: HashMap<PathBuf, HashMap<Vec<u8>, Lines>> = HashMap::new();
    let mut all = Changed::default();
    for root in roots {
        let shown = || root.to_string_lossy().into_owned();
        let real = fs::canonicalize(root).map_err(|error| DiffError {
            what: format!("cannot look at it ({})", error.kind()),
            at: shown(),
            fix: "check the path",
        })?;
        let folder = if real.is_dir() { &real } else { real.parent().unwrap_or(&real) };
        let top = top(folder).map_err(|error| DiffError { at: shown(), ..error })?;
        if !repositories.contains_key(&top) {
            repositories.insert(top.clone(), repository(&top, since)?);
        }
        let display = root_display(root);
        for (name, lines) in repositories.get(&top).into_iter().flatten() {
            let Ok(below) = top.join(path_of(name)).strip_prefix(&real).map(Path::to_owned) else { continue };
            let below = escape(below.as_os_str().as_encoded_bytes());
            let path = match (display.as_str(), below.as_str()) {
                ("", below) => below.to_owned(),
                (root, "") => root.to_owned(),
                (root, below) => format!("{}/{below}", root.strip_suffix('/').unwrap_or(root)),
            };
            all.files.insert(path, lines.clone());
        }
    }
    Ok(all)
}

fn no_git() -> DiffError {
    DiffError {
        what: "git is not installed".into(),
        at: "--diff, --staged, --git".into(),
        fix: "install git",
    }
}

/// The top folder of the repository that `folder` is in.
pub fn top(folder: &Path) -> Result<PathBuf, DiffError> {
    let top = git(folder, &["rev-parse", "--show-toplevel"]).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_git(),
        _ => DiffError {
            what: "not in a git repository".into(),
            at: folder.to_string_lossy().into_owned(),
            fix: "leave out --diff, --staged or --git",
        },
    })?;
    Ok(path_of(top.strip_suffix(b"\n").unwrap_or(&top)))
}

fn failed(error: &io::Error) -> DiffError {
    match error.kind() {
        io::ErrorKind::NotFound => no_git(),
        _ => DiffError {
            what: format!("git failed: {error}"),
            at: "--diff, --staged".into(),
            fix: "run git diff to see why",
        },
    }
}

/// Everything that changed in a repository, by path below its top.
fn repository(top: &Path, since: &Since) -> Result<HashMap<Vec<u8>, Lines>, DiffError> {
    let base = match since {
        Since::Staged => "--cached".to_owned(),
        Since::Revision(name) => commit(top, name, "--diff")?,
    };
    let status = git(top, &diff(&["--name-status", "-z", &base])).map_err(|e| failed(&e))?;
    let hunks = hunks(top, &diff(&["--unified=0", &base])).map_err(|e| failed(&e))?;
    let mut files = HashMap::new();
    for (status, name) in statuses(&status) {
        let lines = match hunks.get(&name) {
            Some(hunks) => Lines::Some(hunks.iter().map(Hunk::new_lines).collect()),
            // A rename without a change; anything else without hunks is binary or of a new type.
            None if matches!(status.as_slice(), b"R100" | b"C100") => Lines::Some(Vec::new()),
            None => Lines::All,
        };
        files.insert(name, lines);
    }
    if *since == Since::Staged {
        // What is scanned is the working copy: lines staged may stand elsewhere in it.
        let later = self::hunks(top, &diff(&["--unified=0", "--no-renames"])).map_err(|e| failed(&e))?;
        for (name, lines) in &mut files {
            if let (Lines::Some(ranges), Some(hunks)) = (lines, later.get(name)) {
                for range in ranges {
                    *range = *moved(*range.start(), hunks).start()..=*moved(*range.end(), hunks).end();
                }
            }
        }
    } else {
        let untracked =
            git(top, &["ls-files", "--others", "--exclude-standard", "-z"]).map_err(|e| failed(&e))?;
        let names = untracked.split(|b| *b == 0).filter(|name| !name.is_empty());
        files.extend(names.map(|name| (name.to_vec(), Lines::All)));
    }
    Ok(files)
}

/// The commit a user's word names; `option` is what the word was given to.
pub fn commit(top: &Path, name: &str, option: &str) -> Result<String, DiffError> {
    let unknown = || DiffError {
        what: "unknown revision".into(),
        at: format!("{option} {name}"),
        fix: "name a commit, branch or tag of this repository",
    };
    let (name, fork) = match name.strip_suffix("...HEAD").or_else(|| name.strip_suffix("...")) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let peeled = format!("{name}^{{commit}}");
    let resolve = ["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled];
    let trimmed = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    let id = trimmed(git(top, &resolve).map_err(|_| unknown())?);
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    if fork { git(top, &["merge-base", &id, "HEAD"]).map(trimmed).map_err(|_| unknown()) } else { Ok(id) }
}

/// `git diff` that runs no helper and obeys no setting that would change its output.
fn diff<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "diff",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-relative",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--ignore-submodules=all",
        "--inter-hunk-context=0",
        "--output-indicator-new=+",
        "--output-indicator-old=-",
        "-M",
    ];
    args.extend_from_slice(more);
    args.push("--");
    args
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    // A repository can name programs that git runs; none is needed to compare.
    command.args(["--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_PAGER"]
    {
        command.env_remove(name);
    }
    // A hook gets its index by a path from where it was started.
    if let Some(index) = std::env::var_os("GIT_INDEX_FILE")
        && let Ok(absolute) = std::path::absolute(index)
    {
        command.env("GIT_INDEX_FILE", absolute);
    }
    command
}

/// What git says on standard output, if it succeeds.
pub fn git(folder: &Path, args: &[&str]) -> io::Result<Vec<u8>> {
    let output = command(folder, args).output()?;
    if output.status.success() { Ok(output.stdout) } else { Err(io::Error::other("it ended with an error")) }
}

/// `status NUL name NUL`, and for renames and copies `status NUL old NUL new NUL`.
fn statuses(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = bytes.split(|b| *b == 0);
    let mut all = Vec::new();
    while let Some(status) = fields.next().filter(|status| !status.is_empty()) {
        let first = fields.next().unwrap_or_default();
        let name = if matches!(status.first(), Some(b'R' | b'C')) {
            fields.next().unwrap_or_default()
        } else {
            first
        };
        all.push((status.to_vec(), name.to_vec()));
    }
    all
}

/// One change: so many lines from here became so many lines from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hunk {
    old: (u32, u32),
    new: (u32, u32),
}

impl Hunk {
    /// `@@ -3,2 +3 @@ …`
    fn parse(line: &[u8]) -> Option<Hunk> {
        // What follows the second `@@` is a line of the file, in whatever encoding.
        let text = line.utf8_chunks().next()?.valid();
        let mut words = text.strip_prefix("@@ ")?.split(' ');
        let range = |word: &str, sign: char| {
            let word = word.strip_prefix(sign)?;
            let (start, count) = word.split_once(',').unwrap_or((word, "1"));
            Some((start.parse().ok()?, count.parse().ok()?))
        };
        Some(Hunk { old: range(words.next()?, '-')?, new: range(words.next()?, '+')? })
    }

    /// Where the change is to be seen. A removal touches the lines around it: what is gone may have been what
    /// made them harmless.
    fn new_lines(&self) -> RangeInclusive<u32> {
        match self.new {
            (start, 0) => start..=start.saturating_add(1),
            (start, count) => start..=start.saturating_add(count - 1),
        }
    }
}

/// Where a line of the old text stands in the new one, or what replaced it.
fn moved(line: u32, hunks: &[Hunk]) -> RangeInclusive<u32> {
    let mut shift = 0i64;
    for hunk in hunks {
        let (start, count) = hunk.old;
        // With no old lines, the new ones come after `start`.
        let end = if count == 0 { start } else { start.saturating_add(count - 1) };
        if count > 0 && (start..=end).contains(&line) {
            return hunk.new_lines();
        }
        if end < line || (count == 0 && start < line) {
            shift += i64::from(hunk.new.1) - i64::from(count);
        }
    }
    let line = u32::try_from((i64::from(line) + shift).max(1)).unwrap_or(u32::MAX);
    line..=line
}

/// Longest piece of a line that is kept: headers are short, lines of content are only counted.
const MAX_LINE: usize = 16 << 10;

fn hunks(folder: &Path, args: &[&str]) -> io::Result<HashMap<Vec<u8>, Vec<Hunk>>> {
    let mut child = command(folder, args).stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    let read = parse(BufReader::with_capacity(64 << 10, out));
    let status = child.wait()?;
    let files = read?;
    if status.success() { Ok(files) } else { Err(io::Error::other("it ended with an error")) }
}

fn parse(mut out: impl BufRead) -> io::Result<HashMap<Vec<u8>, Vec<Hunk>>> {
    let mut files: HashMap<Vec<u8>, Vec<Hunk>> = HashMap::new();
    let mut name = None;
    // Lines of the hunk still to come: they may look like anything and are not looked at.
    let (mut old, mut new) = (0u32, 0u32);
    let mut line = Vec::new();
    while next_line(&mut out, &mut line)? {
        match line.first() {
            Some(b'-') if old > 0 => old -= 1,
            Some(b'+') if new > 0 => new -= 1,
            Some(b'd') if line.starts_with(b"diff --git ") => name = None,
            Some(b'+') if line.starts_with(b"+++ ") => name = new_name(&line[4..]),
            Some(b'@') => {
                let hunk =
                    Hunk::parse(&line).ok_or_else(|| io::Error::other("a hunk that cannot be read"))?;
                (old, new) = (hunk.old.1, hunk.new.1);
                if let Some(name) = &name {
                    files.entry(Vec::clone(name)).or_default().push(hunk);
                }
            }
            _ => {}
        }
    }
    Ok(files)
}

/// Reads one line without its end and keeps at most [`MAX_LINE`] bytes of it. False at the end.
fn next_line(out: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if out.by_ref().take(MAX_LINE as u64).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(true);
    }
    // The rest of a long line.
    loop {
        let buffer = out.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        let end = memchr::memchr(b'\n', buffer);
        let used = end.map_or(buffer.len(), |at| at + 1);
        out.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// `b/name`, `"b/na\tme"`, or `/dev/null` for a file that is gone.
fn new_name(text: &[u8]) -> Option<Vec<u8>> {
    let plain = match text.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted.strip_suffix(b"\"")?)?,
        // A name with white space in it is followed by a tab.
        None => text.strip_suffix(b"\t").unwrap_or(text).to_vec(),
    };
    plain.strip_prefix(b"b/").map(<[u8]>::to_vec)
}

/// C escapes as git writes them.
fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            digit @ b'0'..=b'3' => {
                let mut octal = || bytes.next().filter(|b| matches!(b, b'0'..=b'7')).map(|b| b - b'0');
                (digit - b'0') * 64 + octal()? * 8 + octal()?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(unix)]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    name.into()
}

#[cfg(not(unix))]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(old: (u32, u32), new: (u32, u32)) -> Hunk {
        Hunk { old, new }
    }

    #[test]
    fn content_that_looks_like_a_header_is_content() {
        let text = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@ fn\n--- a/y\n-@@ -9 +9 @@\n+++ b/y\n+@@ -9 +9 @@\n+diff --git\n\\ No newline at end of file\n@@ -7,0 +9 @@\n+z\n";
        let files = parse(&text[..]).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files[&b"x".to_vec()], [hunk((1, 2), (1, 3)), hunk((7, 0), (9, 1))]);
    }

    #[test]
    fn names_are_unquoted() {
        assert_eq!(new_name(b"b/a b\t"), Some(b"a b".to_vec()));
        assert_eq!(new_name(b"\"b/a\\tb\\303\\274\\\"\""), Some("a\tbü\"".as_bytes().to_vec()));
        assert_eq!(new_name(b"/dev/null"), None);
        assert_eq!(new_name(b"\"b/\\9\""), Some(b"9".to_vec()));
        assert_eq!(new_name(b"\"b/\\3"), None);
    }

    #[test]
    fn long_lines_are_not_kept() {
        let mut text = b"diff --git a/x b/x\n+++ b/x\n@@ -0,0 +1 @@\n+".to_vec();
        text.extend(vec![b'a'; 1 << 20]);
        text.extend(b"\n@@ -5 +6 @@\n-a\n+b\n");
        assert_eq!(parse(&text[..]).unwrap()[&b"x".to_vec()].len(), 2);
    }

    #[test]
    fn lines_move_with_what_is_not_staged() {
        let later = [hunk((2, 0), (3, 2)), hunk((10, 2), (13, 1)), hunk((20, 1), (21, 0))];
        assert_eq!(moved(1, &later), 1..=1);
        assert_eq!(moved(2, &later), 2..=2);
        assert_eq!(moved(3, &later), 5..=5);
        assert_eq!(moved(11, &later), 13..=13);
        assert_eq!(moved(12, &later), 13..=13);
        assert_eq!(moved(20, &later), 21..=22);
        assert_eq!(moved(30, &later), 30..=30);
    }

    #[test]
    fn a_removal_touches_its_neighbours() {
        let mut files = HashMap::new();
        files.insert("a".to_owned(), Lines::Some(vec![hunk((5, 3), (4, 0)).new_lines()]));
        files.insert("z.zip".to_owned(), Lines::All);
        let changed = Changed { files };
        assert!(changed.touches("a", 4, 4) && changed.touches("a", 5, 5) && changed.touches("a", 1, 9));
        assert!(!changed.touches("a", 6, 6) && !changed.touches("b", 4, 4));
        assert!(changed.touches("z.zip!/inner", 1, 1));
    }

    #[test]
    fn statuses_know_renames() {
        let found = statuses(b"M\0a\0R100\0old\0new\0A\0b c\0");
        assert_eq!(
            found.iter().map(|(_, name)| name.as_slice()).collect::<Vec<_>>(),
            [&b"a"[..], b"new", b"b c"]
        );
    }
}
