//! Addresses that only exist decoded: a reader of the skill does not see where something goes.

use super::{Doc, Raise};
use crate::scan::examine::HIDING;

pub fn check(doc: &Doc, raise: &mut Raise) {
    for layer in &doc.layers {
        let text = layer.text.trim();
        let whole = (text.starts_with("http://") || text.starts_with("https://"))
            && text.len() <= 300
            && !text.contains(char::is_whitespace)
            && text.split("://").nth(1).is_some_and(|rest| rest.contains('.'));
        if whole && layer.chain.iter().any(|c| HIDING.contains(c)) {
            raise("encoded-address", layer.origin.clone(), Some(format!("it reads {text}")));
        }
    }
}
