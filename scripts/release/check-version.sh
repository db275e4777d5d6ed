#!/bin/sh
# Is the tag the version that Cargo.toml and the changelog speak of?
#
#   scripts/release/check-version.sh vX.Y.Z
set -eu
cd "$(dirname "$0")/../.."
tag=${1:?usage: check-version.sh vX.Y.Z}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
[ "$tag" = "v$version" ] || { echo "weft: check-version.sh: the tag is $tag, Cargo.toml says $version" >&2; exit 1; }
grep -q "^## .*$version" CHANGELOG.md || { echo "weft: check-version.sh: CHANGELOG.md has nothing about $version" >&2; exit 1; }
