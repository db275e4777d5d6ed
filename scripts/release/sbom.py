#!/usr/bin/env python3
"""Writes which crates are in the binary, as SPDX 2.3 JSON, from Cargo.lock and cargo's own resolution."""
import hashlib
import json
import os
import subprocess
import sys

meta = json.loads(subprocess.check_output(["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-musl"]))
nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
packages = {package["id"]: package for package in meta["packages"]}
# Only what is linked: neither what tests use nor what runs at build time.
reached, waiting = set(), [meta["resolve"]["root"]]
while waiting:
    name = waiting.pop()
    if name in reached:
        continue
    reached.add(name)
    for dependency in nodes[name]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            waiting.append(dependency["pkg"])

root = packages[meta["resolve"]["root"]]
ident = lambda package: f"SPDXRef-{package['name']}-{package['version']}".replace("+", "-").replace("_", "-")
with open("Cargo.lock", "rb") as file:
    digest = hashlib.sha256(file.read()).hexdigest()
listed = sorted((packages[name] for name in reached), key=lambda package: (package["name"], package["version"]))
json.dump({
    "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"weft-{root['version']}",
    "documentNamespace": f"https://spdx.org/spdxdocs/weft-{root['version']}-{digest}",
    "creationInfo": {
        "created": __import__("datetime").datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), __import__("datetime").timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creators": ["Tool: weft scripts/release/sbom.py"],
    },
    "packages": [{
        "SPDXID": ident(package), "name": package["name"], "versionInfo": package["version"],
        "downloadLocation": package["source"] and f"https://crates.io/crates/{package['name']}/{package['version']}" or "NOASSERTION",
        "licenseDeclared": (package["license"] or "NOASSERTION").replace("/", " OR "), "licenseConcluded": "NOASSERTION", "filesAnalyzed": False,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:cargo/{package['name']}@{package['version']}"}],
    } for package in listed],
    "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": ident(root)}] + [
        {"spdxElementId": ident(root), "relationshipType": "CONTAINS", "relatedSpdxElement": ident(package)} for package in listed if package["id"] != root["id"]],
}, sys.stdout, indent=1)
print()
