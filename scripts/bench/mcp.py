#!/usr/bin/env python3
"""What `weft mcp` adds to a call of a tool: round trips of a client straight to a server, and through weft.

usage: scripts/bench/mcp.py [weft binary] [calls]

The server is a loop in Python; both ways end in the same one. Sequential calls, each with two arguments that the policy looks at and
an entry in the log; rounds of both ways in turns, so that a busy machine disturbs both alike. Then the same with a server that is reached
by HTTP: straight to it on one connection that is kept, and through `weft mcp --url`.
"""

import http.client
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
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
allow = [{{ host = "*.example.com" }}, {{ host = "127.0.0.1", ports = [{port}], tls = false }}]
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


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["method"] == "tools/list":
            result = {"tools": [{"name": "read_file", "description": "Reads a file.", "inputSchema": {"type": "object"}}]}
        elif request["method"] == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
        else:
            result = {"content": [{"type": "text", "text": "x" * 200}]}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *words):
        pass


class Direct(Client):
    """A client that speaks to the server by HTTP itself."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.asked = 0

    def ask(self, method, params):
        self.asked += 1
        message = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}
        began = time.perf_counter()
        self.connection.request("POST", "/mcp", json.dumps(message), {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        took = time.perf_counter() - began
        assert answer["id"] == self.asked and "result" in answer, answer
        return took * 1000

    def end(self):
        self.connection.close()


def compare(clients, calls):
    took = {name: [] for name in clients}
    for _ in range(10):
        for name, client in clients.items():
            took[name] += client.calls(calls // 10)
    for client in clients.values():
        client.end()
    for name, times in took.items():
        times.sort()
        print(f"{name:22} median {statistics.median(times):.3f} ms, 99th of 100 {times[int(len(times) * 0.99)]:.3f} ms, of {len(times)}")
    direct, through = (statistics.median(times) for times in took.values())
    print(f"added to a call: {through - direct:.3f} ms (medians)")


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
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        port = web.server_port
        (project / "weft.toml").write_text(POLICY.format(prefix=sys.base_prefix, port=port))
        environment = dict(os.environ, HOME=str(folder), XDG_STATE_HOME=str(folder / "state"))
        server = [python, "server.py"]
        through = Client([weft, "mcp", "--", *server], environment)
        compare({"direct": Client(server, environment), "through weft": through}, calls)
        through = Client([weft, "mcp", "--url", f"http://127.0.0.1:{port}/mcp"], environment)
        compare({"direct by HTTP": Direct(port), "through weft by HTTP": through}, calls)


main()
