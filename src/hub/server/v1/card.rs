//! The card of a version: what the registry knows of it, on a page of Markdown for people and agents to read. Nothing in it was
//! written by the publisher but names, so that it tells nobody what to do.

use super::show::{self, chosen, named};
use crate::digest::Sha256;
use crate::hub::server::call::Call;
use crate::hub::server::event::Release;
use crate::hub::server::http::Response;
use crate::hub::server::refusal::Answer;
use crate::hub::server::state::Version;
use crate::trust::Statement;

/// What it is called beside the files of a skill.
pub const PATH: &str = "skill-card.md";
pub const KIND: &str = "text/markdown; charset=utf-8";

pub fn text(owner: &str, version: &Version, release: &Release) -> String {
    let mut out = format!("# @{owner}/{} {}\n\n", release.slug, version.number);
    let mut fact = |what: &str, is: &str| out.push_str(&format!("- {what}: {is}\n"));
    fact("content hash", &format!("`{}`", version.content_hash));
    fact("package", &format!("`{}`, {} bytes", version.zip, version.zip_size));
    fact("files", &release.files.len().to_string());
    match Statement::parse(&release.statement).ok().filter(|_| version.is_signed()) {
        Some(statement) => {
            let key = statement.public_key.fingerprint();
            fact("signed by", &format!("the key `{key}`, publication {} of this skill", statement.seq));
        }
        None => fact("signed by", "nobody"),
    }
    fact("log entry", &version.index.to_string());
    let scan = match release.findings.len() {
        0 => "nothing found".to_owned(),
        count => format!("{count} of medium severity or less"),
    };
    fact("scan", &format!("weft {}: {scan}", release.scanner));
    for note in &release.findings {
        out.push_str(&format!("  - {} ({}), line {}\n", note.rule, note.severity, note.line));
    }
    for setup in release.setup.iter().filter(|setup| setup.required && is_plain(&setup.key)) {
        out.push_str(&format!("- needs: `{}`\n", setup.key));
    }
    out.push_str("\nA clean scan is no proof that a skill is harmless.\n");
    out
}

/// The name of a variable or a setting, and nothing that could be read as more.
fn is_plain(key: &str) -> bool {
    key.len() <= 80
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

pub fn card(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let (version, _) = chosen(skill, call.query(&["version"]), call.query(&["tag"]), false)?;
    let release = show::release(&call.app.store, version.span)?;
    let text = text(state.handle(skill.owner), version, &release);
    let sha256 = Sha256::of(text.as_bytes()).to_string();
    Ok(Response::new(200, KIND, text.into_bytes())
        .with("ETag", format!("\"{sha256}\""))
        .with("X-Content-SHA256", sha256)
        .with("Content-Disposition", "attachment; filename=\"skill-card.md\"")
        .with("Content-Security-Policy", "default-src 'none'; sandbox"))
}
