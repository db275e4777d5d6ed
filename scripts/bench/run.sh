#!/bin/sh
# Measures what `weft run` costs: start-up against `bwrap --unshare-all` with the same mounts, in pairs in one run, for machines
# differ and are busy; memory of weft while the command runs; and programs inside against the same outside.
#
# Usage: scripts/bench/run.sh [path of weft] [pairs]   (default: target/release/weft, 200). Needs python3, bwrap and git.
set -eu
weft=$(realpath "${1:-target/release/weft}")
pairs=${2:-200}
[ -x "$weft" ] || { echo "run.sh: $weft: not built: cargo build --release" >&2; exit 2; }
for program in bwrap git python3; do
    command -v "$program" > /dev/null || { echo "run.sh: $program: not installed" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ws" "$work/state"
export XDG_STATE_HOME="$work/state"
cd "$work/ws"
git init -q .
echo SECRET > .env

cat > "$work/bench.py" <<'PY'
import os, re, statistics, subprocess, sys, time
weft, pairs = sys.argv[1], int(sys.argv[2])
run = [weft, "run", "--policy", "coding-agent", "--"]
plan = subprocess.run(run[:-1] + ["--explain"], capture_output=True, text=True, check=True).stdout
if "level       namespaces" not in plan:
    sys.exit("run.sh: no namespaces here, so nothing to compare")
# The mounts of the plan, in the words of bwrap.
bwrap = ["bwrap", "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"]
for line in plan.split("line by line")[0].splitlines():
    kind, rest = line[:12].strip(), line[12:]
    if kind == "mount" and rest.endswith(" (private, empty)"):
        bwrap += ["--tmpfs", rest.split(" ", 2)[2].removesuffix(" (private, empty)")]
    elif kind == "mount":
        mode, _, path = rest.split(" ", 2)
        bwrap += ["--ro-bind" if mode == "ro" else "--bind", path, path]
    elif kind == "link":
        at, target = rest.split(" -> ")
        bwrap += ["--symlink", target, at]
    elif kind == "mask" and os.path.isdir(rest):
        bwrap += ["--tmpfs", rest]
    elif kind == "mask":
        bwrap += ["--ro-bind", "/dev/null", rest]
bwrap += ["--chdir", os.getcwd()]
quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
def once(command):
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
    status = os.waitpid(pid, 0)[1]
    took = (time.perf_counter() - start) * 1000
    if status:
        sys.exit(f"run.sh: {command}: ended with {os.waitstatus_to_exitcode(status)}")
    return took
times = {"weft": [], "bwrap": [], "true": []}
for _ in range(pairs):
    times["weft"].append(once(run + ["/bin/true"]))
    times["bwrap"].append(once(bwrap + ["/bin/true"]))
    times["true"].append(once(["/bin/true"]))
print(f"{pairs} pairs of /bin/true under coding-agent, {bwrap.count('--ro-bind') + bwrap.count('--bind')} binds, milliseconds:")
for name, values in times.items():
    values = sorted(values)
    print(f"  {name:<6} median {statistics.median(values):6.2f}   10 % {values[len(values) // 10]:6.2f}   90 % {values[len(values) * 9 // 10]:6.2f}")
ratios = [a / b for a, b in zip(times["weft"], times["bwrap"])]
print(f"  weft / bwrap, median of pairs: {statistics.median(ratios):.2f}")
# Of weft itself, after exec: what a parent's memory was before does not count.
process = subprocess.Popen(run + ["/bin/sleep", "0.5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(0.3)
status = open(f"/proc/{process.pid}/status").read()
peak = re.search(r"VmHWM:\s+(\d+)", status)[1]
print(f"memory of weft while the command runs: {peak} kB at most")
process.wait()

# Programs inside, without the start: many rounds in one run.
for n in range(2000):
    os.makedirs(f"tree/{n // 50}", exist_ok=True)
    open(f"tree/{n // 50}/{n}.txt", "w").write("x\n" * (n % 97))
subprocess.run("git add . && git -c user.name=a -c user.email=a@example.com commit -qm x", shell=True, check=True)
works = {
    "git status": "for i in 1 2 3 4 5 6 7 8 9 10; do git status --short > /dev/null; done",
    "python": "for i in 1 2 3 4 5 6 7 8 9 10; do python3 -c 'import json, unittest, email, http.client'; done",
}
for name, work in works.items():
    inside, outside = [], []
    for _ in range(11):
        for command, took in ((run + ["sh", "-c", work], inside), (["sh", "-c", work], outside)):
            took.append(once(command))
    start = statistics.median(times["weft"]) - statistics.median(times["true"])
    ratio = statistics.median([(a - start) / b for a, b in zip(inside, outside)])
    print(f"{name} of 2000 files inside / outside, ten rounds, start-up taken off: {ratio:.3f}" if name == "git status" else f"{name} imports inside / outside: {ratio:.3f}")
PY
python3 "$work/bench.py" "$weft" "$pairs"
