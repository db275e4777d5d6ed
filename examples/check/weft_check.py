#!/usr/bin/env python3
"""An agent in Python that asks weft before it acts.

    weft check --policy weft.toml --serve weft.sock &
    python3 examples/check/weft_check.py weft.sock

Needs nothing but the standard library.
"""

import json
import pathlib
import socket
import sys


class Denied(Exception):
    """The policy does not allow it, or weft could not be asked, which means the same."""


class Weft:
    """A connection to `weft check --serve`. One question at a time; use one for each thread."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._asked = 0

    def ask(self, action, target, arguments=None):
        """The answer: `allowed`, `reason`, and the `rule` that decided (or None)."""
        self._asked += 1
        question = {"id": self._asked, "action": action, "target": target}
        if arguments is not None:
            question["input"] = arguments
        self._socket.sendall(json.dumps(question).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise Denied("weft is gone")
        answer = json.loads(line)
        # An answer to another question is no answer to this one.
        if answer.get("id") != self._asked:
            raise Denied(answer.get("reason", "no answer"))
        return answer

    def require(self, action, target, arguments=None):
        """Returns if it is allowed, and raises Denied if not."""
        answer = self.ask(action, target, arguments)
        if answer["allowed"] is not True:
            raise Denied(answer["reason"])


class Agent:
    """Tools that a model may call. Each asks first: for itself with its arguments, and for what it does."""

    def __init__(self, weft, workspace):
        self.weft = weft
        self.workspace = pathlib.Path(workspace)
        self.tools = {"read_file": self._read_file, "write_file": self._write_file}

    def call(self, tool, arguments):
        self.weft.require("tool", tool, arguments)
        return self.tools[tool](**arguments)

    def _read_file(self, path):
        place = self.workspace / path
        self.weft.require("read", str(place))
        return place.read_text()

    def _write_file(self, path, text):
        place = self.workspace / path
        self.weft.require("write", str(place))
        place.write_text(text)
        return f"{len(text)} characters written"


def main():
    weft = Weft(sys.argv[1])
    agent = Agent(weft, pathlib.Path.cwd())
    # What a model might want, one after the other.
    for tool, arguments in [
        ("write_file", {"path": "notes.md", "text": "hello"}),
        ("read_file", {"path": "notes.md"}),
        ("read_file", {"path": ".env"}),
        ("read_file", {"path": "/etc/shadow"}),
        ("delete_everything", {}),
    ]:
        try:
            print(f"{tool}: {agent.call(tool, arguments)}")
        except Denied as denied:
            print(f"{tool} denied: {denied}")


if __name__ == "__main__":
    main()
