#!/usr/bin/env python3
"""Tries `weft hook` and `weft run` with the real Claude Code, Codex, Gemini CLI and OpenClaw from npm, against a stand-in for their
models on loopback.

usage: scripts/hook-clients.py [weft binary]

The stand-in asks for tools: first for a file that the policy allows, then for one that it denies, by a tool for files where there is one,
and by a command line. What each program sends back to its model tells whether it obeyed: once with weft's hook in its settings, once without
a hook and under `weft run`. Needs npm and Node 20 or newer (22 for OpenClaw, which is left out with an older one); the programs
(some 1.6 GB) go to target/hook-clients. No account is needed: what they send ends here.
"""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ["@anthropic-ai/claude-code@2.1.332", "@openai/codex@0.171.0", "@google/gemini-cli@0.61.0"]
# Needs a newer Node than the others.
OPENCLAW = "openclaw@2026.9.6"
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
    if client == "openclaw":
        config = home / ".openclaw/openclaw.json"
        settings = json.loads(config.read_text()) if config.exists() else {}
        text = {"id": "m", "name": "m", "reasoning": False, "input": ["text"], "contextWindow": 200000, "maxTokens": 8192,
                "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
        provider = {"baseUrl": url, "apiKey": "x", "api": "anthropic-messages", "models": [text]}
        settings["models"] = {"mode": "merge", "providers": {"stand-in": provider}}
        settings["agents"] = {"defaults": {"model": {"primary": "stand-in/m"}, "workspace": str(home.parent / "project")}}
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps(settings))
        return ["openclaw", "agent", "--local", "--session-id", "s", "-m", "go on", "--timeout", "120"], {}
    (home / ".gemini").mkdir()
    (home / ".gemini/settings.json").write_text('{"security":{"auth":{"selectedType":"gemini-api-key"}}}')
    command = ["gemini", "-m", "gemini-2.5-pro", "--approval-mode", "yolo", "-p", "go on"]
    return command, {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true"}


def run_policy(client, port):
    """What `weft run` gets: the policy that weft ships for the program, the stand-in for its model, and where npm put it."""
    node = pathlib.Path(shutil.which("node")).resolve().parent.parent
    places = json.dumps([str(ROOT / "target/hook-clients"), str(node)])
    parent = "coding-agent" if client == "gemini" else client
    own = 'write = ["~/.gemini"]\nprotect = ["~/.gemini/settings.json", "~/.gemini/extensions", "${WORKSPACE}/.gemini"]\n'
    own = own if client == "gemini" else ""
    return (f'version = 1\nextends = ["{parent}"]\n[filesystem]\nread = {places}\nexec = {places}\n'
            f'deny = ["${{WORKSPACE}}/secret.txt"]\n{own}'
            f'[network]\nallow = [{{ host = "127.0.0.1", ports = [{port}], tls = false }}]\n'
            '[env]\nallow = ["MODEL_KEY", "GEMINI_*", "GOOGLE_GEMINI_BASE_URL"]\n')


def attempt(weft, client, plan, sandboxed):
    plan, refusals = list(plan), len(plan) - 1
    # Not in /tmp: what is there is not seen from inside.
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder, model(plan) as server:
        home, project = pathlib.Path(folder).resolve() / "home", pathlib.Path(folder).resolve() / "project"
        home.mkdir()
        project.mkdir()
        (project / "weft.toml").write_text(run_policy(client, server.server_port) if sandboxed else POLICY)
        (project / "notes.txt").write_text("harmless-text\n")
        (project / "secret.txt").write_text("secret-text\n")
        path = f"{ROOT}/target/hook-clients/node_modules/.bin:{os.environ['PATH']}"
        plain = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}
        # Files that the policy protects are there before, as docs/clients says.
        if sandboxed and client == "claude-code":
            for top in (home, project):
                (top / ".claude").mkdir()
                (top / ".claude/settings.json").write_text("{}")
            (project / ".mcp.json").write_text("{}")
        if client == "openclaw":
            (home / ".openclaw").mkdir()
        command, variables = prepare(client, home, f"http://127.0.0.1:{server.server_port}")
        environment = {**plain, **variables}
        if sandboxed:
            command = [weft, "run", "--", *command]
        else:
            install = [weft, "hook", "install", "--client", client, "--policy", "weft.toml", "--yes"]
            subprocess.run(install, cwd=project, env=environment, check=True, capture_output=True)
        done = subprocess.run(command, cwd=project, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        sent = "\n".join(server.seen)
        obeyed = "harmless-text" in sent and "secret-text" not in sent and not server.plan
        if not sandboxed:
            obeyed = obeyed and server.seen[-1].count("secret.txt is denied") >= refusals
        how = "under weft run" if sandboxed else "with the hook"
        print(f"{client} {how}: {'obeys' if obeyed else 'DOES NOT OBEY'}", flush=True)
        if not obeyed:
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return obeyed


def main():
    weft = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/weft")
    folder = ROOT / "target/hook-clients"
    if not (folder / "node_modules/.bin/gemini").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), *PROGRAMS]
        subprocess.run(command, check=True)
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    newer = int(version.strip().lstrip("v").split(".")[0]) >= 22
    if newer and not (folder / "node_modules/.bin/openclaw").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), OPENCLAW]
        subprocess.run(command, check=True)
    if not newer:
        print(f"SKIPPED: node is {version.strip()}, OpenClaw needs 22")
    read = "cat secret.txt"
    plans = {
        "claude-code": [("Read", {"file_path": "notes.txt"}), ("Read", {"file_path": "secret.txt"}),
                        ("Bash", {"command": read, "description": "x"})],
        "codex": [("exec_command", {"cmd": "cat notes.txt"}), ("exec_command", {"cmd": read})],
        "gemini": [("read_file", {"file_path": "notes.txt"}), ("read_file", {"file_path": "secret.txt"}),
                   ("run_shell_command", {"command": read})],
        "openclaw": [("read", {"path": "notes.txt"}), ("read", {"path": "secret.txt"}), ("exec", {"command": read})],
    }
    if not newer:
        del plans["openclaw"]
    runs = [(client, sandboxed) for client in plans for sandboxed in (False, True)]
    # 2026.9.6 ends there with "failed to acquire gateway lock", with no refusal in weft's log: docs/clients/openclaw.md.
    runs = [run for run in runs if run != ("openclaw", True)]
    fine = [attempt(weft, client, plans[client], sandboxed) for client, sandboxed in runs]
    return 0 if all(fine) else 1


sys.exit(main())
