//! The places that variables of a policy stand for, and putting them in.

use std::env;
use std::path::{Path, PathBuf};

/// Absolute paths. `tmpdir` is what the sandboxed process sees, which need not be a folder of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub home: PathBuf,
    pub workspace: PathBuf,
    pub tmpdir: PathBuf,
    pub state: PathBuf,
    pub config: PathBuf,
    pub cache: PathBuf,
    /// What ${AGENT} and the log say instead of the policy's own name.
    pub agent: Option<String>,
}

/// Whether the text can name an agent: it becomes part of a file's name.
pub fn is_agent_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Every variable, for messages.
pub const NAMES: &[&str] = &["HOME", "WORKSPACE", "TMPDIR", "STATE", "CONFIG", "CACHE", "AGENT"];

impl Places {
    /// All below one folder, for tests and for questions about policies of elsewhere.
    pub fn below(home: &Path, workspace: &Path) -> Places {
        Places {
            home: home.to_owned(),
            workspace: workspace.to_owned(),
            tmpdir: PathBuf::from("/tmp"),
            state: home.join(".local/state"),
            config: home.join(".config"),
            cache: home.join(".cache"),
            agent: None,
        }
    }

    /// The places of whoever runs weft. `workspace` is `--workspace`; without it, the current folder.
    /// The error is a sentence without a place in a file.
    pub fn discover(workspace: Option<&Path>) -> Result<Places, String> {
        let here = |what: &Path| {
            what.canonicalize()
                .map_err(|error| format!("cannot find the workspace {}: {error}", what.display()))
        };
        let workspace = match workspace {
            Some(given) => here(given)?,
            None => here(
                &env::current_dir().map_err(|error| format!("cannot tell the current folder: {error}"))?,
            )?,
        };
        if !workspace.is_dir() {
            return Err(format!("the workspace {} is not a folder", workspace.display()));
        }
        // XDG asks that a variable which is not an absolute path be ignored.
        let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = folder("HOME").ok_or("HOME is not set to an absolute path")?;
        let mut places = Places::below(&home, &workspace);
        for (place, name) in [
            (&mut places.state, "XDG_STATE_HOME"),
            (&mut places.config, "XDG_CONFIG_HOME"),
            (&mut places.cache, "XDG_CACHE_HOME"),
        ] {
            if let Some(folder) = folder(name) {
                *place = folder;
            }
        }
        Ok(places)
    }

    /// Why the workspace is so wide that a policy which grants it grants nearly everything, if it is.
    pub fn workspace_too_wide(&self) -> Option<&'static str> {
        let home = self.home.canonicalize().unwrap_or_else(|_| self.home.clone());
        if self.workspace == Path::new("/") {
            Some("the whole file system")
        } else if self.workspace == home {
            Some("your home folder")
        } else if home.starts_with(&self.workspace) {
            Some("a folder that holds your home folder")
        } else {
            None
        }
    }

    fn get(&self, name: &str) -> Option<&Path> {
        Some(match name {
            "HOME" => &self.home,
            "WORKSPACE" => &self.workspace,
            "TMPDIR" => &self.tmpdir,
            "STATE" => &self.state,
            "CONFIG" => &self.config,
            "CACHE" => &self.cache,
            _ => return None,
        })
    }
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// Begins with `${TMPDIR}`.
    pub private: bool,
}

/// Replaces `${NAME}`, and with `path` a `~` in front. The error is a message and a help.
pub fn expand(text: &str, path: bool, places: &Places, agent: &str) -> Result<Expanded, (String, String)> {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    if path && let Some(after) = rest.strip_prefix('~') {
        if !after.is_empty() && !after.starts_with('/') {
            return Err((
                format!("`{text}` names another user's home"),
                "only `~` and `~/…` are known".into(),
            ));
        }
        out.push_str(value("HOME", &places.home)?);
        rest = after;
    }
    let private = path
        && rest.strip_prefix("${TMPDIR}").is_some_and(|after| after.is_empty() || after.starts_with('/'));
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some((name, behind)) = after.strip_prefix('{').and_then(|name| name.split_once('}')) else {
            let looks_meant = after.starts_with(|c: char| c == '{' || c.is_ascii_alphabetic() || c == '_');
            if path && looks_meant {
                let help = format!("variables are written ${{NAME}}; known are {}", NAMES.join(", "));
                return Err((format!("`{text}` has a `$` that begins no variable"), help));
            }
            out.push('$');
            rest = after;
            continue;
        };
        match (name, places.get(name)) {
            ("AGENT", _) => out.push_str(agent),
            (_, Some(place)) => out.push_str(value(name, place)?),
            (_, None) => {
                let help = match crate::rules::schema::nearest(name, NAMES) {
                    Some(near) => format!("did you mean ${{{near}}}? (known are {})", NAMES.join(", ")),
                    None => format!("known are {}", NAMES.join(", ")),
                };
                return Err((format!("unknown variable ${{{name}}}"), help));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(Expanded { text: out, private })
}

/// The place as text. One that a policy could not say must not change what the policy means.
fn value<'p>(name: &str, place: &'p Path) -> Result<&'p str, (String, String)> {
    let fail = |why: &str| {
        Err((format!("${{{name}}} is {}, {why}", place.display()), "use another folder".to_owned()))
    };
    match place.to_str() {
        None => fail("which is not UTF-8"),
        Some(text) if text.contains('*') => fail("whose `*` would be taken for a pattern"),
        Some(text) if !text.starts_with('/') => fail("which is not absolute"),
        Some("/") => Ok(""),
        Some(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::below(Path::new("/home/u"), Path::new("/work"))
    }

    fn path(text: &str) -> Result<String, String> {
        expand(text, true, &places(), "me")
            .map(|done| done.text)
            .map_err(|(what, help)| format!("{what}: {help}"))
    }

    #[test]
    fn variables_stand_for_places() {
        for (text, means) in [
            ("/usr", "/usr"),
            ("~", "/home/u"),
            ("~/.ssh", "/home/u/.ssh"),
            ("${WORKSPACE}/a", "/work/a"),
            ("${STATE}/weft/${AGENT}.jsonl", "/home/u/.local/state/weft/me.jsonl"),
            ("/a$/b$1~", "/a$/b$1~"),
        ] {
            assert_eq!(path(text).as_deref(), Ok(means), "{text}");
        }
        let root = Places::below(Path::new("/"), Path::new("/"));
        assert_eq!(expand("~/x", true, &root, "").unwrap().text, "/x");
        assert!(expand("${TMPDIR}/a", true, &places(), "").unwrap().private);
        assert!(!expand("${TMPDIR}x", true, &places(), "").unwrap().private);
    }

    #[test]
    fn anything_else_is_an_error() {
        for (text, said) in [
            ("~root/x", "another user"),
            ("${HOMES}", "did you mean ${HOME}?"),
            ("${PATH}", "unknown variable ${PATH}"),
            ("$HOME/x", "variables are written ${NAME}"),
            ("/x/${HOME", "begins no variable"),
            ("${}", "unknown variable"),
        ] {
            assert!(path(text).unwrap_err().contains(said), "{text}: {:?}", path(text));
        }
        let star = Places::below(Path::new("/home/*"), Path::new("/work"));
        assert!(expand("~", true, &star, "").is_err());
    }

    #[test]
    fn a_wide_workspace_is_named() {
        let at =
            |workspace: &str| Places::below(Path::new("/home/u"), Path::new(workspace)).workspace_too_wide();
        assert!(at("/").is_some() && at("/home").is_some() && at("/home/u").is_some());
        assert_eq!(at("/home/u/work"), None);
    }
}
