#!/usr/bin/env python3
"""Writes a root file system as an image of another processor, for `docker load`: `docker import` takes the host's.

    docker-import.py TREE.tar NAME:TAG ARCH | docker load
"""
import hashlib
import io
import json
import sys
import tarfile

tree, name, arch = sys.argv[1:]
with open(tree, "rb") as file:
    layer = hashlib.file_digest(file, "sha256").hexdigest()
config = json.dumps({
    "architecture": arch,
    "os": "linux",
    "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    "history": [{"created_by": "mmdebstrap"}],
}).encode()
ident = hashlib.sha256(config).hexdigest()
manifest = json.dumps([{"Config": f"{ident}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as out:
    out.add(tree, arcname="layer.tar")
    for path, content in ((f"{ident}.json", config), ("manifest.json", manifest)):
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        out.addfile(entry, io.BytesIO(content))
