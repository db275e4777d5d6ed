#!/usr/bin/env bash
# How long it takes to install a skill from a hub on this machine: `weft skill install`, which hashes, verifies and scans it, beside
# curl and unzip of the same package, which do not, and the clawhub program if it is there. In turns, each into an empty workspace.
# Usage: scripts/bench/install.sh [WEFT] [ROUNDS]   (default: target/release/weft, 40). Needs curl, unzip and python3.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
weft=$(realpath "${1:-target/release/weft}")
rounds=${2:-40}
[ -x "$weft" ] || { echo "install.sh: $weft: not built: cargo build --release" >&2; exit 2; }
work=$(mktemp -d /var/tmp/weft-bench-install.XXXXXX)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir "$work/home" "$work/skill" "$work/skill/references"
export HOME="$work/home" XDG_STATE_HOME="$work/home/state" XDG_CACHE_HOME="$work/home/cache" XDG_CONFIG_HOME="$work/home/config"
python3 - "$work/skill" <<'PY'
import pathlib, random, sys
random.seed(1)
words = "count words of text files reads tables makes lists of pages finds names in notes".split()
folder = pathlib.Path(sys.argv[1])
(folder / "SKILL.md").write_text("---\nname: skill\ndescription: Counts words of text files.\n---\n\n" + " ".join(random.choices(words, k=400)) + "\n")
for number in range(8):
    (folder / "references" / f"{number}.md").write_text(" ".join(random.choices(words, k=1500)) + "\n")
PY
"$weft" hub init --data "$work/hub" >/dev/null
"$weft" hub user add bench --data "$work/hub" >/dev/null
"$weft" hub import --data "$work/hub" --owner bench "$work/skill" >/dev/null
"$weft" hub serve --data "$work/hub" --listen 127.0.0.1:0 --rate read=1000000/1000000 --rate download=1000000/1000000 >"$work/serve.txt" 2>&1 &
pids+=($!)
until hub=$(sed -n 's/^listening on //p' "$work/serve.txt") && [ -n "$hub" ]; do sleep 0.05; done

PYTHONPATH=$here python3 - "$weft" "$rounds" "$hub" "$work" <<'PY'
import os, shutil, statistics, sys
import samples
weft, rounds, hub, work = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
package = f"{hub}/api/v1/download?slug=skill&ownerHandle=bench"
place = f"{work}/ws"
# Not in weft's way: the home folder is of this run, and so are the keys that were seen.
client = lambda program: [program, "skill", "install", "@bench/skill", "--registry", hub, "--workspace", place]
commands = {
    "weft": client(weft),
    "curl and unzip": ["sh", "-c", f"curl -sf -o '{place}/skill.zip' '{package}' && mkdir -p '{place}/skills/@bench/skill' && unzip -q -d '{place}/skills/@bench/skill' '{place}/skill.zip'"],
}
if os.environ.get("WEFT_BEFORE"):
    commands["before"] = client(os.environ["WEFT_BEFORE"])
def empty(_):
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
few = {}
for name, command in samples.peers({"clawhub": ["clawhub"]}):
    empty(name)
    command = command + ["install", "@bench/skill", "--registry", hub, "--workdir", place, "--no-input"]
    if samples.works(name, command):
        commands[name], few[name] = command, max(3, rounds // 5)
for name, command in commands.items():
    empty(name)
    samples.once(command)
    files = sorted(file for _, _, files in os.walk(f"{place}/skills/@bench/skill") for file in files)
    if "SKILL.md" not in files or "7.md" not in files:
        sys.exit(f"install.sh: {name}: what it installed is not whole: {files}")
took = samples.turns(commands, rounds, few=few, before=empty)
samples.keep("install", "Install: a skill of 9 files from a hub on this machine", "ms", took, "curl and unzip", "least",
             about="weft checks hash, log and revocations, and scans; curl and unzip check nothing.")
for name, times in took.items():
    print(f"{name:<16} median {statistics.median(times):7.2f} ms, of {len(times)}")
print(f"weft / curl and unzip: {min(took['weft']) / min(took['curl and unzip']):.2f} of the least of each")
PY
