#!/usr/bin/env bash
# How long one question of an agent program takes: the whole process of `weft hook run`, with its entry in the log.
# usage: scripts/bench/hook.sh [weft binary] [times]
set -euo pipefail
weft=$(realpath "${1:-target/release/weft}")
times=${2:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project"
cd "$work/project"
touch main.rs
export HOME="$work" XDG_STATE_HOME="$work/state" WEFT="$weft" TIMES="$times"
python3 - <<'PYTHON'
import json, os, resource, statistics, subprocess, time

weft, times, cwd = os.environ["WEFT"], int(os.environ["TIMES"]), os.getcwd()
read = {"file_path": cwd + "/main.rs"}
shell = {"command": "git status && cargo test | tail -5"}
for policy in ["base", "coding-agent", "claude-code"]:
    for tool, arguments in [("Read", read), ("Bash", shell)]:
        message = json.dumps({"session_id": "s", "transcript_path": "/t", "cwd": cwd, "hook_event_name": "PreToolUse",
                              "tool_name": tool, "tool_input": arguments, "tool_use_id": "u"}).encode()
        command = [weft, "hook", "run", "--client", "claude-code", "--policy", policy]
        took, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(times):
            began = time.perf_counter()
            subprocess.run(command, input=message, stdout=subprocess.DEVNULL, check=True)
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = (used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime) * 1000 / times
        print(f"{policy:13} {tool:5} median {statistics.median(took):.2f} ms, "
              f"95th of 100 {took[int(len(took) * 0.95)]:.2f} ms, of {times}; processor time {cpu:.2f} ms each")
took = []
for _ in range(times):
    began = time.perf_counter()
    subprocess.run(["/bin/true"], input=b"", stdout=subprocess.DEVNULL, check=True)
    took.append((time.perf_counter() - began) * 1000)
print(f"/bin/true, started the same way: median {statistics.median(took):.2f} ms")
PYTHON
