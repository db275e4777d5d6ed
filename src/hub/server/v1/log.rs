//! The log, for whoever does not want to take the registry's word for it. The answers are the store's.

use crate::hub::server::call::Call;
use crate::hub::server::http::Response;
use crate::hub::server::refusal::{Answer, Refusal};

fn number(call: &Call, name: &str) -> Result<Option<u64>, Refusal> {
    match call.query(&[name]) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Refusal::bad(format!("Invalid {name}"))),
    }
}

fn needed(call: &Call, name: &str) -> Result<u64, Refusal> {
    number(call, name)?.ok_or_else(|| Refusal::bad(format!("Missing {name}")))
}

pub fn checkpoint(call: &mut Call) -> Answer {
    Ok(Response::json(200, call.app.store.checkpoint_json()))
}

pub fn proof(call: &mut Call) -> Answer {
    let store = &call.app.store;
    let index = needed(call, "index")?;
    let size = number(call, "size")?.unwrap_or_else(|| store.checkpoint().size);
    let proof = store.proof_json(index, size, None)?;
    proof
        .map(|bytes| Response::json(200, bytes))
        .ok_or_else(|| Refusal::missing("No such event in a log of that size"))
}

pub fn consistency(call: &mut Call) -> Answer {
    let store = &call.app.store;
    let from = needed(call, "from")?;
    let to = number(call, "to")?.unwrap_or_else(|| store.checkpoint().size);
    let proof = store.consistency_json(from, to);
    proof
        .map(|bytes| Response::json(200, bytes))
        .ok_or_else(|| Refusal::missing("The log did not have these two sizes"))
}

pub fn events(call: &mut Call) -> Answer {
    let from = number(call, "from")?.unwrap_or(0);
    let limit = call.number("limit", 100, 1000)?;
    Ok(Response::json(200, call.app.store.events_json(from, limit as u64)?))
}
