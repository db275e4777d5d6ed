//! The little HTML that matters for hiding text: comments, elements styled away, attributes that a page does not show.
//! Not a parser of documents: no tree, one forward pass.

use super::Cutter;
use crate::rules::{Lang, Place};
use memchr::{memchr, memmem};
use std::ops::Range;

/// The longest tag that is read; a longer one is text.
const MAX_TAG: usize = 4096;

/// One opening tag.
pub(super) struct Tag<'a> {
    pub name: &'a str,
    /// One past its `>`.
    pub end: usize,
    /// A page does not show what stands in the element.
    pub hidden: bool,
    /// The element has no content: `<img …>`, `<br/>`.
    pub void: bool,
    /// Values of attributes that are text but not shown: `alt`, `title`, `content` of `meta`.
    pub texts: Vec<Range<usize>>,
}

/// Cuts an HTML file: comments and hidden elements, scripts, styles.
pub(super) fn cut(text: &str, cutter: &mut Cutter) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut comments = Comments::default();
    while let Some(i) = memchr(b'<', &bytes[at..]) {
        let start = at + i;
        at = start + 1;
        if bytes[start..].starts_with(b"<!--") {
            // A browser hides everything after a comment that does not end.
            let end = comments.end(text, start).unwrap_or(text.len());
            cutter.put(start..end, Place::Hidden, Lang::Html);
            at = end;
        } else if let Some(tag) = tag(text, start) {
            at = put_element(text, start, &tag, Place::Script, cutter);
        }
    }
}

/// Puts what `tag` hides or holds, and says where to go on.
pub(super) fn put_element(text: &str, start: usize, tag: &Tag, code: Place, cutter: &mut Cutter) -> usize {
    let is = |name: &str| tag.name.eq_ignore_ascii_case(name);
    if is("script") || is("style") {
        let end = content_end(text, tag);
        let lang = if is("style") {
            Lang::Css
        } else if text[start..tag.end].contains("json") {
            Lang::Json
        } else {
            Lang::JavaScript
        };
        cutter.put(tag.end..end, code, lang);
        return end;
    }
    if tag.hidden {
        let end = if tag.void { tag.end } else { content_end(text, tag) };
        cutter.put(start..end, Place::Hidden, Lang::Html);
        return end;
    }
    for range in &tag.texts {
        cutter.put(range.clone(), Place::Hidden, Lang::Html);
    }
    tag.end
}

/// Finds the ends of comments, and remembers that there is none, so that unterminated ones cost one search in all.
#[derive(Default)]
pub(super) struct Comments {
    none_after: Option<usize>,
}

impl Comments {
    /// One past the `-->` of the comment that starts at `start`.
    pub fn end(&mut self, text: &str, start: usize) -> Option<usize> {
        let from = start + 4;
        if self.none_after.is_some_and(|i| from >= i) {
            return None;
        }
        // `<!-->` and `<!--->` are whole comments.
        let rest = &text.as_bytes()[from..];
        if rest.starts_with(b">") {
            return Some(from + 1);
        }
        let found = memmem::find(rest, b"-->").map(|i| from + i + 3);
        if found.is_none() {
            self.none_after = Some(from);
        }
        found
    }
}

/// Reads the opening tag at `start` (a `<`), if it is one.
pub(super) fn tag(text: &str, start: usize) -> Option<Tag<'_>> {
    let bytes = text.as_bytes();
    let limit = bytes.len().min(start + MAX_TAG);
    let name_start = start + 1;
    let mut i = name_start;
    if !bytes.get(i)?.is_ascii_alphabetic() {
        return None;
    }
    while i < limit && (bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'-' | b':')) {
        i += 1;
    }
    let name = &text[name_start..i];
    let mut tag = Tag {
        name,
        end: 0,
        hidden: name.eq_ignore_ascii_case("template"),
        void: is_void(name),
        texts: Vec::new(),
    };
    if i < limit && !(bytes[i].is_ascii_whitespace() || matches!(bytes[i], b'>' | b'/')) {
        return None;
    }
    let mut style_colour = false;
    loop {
        while i < limit && (bytes[i].is_ascii_whitespace() || bytes[i] == b'/') {
            tag.void |= bytes[i] == b'/' && bytes.get(i + 1) == Some(&b'>');
            i += 1;
        }
        if i >= limit || bytes[i] == b'<' {
            return None;
        }
        if bytes[i] == b'>' {
            tag.end = i + 1;
            tag.hidden |= style_colour;
            return Some(tag);
        }
        let key = i;
        while i < limit
            && !(bytes[i].is_ascii_whitespace()
                || matches!(bytes[i], b'=' | b'>' | b'/' | b'<' | b'"' | b'\''))
        {
            i += 1;
        }
        let key = key..i;
        let mut j = i;
        while j < limit && bytes[j].is_ascii_whitespace() {
            j += 1;
        }
        let mut value = i..i;
        if j < limit && bytes[j] == b'=' {
            j += 1;
            while j < limit && bytes[j].is_ascii_whitespace() {
                j += 1;
            }
            match bytes.get(j) {
                Some(&quote @ (b'"' | b'\'')) => {
                    let end = memchr(quote, &bytes[j + 1..limit])?;
                    value = j + 1..j + 1 + end;
                    i = value.end + 1;
                }
                _ => {
                    let from = j;
                    while j < limit && !(bytes[j].is_ascii_whitespace() || matches!(bytes[j], b'>' | b'<')) {
                        j += 1;
                    }
                    value = from..j;
                    i = j;
                }
            }
        } else if key.is_empty() {
            // A stray quote.
            i += 1;
            continue;
        }
        // Cut at the limit, a range may end within a character: then there is no tag either.
        let (key, text_value) = (text.get(key)?, text.get(value.clone())?);
        attribute(&mut tag, key, text_value, value, &mut style_colour);
    }
}

fn attribute<'a>(tag: &mut Tag<'a>, key: &str, value: &str, range: Range<usize>, pale: &mut bool) {
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    if is("hidden") {
        tag.hidden |= !value.eq_ignore_ascii_case("false");
    } else if is("style") {
        tag.hidden |= style_hides(value);
    } else if is("class") {
        let hiding = ["hidden", "sr-only", "visually-hidden", "d-none", "invisible"];
        tag.hidden |= value.split_ascii_whitespace().any(|c| hiding.contains(&c));
    } else if is("color") && tag.name.eq_ignore_ascii_case("font") {
        *pale |= is_pale(&value.to_ascii_lowercase());
    } else if is("type") && tag.name.eq_ignore_ascii_case("input") {
        tag.hidden |= value.eq_ignore_ascii_case("hidden");
    } else if is("alt")
        || is("title")
        || is("aria-label")
        || (is("content") && tag.name.eq_ignore_ascii_case("meta"))
    {
        tag.texts.push(range);
    }
}

fn is_void(name: &str) -> bool {
    ["img", "br", "hr", "input", "meta", "link", "source", "area", "base", "col", "embed", "wbr"]
        .iter()
        .any(|v| name.eq_ignore_ascii_case(v))
}

/// Does the inline style make the element invisible?
fn style_hides(style: &str) -> bool {
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let mut background = false;
    let mut pale = false;
    for declaration in style.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.trim_end_matches("!important");
        // Zero in any unit; `0.9em` is not.
        let zero = || {
            let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
            digits.contains('0') && digits.bytes().all(|b| matches!(b, b'0' | b'.'))
        };
        let far =
            || value.starts_with('-') && value.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len() >= 5;
        let hides = match name {
            "display" => value == "none",
            "visibility" => value == "hidden" || value == "collapse",
            "font-size" => zero() || value == "1px",
            "opacity" | "max-height" | "max-width" => zero(),
            "left" | "top" | "right" | "text-indent" | "margin-left" | "margin-top" => far(),
            "clip" => value.starts_with("rect(0") || value.starts_with("rect(1px"),
            _ => false,
        };
        if hides {
            return true;
        }
        background |= name.starts_with("background") && !is_pale(value);
        pale |= name == "color" && is_pale(value);
    }
    pale && !background
}

/// Colours that vanish on the white of a page.
fn is_pale(colour: &str) -> bool {
    let white = ["white", "#fff", "#ffffff", "#ffff", "#ffffffff", "#fefefe", "transparent", "snow", "ivory"];
    white.contains(&colour)
        || colour.starts_with("rgb(255,255,255")
        || colour.starts_with("rgba(255,255,255")
        || colour.starts_with("rgba(0,0,0,0)")
}

/// One past the closing tag of the element that `tag` opens, nested ones of its name counted; the end of the text
/// if it is never closed, as a browser would have it.
fn content_end(text: &str, tag: &Tag) -> usize {
    let bytes = text.as_bytes();
    let name = tag.name.as_bytes();
    let mut depth = 1usize;
    let mut at = tag.end;
    while let Some(i) = memchr(b'<', &bytes[at..]) {
        let start = at + i;
        let closing = bytes.get(start + 1) == Some(&b'/');
        let from = start + 1 + usize::from(closing);
        at = start + 1;
        let names = bytes.get(from..from + name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name))
            && bytes.get(from + name.len()).is_none_or(|b| !b.is_ascii_alphanumeric());
        if !names {
            continue;
        }
        if closing {
            depth -= 1;
            if depth == 0 {
                return memchr(b'>', &bytes[from..]).map_or(bytes.len(), |i| from + i + 1);
            }
        } else if !name.eq_ignore_ascii_case(b"script") && !name.eq_ignore_ascii_case(b"style") {
            depth += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_that_hide_are_told_from_styles_that_do_not() {
        for style in [
            "display:none",
            "DISPLAY : none !important",
            "visibility:hidden",
            "font-size:0",
            "font-size: 0px",
            "opacity:0.0",
            "color:#fff",
            "color: white; background: white",
            "position:absolute;left:-9999px",
            "text-indent:-9999px",
        ] {
            assert!(style_hides(style), "{style}");
        }
        for style in [
            "display:block",
            "font-size:0.9em",
            "opacity:0.5",
            "color:#fff;background:#000",
            "left:-5px",
            "background-color:white",
        ] {
            assert!(!style_hides(style), "{style}");
        }
    }

    #[test]
    fn tags_are_read_with_their_attributes() {
        let tag_of = |text| tag(text, 0).unwrap();
        assert!(tag_of("<div hidden>x</div>").hidden);
        assert!(tag_of("<p class='a sr-only' >").hidden);
        assert!(tag_of("<font color=white>").hidden);
        assert!(!tag_of("<div data-hidden=\"no\">").hidden);
        let t = "<img src=a.png alt=\"read > this\">";
        assert_eq!(&t[tag_of(t).texts[0].clone()], "read > this");
        assert_eq!(tag_of(t).end, t.len());
        assert!(tag("<3 hidden>", 0).is_none());
        assert!(tag("<a <b", 0).is_none());
        assert!(tag("< b>", 0).is_none());
    }
}
