//! Whom TLS believes: the certificates the user names, those of the system, or Mozilla's as they were when weft was built.

use super::{Kind, NetError};
use crate::sort;
use crate::words;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use ureq::tls::{PemItem, RootCerts, parse_pem};

/// Where distributions keep their bundle; the first that exists counts.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cacert.pem",
];

/// A bundle is some 200 KB; more than this is no bundle.
const LARGEST: u64 = 8 << 20;
const MOST_FILES: usize = 2000;

/// The roots of this run. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's; what they name and cannot be read is
/// an error, because silently trusting others is not what was asked for.
pub fn find() -> Result<RootCerts, NetError> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let (file, folders) = (named("SSL_CERT_FILE"), named("SSL_CERT_DIR"));
    let mut found = Vec::new();
    if let Some(file) = &file {
        let path = Path::new(file);
        let pem = read(path).map_err(|error| unreadable("SSL_CERT_FILE", path, &error))?;
        add(&pem, &mut found);
    }
    if let Some(folders) = &folders {
        for folder in env::split_paths(folders) {
            let paths = files(&folder).map_err(|error| unreadable("SSL_CERT_DIR", &folder, &error))?;
            // Folders hold other things too: what is no certificate is passed over.
            paths.iter().filter_map(|path| read(path).ok()).for_each(|pem| add(&pem, &mut found));
        }
    }
    if file.is_some() || folders.is_some() {
        if found.is_empty() {
            let names = "SSL_CERT_FILE, SSL_CERT_DIR";
            return Err(NetError::new(
                Kind::Input,
                "no certificate in what is named",
                names,
                "name a PEM file",
            ));
        }
        return Ok(found.into_iter().collect::<Vec<_>>().into());
    }
    for bundle in BUNDLES {
        if let Ok(pem) = read(Path::new(bundle)) {
            add(&pem, &mut found);
            if !found.is_empty() {
                return Ok(found.into());
            }
        }
    }
    Ok(RootCerts::WebPki)
}

fn add(pem: &[u8], found: &mut Vec<ureq::tls::Certificate<'static>>) {
    for item in parse_pem(pem) {
        if let Ok(PemItem::Certificate(certificate)) = item {
            found.push(certificate);
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    let file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.take(LARGEST).read_to_end(&mut pem)?;
    Ok(pem)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder)?.take(MOST_FILES).flatten().map(|entry| entry.path()).collect();
    sort::plain(&mut all);
    Ok(all)
}

fn unreadable(variable: &str, path: &Path, error: &io::Error) -> NetError {
    let at = format!("{variable}={}", path.display());
    NetError::new(
        Kind::Input,
        format!("cannot read certificates: {}", words::reason(error)),
        at,
        "correct or unset the variable",
    )
}
