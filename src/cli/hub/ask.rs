//! How the commands of `weft hub` that change something reach the hub: through the socket of the one that serves the folder,
//! else by opening the folder. Both end in `hub::server::admin`.

use super::told;
use crate::cli::error::Failure;
use crate::cli::term::say;
use crate::hub::server::limit::Rates;
use crate::hub::server::store::{Store, admin};
use crate::hub::server::{self, App, Settings};
use crate::json::{self, Node, Writer};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Does a command, with the members that `fill` writes; gives the answer, which is a yes.
pub fn ask(
    dir: &Path,
    command: &str,
    fill: &mut dyn FnMut(&mut Writer) -> io::Result<()>,
) -> Result<Node, Failure> {
    let mut line = Vec::new();
    // Writing to memory does not fail.
    let _ = Writer::new(&mut line).object(|w| {
        w.field("command", command)?;
        fill(w)
    });
    let line = String::from_utf8_lossy(&line).into_owned();
    let answer = match admin::call(dir, &line).map_err(told)? {
        Some(answer) => answer,
        None => alone(dir, &line)?,
    };
    let at = || dir.display().to_string();
    let node = json::parse(&answer)
        .map_err(|error| Failure::usage(format!("the hub's answer is not JSON: {error}"), at(), ""))?;
    match node.get("ok").and_then(Node::as_bool) {
        Some(true) => Ok(node),
        _ => {
            let why = node.get("error").and_then(Node::as_str).unwrap_or("the hub refuses");
            Err(Failure::usage(why, "", ""))
        }
    }
}

/// No hub is serving this folder: it is opened for one command.
fn alone(dir: &Path, line: &str) -> Result<String, Failure> {
    let (store, opened) = Store::open(dir).map_err(told)?;
    opened.remarks.iter().for_each(|remark| say(remark));
    let settings =
        Settings { public_url: None, spool: store.spool(), rates: Rates::default(), still: false, log: say };
    let app = App::open(Arc::new(store), settings).map_err(told)?;
    Ok(server::admin::command(&app, line))
}

/// A string of an answer.
pub fn word<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

/// A list of an answer.
pub fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::as_array).unwrap_or_default()
}
