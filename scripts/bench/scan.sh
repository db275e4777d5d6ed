#!/bin/sh
# Measures the scanner: MB/s and files/s over a large generated tree, memory, the time of one small skill, and whether the time of a
# file stays the same from ten files to a hundred thousand. Each is shown beside a reference measured in the same run, in turns, for
# machines differ: `cat` of all the files, and /bin/true. Scanners that are there scan the same skills.
#
# Usage: scripts/bench/scan.sh [path of weft] [most files] [rounds]   (default: target/release/weft, 100000, 5). Needs python3 and two
# minutes.
set -eu
here=$(realpath "$(dirname "$0")")
weft=$(realpath "${1:-target/release/weft}")
most=${2:-100000}
rounds=${3:-5}
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

PYTHONPATH=$here python3 - "$weft" "$work" "$most" "$rounds" "$here/../.." <<'PY'
import glob, os, pathlib, shutil, sys, tomllib
import samples
weft, work, most, rounds, project = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), pathlib.Path(sys.argv[5])
before = os.environ.get("WEFT_BEFORE")
ours = {"weft": weft, **({"before": before} if before else {})}
def size(folder):
    files = [p for p in (work / folder).rglob("*") if p.is_file()]
    return len(files), sum(p.stat().st_size for p in files)
def scans(folder):
    return {name: [program, "security", "scan", "--format", "json", str(work / folder)] for name, program in ours.items()}
def cat(folder):
    return ["sh", "-c", f"find '{work / folder}' -type f -print0 | xargs -0 cat"]

# What a search for words alone would cost: every literal that leads to a rule, in any case.
literals = work / "literals.txt"
words = set()
for file in sorted(glob.glob(str(project / "rules" / "*.toml"))):
    with open(file, "rb") as text:
        words.update(word for rule in tomllib.load(text)["rule"] for word in rule.get("literals", []) if "\n" not in word)
literals.write_text("\n".join(sorted(words)) + "\n")
def rg(folder):
    return {name: ["rg", "-uuu", "-i", "-F", "-f", str(literals), "--count-matches", str(work / folder)] for name, _ in samples.peers({"rg": ["rg"]})}

print(f"{'what':<26}{'weft':>12}{'reference':>12}{'ratio':>8}")
for folder, title, label in (("large", "Scan: large files", "large files, MB/s"), ("many", "Scan: small files", "small files, files/s")):
    files, bytes_ = size(folder)
    commands = {**scans(folder), "cat": cat(folder), **rg(folder)}
    took = samples.turns(commands, rounds, codes=(0, 1))
    mine, other = min(took["weft"]) / 1000, min(took["cat"]) / 1000
    amount, rate = (bytes_ / 1e6, "MB/s") if folder == "large" else (files, "files/s")
    samples.keep(f"scan_{folder}", title, "ms", took, "cat", "least", amount, rate,
                 about=f"{files:,} files, {bytes_ / 1e6:.0f} MB. rg looks for the {len(words):,} literals of the rules and for nothing else.")
    print(f"{label:<26}{amount / mine:>12.1f}{amount / other:>12.1f}{mine / other:>8.1f}")

one = {name: [program, "security", "scan", str(work / "small")] for name, program in ours.items()}
took = samples.turns({**one, "/bin/true": ["/bin/true"], **rg("small")}, rounds * 10, codes=(0, 1))
samples.keep("scan_skill", "Scan: one small skill", "ms", took, "/bin/true", "least", about="The whole process.")
mine, other = min(took["weft"]), min(took["/bin/true"])
print(f"{'one small skill, ms':<26}{mine:>12.2f}{other:>12.2f}{mine / other:>8.1f}")

# What reads skills, on three generated ones and the repository's own: some take seconds for each.
skills = work / "skills"
shutil.copytree(project / "skills", skills / "own")
for number in range(3):
    shutil.copytree(work / "large" / f"skill-{number:03}", skills / f"skill-{number:03}")
beside = {name: [str(skills) if part == "{}" else part for part in command] for name, command in samples.peers(samples.SCANNERS)}
beside = {name: command for name, command in beside.items() if samples.works(name, command, codes=(0, 1))}
files, bytes_ = size("skills")
few = {name: 2 if rounds > 3 else 1 for name in beside}
took = samples.turns({**scans("skills"), "cat": cat("skills"), **rg("skills"), **beside}, rounds, codes=(0, 1), few=few)
samples.keep("scan_skills", "Scan: 6 skills, beside scanners", "ms", took, "cat", "least", bytes_ / 1e6, "MB/s", about=f"{files} files, {bytes_ / 1e6:.1f} MB.")
for name in beside:
    print(f"{name + ', 6 skills':<26}{min(took['weft']):>10.0f}ms{min(took[name]):>10.0f}ms{min(took['weft']) / min(took[name]):>8.3f}")

# The large files ten times over: what memory a tree takes that is far larger than a scan may have.
copies = 10 if rounds > 3 else 2
for number in range(copies):
    shutil.copytree(work / "large", work / "huge" / str(number), copy_function=os.link)
_, bytes_ = size("huge")
peak = {name: [samples.memory(command, codes=(0, 1))] for name, command in scans("huge").items()}
peak["cat"] = [samples.memory(["sh", "-c", cat("huge")[2]])]
samples.keep("scan_memory", f"Memory: scan of {bytes_ / 1e6:.0f} MB", "bytes", {k: [n for n in v if n] for k, v in peak.items()}, None, "least", about="/usr/bin/time -v.")
if peak["weft"][0]:
    print(f"{f'peak memory of {bytes_ / 1e6:.0f} MB, MB':<26}{min(peak['weft']) / 1e6:>12.1f}")
shutil.rmtree(work / "huge")

# Ten files, a hundred, and so on: the same small texts, fifty to a folder.
shutil.rmtree(work / "large")
texts = [p.read_bytes() for p in sorted((work / "many").rglob("*"))[:400] if p.is_file()]
grown, counts, curve, made = work / "grown", [], {}, 0
count = 10
while count <= most:
    for number in range(made, count):
        folder = grown / f"{number // 5000}" / f"{number // 50}"
        if number % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_bytes(texts[number % len(texts)])
    made = count
    took = samples.turns({**scans("grown"), "cat": cat("grown")}, rounds if count < 100000 else 3, codes=(0, 1))
    counts.append(count)
    for name, times in took.items():
        curve.setdefault(name, []).append(times)
    print(f"{f'{count:,} files, µs a file':<26}{min(took['weft']) * 1000 / count:>12.1f}{min(took['cat']) * 1000 / count:>12.1f}{min(took['weft']) / min(took['cat']):>8.1f}")
    count *= 10
# The start of a process, which a small tree is mostly made of, does not count: it is the time from ten files on.
def each(times, at):
    return (min(times[at]) - min(times[0])) / (counts[at] - counts[0])
if len(counts) > 2:
    growth = {name: [each(times, -1) / each(times, -2)] for name, times in curve.items()}
    samples.keep("scan_growth", f"Scan: time a file of {counts[-1]:,} files, as a share of that of {counts[-2]:,}", "share", growth, None, "least",
                 series=[counts, curve], about="1 is linear.")
PY
