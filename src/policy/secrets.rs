//! Which files, folders and variables hold credentials, by their names. What a name does not tell is not found; a deny does not
//! rest on this, only what is proposed and what is told.

use super::lint::CREDENTIALS_AT;
use std::path::Path;

/// Names of files that hold credentials, wherever they are.
const SECRETS: &[&str] = &[
    "/.ssh/",
    "/.gnupg",
    "/.aws/",
    "/.azure/",
    "/.kube/",
    "/.docker/config",
    "/.netrc",
    "/.git-credentials",
    "/.npmrc",
    "/.pypirc",
    "/.config/gh",
    "/.config/gcloud",
    "/credentials",
    "/.password-store",
    "/keyrings",
    "/.vault-token",
    "/.pgpass",
    "/etc/shadow",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    ".pem",
    ".p12",
    ".kdbx",
    "/.env",
];

/// Whether a target of the log, a path or words with one at their end, is about credentials.
pub fn is_secret(target: &str) -> bool {
    SECRETS.iter().any(|name| target.contains(name))
        || target == ".env"
        || target.ends_with(": .env")
        || target.ends_with("/.ssh")
}

/// Names of files and folders, in lower case, that hold credentials wherever they are.
const NAMES: &[&str] = &[
    ".env",
    ".envrc",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".npmrc",
    ".pypirc",
    ".yarnrc.yml",
    ".git-credentials",
    ".vault-token",
    ".dockercfg",
    ".credentials.json",
    "credentials",
    "credentials.json",
    "credentials.toml",
    "credentials.yml",
    "credentials.yaml",
    "credentials.db",
    "auth.json",
    "secrets.json",
    "secrets.toml",
    "secrets.yml",
    "secrets.yaml",
    "secrets.env",
    "token.json",
    "tokens.json",
    "service-account.json",
    "application_default_credentials.json",
    "kubeconfig",
    "terraform.tfstate",
    "wallet.dat",
    "id_dsa",
    "shadow",
    "gshadow",
    "login data",
    "cookies",
    "cookies.sqlite",
    "cookie",
    ".xauthority",
    ".iceauthority",
    ".claude.json",
    "logins.json",
    "key3.db",
    "key4.db",
];

/// Ends of such names.
const ENDS: &[&str] = &[".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".keytab", ".ppk", ".ovpn"];

/// Whether a file or folder of this name is likely to hold credentials. Examples and public certificates do not.
pub fn is_credential_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let example = [".example", ".sample", ".template", ".dist", ".pub"].iter().any(|end| name.ends_with(end));
    if example {
        return false;
    }
    if let Some(stem) = name.strip_suffix(".pem") {
        let public = ["ca", "cert", "chain", "bundle", "root", "pub"].iter().any(|word| stem.contains(word));
        return !public || stem.contains("key");
    }
    NAMES.contains(&name.as_str())
        || name.starts_with(".env.")
        || ["id_rsa", "id_ed25519", "id_ecdsa"].iter().any(|key| name.starts_with(key))
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether the path is one of the usual places of credentials below this home folder, or has a part that is named like one.
pub fn is_credential(path: &Path, home: &Path) -> bool {
    let usual = CREDENTIALS_AT.iter().any(|name| path.starts_with(home.join(name)));
    let named = |part: &std::ffi::OsStr| is_credential_name(&part.to_string_lossy());
    usual || path.components().any(|part| named(part.as_os_str())) || {
        let text = path.to_string_lossy();
        // Of those names, what stands for a folder or a whole name; the rest is decided above with more care.
        SECRETS.iter().filter(|name| name.ends_with('/')).any(|name| text.contains(name))
            || text.ends_with("/.ssh")
    }
}

/// Words in the name of a variable that holds something worth stealing.
const WORDS: &[&str] =
    &["TOKEN", "SECRET", "KEY", "PASS", "CREDENTIAL", "OAUTH", "AUTH_", "AWS_", "COOKIE", "SESSION"];

/// Whether a variable of this name is likely to hold a secret.
pub fn is_secret_variable(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    WORDS.iter().any(|word| upper.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_name_and_their_like_are_not() {
        let home = Path::new("/home/u");
        for path in [
            "/home/u/.ssh/id_ed25519",
            "/home/u/.aws/config",
            "/w/.env",
            "/w/.env.local",
            "/w/.ENV",
            "/w/tls/server.pem",
            "/w/tls/cert-key.pem",
            "/w/a.key",
            "/srv/x/.ssh/config",
            "/w/config/credentials.json",
            "/w/id_rsa.old",
        ] {
            assert!(is_credential(Path::new(path), home), "{path}");
        }
        for path in [
            "/w/.env.example",
            "/w/environment",
            "/home/u/.local/lib/certifi/cacert.pem",
            "/w/id_rsa.pub",
            "/w/keys.rs",
            "/w/ssh/config",
            "/home/u/.cache/pip",
            "/w/monkey",
        ] {
            assert!(!is_credential(Path::new(path), home), "{path}");
        }
        assert!(is_secret_variable("AWS_SECRET_ACCESS_KEY") && is_secret_variable("gh_token"));
        assert!(!is_secret_variable("LANG") && !is_secret_variable("CARGO_HOME"));
    }
}
