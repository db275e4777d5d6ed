//! Enough of JSON Schema to check documents against the schemas in this repository: type, required, properties,
//! additionalProperties, items, enum, const, minimum, pattern-free strings, `$ref` into `$defs`.

use weft::json::{Node, Value};

/// Everything in `node` that the schema does not allow.
pub fn violations(schema: &Node, node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, node, "", &mut found);
    found
}

fn check(root: &Node, schema: &Node, node: &Node, at: &str, found: &mut Vec<String>) {
    if let Some(target) = schema.get("$ref").and_then(Node::as_str) {
        let name = target.strip_prefix("#/$defs/").expect("a reference into $defs");
        let definition = root.get("$defs").and_then(|defs| defs.get(name)).expect("a definition that exists");
        return check(root, definition, node, at, found);
    }
    if let Some(types) = schema.get("type") {
        let types: Vec<&str> = match types.as_array() {
            Some(list) => list.iter().filter_map(Node::as_str).collect(),
            None => types.as_str().into_iter().collect(),
        };
        let integral = kind(node) == "integer" && types.contains(&"number");
        if !integral && !types.contains(&kind(node)) {
            found.push(format!("{at}: {} instead of {types:?}", kind(node)));
            return;
        }
    }
    if let Some(only) = schema.get("const")
        && only.value != node.value
    {
        found.push(format!("{at}: not {:?}", only.value));
    }
    if let Some(list) = schema.get("enum").and_then(Node::as_array)
        && !list.iter().any(|allowed| allowed.value == node.value)
    {
        found.push(format!("{at}: {:?} is not in the list", node.value));
    }
    if let (Some(least), Some(number)) = (schema.get("minimum").and_then(Node::as_u64), node.as_u64())
        && number < least
    {
        found.push(format!("{at}: {number} is less than {least}"));
    }
    if let (Some(least), Some(text)) = (schema.get("minLength").and_then(Node::as_u64), node.as_str())
        && (text.len() as u64) < least
    {
        found.push(format!("{at}: too short"));
    }
    for (index, item) in node.as_array().unwrap_or_default().iter().enumerate() {
        if let Some(items) = schema.get("items") {
            check(root, items, item, &format!("{at}/{index}"), found);
        }
    }
    let Some(members) = node.as_object() else { return };
    for name in
        schema.get("required").and_then(Node::as_array).unwrap_or_default().iter().filter_map(Node::as_str)
    {
        if node.get(name).is_none() {
            found.push(format!("{at}: no {name:?}"));
        }
    }
    let closed = schema.get("additionalProperties").is_some_and(|extra| extra.value == Value::Bool(false));
    for (name, member) in members {
        match schema.get("properties").and_then(|properties| properties.get(name)) {
            Some(property) => check(root, property, member, &format!("{at}/{name}"), found),
            None if closed => found.push(format!("{at}: {name:?} is not in the schema")),
            None => {}
        }
    }
}

fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
