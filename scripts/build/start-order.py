#!/usr/bin/env python3
"""Writes build/start.txt: the functions that the start of `weft run` and of a scan goes through, which build.rs has the linker put side
by side. The kernel maps a program in pieces of 64 KB as they are touched; functions that lie together are fewer pieces, so that a
start takes less memory and fewer faults.

    start-order.py WEFT      (a static release build with its symbols: --config profile.release.strip=false; needs valgrind, perf, nm)

A name that is not there any more is no error, and one that is missing only costs a piece: the list need not follow every change.
"""
import bisect
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

weft = os.path.realpath(sys.argv[1])
project = pathlib.Path(__file__).resolve().parents[2]


def symbols():
    lines = subprocess.run(["nm", "-S", weft], capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split() for line in lines]
    return sorted((int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tTwW")


def quietly(folder, command, **more):
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(command, cwd=folder / "workspace", env=environment, stdin=subprocess.DEVNULL, stdout=more.get("out", subprocess.DEVNULL),
                          stderr=subprocess.DEVNULL, check=False)


def executed(folder, args):
    """Every address that was executed by weft's first process: those it makes are not followed into namespaces."""
    out = folder / "callgrind.out"
    quietly(folder, ["valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={out}", weft, *args])
    found, at = set(), 0
    for line in out.read_text().splitlines():
        step = re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) ", line)
        if step:
            step = step[1]
            at = int(step, 16) if step.startswith("0x") else at if step == "*" else at + int(step)
            found.add(at)
    return found


def sampled(folder, args, times):
    """Addresses where samples found any of weft's processes, the new ones too; and where it touched a piece for the first time."""
    data, found = folder / "perf.data", set()
    loop = f"for i in $(seq {times}); do {weft} {' '.join(args)}; done"
    for events in (["-e", "cpu-clock", "-F", "20000"], ["-e", "page-faults", "-c", "1"]):
        quietly(folder, ["perf", "record", *events, "-o", data, "--", "sh", "-c", loop])
        lines = quietly(folder, ["perf", "script", "-i", data, "-F", "ip"], out=subprocess.PIPE).stdout.decode().split()
        found.update(int(address, 16) for address in lines)
    return found


def pattern(name):
    """What stays of a name from one compiler and one build to the next."""
    name = re.sub(r"17h[0-9a-f]{16}E", "17h*E", name)
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    # References back count the letters before them, which those of a crate's number are among.
    name = re.sub(r"B[0-9A-Za-z]{0,3}_", "B*_", name)
    return re.sub(r"\.(llvm\.)?\d+$", "*", name)


table = symbols()
# Instances of something generic share a name but for the hash: where they are many, they would only push the others apart.
shared = collections.defaultdict(list)
for _, size, name in table:
    shared[pattern(name)].append(size)
starts = [address for address, _, _ in table]
names = []
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    skill = folder / "workspace"
    skill.mkdir()
    (skill / "SKILL.md").write_text("---\nname: a\ndescription: b\n---\n# A\n\nSay `ls`.\n")
    (skill / ".env").write_text("A=b\n")
    run = ["run", "--policy", "coding-agent", "--", "/bin/true"]
    scan = ["security", "scan", "--jobs", "1", "."]
    for addresses in (executed(folder, run) | sampled(folder, run, 500), executed(folder, scan) | sampled(folder, scan, 100)):
        for address in sorted(addresses):
            place = bisect.bisect_right(starts, address) - 1
            if place >= 0 and address < table[place][0] + table[place][1]:
                names.append(pattern(table[place][2]))
unique = [name for name in dict.fromkeys(names) if len(shared[name]) < 5 or sum(shared[name]) < 16_000]
(project / "build/start.txt").write_text("".join(name + "\n" for name in unique))
print(f"build/start.txt: {len(unique)} functions", file=sys.stderr)
