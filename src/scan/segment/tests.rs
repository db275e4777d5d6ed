use super::*;

/// Every segment but prose, as `place:lang:text`.
fn cut(text: &str) -> Vec<String> {
    let segments = segment(text, Place::Prose, Lang::Unknown);
    check(text, &segments);
    segments
        .iter()
        .filter(|s| s.place != Place::Prose)
        .map(|s| format!("{}:{}:{}", s.place.as_str(), s.lang.as_str(), &text[s.range.clone()]))
        .collect()
}

fn check(text: &str, segments: &[Segment]) {
    let mut at = 0;
    for s in segments {
        assert_eq!(s.range.start, at, "gap or overlap in {text:?}");
        assert!(s.range.end > at);
        assert!(text.is_char_boundary(s.range.end), "{:?} in {text:?}", s.range);
        at = s.range.end;
    }
    assert_eq!(at, text.len());
}

#[test]
fn frontmatter_in_every_spelling() {
    assert_eq!(cut("---\nname: a\n---\nHi"), ["frontmatter:yaml:---\nname: a\n---\n"]);
    assert_eq!(
        cut("\u{feff}---\r\nname: a\r\n---\r\nHi"),
        ["frontmatter:yaml:\u{feff}---\r\nname: a\r\n---\r\n"]
    );
    assert_eq!(cut("+++\na = 1\n+++\nHi"), ["frontmatter:toml:+++\na = 1\n+++\n"]);
    assert_eq!(cut("---\nname: a\n  more\n\n# Title\nBody"), ["frontmatter:yaml:---\nname: a\n  more\n"]);
    assert!(cut("---\n\nJust a line above.\n").is_empty());
    assert!(cut("Hi\n---\nname: a\n---\n").is_empty());
}

#[test]
fn fences_of_all_kinds() {
    assert_eq!(cut("a\n```bash\nls\n```\nb"), ["fence:shell:ls\n"]);
    assert_eq!(cut("~~~~python\n~~~\nx = 1\n~~~~\nb"), ["fence:python:~~~\nx = 1\n"]);
    assert_eq!(cut("````md\n```\nx\n```\n````\nb"), ["fence:text:```\nx\n```\n"]);
    assert_eq!(cut("> ```sh\n> ls\n> ```\nb"), ["fence:shell:> ls\n"]);
    assert_eq!(cut("> ```sh\n> ls\nout"), ["fence:shell:> ls\n"]);
    assert_eq!(cut("1. do\n   ```sh\n   ls\n   ```\n2. b"), ["fence:shell:   ls\n"]);
    assert_eq!(cut("- ```sh\n  ls\n  ```\n"), ["fence:shell:  ls\n"]);
    assert_eq!(cut("```\ncurl https://a.b/c | sh"), ["fence:shell:curl https://a.b/c | sh"]);
    assert_eq!(cut("```js\r\nx()\r\n```\r\nb `c`"), ["fence:javascript:x()\r\n", "fence:unknown:c"]);
    assert!(cut("``` a ``` b\n").iter().all(|s| s.starts_with("fence:unknown")));
}

#[test]
fn indented_code_only_where_it_is_code() {
    assert_eq!(cut("Run:\n\n    pip install x\n\nDone"), ["fence:shell:    pip install x\n"]);
    assert!(cut("- item\n\n    continued text\n").is_empty());
    assert!(cut("text\n    lazy continuation\n").is_empty());
    assert!(cut("A\n\n    just a quotation of someone\n\nB").is_empty());
}

#[test]
fn code_spans_match_their_length() {
    assert_eq!(cut("use `a b` and ``c ` d``."), ["fence:unknown:a b", "fence:unknown:c ` d"]);
    assert!(cut("one ` alone\n\nand ` another").is_empty());
    assert_eq!(cut("over `two\nlines` ok"), ["fence:unknown:two\nlines"]);
    assert_eq!(cut(r"a \` b `c`"), ["fence:unknown:c"]);
}

#[test]
fn what_a_page_hides() {
    assert_eq!(cut("a <!-- do x --> b"), ["hidden:html:<!-- do x -->"]);
    assert_eq!(
        cut("<!-- do\n```\nx\n```\n--> b `c`"),
        ["hidden:html:<!-- do\n```\nx\n```\n-->", "fence:unknown:c"]
    );
    assert_eq!(cut("a\n<!-- no end\n# T\n"), ["hidden:html:<!-- no end\n# T\n"]);
    assert!(cut("write <!-- for a comment\n\nmore").is_empty());
    assert_eq!(
        cut("a <span style=\"display: none\">x <span>y</span> z</span> b"),
        ["hidden:html:<span style=\"display: none\">x <span>y</span> z</span>"]
    );
    assert_eq!(cut("![do this](a.png \"and that\")"), ["hidden:text:do this", "hidden:text:and that"]);
    assert_eq!(cut("[![badge](b.svg)](https://x.y 'click')"), ["hidden:text:badge", "hidden:text:click"]);
    assert_eq!(cut("[//]: # (secret words)\nb"), ["hidden:text:[//]: # (secret words)"]);
    assert_eq!(cut("[x]: https://a.b \"a title\"\n"), ["hidden:text:a title"]);
    assert_eq!(cut("<img src=x alt='look here'> b"), ["hidden:text:look here".replace("text", "html")]);
    assert!(cut("a < b and c > d, [x](y) and ]( z").is_empty());
}

#[test]
fn html_files_have_scripts_and_hidden_parts() {
    let text = "<html><script>run()</script><p hidden>a</p><b>c</b><!-- d";
    let segments = segment(text, Place::Prose, Lang::Html);
    check(text, &segments);
    let of = |p| segments.iter().filter(|s| s.place == p).map(|s| &text[s.range.clone()]).collect::<Vec<_>>();
    assert_eq!(of(Place::Script), ["run()</script>"]);
    assert_eq!(of(Place::Hidden), ["<p hidden>a</p>", "<!-- d"]);
}

#[test]
fn lines_and_headings() {
    assert_eq!(line_kind("  "), LineKind::Blank);
    assert_eq!(line_kind("## A"), LineKind::Heading);
    assert_eq!(line_kind("#tag"), LineKind::Other);
    assert_eq!(line_kind("| a | b |"), LineKind::TableRow);
    assert_eq!(line_kind("12) a"), LineKind::ListItem);
    assert_eq!(line_kind("> a"), LineKind::Quote);
    let text = "# One\n```sh\n# not one\nls\n```\ntext\nTwo\n===\nmore\n## Three ##\nend";
    let at = |what: &str| heading_at(text, text.find(what).unwrap());
    assert_eq!(at("ls"), Some("One"));
    assert_eq!(at("text"), Some("One"));
    assert_eq!(at("more"), Some("Two"));
    assert_eq!(at("end"), Some("Three"));
    assert_eq!(at("# One"), None);
}

/// A small generator, so that failures repeat.
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn segments_cover_whatever_the_text() {
    let pieces = [
        "---\n",
        "\n",
        "```",
        "```sh\n",
        "~~~",
        "`",
        "``",
        "<!--",
        "-->",
        "<p hidden>",
        "</p>",
        "<img alt=\"",
        "\"",
        "![",
        "](",
        "]",
        "\")",
        "> ",
        "- ",
        "    ",
        "\t",
        "1. ",
        "é",
        "\u{200b}",
        "\r\n",
        "[//]: # (",
        "text",
        "<script>",
        "a: b\n",
        "\\",
        "'",
        ">",
        "🦀",
        "=",
    ];
    let mut seed = 7;
    for _ in 0..4000 {
        let n = next(&mut seed) % 40;
        let text: String = (0..n).map(|_| pieces[next(&mut seed) % pieces.len()]).collect();
        for lang in [Lang::Unknown, Lang::Text, Lang::Html] {
            check(&text, &segment(&text, Place::Prose, lang));
        }
        heading_at(&text, text.len());
    }
}

#[test]
fn hostile_text_costs_linear_time() {
    for piece in [
        "<!--",
        "`",
        "``` ",
        "> ```\n",
        "<p hidden ",
        "<a \"",
        "![",
        "](",
        "![a](b \"",
        "- ",
        "> > ",
        "<div hidden><div>",
        "``` `\n",
        "[x]: y '\n",
    ] {
        let text = piece.repeat(400_000 / piece.len());
        let started = std::time::Instant::now();
        check(&text, &segment(&text, Place::Prose, Lang::Unknown));
        assert!(started.elapsed().as_millis() < 1500, "{piece:?} took {:?}", started.elapsed());
    }
}
