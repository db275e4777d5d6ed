#!/usr/bin/env python3
"""What `weft mcp` adds to a call of a tool: round trips of a client straight to a server, and through weft.

usage: scripts/bench/mcp.py [weft binary] [calls]

The server is a loop in Python; both ways end in the same one. Sequential calls, each with two arguments that the policy looks at and
an entry in the log; rounds of both ways in turns, so that a busy machine disturbs both alike.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SERVER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    if request["method"] == "tools/list":
        result = {"tools": [{"name": "read_file", "description": "Reads a file.", "inputSchema": {"type": "object"}}]}
    else:
        result = {"content": [{"type": "text", "text": "x" * 200}]}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\\n")
    sys.stdout.flush()
"""

POLICY = """version = 1
extends = ["base"]
[filesystem]
read = ["${{WORKSPACE}}", "{prefix}"]
exec = ["{prefix}"]
[network]
allow = [{{ host = "*.example.com" }}]
[tools]
allow = ["read_*"]
[[tools.argument]]
tool = "read_*"
name = "path"
must = "read"
[[tools.argument]]
tool = "read_*"
name = "url"
must = "connect"
"""


class Client:
    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0)
        self.output = self.process.stdout
        self.asked = 0
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}})
        self.ask("tools/list", {})

    def ask(self, method, params):
        self.asked += 1
        message = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}
        began = time.perf_counter()
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            line += self.output.read(65536)
        took = time.perf_counter() - began
        answer = json.loads(line)
        assert answer["id"] == self.asked and "result" in answer, answer
        return took * 1000

    def calls(self, count):
        arguments = {"path": "notes.md", "url": "https://api.example.com/x"}
        return [self.ask("tools/call", {"name": "read_file", "arguments": arguments}) for _ in range(count)]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    weft = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/weft")
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        project = folder / "project"
        project.mkdir()
        os.chdir(project)
        python = os.path.realpath(sys.executable)
        (project / "server.py").write_text(SERVER)
        (project / "notes.md").write_text("n")
        (project / "weft.toml").write_text(POLICY.format(prefix=sys.base_prefix))
        environment = dict(os.environ, HOME=str(folder), XDG_STATE_HOME=str(folder / "state"))
        server = [python, "server.py"]
        direct = Client(server, environment)
        through = Client([weft, "mcp", "--", *server], environment)
        took = {"direct": [], "through weft": []}
        for _ in range(10):
            took["direct"] += direct.calls(calls // 10)
            took["through weft"] += through.calls(calls // 10)
        for client in (direct, through):
            client.end()
        for name, times in took.items():
            times.sort()
            print(f"{name:13} median {statistics.median(times):.3f} ms, 99th of 100 {times[int(len(times) * 0.99)]:.3f} ms, of {len(times)}")
        added = statistics.median(took["through weft"]) - statistics.median(took["direct"])
        print(f"added to a call: {added:.3f} ms (medians)")


main()
