//! Changes a policy's text at one place: an entry of a list taken out or put in, a value set. Comments, order and spelling of all else
//! stay. What cannot be changed so without doubt is an error, and the text stays as it is.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why the text is left as it is: words for a person.
pub type Why = &'static str;

const BY_HAND: Why = "it is written in a way that has to be changed by hand";

/// An entry of a list: where it stands, and its text, or for a table that of its `host`.
struct Entry {
    span: Range<usize>,
    text: String,
}

fn parse(text: &str) -> Result<DeTable<'_>, Why> {
    DeTable::parse(text).map(Spanned::into_inner).map_err(|_| "it would be no TOML any more")
}

fn member<'t, 'd>(table: &'t DeTable<'d>, name: &str) -> Option<&'t Spanned<DeValue<'d>>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

/// Where a list stands, and its entries.
type List = (Range<usize>, Vec<Entry>);

/// The list; none where there is no such key.
fn list(text: &str, table: &str, key: &str) -> Result<Option<List>, Why> {
    let top = parse(text)?;
    let Some(table) = member(&top, table) else { return Ok(None) };
    let DeValue::Table(table) = table.get_ref() else { return Err(BY_HAND) };
    let Some(value) = member(table, key) else { return Ok(None) };
    let DeValue::Array(array) = value.get_ref() else { return Err(BY_HAND) };
    let named = |value: &DeValue<'_>| match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Table(table) => {
            member(table, "host").and_then(|host| host.get_ref().as_str()).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    let entries = array.iter().map(|one| Entry { span: one.span(), text: named(one.get_ref()) }).collect();
    Ok(Some((value.span(), entries)))
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |at| at + 1)
}

/// Past the end of the line.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Nothing, or a comment.
fn is_rest(text: &str) -> bool {
    is_blank(text) || text.trim_start_matches([' ', '\t']).starts_with('#')
}

/// Takes out the entry that stands on this line (from 1) and is written so; `same` compares its text with what is looked for.
pub fn remove(
    text: &str,
    (table, key): (&str, &str),
    line: u32,
    same: &dyn Fn(&str) -> bool,
) -> Result<String, Why> {
    let (all, entries) = list(text, table, key)?.ok_or("it is not there any more")?;
    let number = |at: usize| text[..at].bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
    let on_line: Vec<&Entry> = entries.iter().filter(|entry| number(entry.span.start) == line).collect();
    let mut found = on_line.iter().filter(|entry| same(&entry.text));
    let entry = match (found.next(), found.next(), on_line.as_slice()) {
        (Some(entry), None, _) => entry,
        (None, None, [only]) => only,
        _ => return Err(BY_HAND),
    };
    let span = entry.span.clone();
    // A table with a header of its own, `[[network.allow]]`, is not in the brackets of a list.
    let inside = text.get(all.clone()).is_some_and(|list| list.starts_with('['))
        && !text.get(all.clone()).is_some_and(|list| list.starts_with("[["))
        && all.start < span.start
        && span.end < all.end;
    if !inside {
        return Err(BY_HAND);
    }
    let after = &text[span.end..all.end];
    let gap = after.len() - after.trim_start_matches([' ', '\t']).len();
    let comma = after[gap..].starts_with(',');
    let end = if comma { span.end + gap + 1 } else { span.end };
    let (start_of_line, end_of_line) = (line_start(text, span.start), line_end(text, end));
    let alone = is_blank(&text[start_of_line..span.start]) && is_rest(&text[end..end_of_line]);
    let cut = if alone && end_of_line < all.end {
        start_of_line..end_of_line
    } else if comma {
        let spaces = text[end..all.end].len() - text[end..all.end].trim_start_matches([' ', '\t']).len();
        // At the end of a line no space stays behind.
        let last = is_rest(&text[end..end_of_line]) && !is_blank(&text[start_of_line..span.start]);
        let start = if last { text[..span.start].trim_end_matches([' ', '\t']).len() } else { span.start };
        start..if last { end } else { end + spaces }
    } else {
        let before = text[..span.start].trim_end_matches([' ', '\t']);
        match before.ends_with(',') {
            true => before.len() - 1..end,
            false => span.start..end,
        }
    };
    let mut new = text.to_owned();
    new.replace_range(cut, "");
    let left = list(&new, table, key)?.ok_or(BY_HAND)?.1;
    let gone = left.len() + 1 == entries.len();
    let kept = entries
        .iter()
        .filter(|one| one.span != span)
        .map(|one| &one.text)
        .eq(left.iter().map(|one| &one.text));
    if gone && kept { Ok(new) } else { Err(BY_HAND) }
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Puts a text at the end of a list, which is made where it is not there.
pub fn add(text: &str, (table, key): (&str, &str), value: &str) -> Result<String, Why> {
    let quote = quoted(value);
    let new = match list(text, table, key)? {
        None => set(text, (table, key), &format!("[{quote}]"))?,
        Some((_, entries)) if entries.iter().any(|entry| entry.text == value) => {
            return Err("it is there already");
        }
        Some((all, _)) if !text.get(all.clone()).is_some_and(|list| list.starts_with('[')) => {
            return Err(BY_HAND);
        }
        Some((all, entries)) => {
            let mut new = text.to_owned();
            match entries.last() {
                None => {
                    let many = text[all.clone()].contains('\n');
                    let put = if many { format!("\n  {quote},") } else { quote };
                    new.insert_str(all.start + 1, &put);
                }
                Some(last) => {
                    let span = last.span.clone();
                    let after = &text[span.end..all.end];
                    let gap = after.len() - after.trim_start_matches([' ', '\t']).len();
                    let comma = after[gap..].starts_with(',');
                    let end = if comma { span.end + gap + 1 } else { span.end };
                    let (from, to) = (line_start(text, span.start), line_end(text, end));
                    let indent = &text[from..span.start];
                    if is_blank(indent) && is_rest(&text[end..to]) && to < all.end {
                        new.insert_str(to, &format!("{indent}{quote},\n"));
                        if !comma {
                            new.insert(span.end, ',');
                        }
                    } else {
                        new.insert_str(span.end, &format!(", {quote}"));
                    }
                }
            }
            new
        }
    };
    let there = list(&new, table, key)?.is_some_and(|(_, all)| all.iter().any(|entry| entry.text == value));
    if there { Ok(new) } else { Err(BY_HAND) }
}

/// Gives a key that is not there a value, in the form of TOML. The table is made where it is not there.
pub fn set(text: &str, (table, key): (&str, &str), value: &str) -> Result<String, Why> {
    let top = parse(text)?;
    let mut new = text.to_owned();
    match member(&top, table) {
        Some(found) => {
            let DeValue::Table(inner) = found.get_ref() else { return Err(BY_HAND) };
            if member(inner, key).is_some() {
                return Err("it is set already");
            }
            let mut at = 0;
            let header = text.split_inclusive('\n').find_map(|line| {
                let start = at;
                at += line.len();
                let plain = line.split('#').next().unwrap_or_default();
                let plain: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
                (plain == format!("[{table}]")).then_some(start + line.len())
            });
            let at = header.ok_or(BY_HAND)?;
            let line = format!("{key} = {value}\n");
            // A header that ends the file without a newline.
            let before = if text[..at].ends_with('\n') { "" } else { "\n" };
            new.insert_str(at, &format!("{before}{line}"));
        }
        None => {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(&format!("\n[{table}]\n{key} = {value}\n"));
        }
    }
    // In a text of several lines something may look like a header.
    let there = parse(&new).is_ok_and(|top| match member(&top, table).map(Spanned::get_ref) {
        Some(DeValue::Table(inner)) => member(inner, key).is_some(),
        _ => false,
    });
    if there { Ok(new) } else { Err(BY_HAND) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: (&str, &str) = ("process", "allow");

    fn without(text: &str, line: u32, what: &str) -> Result<String, Why> {
        remove(text, ALLOW, line, &|entry| entry == what)
    }

    #[test]
    fn an_entry_goes_and_all_else_stays() {
        let text = "# top\n[process] # p\nallow = [\n  # both are needed\n  \"a\", # the first\n  'b',  # the second\n  \"c\", \"d\"\n]\n# end\n";
        for (line, what, gone, left) in [
            (5, "a", "  \"a\", # the first\n", ""),
            (6, "b", "  'b',  # the second\n", ""),
            (7, "c", "\"c\", ", ""),
            (7, "d", ", \"d\"", ""),
        ] {
            assert_eq!(without(text, line, what).unwrap(), text.replace(gone, left), "{what}");
        }
        for (text, line, what, left) in [
            ("[process]\nallow = [\"a\", \"b\"]\n", 2, "a", "[process]\nallow = [\"b\"]\n"),
            ("[process]\nallow = [\"a\", \"b\"]\n", 2, "b", "[process]\nallow = [\"a\"]\n"),
            ("[process]\nallow = [\"a\"]\n", 2, "a", "[process]\nallow = []\n"),
            ("[process]\nallow = [\"a\" , ]\n", 2, "a", "[process]\nallow = []\n"),
            ("[process]\nallow = [\n\"a\", \"b\", # c\n]\n", 3, "b", "[process]\nallow = [\n\"a\", # c\n]\n"),
            ("process.allow = [\n  \"a\",\n  \"b\"\n]", 3, "b", "process.allow = [\n  \"a\",\n]"),
            ("[process]\nallow = [\n  \"a\"]\n", 3, "a", "[process]\nallow = [\n  ]\n"),
            // Another spelling, alone on its line.
            ("[process]\nallow = [\n\"~/x\",\n\"b\"]\n", 3, "/home/x", "[process]\nallow = [\n\"b\"]\n"),
        ] {
            assert_eq!(without(text, line, what).as_deref(), Ok(left), "{text}");
        }
        for (text, line, what) in [
            ("[process]\nallow = [\"a\", \"a\"]\n", 2, "a"),
            ("[process]\nallow = [\"a\", \"b\"]\n", 2, "c"),
            ("[process]\nallow = [\"a\"]\n", 3, "a"),
            ("[process]\n", 2, "a"),
            ("[process\n", 2, "a"),
            ("[[process.allow]]\nhost = 'a'\n", 1, "a"),
        ] {
            assert!(without(text, line, what).is_err(), "{text}");
        }
        let text = "[network]\nallow = [\n  { host = \"a.com\", ports = [1, 2] }, # one\n  { host = \"b.com\" },\n]\n";
        let left = remove(text, ("network", "allow"), 3, &|host| host == "a.com").unwrap();
        assert_eq!(left, "[network]\nallow = [\n  { host = \"b.com\" },\n]\n");
    }

    #[test]
    fn an_entry_comes_and_all_else_stays() {
        const DENY: (&str, &str) = ("filesystem", "deny");
        for (text, new) in [
            ("version = 1\n", "version = 1\n\n[filesystem]\ndeny = [\"~/x\"]\n"),
            ("version = 1", "version = 1\n\n[filesystem]\ndeny = [\"~/x\"]\n"),
            ("[filesystem] # f\nread = []\n", "[filesystem] # f\ndeny = [\"~/x\"]\nread = []\n"),
            ("[filesystem]", "[filesystem]\ndeny = [\"~/x\"]\n"),
            ("[filesystem]\ndeny = []\n", "[filesystem]\ndeny = [\"~/x\"]\n"),
            ("[filesystem]\ndeny = [\n # none\n]\n", "[filesystem]\ndeny = [\n  \"~/x\",\n # none\n]\n"),
            ("[filesystem]\ndeny = [\"a\"] # d\n", "[filesystem]\ndeny = [\"a\", \"~/x\"] # d\n"),
            ("[filesystem]\ndeny = [\"a\", ]\n", "[filesystem]\ndeny = [\"a\", \"~/x\", ]\n"),
            (
                "[filesystem]\ndeny = [\n\t\"a\" # last\n]\n",
                "[filesystem]\ndeny = [\n\t\"a\", # last\n\t\"~/x\",\n]\n",
            ),
            (
                "[filesystem]\ndeny = [\n  \"a\",\n  # end\n]\n",
                "[filesystem]\ndeny = [\n  \"a\",\n  \"~/x\",\n  # end\n]\n",
            ),
            ("[filesystem]\ndeny = [\n  \"a\"]\n", "[filesystem]\ndeny = [\n  \"a\", \"~/x\"]\n"),
            ("filesystem.deny = ['a']\n", "filesystem.deny = ['a', \"~/x\"]\n"),
        ] {
            assert_eq!(add(text, DENY, "~/x").as_deref(), Ok(new), "{text}");
        }
        for text in [
            "filesystem = { read = [] }\n",
            "filesystem.read = []\n",
            "[filesystem]\ndeny = ['~/x']\n",
            "[filesystem]\ndeny = 1\n",
            "x = '''\n[filesystem]\n'''\n[ filesystem ]\nread = [",
        ] {
            assert!(add(text, DENY, "~/x").is_err(), "{text}");
        }
        // Only what looks like a header.
        let text = "x = '''\n[filesystem]\n'''\n[filesystem]\nread = []\n";
        assert!(add(text, DENY, "~/x").is_err());
        assert_eq!(quoted("a\"\\\n"), "\"a\\\"\\\\\\u000A\"");
        assert!(set("[process]\nmax_processes = 3\n", ("process", "max_processes"), "512").is_err());
    }
}
