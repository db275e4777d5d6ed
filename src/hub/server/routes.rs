//! Which address leads to what: one table, from which the OpenAPI document is made too. Answering is `v1`'s, `contract`'s
//! and `device`'s.

use super::call::{Call, decoded};
use super::http::Method;
use super::limit::Kind;
use super::refusal::Answer;
use super::{contract, device, site, v1};

/// What becomes of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// There is none, and the answer comes from memory: at once.
    Now,
    /// There is none, but the answer takes its time.
    Work,
    /// JSON or a form, in memory.
    Json,
    /// One file of a skill.
    File,
    /// A skill: JSON that names uploaded files, or all of it as multipart.
    Skill,
    /// JSON with a package in it.
    Package,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    Anybody,
    /// Whoever has a token.
    User,
    Moderator,
}

/// An address and what it leads to.
pub struct Route {
    pub method: Method,
    /// `{name}` stands for one segment.
    pub path: &'static str,
    pub kind: Kind,
    pub take: Take,
    pub auth: Auth,
    pub run: fn(&mut Call) -> Answer,
    /// One line for the OpenAPI document.
    pub what: &'static str,
}

/// What a table line says.
pub const fn route(
    method: Method,
    path: &'static str,
    (kind, take, auth): (Kind, Take, Auth),
    run: fn(&mut Call) -> Answer,
    what: &'static str,
) -> Route {
    Route { method, path, kind, take, auth, run, what }
}

/// Shapes that most lines have.
pub const READ: (Kind, Take, Auth) = (Kind::Read, Take::Now, Auth::Anybody);
pub const SLOW: (Kind, Take, Auth) = (Kind::Read, Take::Work, Auth::Anybody);
pub const MINE: (Kind, Take, Auth) = (Kind::Read, Take::Now, Auth::User);
pub const WRITE: (Kind, Take, Auth) = (Kind::Write, Take::Json, Auth::User);

/// All tables.
pub const TABLES: [&[Route]; 4] = [v1::ROUTES, contract::ROUTES, device::ROUTES, site::ROUTES];

pub fn all() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// What an address leads to.
pub enum Found {
    Route(&'static Route, Vec<String>),
    /// There are routes for other methods.
    Methods(Vec<&'static str>),
    None,
}

/// The word of a method.
pub const fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
    }
}

/// Looks an address up. `path` begins with a slash and is as it came; each segment is decoded by itself, so that an
/// encoded slash stays in its segment.
pub fn find(method: Method, path: &str) -> Found {
    let method = if method == Method::Head { Method::Get } else { method };
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut others = Vec::new();
    for route in all() {
        let Some(params) = matches(route.path, &segments) else { continue };
        if route.method != method {
            others.push(word(route.method));
            continue;
        }
        // A segment that is no text is no name of anything.
        let Some(params) = params.into_iter().map(|param| decoded(param, false)).collect() else {
            return Found::None;
        };
        return Found::Route(route, params);
    }
    if others.is_empty() { Found::None } else { Found::Methods(others) }
}

fn matches<'p>(pattern: &str, segments: &[&'p str]) -> Option<Vec<&'p str>> {
    let mut params = Vec::new();
    let mut given = segments.iter();
    for wanted in pattern.trim_start_matches('/').split('/') {
        let segment = given.next()?;
        if wanted.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            params.push(*segment);
        } else if wanted != *segment {
            return None;
        }
    }
    given.next().is_none().then_some(params)
}
