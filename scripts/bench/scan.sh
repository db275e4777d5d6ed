#!/bin/sh
# Measures the scanner: MB/s and files/s over a large generated tree, memory, and the time of one small skill. Each is
# shown beside a reference measured in the same run, for machines differ: `cat` of all the files, and /bin/true.
#
# Usage: scripts/bench/scan.sh [path of weft]   (default: target/release/weft). Needs python3 and a minute.
set -eu
weft=${1:-target/release/weft}
[ -x "$weft" ] || { echo "scan.sh: $weft: not built: cargo build --release" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$work" <<'PY'
# The tree: the same for everybody, from a fixed seed. Prose, code and configuration in the proportions of skills.
import pathlib, random, sys
out, rng = pathlib.Path(sys.argv[1]), random.Random(20260101)
words = """the a of to and in for with from that this is are be when which each file files list value values name user data
page report table row column note notes task plan step result results output input text line lines word query search
service client server request response token limit default option options example project folder build test release
deploy check update create remove read write open close send fetch parse format render sort filter group merge split
model agent prompt tool skill memory context command shell script python install require system message content""".split()
def sentence():
    return " ".join(rng.choice(words) for _ in range(rng.randint(6, 18))).capitalize() + "."
def prose(n):
    return "\n\n".join(" ".join(sentence() for _ in range(rng.randint(1, 4))) for _ in range(n))
def code(n):
    kinds = ["def {a}_{b}({c}):", "    {a} = {b}.get('{c}', {n})", "    for {a} in {b}:", "        {c}.append({a})",
             "    return {a} + {n}", "# {a} {b} {c}", "    if {a} == '{b}':", "import {a}"]
    pick = lambda: rng.choice(words)
    return "\n".join(rng.choice(kinds).format(a=pick(), b=pick(), c=pick(), n=rng.randint(0, 999)) for _ in range(n))
def skill(name, size):
    return f"""---\nname: {name}\ndescription: {sentence()}\n---\n\n# {name}\n\n{prose(size)}\n\n```bash
cd {rng.choice(words)} && make {rng.choice(words)}\n```\n\n| a | b |\n| --- | --- |\n| {sentence()} | {sentence()} |\n"""
def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
for i in range(400):                    # large: 10 KB and more a file
    base = out / "large" / f"skill-{i:03}"
    put(base / "SKILL.md", skill(f"skill-{i}", 40))
    put(base / "scripts" / "run.py", code(900))
    put(base / "references" / "guide.md", prose(120))
    put(base / "config.json", "{\n" + ",\n".join(f'  "{rng.choice(words)}_{k}": "{rng.choice(words)}"' for k in range(200)) + "\n}\n")
for i in range(20000):                  # many: a few hundred bytes a file
    put(out / "many" / f"{i // 100:03}" / f"n{i % 100:02}.md", f"# {rng.choice(words)}\n\n{sentence()} {sentence()}\n")
put(out / "small" / "SKILL.md", skill("small", 12))
put(out / "small" / "scripts" / "go.sh", "#!/bin/sh\nset -eu\nmake build\nmake test\n")
PY

python3 - "$weft" "$work" <<'PY'
import os, pathlib, resource, subprocess, sys, time
weft, work = sys.argv[1], pathlib.Path(sys.argv[2])
def size(folder):
    files = [p for p in (work / folder).rglob("*") if p.is_file()]
    return len(files), sum(p.stat().st_size for p in files)
def run(command, times):
    best, memory = None, 0
    for _ in range(times):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        best, memory = took if best is None else min(best, took), max(memory, usage.ru_maxrss)
    return best, memory
print(f"{'what':<26}{'weft':>12}{'reference':>12}{'ratio':>8}")
peak = 0
for folder in ("large", "many"):
    files, size_ = size(folder)
    cat, _ = run(["sh", "-c", f"find '{work / folder}' -type f -print0 | xargs -0 cat"], 3)
    took, memory = run([weft, "security", "scan", "--format", "json", str(work / folder)], 3)
    peak = max(peak, memory)
    if folder == "large":
        print(f"{'large files, MB/s':<26}{size_ / 1e6 / took:>12.1f}{size_ / 1e6 / cat:>12.1f}{took / cat:>8.1f}")
    else:
        print(f"{'small files, files/s':<26}{files / took:>12.0f}{files / cat:>12.0f}{took / cat:>8.1f}")
true, _ = run(["/bin/true"], 20)
took, memory = run([weft, "security", "scan", str(work / "small")], 20)
print(f"{'one small skill, ms':<26}{took * 1e3:>12.2f}{true * 1e3:>12.2f}{took / true:>8.1f}")
print(f"{'peak memory, MB':<26}{peak / 1024:>12.1f}{'':>12}{'':>8}")
PY
