//! One JSON message from outside, as strict as it gets: a size, UTF-8, a depth, and no name twice in an object, because
//! of two values with one name the reader here and the one behind it could each take another.

use crate::json::{Node, Value, parse};
use std::io::{self, Read};

/// Larger messages are refused unread.
pub const MOST: usize = 4 * 1024 * 1024;

/// Everything there is to read, up to one byte more than a message may have.
pub fn all(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A message that is an object, or why it is none, as a sentence without its end.
pub fn read(bytes: &[u8]) -> Result<Node, String> {
    if bytes.len() > MOST {
        return Err(format!("the message is larger than {MOST} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the message is not UTF-8".to_owned())?;
    let node = parse(text).map_err(|error| format!("the message is not JSON: {error}"))?;
    if node.as_object().is_none() {
        return Err("the message is not a JSON object".to_owned());
    }
    match twice(&node) {
        Some(name) => Err(format!("the message has the name {name:?} twice in one object")),
        None => Ok(node),
    }
}

/// A name that stands twice in one object, at any depth.
pub fn twice(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Array(items) => items.iter().find_map(twice),
        Value::Object(members) => {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            crate::sort::plain(&mut names);
            let double = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
            double.or_else(|| members.iter().find_map(|(_, node)| twice(node)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_objects_are_messages() {
        for (text, why) in [
            (&b"{}"[..], None),
            (br#"{"a":{"b":1},"b":[{"b":2},{"b":3}]}"#, None),
            (br#"{"a":1,"a":2}"#, Some("\"a\" twice")),
            (br#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#, Some("\"a\" twice")),
            (b"[]", Some("not a JSON object")),
            (b"", Some("not JSON")),
            (b"{} {}", Some("not JSON")),
            (b"{\"a\":\xff}", Some("not UTF-8")),
        ] {
            let said = read(text);
            match why {
                None => assert!(said.is_ok(), "{said:?}"),
                Some(why) => assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{said:?}"),
            }
        }
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
        assert!(read(&vec![b' '; MOST + 1]).is_err_and(|said| said.contains("larger than")));
    }
}
