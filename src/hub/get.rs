//! A version of a skill as the registry gives it, with everything it says of it put together and held against each
//! other. Whether it may come in is decided by `skill::install`; nothing here touches the workspace.

use super::model::{RemoteFile, Verdict};
use super::{Detail, Hub, Ref, Release};
use crate::digest::Sha256;
use crate::skill::Problem;
use crate::skill::unpack::{Limits, UnpackError, unpack};
use crate::trust::{Revocation, Rotation, Signature, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// What a registry puts into its packages that the author did not publish.
const ADDED: [&str; 2] = ["_meta.json", "skill-card.md"];

/// A version that was fetched and is what its registry says it is.
pub struct Fetched {
    pub owner: Option<String>,
    pub slug: String,
    pub version: String,
    pub zip: Vec<u8>,
    /// Paths that are no part of the skill.
    pub leave_out: Vec<&'static str>,
    pub content_hash: Option<Sha256>,
    pub signed: Option<(Statement, Signature)>,
    /// Its place in the registry's log, as the registry says.
    pub log_index: Option<u64>,
    pub rotations: Vec<Rotation>,
    pub revocations: Vec<Revocation>,
    /// The registry's verdict, the graver of those on the skill and on the version.
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

/// Fetches one version. `progress` is told of the package's bytes.
///
/// # Errors
/// Denied where the registry blocks it, or where what came is not what was announced.
pub fn fetch(
    hub: &Hub,
    name: &Ref,
    detail: &Detail,
    version: &str,
    progress: Option<&dyn Fn(u64, Option<u64>)>,
) -> Result<Fetched, Problem> {
    let full = name.of(detail.skill.owner.as_deref());
    let label = format!("{full} {version}");
    refuse_malware(detail.skill.verdict, &detail.reasons, &label)?;
    let release = match &detail.release {
        Some(release) if release.version == version => release.clone(),
        _ => hub.release(&full, version)?,
    };
    let verdict = detail.skill.verdict.or(release.verdict);
    refuse_malware(verdict, &detail.reasons, &label)?;
    let signed = signature(&release, &label)?;
    let content_hash = match &release.content_hash {
        None => None,
        Some(text) => Some(Sha256::parse(text).ok_or_else(|| {
            Problem::denied(
                "the registry gives a content hash that is none",
                label.clone(),
                "nothing was installed",
            )
        })?),
    };
    let zip = hub.download(&full, version, progress)?;
    let leave_out = match &release.files {
        Some(listed) => check_files(&zip, listed, &label)?,
        None => Vec::new(),
    };
    let (rotations, revocations) = letters(&detail.letters);
    Ok(Fetched {
        owner: full.owner,
        slug: full.slug,
        version: version.to_owned(),
        zip,
        leave_out,
        content_hash,
        signed,
        log_index: release.log_index,
        rotations,
        revocations,
        verdict,
        reasons: detail.reasons.clone(),
    })
}

fn refuse_malware(verdict: Verdict, reasons: &[String], label: &str) -> Result<(), Problem> {
    if verdict != Verdict::Malicious {
        return Ok(());
    }
    let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    Err(Problem::denied(format!("the registry says it is malicious{why}"), label, "do not install it"))
}

/// The statement and signature of a release; half of one is none of them, and that is said.
fn signature(release: &Release, label: &str) -> Result<Option<(Statement, Signature)>, Problem> {
    let Some((statement, signature)) = &release.signed else { return Ok(None) };
    let no = |what: String| Problem::denied(what, label, "nothing was installed");
    let statement = Statement::parse(statement).map_err(|error| no(error.to_string()))?;
    let signature = Signature::parse(signature).ok_or_else(|| no("the signature is none".into()))?;
    Ok(Some((statement, signature)))
}

/// Letters that hold; what does not is worth nothing and is left out.
pub fn letters(texts: &[String]) -> (Vec<Rotation>, Vec<Revocation>) {
    // Nobody changes keys so often; each letter costs two signatures.
    let texts = texts.iter().take(64);
    let rotations = texts.clone().filter_map(|text| Rotation::read(text)).collect();
    (rotations, texts.filter_map(|text| Revocation::read(text)).collect())
}

/// Holds the package against the list of its files: each file that is listed, with that content, and no other but what
/// registries add. Says which of those are there.
fn check_files(zip: &[u8], listed: &[RemoteFile], label: &str) -> Result<Vec<&'static str>, Problem> {
    let no = |what: String| Problem::denied(what, label, "nothing was installed");
    let found = unpack(zip, &Limits::default(), &mut |_, _| Ok(())).map_err(|error| match error {
        UnpackError::Refused(refusal) => no(format!("the package is refused: {refusal}")),
        UnpackError::Sink(error) => no(error.to_string()),
    })?;
    let by_path: BTreeMap<&str, &RemoteFile> = listed.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut leave_out = Vec::new();
    for file in &found {
        let path = file.path.as_str();
        match by_path.get(path) {
            Some(other) if other.size == file.size && other.sha256 == file.sha256.to_string() => {}
            Some(_) => return Err(no(format!("`{path}` is not what the registry announced"))),
            None => match ADDED.iter().find(|added| **added == path) {
                Some(added) => leave_out.push(*added),
                None => return Err(no(format!("`{path}` is in the package but not in the registry's list"))),
            },
        }
    }
    if found.len() - leave_out.len() != listed.len() {
        let there: BTreeSet<&str> = found.iter().map(|file| file.path.as_str()).collect();
        let missing = by_path.keys().find(|path| !there.contains(*path)).map_or("a file", |path| path);
        return Err(no(format!("`{missing}` is in the registry's list but not in the package")));
    }
    Ok(leave_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skill::pack::pack;
    use crate::skill::path::SafePath;

    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let files: Vec<(SafePath, Vec<u8>)> = files
            .iter()
            .map(|(path, text)| (SafePath::new(path).unwrap(), text.as_bytes().to_vec()))
            .collect();
        pack(&files).unwrap()
    }

    fn listed(files: &[(&str, &str)]) -> Vec<RemoteFile> {
        let one = |(path, text): &(&str, &str)| RemoteFile {
            path: (*path).into(),
            size: text.len() as u64,
            sha256: Sha256::of(text.as_bytes()).to_string(),
        };
        files.iter().map(one).collect()
    }

    #[test]
    fn a_package_is_what_was_listed() {
        let list = listed(&[("SKILL.md", "a"), ("x/y.sh", "b")]);
        let check =
            |files: &[(&str, &str)]| check_files(&zip(files), &list, "s").map_err(|problem| problem.what);
        assert_eq!(check(&[("SKILL.md", "a"), ("x/y.sh", "b")]), Ok(vec![]));
        assert_eq!(
            check(&[("SKILL.md", "a"), ("x/y.sh", "b"), ("_meta.json", "{}")]),
            Ok(vec!["_meta.json"])
        );
        for (bad, with) in [
            (vec![("SKILL.md", "a")], "`x/y.sh` is in the registry's list but not"),
            (vec![("SKILL.md", "A"), ("x/y.sh", "b")], "`SKILL.md` is not what"),
            (vec![("SKILL.md", "a"), ("x/y.sh", "b"), ("z", "c")], "`z` is in the package but not"),
            (vec![("SKILL.md", "a"), ("_meta.json", "{}")], "`x/y.sh` is in the registry's list"),
        ] {
            assert!(check(&bad).unwrap_err().contains(with), "{with}");
        }
        // A list that names a file twice does not hide that another is missing.
        let twice = listed(&[("SKILL.md", "a"), ("SKILL.md", "a")]);
        assert!(check_files(&zip(&[("SKILL.md", "a"), ("_meta.json", "b")]), &twice, "s").is_err());
    }
}
