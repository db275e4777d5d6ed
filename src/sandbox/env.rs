//! The environment of the command: what the policy allows, minus what it denies, never what steers the loader.

use crate::policy::path::wildcard;
use crate::policy::{Env, Policy, decide};
use crate::sort;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Whether a variable of the outside reaches the inside. `TMPDIR` never does: it names the private folder.
pub fn passes(env: &Env, name: &OsStr) -> bool {
    let hits = |pattern: &str| wildcard(pattern.as_bytes(), name.as_bytes());
    name != "TMPDIR"
        && !decide::is_loader_variable(name.as_bytes())
        && !env.deny.iter().any(|set| hits(&set.value))
        && env.allow.iter().any(|set| hits(&set.value))
}

/// Puts a folder of the host where the private one is named.
pub fn set_tmpdir(variables: &mut [CString], named: &Path, scratch: &Path) {
    for variable in variables {
        let Some(value) = variable.to_bytes().strip_prefix(b"TMPDIR=") else { continue };
        if let Ok(rest) = Path::new(OsStr::from_bytes(value)).strip_prefix(named) {
            let place: PathBuf = scratch.components().chain(rest.components()).collect();
            let moved = [b"TMPDIR=", place.as_os_str().as_bytes()].concat();
            // A path holds no NUL byte.
            *variable = CString::new(moved).unwrap_or_default();
        }
    }
}

/// The variables of the command as `NAME=value`, sorted: those of `outside` that pass, what the policy sets, `TMPDIR`, and
/// `added` ones, which the policy can set otherwise or deny.
pub fn variables(
    policy: &Policy,
    outside: impl Iterator<Item = (OsString, OsString)>,
    added: &[(String, String)],
) -> Vec<CString> {
    let denied = |name: &str| policy.env.deny.iter().any(|set| decide::covers(&set.value, name));
    let mut all: Vec<(OsString, OsString)> = outside
        .filter(|(name, _)| passes(&policy.env, name) && !added.iter().any(|(added, _)| **name == **added))
        // The secret stays outside.
        .filter(|(name, _)| !policy.inject.iter().any(|inject| **name == *inject.from_env))
        .chain(
            added.iter().filter(|(name, _)| !denied(name)).map(|(name, value)| (name.into(), value.into())),
        )
        .filter(|(name, _)| !policy.env.set.contains_key(name.to_string_lossy().as_ref()))
        .chain(policy.env.set.iter().map(|(name, set)| (name.into(), (&set.value).into())))
        .collect();
    if !all.iter().any(|(name, _)| name == "TMPDIR") {
        all.push(("TMPDIR".into(), policy.places.tmpdir.clone().into()));
    }
    sort::plain(&mut all);
    let joined = all.into_iter().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name.into_vec()
    });
    // A NUL byte cannot come from an environment.
    joined.filter_map(|bytes| CString::new(bytes).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Set};

    #[test]
    fn what_steers_a_loader_never_passes_and_other_names_do() {
        let origin = Origin { file: "t".into(), line: 1, key: "env.allow" };
        let env = Env { allow: vec![Set { value: "*".to_owned(), origin }], ..Env::default() };
        for name in ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "TMPDIR"] {
            assert!(!passes(&env, OsStr::new(name)), "{name}");
        }
        assert!(passes(&env, OsStr::new("HOME")));
        assert!(passes(&env, OsStr::from_bytes(b"NOT_UTF8_\xff")));
    }
}
