//! A ClawHub of a few hundred lines: the v1 API as the real CLI and weft use it, in memory, on loopback. Well behaved;
//! what is bad is set into it by a test. Not a hub for anyone.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used)]

use super::server::{Act, Seen, Server};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use weft::digest::Sha256;
use weft::json::{self, Node, Writer};
use weft::skill::pack::pack;
use weft::skill::path::SafePath;
use weft::skill::tree::{FileHash, content_hash, fingerprint};
use weft::trust::{SecretKey, Statement};

pub const TOKEN: &str = "clh_test-token";
pub const OWNER: &str = "alice";

#[derive(Clone, Default)]
pub struct Version {
    pub version: String,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Statement and signature.
    pub signed: Option<(String, String)>,
    pub withdrawn: bool,
    pub security: Option<String>,
    /// Sent in place of the real package.
    pub package: Option<Vec<u8>>,
    /// Files are not listed.
    pub unlisted: bool,
    /// Where it is said to be in the registry's log.
    pub log_index: Option<u64>,
}

#[derive(Clone, Default)]
pub struct Skill {
    pub owner: String,
    pub versions: Vec<Version>,
    pub stars: u64,
    pub downloads: u64,
    pub updated: u64,
    pub summary: String,
    pub malware: bool,
    pub suspicious: bool,
    pub reasons: Vec<String>,
    pub letters: Vec<String>,
    pub deleted: bool,
    pub reports: u64,
}

type First = dyn Fn(&Seen) -> Option<Act> + Send;

#[derive(Default)]
pub struct State {
    /// By slug: the mock has one owner for each.
    pub skills: BTreeMap<String, Skill>,
    tickets: BTreeMap<String, Vec<u8>>,
    /// Put in front of every `uploadUrl` in place of our own address.
    pub upload_to: Option<String>,
    /// Only the older form of publishing.
    pub old: bool,
    /// Answers before anything else.
    pub first: Option<Box<First>>,
}

pub struct ClawHub {
    pub server: Server,
    pub state: Arc<Mutex<State>>,
}

impl ClawHub {
    pub fn start() -> ClawHub {
        let state: Arc<Mutex<State>> = Arc::default();
        let inner = state.clone();
        let server = Server::start(move |seen| {
            let mut state = inner.lock().unwrap();
            let first = state.first.as_ref().and_then(|first| first(seen));
            first.unwrap_or_else(|| answer(&mut state, seen))
        });
        ClawHub { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Publishes without asking, unsigned.
    pub fn add(&self, slug: &str, version: &str, files: &[(&str, &str)]) {
        self.add_signed(slug, version, files, None);
    }

    /// Publishes, signed as the next in line by this key.
    pub fn add_signed(&self, slug: &str, version: &str, files: &[(&str, &str)], key: Option<&SecretKey>) {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let origin = self.url();
        let mut state = self.state();
        let skill = state.skills.entry(slug.to_owned()).or_default();
        skill.owner = OWNER.into();
        skill.updated += 1000;
        let signed = key.map(|key| {
            let before =
                skill.versions.iter().rev().find_map(|old| old.signed.as_ref().map(|(text, _)| text.clone()));
            let before = before.map(|text| Statement::parse(&text).unwrap());
            let statement = Statement {
                registry: origin,
                owner: OWNER.into(),
                slug: slug.into(),
                version: version.into(),
                content_hash: content_hash(&hashes(&files)).unwrap(),
                seq: before.as_ref().map_or(1, |before| before.seq + 1),
                previous: before.map(|before| before.content_hash),
                created: 1_795_500_599,
                public_key: *key.public(),
            };
            (statement.text().unwrap(), statement.sign(key).unwrap().to_string())
        });
        skill.versions.push(Version { version: version.into(), files, signed, ..Version::default() });
    }

    /// Changes a version of a skill.
    pub fn change(&self, slug: &str, version: &str, how: impl FnOnce(&mut Version)) {
        let mut state = self.state();
        let skill = state.skills.get_mut(slug).unwrap();
        how(skill.versions.iter_mut().find(|one| one.version == version).unwrap());
    }
}

pub fn hashes(files: &BTreeMap<String, Vec<u8>>) -> Vec<FileHash> {
    files.iter().map(|(path, bytes)| FileHash::of(SafePath::new(path).unwrap(), bytes)).collect()
}

/// A package as the real hub makes it, with the file it adds.
fn package(slug: &str, version: &Version) -> Vec<u8> {
    let mut files: Vec<(SafePath, Vec<u8>)> =
        version.files.iter().map(|(path, bytes)| (SafePath::new(path).unwrap(), bytes.clone())).collect();
    let meta = format!(
        "{{\n  \"ownerId\": \"1\",\n  \"slug\": \"{slug}\",\n  \"version\": \"{}\",\n  \"publishedAt\": 1\n}}",
        version.version
    );
    files.push((SafePath::new("_meta.json").unwrap(), meta.into_bytes()));
    pack(&files).unwrap()
}

fn made(fill: impl FnOnce(&mut Writer) -> std::io::Result<()>) -> Act {
    let mut out = Vec::new();
    Writer::new(&mut out).object(fill).unwrap();
    Act::json(String::from_utf8(out).unwrap())
}

fn semver(text: &str) -> weft::skill::version::Version {
    weft::skill::version::Version::parse(text).unwrap()
}

impl Skill {
    pub fn latest(&self) -> Option<&Version> {
        self.versions
            .iter()
            .filter(|version| !version.withdrawn)
            .max_by_key(|version| semver(&version.version))
    }

    fn item(&self, slug: &str, w: &mut Writer) -> std::io::Result<()> {
        w.field("slug", slug)?;
        w.field("displayName", slug)?;
        w.field("summary", &self.summary)?;
        w.key("tags")?.object(|w| w.field("latest", self.latest().map_or("", |v| v.version.as_str())))?;
        w.key("stats")?.object(|w| {
            w.count("stars", self.stars)?;
            w.count("downloads", self.downloads)
        })?;
        w.count("downloads", self.downloads)?;
        w.count("createdAt", 1)?;
        w.count("updatedAt", self.updated)
    }
}

fn version_object(w: &mut Writer, version: &Version) -> std::io::Result<()> {
    w.field("version", &version.version)?;
    w.count("createdAt", 1_795_500_599_000)?;
    w.field("changelog", "")?;
    w.key("changelogSource")?.null()?;
    w.field("license", "MIT-0")
}

fn answer(state: &mut State, seen: &Seen) -> Act {
    let path = seen.path().trim_start_matches('/').to_owned();
    let parts: Vec<String> = path.split('/').map(super::server::decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let authorized = seen.header("authorization") == Some(&format!("Bearer {TOKEN}"));
    let missing = || Act::text(404, "Skill not found");
    let parts = match parts.as_slice() {
        ["api", "v1", rest @ ..] => rest,
        ["api", "cli", "telemetry", "install"] => return Act::json("{\"ok\":true}"),
        [".well-known", "clawhub.json"] => return Act::text(404, "none"),
        _ => return Act::text(404, "Not found"),
    };
    if seen.method != "GET" && !authorized {
        return Act::text(401, "Unauthorized: API token is missing.");
    }
    match (seen.method.as_str(), parts) {
        ("GET", ["whoami"]) if authorized => made(|w| {
            w.key("user")?.object(|w| {
                w.field("handle", OWNER)?;
                w.field("displayName", "Alice")?;
                w.key("image")?.null()?;
                w.field("role", "user")
            })
        }),
        ("GET", ["whoami"]) => Act::text(401, "Unauthorized: API token is missing."),
        ("GET", ["search"]) => {
            let query = seen.query("q").unwrap_or_default();
            made(|w| {
                w.key("results")?.array(|w| {
                    let found = state.skills.iter().filter(|(slug, skill)| {
                        !skill.deleted
                            && (slug.contains(&query)
                                || skill.summary.contains(&query)
                                || skill.downloads > 1000)
                    });
                    found.into_iter().try_for_each(|(slug, skill)| {
                        w.object(|w| {
                            w.key("score")?.number(1)?;
                            skill.item(slug, w)?;
                            w.field("version", skill.latest().map_or("", |v| v.version.as_str()))?;
                            w.field("ownerHandle", &skill.owner)
                        })
                    })
                })
            })
        }
        ("GET", ["skills"]) => made(|w| {
            w.key("items")?.array(|w| {
                let mut all: Vec<_> = state.skills.iter().filter(|(_, skill)| !skill.deleted).collect();
                all.sort_by_key(|(_, skill)| std::cmp::Reverse(skill.updated));
                all.iter().try_for_each(|(slug, skill)| {
                    w.object(|w| {
                        skill.item(slug, w)?;
                        w.field("ownerHandle", &skill.owner)?;
                        match skill.latest() {
                            Some(latest) => w.key("latestVersion")?.object(|w| version_object(w, latest)),
                            None => Ok(()),
                        }
                    })
                })
            })?;
            w.key("nextCursor")?.null()
        }),
        ("GET", ["resolve"]) => {
            let (slug, hash) = (seen.query("slug").unwrap(), seen.query("hash").unwrap());
            let Some(skill) = state.skills.get(&slug).filter(|skill| !skill.deleted) else {
                return missing();
            };
            let found = skill
                .versions
                .iter()
                .rev()
                .find(|v| !v.withdrawn && fingerprint(&hashes(&v.files)).to_string() == hash);
            made(|w| {
                w.field("slug", &slug)?;
                for (key, version) in [("match", found), ("latestVersion", skill.latest())] {
                    match version {
                        Some(version) => w.key(key)?.object(|w| w.field("version", &version.version))?,
                        None => w.key(key)?.null()?,
                    }
                }
                Ok(())
            })
        }
        ("GET", ["download"]) => {
            let slug = seen.query("slug").unwrap();
            let Some(skill) = state.skills.get_mut(&slug).filter(|skill| !skill.deleted) else {
                return missing();
            };
            let wanted = seen.query("version").or_else(|| skill.latest().map(|v| v.version.clone()));
            let Some(version) = skill.versions.iter().find(|v| Some(&v.version) == wanted.as_ref()) else {
                return Act::text(404, "Version not found");
            };
            if version.withdrawn {
                return Act::text(410, "Version not available");
            }
            let zip = version.package.clone().unwrap_or_else(|| package(&slug, version));
            skill.downloads += 1;
            Act::Answer(200, vec![("content-type", "application/zip".into())], zip)
        }
        ("POST", ["skills", "-", "upload-url"]) if !state.old => {
            let body = parsed(seen);
            let ticket = format!("t{}", state.tickets.len());
            state.tickets.insert(ticket.clone(), Vec::new());
            assert!(body.get("sha256").is_some());
            let base =
                state.upload_to.clone().unwrap_or_else(|| format!("http://{}", seen.header("host").unwrap()));
            made(|w| {
                w.field("uploadUrl", &format!("{base}/api/v1/skills/-/upload/{ticket}"))?;
                w.field("uploadTicket", &ticket)
            })
        }
        ("POST", ["skills", "-", "upload", ticket]) => {
            state.tickets.insert((*ticket).to_owned(), seen.body.clone());
            made(|w| w.field("storageId", &format!("s-{ticket}")))
        }
        ("POST", ["skills"]) => publish(state, seen),
        ("POST", ["skills", slug, "report"]) => {
            let Some(skill) = state.skills.get_mut(*slug) else { return missing() };
            skill.reports += 1;
            let again = skill.reports > 1;
            made(|w| {
                w.key("ok")?.boolean(true)?;
                w.key("reported")?.boolean(true)?;
                w.key("alreadyReported")?.boolean(again)
            })
        }
        ("POST", ["skills", slug, "undelete"]) | ("DELETE", ["skills", slug]) => {
            let Some(skill) = state.skills.get_mut(*slug) else { return missing() };
            skill.deleted = seen.method == "DELETE";
            Act::json("{\"ok\":true}")
        }
        ("DELETE", ["skills", slug, "versions", version])
        | ("POST", ["skills", slug, "versions", version, "restore"]) => {
            let Some(skill) = state.skills.get_mut(*slug) else { return missing() };
            let Some(found) = skill.versions.iter_mut().find(|v| v.version == *version) else {
                return Act::text(404, "Version not found");
            };
            found.withdrawn = seen.method == "DELETE";
            Act::json("{\"ok\":true}")
        }
        ("POST" | "DELETE", ["stars", slug]) => {
            let Some(skill) = state.skills.get_mut(*slug) else { return missing() };
            let (on, had) = (seen.method == "POST", skill.stars > 0);
            skill.stars = u64::from(on);
            Act::json(match on {
                true => format!("{{\"ok\":true,\"starred\":true,\"alreadyStarred\":{had}}}"),
                false => format!("{{\"ok\":true,\"unstarred\":true,\"alreadyUnstarred\":{}}}", !had),
            })
        }
        ("GET", ["skills", slug]) => {
            let Some(skill) = state.skills.get(*slug).filter(|skill| !skill.deleted) else {
                return missing();
            };
            if seen.query("ownerHandle").is_some_and(|owner| owner != skill.owner) {
                return missing();
            }
            made(|w| {
                w.key("skill")?.object(|w| skill.item(slug, w))?;
                match skill.latest() {
                    Some(latest) => w.key("latestVersion")?.object(|w| version_object(w, latest))?,
                    None => w.key("latestVersion")?.null()?,
                }
                w.key("metadata")?.null()?;
                w.key("owner")?.object(|w| {
                    w.field("handle", &skill.owner)?;
                    w.field("userId", "1")?;
                    w.field("displayName", "Alice")?;
                    w.key("image")?.null()
                })?;
                w.key("weft")?.object(|w| w.strings("letters", skill.letters.iter().map(String::as_str)))?;
                if !skill.malware && !skill.suspicious {
                    return w.key("moderation")?.null();
                }
                w.key("moderation")?.object(|w| {
                    w.key("isSuspicious")?.boolean(skill.suspicious)?;
                    w.key("isMalwareBlocked")?.boolean(skill.malware)?;
                    w.field("verdict", if skill.malware { "malicious" } else { "suspicious" })?;
                    w.strings("reasonCodes", skill.reasons.iter().map(String::as_str))?;
                    w.key("summary")?.null()?;
                    w.key("updatedAt")?.number(1)
                })
            })
        }
        ("GET", ["skills", slug, "versions"]) => {
            let Some(skill) = state.skills.get(*slug).filter(|skill| !skill.deleted) else {
                return missing();
            };
            made(|w| {
                w.key("items")?.array(|w| {
                    let shown = skill.versions.iter().rev().filter(|version| !version.withdrawn);
                    shown.into_iter().try_for_each(|version| w.object(|w| version_object(w, version)))
                })?;
                w.key("nextCursor")?.null()
            })
        }
        ("GET", ["skills", slug, "versions", version]) => {
            let Some(skill) = state.skills.get(*slug).filter(|skill| !skill.deleted) else {
                return missing();
            };
            let Some(found) = skill.versions.iter().find(|v| v.version == *version) else {
                return Act::text(404, "Version not found");
            };
            if found.withdrawn {
                return Act::text(410, "Version not available");
            }
            made(|w| {
                w.key("skill")?.object(|w| {
                    w.field("slug", slug)?;
                    w.field("displayName", slug)
                })?;
                w.key("version")?.object(|w| {
                    version_object(w, found)?;
                    if !found.unlisted {
                        w.key("files")?.array(|w| {
                            found.files.iter().try_for_each(|(path, bytes)| {
                                w.object(|w| {
                                    w.field("path", path)?;
                                    w.count("size", bytes.len() as u64)?;
                                    w.field("sha256", &Sha256::of(bytes).to_string())?;
                                    w.field("contentType", "text/plain")
                                })
                            })
                        })?;
                    }
                    if let Some(index) = found.log_index {
                        w.key("weft")?.object(|w| w.key("log")?.object(|w| w.count("index", index)))?;
                    }
                    if let Some(status) = &found.security {
                        w.key("security")?.object(|w| {
                            w.field("status", status)?;
                            w.key("hasWarnings")?.boolean(false)?;
                            w.count("checkedAt", 1)?;
                            w.field("model", "m")
                        })?;
                    }
                    match &found.signed {
                        Some((statement, signature)) => w.key("signature")?.object(|w| {
                            w.field("statement", statement)?;
                            w.field("signature", signature)
                        }),
                        None => w.key("signature")?.object(|w| w.field("status", "unsigned")),
                    }
                })
            })
        }
        _ => Act::text(404, "Not found"),
    }
}

fn parsed(seen: &Seen) -> Node {
    json::parse(std::str::from_utf8(&seen.body).unwrap()).unwrap()
}

fn publish(state: &mut State, seen: &Seen) -> Act {
    let kind = seen.header("content-type").unwrap();
    let (payload, files) = match kind.split_once("boundary=") {
        Some((_, boundary)) => form(&seen.body, boundary.trim_matches('"')),
        None => {
            let body = parsed(seen);
            let mut files = BTreeMap::new();
            for file in body.get("files").and_then(Node::as_array).unwrap() {
                let word = |key: &str| file.get(key).and_then(Node::as_str).unwrap().to_owned();
                let bytes = state.tickets.remove(&word("uploadTicket")).unwrap();
                assert_eq!(Sha256::of(&bytes).to_string(), word("sha256"));
                files.insert(word("path"), bytes);
            }
            (body, files)
        }
    };
    let word = |key: &str| payload.get(key).and_then(Node::as_str).map(str::to_owned);
    if payload.get("acceptLicenseTerms").and_then(Node::as_bool) != Some(true) {
        return Act::text(400, "MIT-0 license terms must be accepted");
    }
    let (slug, version) = (word("slug").unwrap(), word("version").unwrap());
    let skill = state.skills.entry(slug.clone()).or_default();
    if skill.versions.iter().any(|old| old.version == version) {
        return Act::text(
            400,
            &format!("Version {version} already exists. Increment the version number and try again."),
        );
    }
    let signed = payload.get("signature").and_then(|signed| {
        Some((signed.get("statement")?.as_str()?.to_owned(), signed.get("signature")?.as_str()?.to_owned()))
    });
    skill.owner = OWNER.into();
    skill.updated += 1000;
    skill.versions.push(Version { version: version.clone(), files, signed, ..Version::default() });
    made(|w| {
        w.key("ok")?.boolean(true)?;
        w.field("skillId", "k")?;
        w.field("versionId", "v")?;
        w.field("slug", &slug)?;
        w.field("version", &version)?;
        w.field("status", "published")?;
        w.field("publicationStatus", "published")
    })
}

/// The parts of a form: the payload, and the files by their names.
fn form(body: &[u8], boundary: &str) -> (Node, BTreeMap<String, Vec<u8>>) {
    let mark = format!("--{boundary}").into_bytes();
    let (mut payload, mut files) = (None, BTreeMap::new());
    let places: Vec<usize> = (0..body.len()).filter(|at| body[*at..].starts_with(&mark)).collect();
    for pair in places.windows(2) {
        let part = &body[pair[0] + mark.len() + 2..pair[1] - 2];
        let end = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let (head, content) = (String::from_utf8_lossy(&part[..end]).into_owned(), &part[end + 4..]);
        let named = |key: &str| {
            head.split_once(&format!("{key}=\"")).map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
        };
        match named("filename") {
            Some(path) => drop(files.insert(path, content.to_vec())),
            None => payload = Some(json::parse(std::str::from_utf8(content).unwrap()).unwrap()),
        }
    }
    (payload.unwrap(), files)
}
