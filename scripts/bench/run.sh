#!/bin/sh
# Measures what `weft run` costs: start-up against `bwrap --unshare-all` with the same mounts, in pairs in one run, for machines
# differ and are busy; memory of weft while the command runs; and programs inside against the same outside. Sandboxes that are there
# (scripts/bench/peers.sh) start the same command, as their documentation asks for it first.
#
# Usage: scripts/bench/run.sh [path of weft] [pairs]   (default: target/release/weft, 200). Needs python3, bwrap and git.
set -eu
here=$(realpath "$(dirname "$0")")
weft=$(realpath "${1:-target/release/weft}")
pairs=${2:-200}
[ -x "$weft" ] || { echo "run.sh: $weft: not built: cargo build --release" >&2; exit 2; }
for program in bwrap git python3; do
    command -v "$program" > /dev/null || { echo "run.sh: $program: not installed" >&2; exit 2; }
done
# Not in /tmp: some sandboxes have one of their own.
work=$(mktemp -d /var/tmp/weft-bench-run.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ws" "$work/state" "$work/home"
export XDG_STATE_HOME="$work/state"
cd "$work/ws"
git init -q .
echo SECRET > .env

cat > "$work/bench.py" <<'PY'
import os, re, statistics, subprocess, sys, time
import samples
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
commands = {"weft": run + ["/bin/true"], "bwrap, same mounts": bwrap + ["/bin/true"], "/bin/true": ["/bin/true"]}
if os.environ.get("WEFT_BEFORE"):
    commands["before"] = [os.environ["WEFT_BEFORE"]] + run[1:] + ["/bin/true"]
# The others keep settings in the home folder: they get one of their own.
few, homes, home = {}, {}, os.path.join(os.path.dirname(os.getcwd()), "home")
for name, command in samples.peers(samples.SANDBOXES):
    if samples.works(name, command + ["/bin/true"], home=home):
        commands[name], homes[name] = command + ["/bin/true"], home
        if samples.once(commands[name], home=home) > 20:
            few[name] = max(10, pairs // 10)
times = samples.turns(commands, pairs, few=few, homes=homes)
print(f"{pairs} rounds of /bin/true under coding-agent, {bwrap.count('--ro-bind') + bwrap.count('--bind')} binds, milliseconds:")
for name, values in times.items():
    values = sorted(values)
    print(f"  {name:<20} median {statistics.median(values):6.2f}   10 % {values[len(values) // 10]:6.2f}   90 % {values[len(values) * 9 // 10]:6.2f}")
theirs = times["bwrap, same mounts"]
print(f"  weft / bwrap: {min(times['weft']) / min(theirs):.2f} of the least of each; median of pairs {samples.ratio(times['weft'], theirs):.2f}")
samples.keep("run", "Sandbox: start and end of /bin/true", "ms", times, "/bin/true", "least",
             about="weft with the policy coding-agent; bwrap with the same mounts, and with the whole system for reading; the others as documented.")
# Of weft itself, after exec: what a parent's memory was before does not count.
process = subprocess.Popen(run + ["/bin/sleep", "0.5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(0.3)
status = open(f"/proc/{process.pid}/status").read()
peak = re.search(r"VmHWM:\s+(\d+)", status)[1]
print(f"memory of weft while the command runs: {peak} kB at most")
process.wait()
samples.keep("run_memory", "Memory: weft while a command runs", "bytes", {"weft": [int(peak) * 1024]}, None, "least", about="VmHWM of weft itself.")

# Programs inside, without the start: many rounds in one run.
for n in range(2000):
    os.makedirs(f"tree/{n // 50}", exist_ok=True)
    open(f"tree/{n // 50}/{n}.txt", "w").write("x\n" * (n % 97))
subprocess.run("git add . && git -c user.name=a -c user.email=a@example.com commit -qm x", shell=True, check=True)
works = {
    "git status": "for i in 1 2 3 4 5 6 7 8 9 10; do git status --short > /dev/null; done",
    "python": "for i in 1 2 3 4 5 6 7 8 9 10; do python3 -c 'import json, unittest, email, http.client'; done",
}
ways = {"weft": run, "outside": []}
if os.environ.get("WEFT_BEFORE"):
    ways["before"] = [os.environ["WEFT_BEFORE"]] + run[1:]
for name, work in works.items():
    took = samples.turns({way: prefix + ["sh", "-c", work] for way, prefix in ways.items()}, max(5, pairs // 20))
    inside, outside = took["weft"], took["outside"]
    samples.keep("run_" + name.replace(" ", "_"), f"Inside a sandbox: {name}, ten times", "ms", took, "outside", "least")
    start = statistics.median(times["weft"]) - statistics.median(times["/bin/true"])
    ratio = statistics.median([(a - start) / b for a, b in zip(inside, outside)])
    print(f"{name} of 2000 files inside / outside, ten rounds, start-up taken off: {ratio:.3f}" if name == "git status" else f"{name} imports inside / outside: {ratio:.3f}")
PY
PYTHONPATH=$here python3 "$work/bench.py" "$weft" "$pairs"
