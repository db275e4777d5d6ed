#!/usr/bin/env python3
"""Sums up a unified diff from standard input or a file: what changed, and what a reviewer should look at."""

import argparse
import json
import os
import re
import sys

# Byte code in the skill's folder would be a change of the skill.
sys.dont_write_bytecode = True
import lint  # noqa: E402

MOST = 50 * 1024 * 1024
HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
# What is put in for a moment and forgotten, in languages where it is unmistakable.
LEFTOVER = re.compile(r"^\s*(?:breakpoint\(\)|import pdb|debugger;?\s*$|dbg!\(|binding\.pry)")
CODE = {".py", ".js", ".mjs", ".ts", ".rs", ".go", ".c", ".cpp", ".java", ".rb", ".sh"}
TEST = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|/)test_|[._]test\.|[._]spec\.")


def file_of(name):
    """An entry for a file that the diff is about."""
    return {"file": lint.plain(name), "added": 0, "removed": 0, "change": "changed", "remarks": []}


def path_in(line):
    """The path in a `---` or `+++` line; None for /dev/null."""
    name = line[4:].split("\t")[0].strip().strip('"')
    if name == "/dev/null":
        return None
    return name[2:] if name[:2] in ("a/", "b/") else name


def summary(text):
    """The files of a diff, in its order."""
    files, now = [], None
    old_left = new_left = number = 0
    before = None
    for line in text.splitlines():
        # Inside a hunk its own numbers say how far it goes: a removed line may look like a header.
        if now and (old_left > 0 or new_left > 0):
            sign, content = line[:1], line[1:]
            if sign == "+":
                new_left -= 1
                now["added"] += 1
                if LEFTOVER.search(content):
                    now["remarks"].append(f"line {number}: added, and looks forgotten: {lint.plain(content.strip())[:60]}")
                if content.startswith(lint.CONFLICT):
                    now["remarks"].append(f"line {number}: a marker of a merge conflict")
                number += 1
            elif sign == "-":
                old_left -= 1
                now["removed"] += 1
            elif sign != "\\":
                old_left, new_left, number = old_left - 1, new_left - 1, number + 1
            continue
        hunk = HUNK.match(line)
        if hunk and now:
            old_left, new_left = (int(hunk[1] or 1), int(hunk[3] or 1))
            number = int(hunk[2])
        elif line.startswith("diff --git "):
            now = file_of(line.rpartition(" b/")[2])
            files.append(now)
        elif line.startswith("--- "):
            before = path_in(line)
        elif line.startswith("+++ "):
            after = path_in(line)
            name = after or before or "?"
            # A diff that git did not make has no other beginning of a file.
            if now is None or now["file"] != lint.plain(name):
                now = file_of(name)
                files.append(now)
            if before is None or after is None:
                now["change"] = "added" if before is None else "removed"
        elif now and line.startswith("rename from "):
            now["change"] = f"renamed from {lint.plain(line[12:])}"
        elif now and line.startswith(("new mode 100755", "new file mode 100755")):
            now["remarks"].append("becomes executable")
        elif now and line.startswith(("Binary files ", "GIT binary patch")):
            now["remarks"].append("binary: its change cannot be read here")
    return files


def whole(files):
    """Remarks about the change as a whole."""
    code = [f for f in files if os.path.splitext(f["file"])[1] in CODE and not TEST.search(f["file"])]
    if sum(f["added"] for f in code) > 20 and not any(TEST.search(f["file"]) for f in files):
        return ["code was added and no test changed"]
    return []


def main():
    """Parses the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="-", help="a diff; - or nothing: standard input")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    args = parser.parse_args()
    try:
        if args.file == "-":
            data = sys.stdin.buffer.read(MOST + 1)
        else:
            with open(args.file, "rb") as file:
                data = file.read(MOST + 1)
    except OSError as error:
        print(f"diff_summary: {args.file}: {error.strerror}", file=sys.stderr)
        return 2
    if len(data) > MOST:
        print(f"diff_summary: more than {MOST >> 20} MiB", file=sys.stderr)
        return 2
    files = summary(data.decode("utf-8", "replace"))
    if data.strip() and not files:
        print("diff_summary: no unified diff: try git diff | …", file=sys.stderr)
        return 2
    remarks = whole(files)
    if args.format == "json":
        print(json.dumps({"files": files, "remarks": remarks}, indent=2))
    else:
        for one in files:
            print(f"+{one['added']:<5} -{one['removed']:<5} {one['file']} ({one['change']})")
            for remark in one["remarks"]:
                print(f"              {remark}")
        added, removed = sum(f["added"] for f in files), sum(f["removed"] for f in files)
        print(f"{len(files)} files, {added} lines added, {removed} removed")
        for remark in remarks:
            print(f"look at: {remark}")
    return int(bool(remarks) or any(f["remarks"] for f in files))


if __name__ == "__main__":
    sys.exit(main())
