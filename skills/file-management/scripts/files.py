#!/usr/bin/env python3
"""Finds duplicates, renames by pattern, sorts into folders. Stays below the current folder, overwrites and deletes nothing."""

import argparse
import hashlib
import json
import os
import re
import sys
import time

MOST_FILES = 100_000
KINDS = {
    "pictures": {".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".svg", ".tif", ".tiff", ".bmp"},
    "sound": {".mp3", ".flac", ".ogg", ".opus", ".wav", ".m4a"},
    "films": {".mp4", ".mkv", ".webm", ".mov", ".avi"},
    "documents": {".pdf", ".md", ".txt", ".odt", ".doc", ".docx", ".rtf", ".epub", ".tex"},
    "tables": {".csv", ".tsv", ".ods", ".xls", ".xlsx"},
    "archives": {".zip", ".tar", ".gz", ".xz", ".zst", ".7z", ".bz2"},
}


class Refused(Exception):
    """Nothing was done; the text says why."""


def shown(name):
    """A name as it may be printed: what steers a terminal or hides text is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name)


def below(folder):
    """The folder, if it is the current one or below it, links followed."""
    here, real = os.path.realpath("."), os.path.realpath(folder)
    if real != here and not real.startswith(here.rstrip("/") + "/"):
        raise Refused(f"{shown(folder)}: outside of the current folder")
    if not os.path.isdir(real):
        raise Refused(f"{shown(folder)}: no folder")
    return os.path.relpath(real, here)


def listed(folder, deep):
    """Ordinary files of a folder, sorted. Hidden ones and links are left out."""
    found = []

    def failed(error):
        raise Refused(f"{shown(error.filename or folder)}: {error.strerror}")

    for at, names, files in os.walk(folder, onerror=failed):
        names[:] = sorted(name for name in names if deep and not name.startswith("."))
        for name in sorted(files):
            path = os.path.normpath(os.path.join(at, name))
            if not name.startswith(".") and os.path.isfile(path) and not os.path.islink(path):
                found.append(path)
        if len(found) > MOST_FILES:
            raise Refused(f"{shown(folder)}: more than {MOST_FILES} files")
    return found


def digest(path):
    """SHA-256 of a file's content."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


def duplicates(folder):
    """Groups of files with the same content, the largest first. Empty files are no duplicates of each other."""
    sizes = {}
    for path in listed(folder, True):
        sizes.setdefault(os.path.getsize(path), []).append(path)
    groups = []
    for size, paths in sizes.items():
        if size == 0 or len(paths) < 2:
            continue
        same = {}
        for path in paths:
            same.setdefault(digest(path), []).append(path)
        groups += [{"size": size, "files": files} for files in same.values() if len(files) > 1]
    return sorted(groups, key=lambda group: (-group["size"], group["files"]))


def renames(folder, pattern, replacement, deep):
    """The moves that give files new names in their folders."""
    try:
        find = re.compile(pattern)
    except re.error as error:
        raise Refused(f"no regular expression: {shown(pattern)}: {error}") from error
    moves = []
    for path in listed(folder, deep):
        at, name = os.path.split(path)
        try:
            new = find.sub(replacement, name)
        except (re.error, IndexError) as error:
            raise Refused(f"no replacement: {shown(replacement)}: {error}") from error
        if new != name:
            if new in ("", ".", "..") or new.startswith(".") or "/" in new or "\0" in new or len(os.fsencode(new)) > 255:
                raise Refused(f"{shown(path)}: no name for a file: {shown(new)}")
            moves.append((path, os.path.join(at, new)))
    return moves


def sorted_into(folder, by):
    """The moves that put the files of a folder into folders below it."""
    moves = []
    for path in listed(folder, False):
        at, name = os.path.split(path)
        ending = os.path.splitext(name)[1].lower()
        if by == "month":
            into = time.strftime("%Y-%m", time.localtime(os.path.getmtime(path)))
        elif by == "ending":
            into = ending[1:] or "none"
        else:
            into = next((kind for kind, endings in KINDS.items() if ending in endings), "other")
        moves.append((path, os.path.join(at, into, name)))
    return moves


def checked(moves):
    """The same moves, if each has a free name of its own."""
    news = set()
    for old, new in moves:
        if new in news or os.path.lexists(new):
            raise Refused(f"{shown(old)}: {shown(new)} is taken; nothing was moved")
        news.add(new)
        folder = os.path.dirname(new) or "."
        if os.path.lexists(folder) and (os.path.islink(folder) or not os.path.isdir(folder)):
            raise Refused(f"{shown(old)}: {shown(folder)} is no folder; nothing was moved")
    return moves


def move(moves):
    """Does the moves. What cannot be done takes back those that were."""
    done = []
    try:
        for old, new in moves:
            os.makedirs(os.path.dirname(new) or ".", exist_ok=True)
            # Unlike a rename this fails where the name was taken in the meantime.
            os.link(old, new)
            os.unlink(old)
            done.append((old, new))
    except OSError as error:
        for old, new in reversed(done):
            os.link(new, old)
            os.unlink(new)
        raise Refused(f"{shown(old)}: {error.strerror}; everything is where it was") from error


def main():
    """Parses the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("duplicates", help="files with the same content")
    one.add_argument("folder")
    one = commands.add_parser("rename", help="new names by a regular expression")
    one.add_argument("folder")
    one.add_argument("pattern")
    one.add_argument("replacement")
    one.add_argument("-r", "--recursive", action="store_true", help="folders below as well")
    one.add_argument("--dry-run", action="store_true", help="only say what would be done")
    one = commands.add_parser("sort", help="into folders")
    one.add_argument("folder")
    one.add_argument("--by", choices=["kind", "ending", "month"], default="kind")
    one.add_argument("--dry-run", action="store_true", help="only say what would be done")
    for one in commands.choices.values():
        one.add_argument("--format", choices=["text", "json"], default="text")
    args = parser.parse_args()
    try:
        folder = below(args.folder)
        if args.command == "duplicates":
            groups = duplicates(folder)
            twice = sum(group["size"] * (len(group["files"]) - 1) for group in groups)
            if args.format == "json":
                print(json.dumps({"groups": groups, "bytes_twice": twice}, indent=2))
            else:
                for group in groups:
                    print("\n".join([f"{group['size']} bytes each:", *(f"  {shown(f)}" for f in group["files"])]))
                print(f"{len(groups)} groups, {twice} bytes more than needed")
            return int(bool(groups))
        if args.command == "rename":
            moves = checked(renames(folder, args.pattern, args.replacement, args.recursive))
        else:
            moves = checked(sorted_into(folder, args.by))
        if not args.dry_run:
            move(moves)
    except Refused as error:
        print(f"files: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"files: {shown(error.filename or '?')}: {error.strerror}", file=sys.stderr)
        return 2
    if args.format == "json":
        print(json.dumps({"dry_run": args.dry_run, "moves": [{"from": old, "to": new} for old, new in moves]}, indent=2))
    else:
        word = "would move" if args.dry_run else "moved"
        for old, new in moves:
            print(f"{word} {shown(old)} → {shown(new)}")
        print(f"{len(moves)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
