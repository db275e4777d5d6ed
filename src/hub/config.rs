//! Which registry, and with which token: options, environment, the file that the `clawhub` program keeps too, and what
//! a site says of itself. Asks nothing and installs nothing.

use crate::files::write_atomic;
use crate::json::{self, Node, Value, Writer};
use crate::skill::Problem;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where skills come from unless something says otherwise.
pub const DEFAULT: &str = "https://clawhub.ai";
/// Hosts that were registries once and are so no longer, as the `clawhub` program knows them.
const FORMER: [&str; 4] = ["auth.clawdhub.com", "auth.clawhub.com", "auth.clawhub.ai", "registry.clawhub.ai"];
/// A configuration has a few lines.
const LARGEST: u64 = 1 << 20;

/// The file with registry and token. What weft does not know in it stays.
#[derive(Debug)]
pub struct Config {
    pub path: PathBuf,
    pub registry: Option<String>,
    pub token: Option<String>,
    others: Vec<(String, Node)>,
}

/// What `variable` says under its name or the former one of the `clawhub` program.
pub fn variable(name: &str) -> Option<String> {
    let get = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    get(name).or_else(|| get(&name.replace("CLAWHUB", "CLAWDHUB")))
}

/// The file this user's `clawhub` program reads.
pub fn path() -> Result<PathBuf, Problem> {
    if let Some(path) = variable("CLAWHUB_CONFIG_PATH") {
        return Ok(path.into());
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let base = base.ok_or_else(|| Problem::new("HOME is not set to an absolute path", "", "set it"))?;
    let (now, former) = (base.join("clawhub/config.json"), base.join("clawdhub/config.json"));
    Ok(if !now.exists() && former.exists() { former } else { now })
}

impl Config {
    /// A missing file is an empty configuration; a broken one is an error, because it may hold a token.
    pub fn read(path: PathBuf) -> Result<Config, Problem> {
        let mut config = Config { path, registry: None, token: None, others: Vec::new() };
        let text = match fs::metadata(&config.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(config),
            Ok(meta) if meta.len() <= LARGEST => fs::read_to_string(&config.path),
            Ok(_) => Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| Problem::file("cannot read", &config.path, &error))?;
        let fix = "correct it, or remove it and log in again";
        let wrong = |what: String| Problem::new(what, config.path.display().to_string(), fix);
        let node = json::parse(&text).map_err(|error| wrong(error.to_string()))?;
        let Value::Object(members) = node.value else { return Err(wrong("not a JSON object".into())) };
        for (key, value) in members {
            match (key.as_str(), &value.value) {
                ("registry", Value::String(registry)) => config.registry = Some(registry.clone()),
                ("token", Value::String(token)) if !token.is_empty() => config.token = Some(token.clone()),
                ("registry" | "token", _) => {}
                _ => config.others.push((key, value)),
            }
        }
        Ok(config)
    }

    /// Writes it so that only its owner can read it.
    pub fn write(&self) -> Result<(), Problem> {
        let failed = |error: io::Error| Problem::file("cannot write", &self.path, &error);
        if let Some(folder) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        if !self.path.exists() {
            // Made first, so that the token is never in a file that others can read.
            private(&self.path).map_err(failed)?;
        }
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        write_atomic(&self.path, |out| {
            Writer::new(out).object_lines(|w| {
                w.field("registry", self.registry.as_deref().unwrap_or(DEFAULT))?;
                if let Some(token) = &self.token {
                    w.field("token", token)?;
                }
                self.others.iter().try_for_each(|(key, value)| w.key(key)?.node(value, false))
            })?;
            out.write_all(b"\n")
        })
        .map_err(failed)
    }

    /// The stored registry, unless it is one that moved away.
    pub fn chosen(&self) -> Option<&str> {
        let registry = self.registry.as_deref()?;
        let host = registry.split_once("://").map_or(registry, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        (!FORMER.contains(&host)).then_some(registry)
    }
}

fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// Where a choice of registry came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Named by an option, the environment or the file: used as it is.
    Named(String),
    /// A site, which is asked where its registry is.
    Site(String),
}

/// `--registry`, then `CLAWHUB_REGISTRY`, then the site in `CLAWHUB_SITE`, then the registry of the file, then the
/// default site.
///
/// The `clawhub` program asks the default site before it looks at the file, and so sends the token of a private
/// registry to the public one; weft does not.
pub fn choose(option: Option<&str>, config: &Config) -> Choice {
    let named = option.map(str::to_owned).or_else(|| variable("CLAWHUB_REGISTRY"));
    match (named, variable("CLAWHUB_SITE"), config.chosen()) {
        (Some(named), _, _) => Choice::Named(named),
        (None, Some(site), _) => Choice::Site(site),
        (None, None, Some(registry)) => Choice::Named(registry.to_owned()),
        (None, None, None) => Choice::Site(DEFAULT.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_what_it_does_not_know_and_is_private() {
        let dir = env::temp_dir().join(format!("weft-hub-config-{}", std::process::id()));
        let path = dir.join("clawhub/config.json");
        let mut config = Config::read(path.clone()).unwrap();
        assert!(config.token.is_none());
        config.token = Some("clh_x".into());
        config.registry = Some("https://hub.example".into());
        config.write().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\n  \"registry\": \"https://hub.example\",\n  \"token\": \"clh_x\"\n}\n"
        );
        fs::write(&path, r#"{"registry":"https://auth.clawhub.ai","x":{"y":[1.50,null,true]},"token":"t"}"#)
            .unwrap();
        let config = Config::read(path.clone()).unwrap();
        assert_eq!((config.chosen(), config.token.as_deref()), (None, Some("t")));
        config.write().unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains(r#""x": {"y":[1.50,null,true]}"#));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&dir.join("clawhub"))), (0o600, 0o700));
        for bad in ["", "[]", "{", "\"x\""] {
            fs::write(&path, bad).unwrap();
            assert!(Config::read(path.clone()).is_err(), "{bad}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
