#!/usr/bin/env python3
"""Writes which crates are in the binaries (those of the largest, the flavour wasm), as SPDX 2.3 JSON, from Cargo.lock and cargo's own resolution."""
import hashlib
import json
import os
import subprocess
import sys

TARGET = "x86_64-unknown-linux-musl"
cargo = os.environ.get("CARGO", "cargo")
meta = json.loads(subprocess.check_output([cargo, "metadata", "--locked", "--format-version", "1", "--features", "wasm", "--filter-platform", TARGET]))
packages = {package["id"]: package for package in meta["packages"]}
# Only what is linked: neither what tests use nor what runs at build time. `metadata` does not tell features of the one from the other's.
tree = [cargo, "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--features", "wasm", "--target", TARGET, "--format", "{p}"]
linked = {tuple(line.split()[:2]) for line in subprocess.check_output(tree, text=True).splitlines() if line}
reached = [name for name, package in packages.items() if (package["name"], "v" + package["version"]) in linked]

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
