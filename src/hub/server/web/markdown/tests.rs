use super::render;

fn html(text: &str) -> String {
    render(text, "files/")
}

#[test]
fn blocks_are_what_they_look_like() {
    for (text, is) in [
        ("# One\n\ntwo\nthree\n", "<h2>One</h2>\n<p>two\nthree</p>\n"),
        ("One\n===\nTwo\n---\n", "<h2>One</h2>\n<h3>Two</h3>\n"),
        ("a\n\n---\nb\n", "<p>a</p>\n<hr>\n<p>b</p>\n"),
        ("```sh\nrm <x>\n```\n", "<pre><code class=\"language-sh\">rm &lt;x&gt;\n</code></pre>\n"),
        ("~~~\n```\n~~~\n", "<pre><code>```\n</code></pre>\n"),
        ("```\nnever closed", "<pre><code>never closed\n</code></pre>\n"),
        ("    code\n\n    more\n\ntext", "<pre><code>code\n\nmore\n</code></pre>\n<p>text</p>\n"),
        ("> a\nb\n\nc", "<blockquote>\n<p>a\nb</p>\n</blockquote>\n<p>c</p>\n"),
        ("- a\n- b\n", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("- a\n\n- b\n", "<ul>\n<li><p>a</p>\n</li>\n<li><p>b</p>\n</li>\n</ul>\n"),
        ("- a\n  - b\n- c", "<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n<li>c</li>\n</ul>\n"),
        ("3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>\n"),
        ("1. a\n   ```\n   x\n   ```\n", "<ol>\n<li>a\n<pre><code>x\n</code></pre>\n</li>\n</ol>\n"),
        ("text\n- item", "<p>text</p>\n<ul>\n<li>item</li>\n</ul>\n"),
        (
            "| a | b |\n|---|:-:|\n| `x|y` | 1 \\| 2 |\n",
            "<div class=\"scroll\"><table>\n<thead><tr><th>a</th><th>b</th></tr></thead>\n<tbody>\n<tr><td><code>x|y</code></td><td>1 | 2</td></tr>\n</tbody></table></div>\n",
        ),
        ("", ""),
        ("-\n", "<ul>\n<li></li>\n</ul>\n"),
    ] {
        assert_eq!(html(text), is, "{text}");
    }
}

#[test]
fn lines_are_what_they_look_like() {
    let link = |href: &str, shown: &str| {
        format!("<p><a rel=\"nofollow ugc noopener noreferrer\" href=\"{href}\">{shown}</a></p>\n")
    };
    for (text, is) in [
        (
            "*a* **b** ***c*** ~~d~~ _e_",
            "<p><em>a</em> <strong>b</strong> <strong><em>c</em></strong> <del>d</del> <em>e</em></p>\n"
                .to_owned(),
        ),
        ("snake_case_name 2*3*4", "<p>snake_case_name 2<em>3</em>4</p>\n".to_owned()),
        ("**open *and* on", "<p>**open <em>and</em> on</p>\n".to_owned()),
        ("`` a`b `` `c", "<p><code>a`b</code> `c</p>\n".to_owned()),
        ("a  \nb\\\nc", "<p>a<br>\nb<br>\nc</p>\n".to_owned()),
        ("\\*a\\* &amp; & &#65;", "<p>*a* &amp; &amp; &#65;</p>\n".to_owned()),
        ("[a *b*](https://x.example/?a=1&b=2 \"t\")", link("https://x.example/?a=1&amp;b=2", "a <em>b</em>")),
        ("[a](references/x.md)", link("files/references/x.md", "a")),
        ("<https://x.example>", link("https://x.example", "https://x.example")),
        ("[a][r]\n\n[r]: https://x.example", link("https://x.example", "a")),
        ("![pic](https://x.example/p.png)", link("https://x.example/p.png", "pic")),
        ("https://x.example/a_(b)", link("https://x.example/a_(b)", "https://x.example/a_(b)")),
    ] {
        assert_eq!(html(text), is, "{text}");
    }
}

/// Nothing that a text holds gets out as a tag or an address of its own.
#[test]
fn hostile_text_stays_text() {
    let attacks = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](java\tscript:alert(1))",
        "[a](javascript&#58;alert(1))",
        "[a](data:text/html,x)",
        "[a](//evil.example/x)",
        "[a](/device?approve)",
        "[a](../../x)",
        "[a](vbscript:x)",
        "[a](https://x.example/\"onmouseover=\"alert(1))",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n[a]",
        "```\"><script>\nx\n```",
        "```x\" onload=\"y\n```",
        "| <b> |\n|---|\n| <i onclick=x> |",
        "![x](javascript:alert(1))",
        "`<b>` **<b>** # <b>",
        "https://x.example/\"><script>",
        "\u{202e}gnp.exe",
    ];
    for attack in attacks {
        for text in [attack.to_owned(), format!("> - {attack}"), format!("# {attack}"), format!("*{attack}*")]
        {
            let page = html(&text);
            let mut rest = page.as_str();
            while let Some(at) = rest.find('<') {
                let tag = &rest[at..rest[at..].find('>').map(|end| at + end + 1).unwrap()];
                let plain = [
                    "p",
                    "h2",
                    "h3",
                    "ul",
                    "li",
                    "em",
                    "strong",
                    "code",
                    "pre",
                    "blockquote",
                    "table",
                    "thead",
                    "tbody",
                    "tr",
                    "td",
                    "th",
                    "/div",
                    "del",
                ];
                let known =
                    plain.iter().any(|name| tag == format!("<{name}>") || tag == format!("</{name}>"))
                        || ["</a>", "<div class=\"scroll\">", "<span class=\"hidden\">", "</span>"]
                            .contains(&tag)
                        || tag.starts_with("<code class=\"language-")
                        || tag.starts_with("<a rel=\"nofollow ugc noopener noreferrer\" href=\"");
                assert!(known, "{tag} from {text}");
                if tag.starts_with("<a") {
                    let href = tag.split("href=\"").nth(1).unwrap();
                    let fine =
                        ["https://", "http://", "mailto:", "files/"].iter().any(|to| href.starts_with(to));
                    assert!(fine && href.matches('"').count() == 1, "{tag} from {text}");
                }
                assert_eq!(tag.matches(" on").count(), 0, "{tag} from {text}");
                rest = &rest[at + tag.len()..];
            }
        }
    }
    assert!(!html("\u{202e}x").contains('\u{202e}'));
}

/// Texts made to take long: time is counted in marks looked at, by a bound on the text that comes out and by ending at all.
#[test]
fn long_texts_end() {
    for part in [
        "[", "](", "[](", "![", "*", "_a", "**a ", "`", "``a`", "> ", "- ", "1. ", "|", "<", "&", "[a](b[",
        "- a\n  ", "> - ", "~~", "\\", "http://", "[a]: b\n",
    ] {
        let text = part.repeat(200_000 / part.len());
        let page = html(&text);
        assert!(page.len() < 4_000_000, "{part}: {}", page.len());
    }
}
