//! Where the references of a rule lead. Only well-known catalogues: a page is never guessed.

/// `CWE-200` → the page that describes it; a URL → itself; anything else → nothing.
pub fn url(reference: &str) -> Option<String> {
    let number = |prefix: &str| {
        let digits = reference.strip_prefix(prefix)?;
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')).then_some(digits)
    };
    if reference.starts_with("https://") {
        return Some(reference.to_owned());
    }
    if let Some(id) = number("CWE-") {
        return Some(format!("https://cwe.mitre.org/data/definitions/{id}.html"));
    }
    if number("AML.T").is_some() {
        return Some(format!("https://atlas.mitre.org/techniques/{reference}"));
    }
    if let Some(id) = number("T") {
        return Some(format!("https://attack.mitre.org/techniques/T{}/", id.replace('.', "/")));
    }
    if reference.starts_with("LLM") {
        return Some("https://genai.owasp.org/llm-top-10/".to_owned());
    }
    if reference.starts_with("ASI") {
        return Some("https://genai.owasp.org/initiatives/agentic-security-initiative/".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn known_catalogues_have_pages() {
        assert_eq!(url("CWE-78").as_deref(), Some("https://cwe.mitre.org/data/definitions/78.html"));
        assert_eq!(url("T1059.004").as_deref(), Some("https://attack.mitre.org/techniques/T1059/004/"));
        assert_eq!(url("AML.T0051").as_deref(), Some("https://atlas.mitre.org/techniques/AML.T0051"));
        assert_eq!(url("https://example.com/x").as_deref(), Some("https://example.com/x"));
        assert_eq!(url("Tuesday"), None);
        assert_eq!(url("javascript:x"), None);
    }
}
