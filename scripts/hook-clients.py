#!/usr/bin/env python3
"""Tries `weft hook` with the real Claude Code, Codex and Gemini CLI from npm, against a stand-in for their models on loopback.

usage: scripts/hook-clients.py [weft binary]

The stand-in asks for tools: first for a file that the policy allows, then for one that it denies, by a tool for files where there is one,
and by a command line. What each program sends back to its model tells whether it obeyed. Needs Node 20 or newer and npm; the programs
(some 850 MB) go to target/hook-clients. No account is needed: what they send ends here.
"""

import contextlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ["@anthropic-ai/claude-code@2.1.332", "@openai/codex@0.171.0", "@google/gemini-cli@0.61.0"]
POLICY = """version = 1
extends = ["base"]
[filesystem]
write = ["${WORKSPACE}"]
deny = ["${WORKSPACE}/secret.txt"]
"""


class Model(http.server.BaseHTTPRequestHandler):
    """Answers as the service of each program would: with the next tool of the plan, then with a word."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(404, "text/plain", b"")

    do_GET = do_HEAD

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        self.server.seen.append(json.dumps(request))
        stream = "text/event-stream"
        if "count_tokens" in self.path:
            return self.answer(200, "application/json", b'{"input_tokens":1}')
        plan = self.server.plan
        tool = plan.pop(0) if plan and request.get("tools") else None
        if "/messages" in self.path:
            events = anthropic(tool)
        elif "/responses" in self.path:
            events = openai(tool)
        elif "enerateContent" in self.path:
            answer = json.dumps(gemini(tool))
            if "stream" in self.path:
                return self.answer(200, stream, f"data: {answer}\r\n\r\n".encode())
            return self.answer(200, "application/json", answer.encode())
        else:
            return self.do_HEAD()
        lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return self.answer(200, stream, "".join(lines).encode())

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def anthropic(tool):
    usage = {"input_tokens": 1, "output_tokens": 1}
    yield {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
                                                "stop_reason": None, "stop_sequence": None, "usage": usage}}
    if tool:
        block = {"type": "tool_use", "id": f"toolu_{id(tool)}", "name": tool[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(tool[1])}
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    reason = "tool_use" if tool else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}}
    yield {"type": "message_stop"}


def openai(tool):
    yield {"type": "response.created", "response": {"id": "r"}}
    if tool:
        name = f"c{id(tool)}"
        item = {"type": "function_call", "id": name, "call_id": name, "name": tool[0], "arguments": json.dumps(tool[1])}
    else:
        item = {"type": "message", "id": "x", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    yield {"type": "response.completed", "response": {"id": "r", "output": [], "usage": usage}}


def gemini(tool):
    part = {"functionCall": {"name": tool[0], "args": tool[1]}} if tool else {"text": "done"}
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


@contextlib.contextmanager
def model(plan):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.plan, server.seen = list(plan), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


def prepare(client, home, url):
    """The command and the variables of a program."""
    if client == "claude-code":
        command = ["claude", "-p", "go on", "--permission-mode", "acceptEdits", "--allowedTools", "Read,Bash"]
        return command, {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "x", "DISABLE_AUTOUPDATER": "1",
                         "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    if client == "codex":
        (home / ".codex").mkdir()
        (home / ".codex/config.toml").write_text(
            f'model = "m"\nmodel_provider = "m"\n[model_providers.m]\nname = "m"\nbase_url = "{url}/v1"\n'
            'wire_api = "responses"\nenv_key = "MODEL_KEY"\n')
        # The hook is trusted by an option here; a person trusts it by /hooks.
        command = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
                   "--dangerously-bypass-hook-trust", "go on"]
        return command, {"MODEL_KEY": "x"}
    (home / ".gemini").mkdir()
    (home / ".gemini/settings.json").write_text('{"security":{"auth":{"selectedType":"gemini-api-key"}}}')
    command = ["gemini", "-m", "gemini-2.5-pro", "--approval-mode", "yolo", "-p", "go on"]
    return command, {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true"}


def attempt(weft, client, plan):
    with tempfile.TemporaryDirectory() as folder, model(plan) as server:
        home, project = pathlib.Path(folder).resolve() / "home", pathlib.Path(folder).resolve() / "project"
        home.mkdir()
        project.mkdir()
        (project / "weft.toml").write_text(POLICY)
        (project / "notes.txt").write_text("harmless-text\n")
        (project / "secret.txt").write_text("secret-text\n")
        command, variables = prepare(client, home, f"http://127.0.0.1:{server.server_port}")
        path = f"{ROOT}/target/hook-clients/node_modules/.bin:{os.environ['PATH']}"
        environment = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", **variables}
        install = [weft, "hook", "install", "--client", client, "--policy", "weft.toml", "--yes"]
        subprocess.run(install, cwd=project, env=environment, check=True, capture_output=True)
        done = subprocess.run(command, cwd=project, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        sent = "\n".join(server.seen)
        refusals = len(plan) - 1
        obeyed = "harmless-text" in sent and "secret-text" not in sent and "secret.txt is denied" in sent
        obeyed = obeyed and not server.plan and server.seen[-1].count("secret.txt is denied") >= refusals
        print(f"{client}: {'obeys' if obeyed else 'DOES NOT OBEY'}")
        if not obeyed:
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return obeyed


def main():
    weft = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/weft")
    folder = ROOT / "target/hook-clients"
    if not (folder / "node_modules/.bin/gemini").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), *PROGRAMS]
        subprocess.run(command, check=True)
    read = "cat secret.txt"
    fine = [
        attempt(weft, "claude-code", [("Read", {"file_path": "notes.txt"}), ("Read", {"file_path": "secret.txt"}),
                                      ("Bash", {"command": read, "description": "x"})]),
        attempt(weft, "codex", [("exec_command", {"cmd": "cat notes.txt"}), ("exec_command", {"cmd": read})]),
        attempt(weft, "gemini", [("read_file", {"file_path": "notes.txt"}), ("read_file", {"file_path": "secret.txt"}),
                                 ("run_shell_command", {"command": read})]),
    ]
    return 0 if all(fine) else 1


sys.exit(main())
