//! The v1 API of ClawHub, as its real CLI needs it: addresses here, answers in the files below. Weft's additions are keys
//! and routes that the real CLI does not know and leaves alone.

mod card;
pub(super) mod community;
pub(super) mod files;
mod list;
mod log;
pub(super) mod manage;
mod moderate;
mod security;
pub(super) mod show;
mod skill;
mod transfer;
mod upload;

use super::call::{Call, object};
use super::http::Method::{Delete, Get, Post};
use super::limit::Kind;
use super::refusal::Answer;
use super::routes::{Auth, MINE, READ, Route, SLOW, Take, WRITE, route};

const DOWNLOAD: (Kind, Take, Auth) = (Kind::Download, Take::Now, Auth::Anybody);
const MODERATE: (Kind, Take, Auth) = (Kind::Write, Take::Json, Auth::Moderator);
const POST_OPEN: (Kind, Take, Auth) = (Kind::Read, Take::Json, Auth::Anybody);
const EXPORT: (Kind, Take, Auth) = (Kind::Export, Take::Work, Auth::User);
const UPLOAD: (Kind, Take, Auth) = (Kind::Write, Take::File, Auth::User);
const PUBLISH: (Kind, Take, Auth) = (Kind::Write, Take::Skill, Auth::User);

/// Words that stand in the place of a skill's name come before the name.
pub const ROUTES: &[Route] = &[
    route(Get, "/api/v1/whoami", MINE, whoami, "Whose token this is"),
    route(Get, "/api/v1/search", SLOW, list::search, "Skills that fit a query, best first"),
    route(Get, "/api/v1/skills", READ, list::skills, "All skills, a page at a time, in an order"),
    route(Get, "/api/v1/packages", READ, list::no_items, "Packages: none, this registry keeps skills"),
    route(Get, "/api/v1/code-plugins", READ, list::no_items, "Plugins: none"),
    route(Get, "/api/v1/bundle-plugins", READ, list::no_items, "Plugins: none"),
    route(Get, "/api/v1/packages/search", READ, list::no_results, "Packages that fit a query: none"),
    route(Get, "/api/v1/trending", READ, list::trending, "What is taken and liked most of late"),
    route(
        Get,
        "/api/v1/skills/catalog",
        SLOW,
        list::catalog,
        "What changed since a time, disappearances included",
    ),
    route(Get, "/api/v1/skills/export", EXPORT, files::export, "The packages of many skills in one zip"),
    route(
        Get,
        "/api/v1/resolve",
        READ,
        files::resolve,
        "Which version has this fingerprint, and which is the latest",
    ),
    route(Get, "/api/v1/skills/resolve", READ, files::resolve, "As /api/v1/resolve"),
    route(Get, "/api/v1/download", DOWNLOAD, files::download, "The package of a version, a zip"),
    route(
        Post,
        "/api/v1/skills",
        PUBLISH,
        upload::publish,
        "Publish a version: uploaded files, or multipart",
    ),
    route(Post, "/api/v1/skills/-/upload-url", WRITE, upload::ticket, "Announce a file of a version"),
    route(Post, "/api/v1/skills/-/upload/{ticket}", UPLOAD, upload::file, "Send an announced file"),
    route(
        Post,
        "/api/v1/skills/-/security-verdicts",
        POST_OPEN,
        security::verdicts,
        "What the scan says of many versions",
    ),
    route(Post, "/api/v1/skills/-/scan", WRITE, security::submit, "Ask for the scan of a published version"),
    route(
        Get,
        "/api/v1/skills/-/scan/download/{slug}",
        SLOW,
        security::download_latest,
        "The scan of a version, a zip",
    ),
    route(Get, "/api/v1/skills/-/scan/{id}", SLOW, security::status, "The scan that was asked for"),
    route(Get, "/api/v1/skills/-/scan/{id}/download", SLOW, security::download, "The same as a zip"),
    route(
        Get,
        "/api/v1/skills/-/reports",
        (Kind::Read, Take::Now, Auth::Moderator),
        moderate::reports,
        "Reports, newest first",
    ),
    route(Post, "/api/v1/skills/-/reports/{id}/triage", MODERATE, moderate::triage, "Decide about a report"),
    route(
        Get,
        "/api/v1/skills/-/appeals",
        (Kind::Read, Take::Now, Auth::Moderator),
        moderate::appeals,
        "Appeals, newest first",
    ),
    route(
        Post,
        "/api/v1/skills/-/appeals/{id}/resolve",
        MODERATE,
        moderate::resolve,
        "Decide about an appeal",
    ),
    route(Get, "/api/v1/skills/{slug}", READ, skill::skill, "A skill"),
    route(Get, "/api/v1/skills/{slug}/versions", READ, skill::versions, "Its versions, newest first"),
    route(
        Get,
        "/api/v1/skills/{slug}/versions/{version}",
        READ,
        skill::version,
        "A version: its files and its signature",
    ),
    route(Get, "/api/v1/skills/{slug}/file", SLOW, files::file, "One file of a version"),
    route(
        Get,
        "/api/v1/skills/{slug}/install",
        READ,
        files::install,
        "How the latest version is to be installed",
    ),
    route(Get, "/api/v1/skills/{slug}/verify", SLOW, security::verify, "May a version be trusted, and why"),
    route(
        Get,
        "/api/v1/skills/{slug}/card",
        SLOW,
        card::card,
        "What the registry knows of a version, to read",
    ),
    route(Get, "/api/v1/skills/{slug}/scan", SLOW, security::scan, "What the scan said of a version"),
    route(
        Get,
        "/api/v1/skills/{slug}/moderation",
        READ,
        moderate::moderation,
        "What moderation says of a skill",
    ),
    route(Delete, "/api/v1/skills/{slug}", WRITE, manage::delete, "Take a skill away from others"),
    route(Post, "/api/v1/skills/{slug}/undelete", WRITE, manage::undelete, "Give it back"),
    route(
        Delete,
        "/api/v1/skills/{slug}/versions/{version}",
        WRITE,
        manage::withdraw,
        "Take one version away",
    ),
    route(Post, "/api/v1/skills/{slug}/versions/{version}/restore", WRITE, manage::restore, "Give it back"),
    route(Post, "/api/v1/skills/{slug}/tags/{tag}", WRITE, manage::tag, "Point a tag at a version"),
    route(
        Post,
        "/api/v1/skills/{slug}/rename",
        WRITE,
        manage::rename,
        "Another name; the old one leads there",
    ),
    route(
        Post,
        "/api/v1/skills/{slug}/merge",
        WRITE,
        manage::merge,
        "Make it a name for another skill of the owner",
    ),
    route(Post, "/api/v1/skills/{slug}/transfer", WRITE, transfer::ask, "Offer it to another owner"),
    route(Post, "/api/v1/skills/{slug}/transfer/accept", WRITE, transfer::accept, "Take what was offered"),
    route(Post, "/api/v1/skills/{slug}/transfer/reject", WRITE, transfer::reject, "Do not take it"),
    route(Post, "/api/v1/skills/{slug}/transfer/cancel", WRITE, transfer::cancel, "Offer it no longer"),
    route(Get, "/api/v1/transfers/incoming", MINE, transfer::incoming, "What was offered to whoever asks"),
    route(Get, "/api/v1/transfers/outgoing", MINE, transfer::outgoing, "What whoever asks has offered"),
    route(
        Post,
        "/api/v1/skills/{slug}/report",
        WRITE,
        community::report,
        "Tell the moderators about a skill",
    ),
    route(Post, "/api/v1/skills/{slug}/appeal", WRITE, community::appeal, "Object to a moderation"),
    route(Post, "/api/v1/stars/{slug}", WRITE, community::star, "Star a skill"),
    route(Delete, "/api/v1/stars/{slug}", WRITE, community::unstar, "Take the star back"),
    route(Post, "/api/v1/publishers", WRITE, community::publisher, "Make an organisation"),
    route(
        Post,
        "/api/v1/publishers/{handle}/members",
        WRITE,
        community::member,
        "Add a member to it, or take one out",
    ),
    route(Get, "/api/v1/publishers/{handle}", READ, list::publisher, "A publisher and its skills"),
    route(Post, "/api/v1/letters", WRITE, community::letter, "Publish a rotation or revocation of a key"),
    route(Get, "/api/v1/log/checkpoint", READ, log::checkpoint, "The newest signed checkpoint of the log"),
    route(Get, "/api/v1/log/proof", SLOW, log::proof, "Proof that an event is in the log (RFC 9162)"),
    route(
        Get,
        "/api/v1/log/consistency",
        SLOW,
        log::consistency,
        "Proof that the log was only appended to (RFC 9162)",
    ),
    route(Get, "/api/v1/log/events", SLOW, log::events, "Events; of private ones the leaf's hash"),
    // What older programs call the same.
    route(Post, "/api/cli/telemetry/install", WRITE, community::installed, "A version was installed"),
    route(Get, "/api/search", SLOW, list::search, "As /api/v1/search"),
    route(Get, "/api/skill", READ, skill::by_query, "As /api/v1/skills/{slug}, with ?slug="),
    route(Get, "/api/skill/resolve", READ, files::resolve, "As /api/v1/resolve"),
    route(Get, "/api/download", DOWNLOAD, files::download, "As /api/v1/download"),
    route(Get, "/api/cli/whoami", MINE, whoami, "As /api/v1/whoami"),
    route(Post, "/api/cli/upload-url", WRITE, upload::legacy_ticket, "A place for one upload"),
    route(Post, "/api/cli/publish", PUBLISH, upload::publish, "As POST /api/v1/skills"),
    route(Post, "/api/cli/skill/delete", WRITE, manage::delete_by_body, "As DELETE /api/v1/skills/{slug}"),
    route(
        Post,
        "/api/cli/skill/undelete",
        WRITE,
        manage::undelete_by_body,
        "As POST /api/v1/skills/{slug}/undelete",
    ),
];

fn whoami(call: &mut Call) -> Answer {
    let who = call.who()?;
    let state = call.app.state();
    let account = state.account(who.account);
    Ok(object(|w| {
        w.key("user")?.object(|w| {
            w.field("handle", &who.handle)?;
            w.field("displayName", account.map_or("", |account| &account.name))?;
            w.key("image")?.null()?;
            w.field("role", who.role.as_str())
        })
    }))
}
