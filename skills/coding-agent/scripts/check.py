#!/usr/bin/env python3
"""Runs the tests of the project in the current folder on a copy, and lints its files. Changes nothing in the project."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

# Byte code in the skill's folder would be a change of the skill.
sys.dont_write_bytecode = True
import lint  # noqa: E402

# Folders that hold no source of the project's own.
SKIP = {"target", "node_modules", "__pycache__", "venv", "dist", "build"}
MOST_FILES = 20_000
MOST_BYTES = 200 * 1024 * 1024
# Of what a test run printed, the end says what failed.
TAIL = 4_000


class TooLarge(Exception):
    """The project is larger than what is copied."""


def project_files(root):
    """Paths of the project's files, from `root`, sorted; hidden ones and links are left out."""
    found = []
    for folder, names, files in os.walk(root):
        # `skills` beside the project's own folders is where skills are installed.
        skip = SKIP | {"skills"} if folder == root else SKIP
        names[:] = sorted(n for n in names if n not in skip and not n.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not name.startswith(".") and os.path.isfile(path) and not os.path.islink(path):
                found.append(os.path.relpath(path, root))
        if len(found) > MOST_FILES:
            raise TooLarge(f"more than {MOST_FILES} files")
    return found


def copy(root, files, to):
    """Copies the files below `to`; gives those that could not be read."""
    left_out, total = [], 0
    for name in files:
        target = os.path.join(to, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            total += os.path.getsize(os.path.join(root, name))
            if total > MOST_BYTES:
                raise TooLarge(f"more than {MOST_BYTES >> 20} MiB")
            shutil.copyfile(os.path.join(root, name), target)
        except OSError as error:
            left_out.append(f"{name}: {error.strerror}")
    return left_out


def test_commands(files):
    """The ways this project's tests are run: a name and a command for each."""
    base = os.path.basename
    commands = []
    python = [f for f in files if base(f).startswith("test") and f.endswith(".py")]
    # unittest looks into a folder and those below it that are packages.
    for folder in sorted({os.path.dirname(f) or "." for f in python}):
        command = [sys.executable, "-m", "unittest", "discover", "-s", folder, "-t", folder, "-p", "test*.py"]
        commands.append((f"unittest {folder}", command))
    script = [f for f in files if f.endswith((".test.js", ".test.mjs"))]
    if script and shutil.which("node"):
        commands.append(("node --test", ["node", "--test", *script]))
    for name in files:
        if os.path.dirname(name) == "tests" and name.endswith(".sh") and shutil.which("bash"):
            commands.append((f"bash {name}", ["bash", name]))
    return commands


def run_tests(root, files, seconds):
    """Runs each command in one copy of the project; gives results and what was left out of the copy."""
    results = []
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        left_out = copy(root, files, folder)
        paths = [folder, os.path.join(folder, "src"), os.environ.get("PYTHONPATH", "")]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in paths if path))
        for name, command in test_commands(files):
            result = {"name": name, "passed": False, "output": ""}
            try:
                done = subprocess.run(
                    command, cwd=folder, env=env, stdin=subprocess.DEVNULL, timeout=seconds,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                )
                result["passed"] = done.returncode == 0
                result["output"] = done.stdout.decode("utf-8", "replace")[-TAIL:]
            except subprocess.TimeoutExpired:
                result["output"] = f"not done after {seconds} s"
            except OSError as error:
                result["output"] = f"cannot be started: {error.strerror}"
            results.append(result)
    return results, left_out


def report(found):
    """The result as text for a person."""
    lines = []
    for test in found["tests"]:
        lines.append(f"{'ok    ' if test['passed'] else 'FAILED'}  {test['name']}")
        if not test["passed"]:
            lines += [f"        {line}" for line in lint.plain(test["output"]).splitlines()]
    for remark in found["lint"]:
        lines.append(f"{remark['file']}:{remark['line']}: {remark['what']}")
    lines += [f"not copied: {name}" for name in found["left_out"]]
    failed = sum(not test["passed"] for test in found["tests"])
    lines.append(
        f"{found['files']} files, {len(found['tests'])} test runs, {failed} failed, {len(found['lint'])} remarks"
    )
    return "\n".join(lines)


def main():
    """Parses the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=".", help="the project (default: the current folder)")
    parser.add_argument("--no-tests", action="store_true", help="only the lint")
    parser.add_argument("--no-lint", action="store_true", help="only the tests")
    parser.add_argument("--timeout", type=int, default=120, metavar="SECONDS", help="for each test run (120)")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    args = parser.parse_args()
    if not os.path.isdir(args.folder):
        print(f"check: not a folder: {args.folder}", file=sys.stderr)
        return 2
    found = {"files": 0, "tests": [], "lint": [], "left_out": []}
    try:
        files = project_files(args.folder)
        found["files"] = len(files)
        if not args.no_tests:
            found["tests"], found["left_out"] = run_tests(args.folder, files, args.timeout)
    except TooLarge as error:
        print(f"check: {args.folder}: too large to be checked: {error}", file=sys.stderr)
        return 2
    if not args.no_lint:
        for name in files:
            found["lint"] += lint.remarks(args.folder, name)
    print(json.dumps(found, indent=2) if args.format == "json" else report(found))
    return int(bool(found["lint"]) or not all(test["passed"] for test in found["tests"]))


if __name__ == "__main__":
    sys.exit(main())
