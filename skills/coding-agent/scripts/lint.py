"""What can be said about a file without running it. Parses, and runs nothing but `bash -n`."""

import ast
import json
import os
import shutil
import subprocess

try:
    import tomllib
except ImportError:  # Python before 3.11
    tomllib = None

# A larger file is data.
MOST = 1024 * 1024
CONFLICT = ("<<<<<<< ", ">>>>>>> ", "||||||| ")


def plain(text):
    """The text without characters that steer a terminal or hide text."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def remarks(root, name):
    """What is wrong in one file: a list of {file, line, what}, by line."""
    path = os.path.join(root, name)
    try:
        if os.path.getsize(path) > MOST:
            return []
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return [{"file": plain(name), "line": 0, "what": f"cannot be read: {error.strerror}"}]
    if b"\0" in data:
        return []
    text = data.decode("utf-8", "replace")
    found = [
        (number, "a marker of a merge conflict")
        for number, line in enumerate(text.splitlines(), 1)
        if line.startswith(CONFLICT)
    ]
    kind = os.path.splitext(name)[1]
    if kind == ".py":
        found += python(text)
    elif kind == ".json":
        found += parsed(json.loads, text, "JSON")
    elif kind == ".toml" and tomllib:
        found += parsed(tomllib.loads, text, "TOML")
    elif kind in (".sh", ".bash") and shutil.which("bash"):
        found += shell(path)
    return [{"file": plain(name), "line": line, "what": plain(what)} for line, what in sorted(found)]


def parsed(parse, text, language):
    """Whether a parser takes the text."""
    try:
        parse(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        return [(line, f"no valid {language}: {error}")]
    return []


def shell(path):
    """What bash says about the syntax."""
    done = subprocess.run(["bash", "-n", "--", path], capture_output=True, check=False, timeout=20)
    if done.returncode == 0:
        return []
    said = done.stderr.decode("utf-8", "replace").splitlines() or ["syntax error"]
    # `path: line 3: syntax error …`
    after = said[0].partition(": line ")[2]
    number, _, what = after.partition(": ")
    return [(int(number) if number.isdigit() else 1, what or said[0])]


def python(text):
    """Syntax, imports that nothing uses, `except` without a type, forgotten breakpoints."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [(getattr(error, "lineno", None) or 1, f"no valid Python: {getattr(error, 'msg', error)}")]
    found, imported, used = [], {}, set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if getattr(node, "module", None) == "__future__":
                continue
            for name in node.names:
                bound = name.asname or name.name.split(".")[0]
                # `import x as x` says that it is for others.
                if bound != "*" and name.asname != name.name:
                    imported.setdefault(bound, node.lineno)
        elif isinstance(node, ast.Name):
            used.add(node.id)
            if node.id == "breakpoint":
                found.append((node.lineno, "a forgotten breakpoint"))
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append((node.lineno, "`except` without a type hides every mistake"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Names in `__all__` and in annotations that are text.
            used.update(node.value.replace(".", " ").replace("[", " ").replace("]", " ").split())
    found += [(line, f"`{name}` is imported and not used") for name, line in imported.items() if name not in used]
    return found
