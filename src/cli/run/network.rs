//! What the egress tells, in words: for the log, and live for `--net-log`.

use crate::audit::Action;
use crate::egress::{Event, Kind};
use crate::scan::names;

/// How a connection went, for its entry in the log.
pub fn account(event: &Event) -> String {
    let address = event.address.map(|address| format!(", at {address}")).unwrap_or_default();
    format!(
        "{}{address}, {} bytes out, {} bytes in, {:.3} s",
        event.reason,
        event.sent,
        event.received,
        event.lasted.as_secs_f64()
    )
}

/// One line as it happens.
pub fn line(event: &Event) -> String {
    let verb = match event.action {
        Action::Resolve => "resolve",
        Action::Listen => "from",
        _ => "connect",
    };
    let what = match event.kind {
        Kind::Opened => format!("opened: {}", event.address.map(|at| at.to_string()).unwrap_or_default()),
        Kind::Closed => format!("closed: {}", account(event)),
        Kind::Refused => {
            let rule = event.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            format!("denied: {}{rule}", event.reason)
        }
        Kind::Untold => format!("{} more connections and refusals", event.sent),
    };
    format!("net: {verb} {} {what}", names::escape(event.target.as_bytes()))
}
